"""How often a much longer search of another kind beats the reference, on random problems."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import benchmarks.reference
import scenarios
from benchmarks.reference.bound import upper_bound
from benchmarks.reference.one_search import RECIPES
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.reference.search import NoReferenceError, find_reference
from benchmarks.studies import problems, rival, rival_moves, rival_steps
from benchmarks.studies.problems import MIN_SPREAD, Problem, problem
from benchmarks.studies.tasks import Call, Row, read_rows, rows_of
from scenarios.families import family
from scenarios.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

BEATEN = 1e-3
"""Nats by which a better optimum is one."""


def run_study(
    count: int,
    seed: int,
    folder: Path,
    workers: int,
    minutes: float,
    bound: float,
    say: Callable[[str], None],
) -> list[Row]:
    """The rows of problems 0, 1, …, ``count`` - 1 of a seed, as far as the minutes suffice.

    Rows that are in the folder's file are taken from there; each new one is added at once. No
    problem begins after the minutes; those that are in work are finished. With ``bound`` seconds
    a problem, its row has an upper bound too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{seed}-{code_digest()}.jsonl"
    done = {row["number"]: row for row in read_rows(path)}
    missing = [number for number in range(count) if number not in done]
    todo: list[Call] = [(outcome, seed, number) for number in missing]
    end = time.monotonic() + 60.0 * minutes
    with path.open("a", encoding="utf-8") as file:

        def add(rows: Iterator[Row]) -> None:
            for row in rows:
                file.write(json.dumps(row) + "\n")
                file.flush()
                done[row["number"]] = row

        add(rows_of(todo, workers, end))
        if bound > 0.0:
            unbounded = [row for row in done.values() if row["number"] < count and not row["bound"]]
            add(rows_of([(bounded, row, bound) for row in unbounded], workers, end))
    rows = [done[number] for number in range(count) if number in done]
    if len(rows) < count:
        say(f"{len(rows)} of {count} problems are in {path}: run the same command to go on")
    else:
        say(f"all {count} problems are in {path}")
    return rows


