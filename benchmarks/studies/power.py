"""How often a comparison is right, by simulation: its size, its power, and the data sets it takes.

Each simulated comparison is settled look after look, by the code that settles real ones. "Flip"
means whole data sets that change by chance, half of them lost and half gained.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import benchmarks.compare
from benchmarks.compare import ALPHA
from benchmarks.compare.lines import LINES, decided, line_rows
from benchmarks.compare.looks import DATA_SETS, SHARES
from benchmarks.compare.verdict import worst
from benchmarks.runner.provenance import source_digest
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 100
"""Comparisons that are simulated together, and recorded as one line."""
RESTARTS = 2
NOISE = 0.05
"""Standard deviation of the logarithm of a data set's ratio of times."""


@dataclass(frozen=True)
class Case:
    """What is true in a simulated comparison."""

    name: str
    kind: str
    """What the case shows: size or power."""
    loss: float = 0.0
    """The loss of the rates, in shares."""
    flips: float = 0.1
    """The share that changes by chance, half of it lost and half of it gained."""
    whole: bool = True
    """Whether whole data sets are lost or gained, rather than single trials."""
    cost: float = 1.0
    """The ratio of costs."""
    scatter: float = 0.3
    """Standard deviation of the logarithm of a data set's ratio of costs."""
    time: float = 1.0
    """The ratio of times."""
    fitter: str = "em"
    """The fitter whose looks are taken."""


WORST = Case("as bad as tolerated, 10 % flip", "size", 0.02, cost=1.05, time=1.1)
CASES = (
    WORST,
    replace(WORST, name="as bad as tolerated, 10 % of single trials flip", whole=False),
    replace(WORST, name="as bad as tolerated, MCMC's looks", fitter="mcmc"),
    Case("no change but 10 % flip", "size"),
    Case("no change but 30 % flip", "size", flips=0.3),
    Case("no change but 10 % flip, MCMC's looks", "size", fitter="mcmc"),
    Case("no change but 2 % flip", "size", flips=0.02),
    *(
        Case(f"{points} points lost, {flips:.0%} flip", "power", points / 100, flips)
        for flips in (0.02, 0.1)
        for points in (5, 10, 20)
    ),
    *(
        Case(f"{points} points lost, MCMC's looks", "power", points / 100, 0.02, fitter="mcmc")
        for points in (5, 10, 20)
    ),
    *(Case(f"cost × {x:g}", "power", cost=x, flips=0.02) for x in (1.1, 1.25, 1.5, 2.0)),
    *(Case(f"time × {x:g}", "power", time=x, flips=0.02) for x in (1.1, 1.25, 1.5, 2.0)),
)


