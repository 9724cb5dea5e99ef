"""How often `fit` claims more than one group, and how often its intervals hold the truth."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import benchmarks
import scenarios
from benchmarks.runner.provenance import source_digest
from benchmarks.studies.tasks import Row, read_rows, rows_of
from scenarios.families.base import Array
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd


Draw = Callable[[np.random.Generator, int], Array]


def _two(share: float) -> Draw:
    """Two normals 4 sd apart; the lower one has the share."""
    mixture = Mixture("normal", [share, 1.0 - share], mu=[10.0, 14.0], sigma=[1.0, 1.0])
    return lambda generator, size: mixture.sample(size, generator)


def _flat_top(generator: np.random.Generator, size: int) -> Array:
    """A uniform variable with normal edges."""
    return generator.uniform(0.0, 1.0, size) + generator.normal(0.0, 0.1, size)


DRAWS: dict[str, Draw] = {
    "normal": lambda generator, size: generator.normal(10.0, 1.0, size),
    "uniform": lambda generator, size: generator.uniform(0.0, 10.0, size),
    "exponential": lambda generator, size: generator.exponential(1.0, size),
    "t, 3 df": lambda generator, size: generator.standard_t(3.0, size),
    "lognormal": lambda generator, size: generator.lognormal(0.0, 1.0, size),
    "two normals, ½ and ½": _two(0.5),
    "two normals, .2 and .8": _two(0.2),
    "flat top": _flat_top,
    "shoulder": lambda generator, size: generator.permuted(
        np.concatenate(
            [
                generator.normal(0.0, 0.5, size - size * 2 // 5),
                generator.normal(1.0, 1.5, size * 2 // 5),
            ]
        )
    ),
}
"""What data are drawn from, by name."""
ONE_PEAK = ("normal", "uniform", "exponential", "t, 3 df", "lognormal")
HARDER = ("flat top", "shoulder")
"""One peak too, of a shape that is easily taken for several."""
TWO_PEAKS = ("two normals, ½ and ½", "two normals, .2 and .8")
SIZES = (50, 200, 1_000)
TWO_SIZE = 200
"""Observations of data with two peaks."""
CELLS = [(kind, size) for kind in ONE_PEAK for size in SIZES]
CELLS += [(kind, TWO_SIZE) for kind in TWO_PEAKS]
CELLS += [(kind, size) for kind in HARDER for size in SIZES[1:]]
COVERED = {
    "two normals, ½ and ½": Mixture("normal", [0.5, 0.5], mu=[10.0, 14.0], sigma=[1.0, 1.0]),
    "two normals, .2 and .8": Mixture("normal", [0.2, 0.8], mu=[10.0, 14.0], sigma=[1.0, 1.0]),
    "two normals of unequal spread": Mixture(
        "normal", [0.4, 0.6], mu=[10.0, 16.0], sigma=[1.0, 2.0]
    ),
    "two lognormals": Mixture("lognormal", [0.5, 0.5], mu=[-1.5, 1.5], sigma=[0.5, 0.5]),
    "two gammas": Mixture("gamma", [0.6, 0.4], shape=[4.0, 40.0], rate=[2.0, 5.0]),
    "two betas": Mixture("beta", [2 / 3, 1 / 3], alpha=[10.0, 30.0], beta=[30.0, 10.0]),
}
"""Mixtures of two groups whose shares, means and cuts are known."""
COVERED_SIZES = (200, 1_000)


@dataclass(frozen=True)
class Task:
    """One data set of the study."""

    part: str
    """``groups`` or ``intervals``."""
    kind: str
    size: int
    number: int

    @property
    def data(self) -> Array:
        """The observations, (n,)."""
        place = list(DRAWS if self.part == "groups" else COVERED).index(self.kind)
        generator = np.random.default_rng([self.number, self.size, place])
        if self.part == "groups":
            return DRAWS[self.kind](generator, self.size)
        return COVERED[self.kind].sample(self.size, generator)


def run_study(
    part: str, count: int, folder: Path, workers: int, minutes: float, say: Callable[[str], None]
) -> list[Row]:
    """The rows of a part of the study, ``count`` data sets a cell, as far as the minutes suffice.

    Rows that are in the folder's file are taken from there; each new one is added at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part}-{code_digest()}.jsonl"
    cells = CELLS if part == "groups" else [(k, n) for k in COVERED for n in COVERED_SIZES]
    wanted = [Task(part, *cell, number) for number in range(count) for cell in cells]
    done = {(row["kind"], row["size"], row["number"]): row for row in read_rows(path)}
    missing = [task for task in wanted if (task.kind, task.size, task.number) not in done]
    with path.open("a", encoding="utf-8") as file:
        todo = [(outcome, task) for task in missing]
        for number, row in enumerate(rows_of(todo, workers, time.monotonic() + 60 * minutes)):
            file.write(json.dumps(row) + "\n")
            file.flush()
            done[row["kind"], row["size"], row["number"]] = row
            if number % 50 == 49:
                say(f"{number + 1} of {len(missing)} data sets")
    keys = [(task.kind, task.size, task.number) for task in wanted]
    rows = [done[key] for key in keys if key in done]
    if len(rows) < len(keys):
        say(f"{len(rows)} of {len(keys)} data sets are in {path}: run the same command to go on")
    return rows


