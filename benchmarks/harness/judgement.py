"""Judge a run: facts, data and reference in, one row of figures a trial out.

A pure function of the records and the reference, so that a better reference judges old
runs again; nothing that a fitter says of itself is used, except to be shown as its claim.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import SCHEMA, judge
from benchmarks.harness.accuracy import coverage_of, errors_of
from benchmarks.harness.aggregates import arrivals
from benchmarks.harness.ascent import ascend
from benchmarks.harness.data import free_parameters
from benchmarks.harness.journal import read
from benchmarks.harness.plan import TRIAL, Key, Plan, key_of
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import Reference, fault, find_reference
from scenarios.errors import UserError
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

TIGHT, WITHIN_NOISE = 0.01, 1.0
WORST_R_HAT, LEAST_ESS = 1.01, 400.0
LARGEST_TAME = 1e6
"""Beyond this log-partitions begin to cancel, and likelihoods to be invented."""
BETTER = 1e-3
"""Nats by which a fit must beat the reference to replace it: more than rounding."""

FIGURES: dict[str, Any] = {
    "nll": np.nan,
    "reference_nll": np.nan,
    "excess": np.nan,
    "optimum": np.nan,
    "gain_left": np.nan,
    "hellinger": np.nan,
    "kl": np.nan,
    "information_error": np.nan,
    "reference_information_error": np.nan,
    "covered_50": None,
    "covered_90": None,
    "weight_error": None,
    "parameter_error": None,
    "parameter_error_relative": None,
    "worst_relative_error": np.nan,
    "no_error_because": "",
}
FACTS: dict[str, Any] = {
    "claimed": None,
    "iterations": None,
    "evaluations": np.nan,
    "counted_by": "",
    "batch": 1,
    "seconds": np.nan,
    "cpu_seconds": np.nan,
    "setup_seconds": np.nan,
    "start_seconds": np.nan,
    "start_evaluations": np.nan,
    "peak_mb": np.nan,
    "host": "",
}


@dataclass(frozen=True, eq=False)
class Judgement:
    """A judged run: its plan and provenance, its problems, and its figures."""

    run: dict[str, Any]
    problems: dict[tuple[str, int], Problem]
    references: dict[tuple[str, int], Reference]
    trials: pd.DataFrame
    traces: dict[Key, list[tuple[float, float, float]]]
    """(seconds, passes, NLL) of each trial's iterates that are on record."""
    notes: list[str]
    """What the reader must know of the references, in sentences."""


def judge_folder(folder: Path, progress: Callable[[str], None] = lambda what: None) -> Judgement:
    """Judge the run in ``folder``; ``UserError`` if its data can't be drawn again.

    ``progress`` is called with what is being looked at, since a reference that is not yet
    in the cache takes seconds.
    """
    import pandas as pd

    run, records = read(folder, old=True)
    plan = Plan.of(run["plan"])
    records = plan.ordered(records)
    problems: dict[tuple[str, int], Problem] = {}
    references: dict[tuple[str, int], Reference] = {}
    traces: dict[Key, list[tuple[float, float, float]]] = {}
    rows: list[dict[str, Any]] = []
    notes = []
    if run["schema"] != SCHEMA:
        notes.append(
            f"this run has schema {run['schema']}: whether the data drawn today are its own, its "
            "digests tell no more"
        )
    for scenario in plan.scenarios:
        for data_set in sorted({r["data_set"] for r in records if r["scenario"] == scenario.name}):
            key = (scenario.name, data_set)
            mine = [r for r in records if (r["scenario"], r["data_set"]) == key]
            problem = Problem.of(scenario, data_set, plan.seed)
            progress(f"judging {scenario.name}, data set {data_set}")
            if run["schema"] == SCHEMA:  # older digests can't be compared
                check_drawn(problem, mine)
            reference = reference_of(problem)
            judged, told = judge_data_set(mine, problem, reference)
            for record, row in zip(mine, judged, strict=True):
                traces[key_of(record)] = points = problem.trace(record)
                row.update(arrivals(points, row))
            problems[key], references[key] = problem, reference
            rows += judged
            notes += told
    return Judgement(run, problems, references, pd.DataFrame(rows), traces, notes)