def code_digest() -> str:
    """A digest of the code that the rows depend on: rows of other code are in another file."""
    files = sorted(Path(next(iter(benchmarks.reference.__path__))).glob("*.py"))
    files += sorted(Path(scenarios.__file__).parent.rglob("*.py"))
    files += [Path(str(m.__file__)) for m in (problems, rival, rival_moves, rival_steps)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def outcome(seed: int, number: int) -> Row:
    """One row: a problem, its reference, and what the rival found."""
    np.seterr(all="ignore")
    task = problem(seed, number)
    row: Row = {**task.facts(), **_reference_facts(task)}
    budget, capped = rival.budget_for(
        row["reference_passes"], task.observations.size, task.components, task.family
    )
    sample = Sample.of(task.observations, family(task.family))
    begin = time.perf_counter()
    found = rival.search(sample, task.components, MIN_SPREAD, budget, number)
    reference, better = row["reference"], None if found.weights is None else found.log_likelihood
    row |= {
        "rival": better,
        "rival_passes": found.passes,
        "rival_seconds": time.perf_counter() - begin,
        "budget": budget,
        "capped": capped,
        "rival_weights": found.weights,
        "rival_parameters": found.parameters,
        "rejected": found.rejected,
        "rejection_reason": found.rejection_reason,
        "nats": None if reference is None or better is None else better - reference,
        "beaten": better is not None and (reference is None or better - reference > BEATEN),
    }
    return row


def _reference_facts(task: Problem) -> Row:
    """The columns of a row that the reference fills."""
    sample = Sample.of(task.observations, family(task.family))
    begin, found, reason = time.perf_counter(), None, None
    try:
        found = find_reference(sample, task.components, MIN_SPREAD)
    except NoReferenceError as error:
        reason = str(error)
    return {
        "reference": None if found is None else _log_likelihood(found.mixture, task),
        "reference_passes": sum(sample.passes.values()),
        "reference_seconds": time.perf_counter() - begin,
        "agreed": None if found is None else found.agreed,
        "flags": [] if found is None else found.flags,
        "fewer_components": None if found is None else found.fewer_components,
        "recipe": None if found is None else found.recipe,
        "no_reference": reason,
        "reference_weights": None if found is None else found.weights,
        "reference_parameters": None if found is None else found.parameters,
        "bound": None,
    }


def bounded(row: Row, seconds: float) -> Row:
    """A row with an upper bound of the likelihood: what it is, how it was found, and its seconds.

    It is ``exceeded`` where the reference or the rival has a larger likelihood, beyond rounding.
    """
    np.seterr(all="ignore")
    task, begin = problem(row["seed"], row["number"]), time.perf_counter()
    bound = upper_bound(Sample.of(task.observations, family(task.family)), MIN_SPREAD, seconds)
    found = [height for height in (row["reference"], row["rival"]) if height is not None]
    value = bound.log_likelihood
    facts = {
        "value": value,
        "how": "none" if value is None else "proved" if bound.proved else "estimated",
        "gain": None if value is None or not found else value - max(found),
        "exceeded": value is not None and bool(found) and max(found) > value + 1e-6,
        "seconds": time.perf_counter() - begin,
    }
    return {**row, "bound": facts}


def _log_likelihood(mixture: ScipyMixture, task: Problem) -> float:
    return -task.observations.size * mean_nll(mixture, task.observations)


def beaten_by_family(rows: list[Row]) -> pd.DataFrame:
    """A row for each family, and one for all: how often and by how much the reference is beaten.

    The interval is exact (Clopper & Pearson 1934). ``without`` counts problems that the rival alone
    solves.
    """
    import pandas as pd

    frame = pd.DataFrame(rows)
    result = []
    for name in (*sorted(set(frame["family"])), "all"):
        group = frame if name == "all" else frame[frame["family"] == name]
        losses = group.loc[group["beaten"] & group["nats"].notna(), "nats"]
        result.append(
            {
                "family": name,
                **_share(group),
                "largest loss, nats": float(losses.max()) if len(losses) else 0.0,
                "without": int((group["beaten"] & group["reference"].isna()).sum()),
                "reference": float(group["reference_seconds"].median()),
                "rival": float(group["rival_seconds"].median()),
            }
        )
    return pd.DataFrame(result)


def beaten_by_certificate(rows: list[Row]) -> pd.DataFrame:
    """What the certificates said, how often, and how often the reference was beaten then.

    A certificate is in one row of the first kind, and in one for each kind of its flags.
    """
    import pandas as pd

    frame = pd.DataFrame(rows)
    said = frame.apply(_said, axis=1)
    result = [
        {"certificate": name, **_share(frame[said == name])} for name in sorted(said.unique())
    ]
    kinds = frame["flags"].map(lambda flags: {flag_kind(flag) for flag in flags})
    for kind in sorted(set().union(*kinds)):
        group = frame[kinds.map(lambda each, kind=kind: kind in each)]
        result.append({"certificate": f"flag: {kind}", **_share(group)})
    return pd.DataFrame(result)


def bounds_by_kind(rows: list[Row]) -> pd.DataFrame:
    """How many nats above the best mixture found the upper bounds are, and how many below it."""
    import pandas as pd

    frame = pd.DataFrame([row["bound"] for row in rows if row["bound"]])
    result = []
    for name, group in frame.groupby("how"):
        gains = group["gain"].dropna().astype(float)
        low, middle, high = gains.quantile([0.1, 0.5, 0.9]) if len(gains) else [float("nan")] * 3
        result.append(
            {
                "bound": name,
                "problems": len(group),
                "exceeded": int(group["exceeded"].sum()),
                "nats above, 10 %": low,
                "median": middle,
                "90 %": high,
                "seconds": float(group["seconds"].median()),
            }
        )
    return pd.DataFrame(result)


def found_by_recipe(rows: list[Row]) -> pd.DataFrame:
    """How often each recipe of the search was the first to lead to the reference."""
    import pandas as pd

    found = pd.DataFrame(rows)["recipe"].dropna()
    counts = found.value_counts().reindex(RECIPES, fill_value=0)
    shares = counts / max(len(found), 1)
    return pd.DataFrame({"recipe": RECIPES, "found first": counts.array, "share": shares.array})


def flag_kind(flag: str) -> str:
    """A flag without its numbers."""
    return re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "…", flag)


def _said(row: pd.Series) -> str:
    if isinstance(row["no_reference"], str):
        return "no reference"
    agreed = "agreed" if row["agreed"] else "not agreed"
    return f"{agreed}, {'flagged' if row['flags'] else 'no flag'}"


def _share(group: pd.DataFrame) -> Row:
    """How often the reference of a group of problems is beaten, with an interval."""
    from scipy.stats import binomtest

    beaten, size = int(group["beaten"].sum()), len(group)
    interval = binomtest(beaten, size).proportion_ci(method="exact")
    return {
        "problems": size,
        "beaten": beaten,
        "share": beaten / size,
        "95 % from": interval.low,
        "95 % to": interval.high,
    }