def simulate(
    count: int, out: Path, workers: int, minutes: float, say: Callable[[str], None]
) -> pd.DataFrame:
    """A row for each case: how often it regressed and passed, and its data sets.

    Blocks are added to a file in ``out``, one for each version of the comparison's code, until
    every case of size has ``count`` comparisons and every other a thirtieth, or the minutes end.
    """
    path = out / f"power-{_version()[:12]}.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    blocks = [json.loads(line) for line in lines]
    done = {(block["name"], block["block"]) for block in blocks}
    wanted = [
        (case, block)
        for block in range(-(-count // BLOCK))
        for case in CASES
        if case.kind == "size" or block < -(-count // (30 * BLOCK))
    ]
    missing = [each for each in wanted if (each[0].name, each[1]) not in done]
    deadline = time.monotonic() + 60.0 * minutes
    with ProcessPoolExecutor(workers) as pool:
        futures = {pool.submit(_block, *each, deadline) for each in missing}
        for number, future in enumerate(as_completed(futures), 1):
            block = future.result()
            if block is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(block) + "\n")
                blocks.append(block)
                say(f"{number} of {len(missing)} blocks")
    return _table(blocks)


def _version() -> str:
    """A digest of the code that decides comparisons, and of this file."""
    folder = Path(str(benchmarks.compare.__file__)).parent
    content = source_digest(folder).encode() + Path(__file__).read_bytes()
    return hashlib.sha256(content).hexdigest()


def _block(case: Case, block: int, deadline: float) -> dict[str, Any] | None:
    """Simulate the comparisons of one block; None after a time of ``time.monotonic()``."""
    if time.monotonic() > deadline:
        return None
    outcomes = []
    for number in range(BLOCK):
        seed = [block * BLOCK + number, CASES.index(case)]
        outcomes.append(_outcome(case, np.random.default_rng(seed)))
    verdicts = [verdict for verdict, _ in outcomes]
    return {
        "name": case.name, "kind": case.kind, "block": block, "comparisons": len(outcomes),
        **{verdict: verdicts.count(verdict) for verdict in ("regressed", "passed")},
        "data_sets": sum(data_sets for _, data_sets in outcomes),
    }  # fmt: skip


def _outcome(case: Case, generator: np.random.Generator) -> tuple[str, int]:
    """The verdict of one simulated comparison of one fitter, and the data sets that it took."""
    sizes = DATA_SETS.get(case.fitter, DATA_SETS[""])
    values, seed = simulated_values(case, sizes[-1], generator), int(generator.integers(2**32))
    verdict = "inconclusive"
    for size, share in zip(sizes, SHARES, strict=True):
        rows = line_rows(values[:size], LINES, ALPHA, seed)
        verdict = worst(decided({**r, "p_holm": r["p"]}, share * ALPHA, ALPHA)[0] for r in rows)
        if verdict != "inconclusive":
            return verdict, size
    return verdict, sizes[-1]


def simulated_values(case: Case, data_sets: int, generator: np.random.Generator) -> Array:
    """The changes on each data set, (m, lines): losses of both rates, logarithms of ratios."""
    draws = generator.random((data_sets, 1 if case.whole else RESTARTS))
    lost = (draws < case.loss + case.flips / 2).astype(float)
    gained = (draws < case.loss + case.flips).astype(float) - lost
    losses = (lost - gained).mean(axis=1)
    noise = generator.normal(size=(2, data_sets)) * [[case.scatter], [NOISE]]
    ratios = np.log([[case.cost], [case.time]]) + noise
    return np.column_stack([losses, losses, *ratios])


def _table(blocks: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rates over all blocks; the interval is exact (Clopper & Pearson 1934)."""
    import pandas as pd
    from scipy.stats import binomtest

    frame = pd.DataFrame(blocks)
    rows = []
    for case in CASES:
        group = frame[frame["name"] == case.name] if len(frame) else frame
        count = int(group["comparisons"].sum()) if len(group) else 0
        if not count:
            continue
        interval = binomtest(int(group["regressed"].sum()), count).proportion_ci(method="exact")
        passed = group["passed"].sum() / count
        rows.append(
            {
                "kind": case.kind,
                "truth": case.name,
                "comparisons": count,
                "regressed": group["regressed"].sum() / count,
                "95 % from": interval.low,
                "95 % to": interval.high,
                "passed": passed,
                "inconclusive": 1.0 - passed - group["regressed"].sum() / count,
                "data sets": group["data_sets"].sum() / count,
            }
        )
    return pd.DataFrame(rows)


def renewals(count: int, each: float = 0.02, number: int = 20) -> pd.DataFrame:
    """When a release detects renewals that lose ``each`` of the data sets, ``count`` times over.

    Each renewal is compared with the one before, and with the release, on all data sets, at half
    the level. Columns: which base detected it, in how many of the series, and the first renewal
    that it detected, as a median and at the latest.
    """
    import pandas as pd

    size, level = DATA_SETS[""][-1], SHARES[-1] * ALPHA / 2
    firsts: dict[str, list[float]] = {"the renewal before": [], "the release": []}
    for series in range(count):
        generator = np.random.default_rng([series, number])
        flips = simulated_values(Case("renewal", "power", whole=False), size, generator)
        lost_at = np.floor(generator.permutation(size) / (each * size))
        for base, found in firsts.items():
            first = np.inf
            for renewal in range(1, number + 1):
                since = renewal - 1 if base == "the renewal before" else 0
                lost = (since <= lost_at) & (lost_at < renewal)
                values = np.where(lost[:, None], [1.0, 1.0, 0.0, 0.0], flips * [1, 1, 0, 0])
                if line_rows(values, LINES, ALPHA / 2, series)[0]["p"] < level:
                    first = renewal
                    break
            found.append(first)
    return pd.DataFrame(
        [
            {
                "base": base,
                "series": count,
                "detected": int(np.isfinite(found).sum()),
                "first, median": float(np.median(found)),
                "first, at the latest": float(np.max(found)),
            }
            for base, found in firsts.items()
        ]
    )