def judge_data_set(
    records: list[dict[str, Any]], problem: Problem, reference: Reference
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of one data set's trials, and what to know of its reference.

    A fit that is admissible, stationary and better than the reference by more than rounding
    takes its place.
    """
    rows = [_recompute(record, problem) for record in records]
    n, name = problem.sample.size, problem.scenario.name
    best, notes = judge.nll(reference.judged, problem.observations), []
    if reference.fewer_components:
        notes.append(
            f"{name}: no admissible optimum with {reference.components} components beats the "
            f"best with {reference.components - 1}, which is the reference"
        )
    challengers = [
        row
        for row in rows
        if row["status"] == ""
        and (best - row["nll"]) * n > BETTER
        and row["gain_left"] <= TIGHT
        and not _fault(row, problem)
    ]
    if challengers:
        winner = min(challengers, key=lambda row: float(row["nll"]))
        notes.append(
            f"{name}, data set {winner['data_set']}: {winner['fitter']} (start "
            f"{winner['start']}, restart {winner['restart']}) is better than the reference by "
            f"{(best - winner['nll']) * n:.3g} nats, and has taken its place in this run"
        )
        best = winner["nll"]
    own = errors_of(reference.judged, problem) if not reference.fewer_components else {}
    parameters = free_parameters(problem.scenario.family, problem.scenario.components)
    for record, row in zip(records, rows, strict=True):
        row |= {"n": n, "p": parameters, "reference_nll": best}
        row["reference_information_error"] = own.get("information_error", np.nan)
        if row["status"] == "":
            row["excess"] = 2.0 * n * (row["nll"] - best) / parameters
            row["status"] = status(row["excess"], row["gain_left"], record.get("posterior"))
    return rows, notes


def check_drawn(problem: Problem, records: list[dict[str, Any]]) -> None:
    """Raise ``UserError`` unless the data drawn now are those that ``records`` are of."""
    digest = problem.sample.digest()
    if any(record.get("data_digest", digest) != digest for record in records):
        raise UserError(
            f"scenario {problem.scenario.name!r}: the data drawn now are not those of the run "
            "(digests differ): its file or the generator has changed; run again"
        )


def reference_of(problem: Problem) -> Reference:
    """The best known optimum of a problem, from the cache if it is there."""
    components = problem.scenario.components
    return find_reference(problem.sample, components, problem.floor, cache_folder())


def cache_folder() -> Path:
    """Where references are kept: MIXTUREBENCH_CACHE, or the user's cache folder."""
    own = os.environ.get("MIXTUREBENCH_CACHE")
    return Path(own) if own else Path.home() / ".cache" / "mixturebench"


def status(excess: float, gain_left: float, posterior: dict[str, Any] | None) -> str:
    """``converged``, ``basin``, ``local`` or ``unfinished`` for an admissible fit.

    Beyond the noise it is another optimum where nothing is left to gain, and a fit that
    stopped early otherwise.
    A posterior mean is not a maximum: it counts as converged when it is within the noise
    and the chains agree, R̂ ≤ 1.01, with an effective sample size of 400 or more.
    """
    if not excess <= WITHIN_NOISE:
        return "local" if gain_left <= TIGHT else "unfinished"
    if posterior is None:
        return "converged" if excess <= TIGHT else "basin"
    r_hat = posterior["r_hat"]
    mixed = r_hat is not None and float(r_hat) <= WORST_R_HAT
    return "converged" if mixed and float(posterior["ess"]) >= LEAST_ESS else "basin"


def _recompute(record: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """A record's row, as far as it needs no reference; ``status`` is empty where one decides."""
    row: dict[str, Any] = {name: record[name] for name in TRIAL}
    row |= {"status": record["outcome"], "message": record["message"]}
    row |= {"weights": None, "parameters": None, **FIGURES}
    row |= {name: record.get(name, default) for name, default in FACTS.items()}
    posterior = record.get("posterior") or {}
    for name in ("r_hat", "ess", "divergences"):
        value = posterior.get(name)
        row[name] = np.nan if value is None else float(value)
    if record["outcome"] != "returned":
        return row
    fitted = judge.Judged.of(problem.scenario.family.name, record["weights"], record["parameters"])
    row |= {"weights": fitted.weights.tolist(), "parameters": fitted.parameters.tolist()}
    wrong = fitted.problem() or _wrong_number(fitted, problem)
    if wrong is not None:
        return row | {"status": "invalid", "message": _joined(wrong, record["message"])}
    x = problem.observations
    spike = judge.spurious(fitted, x, problem.floor)
    if spike is not None:
        row |= {"status": "spurious", "message": _joined(spike, record["message"])}
        # Where it would land is still worth knowing, if its likelihood can be computed.
        tame = bool(np.abs(fitted.parameters).max() < LARGEST_TAME)
        return row | (_onward(fitted, problem, judge.nll(fitted, x)) if tame else {})
    row["nll"] = judge.nll(fitted, x)
    if not np.isfinite(row["nll"]):
        return row | {"status": "invalid", "message": "its likelihood of the data is zero"}
    row |= {"status": "", **_onward(fitted, problem, row["nll"]), **errors_of(fitted, problem)}
    return row | coverage_of(posterior.get("quantiles"), fitted, problem)


def _wrong_number(fitted: judge.Judged, problem: Problem) -> str | None:
    asked, got = problem.scenario.components, len(fitted.weights)
    return None if got == asked else f"it has {got} components, and {asked} were asked for"


def _onward(fitted: judge.Judged, problem: Problem, nll: float) -> dict[str, float]:
    """Where the yardstick's own ascent lands from here, and the excess gained on the way.

    The ascent's own likelihoods do where at this mixture they are what the judge found.
    """
    n = problem.sample.size
    start = Mixture(problem.sample.family, fitted.weights, fitted.parameters)
    with np.errstate(all="ignore"):
        top = ascend(problem.sample, start)
        gained = top.log_likelihood - problem.sample.log_likelihood(start)
        agreed = abs(top.log_likelihood - gained + n * nll) <= BETTER * 1e-3
    landed = nll - gained / n
    if not agreed:
        there = judge.Judged(fitted.family, top.mixture.weights, top.mixture.parameters)
        landed = judge.nll(there, problem.observations)
        gained = (nll - landed) * n
    return {"optimum": landed, "gain_left": max(0.0, 2.0 * gained / fitted.size)}


def _fault(row: dict[str, Any], problem: Problem) -> str:
    """Why a row's fit can't be a reference; empty if it can."""
    mixture = Mixture(problem.sample.family, np.array(row["weights"]), np.array(row["parameters"]))
    return fault(problem.sample, ascend(problem.sample, mixture), problem.floor)


def _joined(judged: str, said: str) -> str:
    return f"{judged} (the fitter: {said})" if said else judged
