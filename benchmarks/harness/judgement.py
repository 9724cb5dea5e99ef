"""Judge a run: facts and the data they are about in, one row of figures a trial out.

A pure function of the records and the reference; nothing that a fitter says of itself is
used, except to be shown as its claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.journal import read
from benchmarks.harness.run import draw_sample
from scenarios.errors import UserError
from scenarios.scenario import Scenario, build

if TYPE_CHECKING:
    import pandas as pd

TIGHT, WITHIN_NOISE = 0.01, 1.0
WORST_R_HAT, LEAST_ESS = 1.01, 400.0
WORST_STANDARD_ERROR = 0.5

FIGURES: dict[str, Any] = {
    "nll": np.nan,
    "reference_nll": np.nan,
    "excess": np.nan,
    "hellinger": np.nan,
    "information_error": np.nan,
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
    "seconds": np.nan,
    "cpu_seconds": np.nan,
    "setup_seconds": np.nan,
    "start_seconds": np.nan,
    "start_evaluations": np.nan,
}


@dataclass(frozen=True, eq=False)
class Problem:
    """One data set: its observations, and the truth where there is one."""

    scenario: Scenario
    observations: judge.Array
    digest: str
    truth: judge.Judged | None
    why_no_error: str
    """Why parameters can't be compared with the truth; empty where they can."""

    @classmethod
    def of(cls, scenario: Scenario, data_set: int, seed: int) -> Problem:
        """Draw the data again, and see whether the truth can be told at this size."""
        sample = draw_sample(scenario, data_set, seed)
        x, digest = sample.observations, sample.digest()
        if scenario.truth is None:
            return cls(scenario, x, digest, None, "no truth")
        truth = judge.Judged(
            scenario.family.name, scenario.truth.weights, scenario.truth.parameters
        )
        worst = worst_standard_error(truth, x.size)
        known = worst <= WORST_STANDARD_ERROR
        return cls(scenario, x, digest, truth, "" if known else "not identifiable at this n")


@dataclass(frozen=True, eq=False)
class Judgement:
    """A judged run: its plan and provenance, its problems, its facts, and its figures."""

    run: dict[str, Any]
    problems: dict[tuple[str, int], Problem]
    records: list[dict[str, Any]]
    trials: pd.DataFrame


def judge_folder(folder: Path) -> Judgement:
    """Judge the run in ``folder``; ``UserError`` if its data can't be drawn again."""
    import pandas as pd

    run, records = read(folder)
    plan = run["plan"]
    problems: dict[tuple[str, int], Problem] = {}
    for entry in plan["scenarios"]:
        scenario = build(entry["name"], entry["content"], Path(entry["folder"]))
        for data_set in sorted({r["data_set"] for r in records if r["scenario"] == scenario.name}):
            problems[scenario.name, data_set] = Problem.of(scenario, data_set, plan["seed"])
    rows = []
    for key, problem in problems.items():
        mine = [r for r in records if (r["scenario"], r["data_set"]) == key]
        rows += judge_data_set(mine, problem)
    return Judgement(run, problems, records, pd.DataFrame(rows))


def judge_data_set(records: list[dict[str, Any]], problem: Problem) -> list[dict[str, Any]]:
    """The rows of one data set's trials; the best admissible fit among them is the reference."""
    if any(record["data_digest"] != problem.digest for record in records):
        raise UserError(
            f"scenario {problem.scenario.name!r}: the data drawn now are not those of the run "
            "(digests differ): its file or the generator has changed; run again"
        )
    rows = [_recompute(record, problem) for record in records]
    admissible = [row["nll"] for row in rows if row["status"] == "" and np.isfinite(row["nll"])]
    best = min(admissible, default=np.nan)
    for record, row in zip(records, rows, strict=True):
        row["reference_nll"] = best
        if row["status"] == "":
            parameters = len(row["weights"]) * (1 + len(row["parameters"][0])) - 1
            row["excess"] = 2.0 * problem.observations.size * (row["nll"] - best) / parameters
            row["status"] = status(row["excess"], record.get("posterior"))
    return rows


def status(excess: float, posterior: dict[str, Any] | None) -> str:
    """``converged``, ``basin`` or ``short`` for an admissible fit.

    A posterior mean is not a maximum: it counts as converged when it is within the noise
    and the chains agree, R̂ ≤ 1.01, with an effective sample size of 400 or more.
    """
    if not excess <= WITHIN_NOISE:
        return "short"
    if posterior is None:
        return "converged" if excess <= TIGHT else "basin"
    r_hat = posterior["r_hat"]
    mixed = r_hat is not None and float(r_hat) <= WORST_R_HAT
    return "converged" if mixed and float(posterior["ess"]) >= LEAST_ESS else "basin"


def worst_standard_error(truth: judge.Judged, n: int) -> float:
    """The largest √diag (n I)⁻¹ in log parameters and log-odds; locations per true spread."""
    try:
        covariance = np.linalg.inv(n * truth.information)
    except np.linalg.LinAlgError:
        return float("inf")
    variances = np.diag(covariance)
    if not (variances >= 0.0).all():
        return float("inf")
    return float(np.max(np.sqrt(variances) / _units(truth)))


def _units(truth: judge.Judged) -> judge.Array:
    """One for each coordinate; for a location, its component's spread."""
    table = np.ones(truth.parameters.shape)
    for j in truth.locations:
        table[:, j] = truth.spreads()
    return np.concatenate([np.ones(len(truth.weights) - 1), table.ravel()])


def _recompute(record: dict[str, Any], problem: Problem) -> dict[str, Any]:
    """A record's row, as far as it needs no reference; ``status`` is empty where one decides."""
    names = ("scenario", "data_set", "fitter", "start", "restart")
    row: dict[str, Any] = {name: record[name] for name in names}
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
    wrong = fitted.problem()
    if wrong is not None:
        return row | {"status": "invalid", "message": _joined(wrong, record["message"])}
    x, floor = problem.observations, problem.scenario.specification.spread_floor
    spike = judge.spurious(fitted, x, floor)
    if spike is not None:
        return row | {"status": "spurious", "message": _joined(spike, record["message"])}
    row["nll"] = judge.nll(fitted, x)
    row["status"] = "" if np.isfinite(row["nll"]) else "invalid"
    return row | _errors(fitted, problem)


def _errors(fitted: judge.Judged, problem: Problem) -> dict[str, Any]:
    """Distances from the truth, as far as there is one and it can be told."""
    if problem.truth is None:
        return {"no_error_because": problem.why_no_error}
    truth = problem.truth
    figures: dict[str, Any] = {"hellinger": judge.hellinger(fitted, truth)}
    if problem.why_no_error:
        return figures | {"no_error_because": problem.why_no_error}
    aligned = judge.align(fitted, truth, truth.information)
    gap = aligned.coordinates() - truth.coordinates()
    information = problem.observations.size * truth.information
    scale = np.abs(truth.parameters)
    for j in truth.locations:  # a location has no natural zero: its component's spread is its unit
        scale[:, j] = truth.spreads()
    weights = aligned.weights - truth.weights
    parameters = aligned.parameters - truth.parameters
    relative = np.concatenate([np.abs(weights / truth.weights), np.abs(parameters / scale).ravel()])
    return figures | {
        "information_error": float(gap @ information @ gap) / truth.size,
        "weight_error": np.abs(weights).tolist(),
        "parameter_error": np.abs(parameters).tolist(),
        "parameter_error_relative": np.abs(parameters / scale).tolist(),
        "worst_relative_error": float(relative.max()),
    }


def _joined(judged: str, said: str) -> str:
    return f"{judged} (the fitter: {said})" if said else judged