def code_digest() -> str:
    """A digest of the code that the rows depend on: rows of other code are in another file."""
    root = Path(str(benchmarks.__file__)).parent
    folders = (Path(str(scenarios.__file__)).parent, root.parent / "fitters", root / "reference")
    content = source_digest(*folders, root / "fit").encode() + Path(__file__).read_bytes()
    return hashlib.sha256(content).hexdigest()[:12]


def outcome(task: Task) -> Row:
    """The row of one data set."""
    begin = time.perf_counter()
    facts = groups_found(task) if task.part == "groups" else covered(task)
    seconds = time.perf_counter() - begin
    row = {"kind": task.kind, "size": task.size, "number": task.number, "seconds": seconds}
    return {**row, **facts}


def groups_found(task: Task) -> Row:
    """What `fit` says of data of unknown family: its choice, and its groups with the tests."""
    import mixturebench as mb

    answer = mb.fit(task.data)
    fitted = time.perf_counter()
    confirmation = answer.confirmation
    return {
        "family": answer.chosen.family,
        "components": answer.chosen.components,
        "peaks": len(answer.peaks),
        "fitted_groups": confirmation.fitted,
        "groups": confirmation.groups,
        "bandwidth_tests": [
            {"bandwidth": t.bandwidth, "p": t.p} for t in confirmation.bandwidth_tests
        ],
        "ratio_tests": [
            {"null": t.null, "statistic": t.statistic, "replicates": t.replicates, "p": t.p}
            for t in confirmation.ratio_tests
        ],
        "reason": confirmation.reason,
        "fit_seconds": answer.seconds,
        "confirm_seconds": time.perf_counter() - fitted,
    }


def covered(task: Task) -> Row:
    """Whether the intervals of each group's share and mean, and of the cut, hold the truth.

    Family and number of components are known. None where there is no interval.
    """
    import mixturebench as mb
    from benchmarks.fit.cuts import cut_table
    from benchmarks.fit.groups import by_component, group_values
    from benchmarks.reference.scipy_mixture import ScipyMixture

    truth = COVERED[task.kind]
    exact = ScipyMixture(truth.family.name, truth.weights, truth.parameters)
    labels = np.arange(2)
    values = group_values(exact.family, exact.weights[None], exact.parameters[None], labels)[0]
    cut = _between(cut_table(exact, by_component(exact), None, task.size))["cut"]
    answer = mb.fit(task.data, truth.family.name, truth.components, restarts=6)
    table = answer.by_component.table.set_index(["group", "name"])
    ends = {f"{name} {k + 1}": (table.loc[(k + 1, name)], values[k, j])
            for k in labels for j, name in enumerate(("share", "mean"))}  # fmt: skip
    cuts = answer.by_component.cuts
    found = _between(cuts) if len(cuts) else {"low": np.nan, "high": np.nan}
    ends["cut"] = (found, cut)
    return {
        name: None if not np.isfinite(row["low"]) else bool(row["low"] <= value <= row["high"])
        for name, (row, value) in ends.items()
    }


def _between(cuts: pd.DataFrame) -> Any:
    """The first cut between the groups, or the first one."""
    from benchmarks.fit.cuts import BETWEEN

    between = cuts[cuts["where"] == BETWEEN]
    return (between if len(between) else cuts).iloc[0]


def groups_table(rows: Iterable[Row]) -> pd.DataFrame:
    """How often more than one group was claimed, by what the data were drawn from.

    The interval is exact (Clopper & Pearson 1934). The last row holds all data of ``ONE_PEAK``.
    """
    import pandas as pd

    frame = pd.DataFrame(rows)
    one = frame[frame["kind"].isin(ONE_PEAK)]
    parts = [
        (kind, size, part) for (kind, size), part in frame.groupby(["kind", "size"], sort=False)
    ]
    if len(one):
        parts.append(("one peak, pooled", 0, one))
    return pd.DataFrame(
        [
            {
                "drawn from": kind,
                "n": size or "all",
                **share_of(part["groups"] > 1, "more than one group"),
                "before confirmation": float((part["fitted_groups"] > 1).mean()),
                "fit": float(part["fit_seconds"].median()),
                "confirmation": float(part["confirm_seconds"].median()),
            }
            for kind, size, part in parts
        ]
    )


def coverage_table(rows: Iterable[Row]) -> pd.DataFrame:
    """How often the 95 % intervals hold the truth, by mixture, size and quantity."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    kinds = {"share": ["share 1"], "means": ["mean 1", "mean 2"], "cut": ["cut"]}
    result = []
    for (kind, size), part in frame.groupby(["kind", "size"], sort=False):
        for name, columns in kinds.items():
            held = pd.concat([part[column] for column in columns]).dropna().astype(bool)
            missing = len(columns) * len(part) - len(held)
            row = {"drawn from": kind, "n": size, "quantity": name}
            result.append({**row, **share_of(held, "held"), "without interval": missing})
    return pd.DataFrame(result)


def share_of(events: pd.Series, name: str) -> Row:
    """How many events there are, the share that is true, and its exact 95 % interval."""
    from scipy.stats import binomtest

    count = len(events)
    if not count:
        return {"count": 0, name: np.nan, "95 % from": np.nan, "95 % to": np.nan}
    interval = binomtest(int(events.sum()), count).proportion_ci(method="exact")
    return {"count": count, name: float(events.mean()), "95 % from": interval.low,
            "95 % to": interval.high}  # fmt: skip
