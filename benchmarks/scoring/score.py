"""Scores of a run: a pure function of its records, the data, and their references.

A better reference can score old runs again. A fitter's own claims are reported, never used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.reference.admissible import rejection_reason, spurious_reason
from benchmarks.reference.ascent import ascend
from benchmarks.reference.certificate import Reference
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.runner.journal import read
from benchmarks.runner.plan import TRIAL, Key, Plan, Record, key_of
from benchmarks.runner.session import resume_command
from benchmarks.runner.status import RETURNED, Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.facts import Facts
from benchmarks.scoring.targets import target_costs
from benchmarks.scoring.truth_errors import interval_coverage, truth_errors
from scenarios.data_summary import same_data, summarise_data
from scenarios.errors import UserError
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

CONVERGED_EXCESS, FOUND_EXCESS = 0.01, 1.0
"""The largest excess of a fit that converged, and of one that found the optimum."""
MAX_R_HAT, MIN_ESS = 1.01, 400.0
"""Limits within which the chains of a posterior agree."""
MAX_STABLE_PARAMETER = 1e6
"""Beyond this, log-partitions cancel and kernels return wrong likelihoods."""
MIN_GAIN = 1e-3
"""Nats by which a fit must beat the reference to replace it: more than rounding."""


@dataclass(frozen=True)
class Score:
    """What scoring computes for one trial, a field for each column of the scored table.

    A column that does not apply has its default. Errors are distances from the truth, with
    labels aligned.
    """

    status: Status | None = None
    """How the trial ended; None until a reference decides it."""
    message: str = ""
    """Why it is invalid, spurious or failed; otherwise the fitter's message."""
    weights: list[float] | None = None
    """Weights of the returned mixture, (K,)."""
    parameters: list[list[float]] | None = None
    """Usual parameters of the returned mixture, (K, d)."""
    nll: float = np.nan
    """Mean of -log f over the data, in nats."""
    reference_nll: float = np.nan
    """The same of the reference, or of a better fit in this run."""
    excess: float = np.nan
    """Log likelihood below the reference's, times 2/p."""
    optimum: float = np.nan
    """NLL of the optimum that the reference's ascent reaches from the fit."""
    gain_left: float = np.nan
    """Excess gained by that ascent."""
    hellinger: float = np.nan
    """Hellinger distance from the true density."""
    kl: float = np.nan
    """KL divergence from the true density, in nats."""
    information_error: float = np.nan
    """Squared error in the Fisher metric, per parameter."""
    reference_information_error: float = np.nan
    """The same of the reference."""
    covered_50: list[bool] | None = None
    """Whether 50 % intervals cover the true values, (p,)."""
    covered_90: list[bool] | None = None
    """The same for 90 %."""
    weight_error: list[float] | None = None
    """Absolute errors of the weights, (K,)."""
    parameter_error: list[list[float]] | None = None
    """Absolute errors of the parameters, (K, d)."""
    parameter_error_relative: list[list[float]] | None = None
    """Errors over true values, of a location over its component's spread, (K, d)."""
    worst_relative_error: float = np.nan
    """The largest relative error, weights included."""
    no_error_because: str = ""
    """Why errors are missing."""

    def __repr__(self) -> str:
        """The fields that apply, a line each."""
        lines = []
        for name, value in vars(self).items():
            missing = value is None or value == "" or (isinstance(value, float) and np.isnan(value))
            if not missing:
                lines.append(
                    f"{name}: {value:.6g}" if isinstance(value, float) else f"{name}: {value}"
                )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run with its scores."""

    run: dict[str, Any]
    """The content of ``run.json``."""
    data_sets: dict[tuple[str, int], DataSet]
    """By scenario and replicate."""
    trials: pd.DataFrame
    """The scored table, one row a trial."""
    traces: dict[Key, list[tuple[float, float, float]]]
    """(seconds, passes, NLL) of each recorded iterate of a trial."""
    notes: list[str]
    """Sentences, without their full stops, on what limits the figures."""


def score_run(folder: Path, progress: Callable[[str], None] = lambda what: None) -> ScoredRun:
    """Score the run in ``folder``; ``UserError`` if its data cannot be drawn again.

    ``progress`` is called before each data set, whose reference may take seconds.
    """
    import pandas as pd

    run, records = read(folder)
    plan = Plan.of(run["plan"])
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}
    data_sets, traces = {}, {}
    table: list[dict[str, Any]] = []
    notes: list[str] = []
    groups: dict[tuple[str, int], list[Record]] = {}  # of all fitters: they share a reference
    for record in plan.ordered(records):
        groups.setdefault(key_of(record)[:2], []).append(record)
    for (name, replicate), group in groups.items():
        progress(f"scoring {name}, data set {replicate}")
        data_set = DataSet.of(scenarios[name], replicate, plan.seed)
        data_sets[name, replicate] = data_set
        check_drawn(data_set, group)
        rows, messages = score_data_set(group, data_set, data_set.reference)
        for record, row in zip(group, rows, strict=True):
            traces[key_of(record)] = points = data_set.trace(record)
            row.update(target_costs(points, row))
        table += rows
        notes += messages
    if len(table) < plan.size():
        notes.append(
            f"{plan.size() - len(table)} of the planned trials are missing from every figure: "
            f"to run them: {resume_command(folder)}"
        )
    failures = sum(record["outcome"] != RETURNED for record in records)
    if failures:
        notes.append(
            f"{failures} of {len(records)} trials returned no fit; their causes: mixturebench "
            f"status {folder}"
        )
    return ScoredRun(run, data_sets, pd.DataFrame(table), traces, notes)


def check_drawn(data_set: DataSet, records: list[Record]) -> None:
    """Raise ``UserError`` unless the data drawn now are those of the ``records``."""
    drawn = summarise_data(data_set.observations)
    if not all(same_data(drawn, record.get("data", drawn)) for record in records):
        raise UserError(
            f"scenario {data_set.scenario.name!r}: the data drawn now are not those of the run: "
            "its file or the generator has changed; run again"
        )


def score_data_set(
    records: list[Record], data_set: DataSet, reference: Reference
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the scored table for the trials of one data set, and notes on its reference.

    A fit that is admissible, stationary and better than the reference by more than rounding
    replaces it.
    """
    name, notes = data_set.scenario.name, []
    if reference.fewer_components:
        notes.append(
            f"{name}: no admissible optimum with {reference.components} components beats the "
            f"best with {reference.components - 1}, which is the reference"
        )
    trials = [(record, score_trial(record, data_set)) for record in records]
    reference_nll = mean_nll(reference.mixture, data_set.observations)
    better = [trial for trial in trials if _beats(trial[1], reference_nll, data_set)]
    if better:
        record, best = min(better, key=lambda trial: trial[1].nll)
        gain = (reference_nll - best.nll) * data_set.sample.size
        notes.append(
            f"{name}, data set {record['replicate']}: {record['fitter']} (start "
            f"{record['start']}, restart {record['restart']}) is better than the reference by "
            f"{gain:.3g} nats, and has taken its place in this run"
        )
        reference_nll = best.nll
    errors = {} if reference.fewer_components else truth_errors(reference.mixture, data_set)
    error = errors.get("information_error", np.nan)
    return [_row(*trial, data_set, reference_nll, error) for trial in trials], notes


def score_trial(record: Record, data_set: DataSet) -> Score:
    """The score of a trial without reference; ``status`` is None where a reference decides it."""
    message = record.get("message", "")
    if record["outcome"] != RETURNED:
        return Score(Status(record["outcome"]), message)
    fitted = ScipyMixture.of(data_set.scenario.family.name, record["weights"], record["parameters"])
    score = Score(None, message, fitted.weights.tolist(), fitted.parameters.tolist())
    invalid, expected = fitted.invalid_reason(), data_set.scenario.components
    if invalid is None and len(fitted.weights) != expected:
        invalid = f"it has {len(fitted.weights)} components, and {expected} were asked for"
    if invalid is not None:
        return replace(score, status=Status.INVALID, message=_with_message(invalid, message))
    x = data_set.observations
    spurious = spurious_reason(fitted, x, data_set.min_spread)
    if spurious is not None:
        score = replace(score, status=Status.SPURIOUS, message=_with_message(spurious, message))
        if np.abs(fitted.parameters).max() >= MAX_STABLE_PARAMETER:
            return score
        # The optimum beyond it is of interest, but its own likelihood is no score.
        return replace(score, **_optimum(fitted, data_set, mean_nll(fitted, x)))
    score = replace(score, nll=mean_nll(fitted, x))
    if not np.isfinite(score.nll):
        return replace(score, status=Status.INVALID, message="its likelihood of the data is zero")
    quantiles = (record.get("posterior") or {}).get("quantiles")
    return replace(
        score,
        **_optimum(fitted, data_set, score.nll),
        **truth_errors(fitted, data_set),
        **interval_coverage(quantiles, fitted, data_set),
    )


def trial_status(excess: float, gain_left: float, posterior: dict[str, Any] | None) -> Status:
    """The status of an admissible fit.

    Beyond the statistical noise it is local where nothing is left to gain, else unfinished.
    A posterior mean is not a maximum: it converged when it is within the noise and its chains
    agree, R̂ ≤ 1.01, with an effective sample size of at least 400.
    """
    if not excess <= FOUND_EXCESS:
        return Status.LOCAL if gain_left <= CONVERGED_EXCESS else Status.UNFINISHED
    if posterior is None:
        return Status.CONVERGED if excess <= CONVERGED_EXCESS else Status.FOUND
    r_hat = posterior["r_hat"]
    mixed = r_hat is not None and float(r_hat) <= MAX_R_HAT
    return Status.CONVERGED if mixed and float(posterior["ess"]) >= MIN_ESS else Status.FOUND


def _row(
    record: Record, score: Score, data_set: DataSet, reference_nll: float, reference_error: float
) -> dict[str, Any]:
    """A row of the scored table: the trial, its score beside the reference's, its facts, n and p.

    ``reference_error`` is the reference's information error.
    """
    n, p = data_set.sample.size, data_set.scenario.model.dimension
    excess, status = score.excess, score.status
    if status is None:
        excess = 2.0 * n * (score.nll - reference_nll) / p
        status = trial_status(excess, score.gain_left, record.get("posterior"))
    return {
        **{name: record[name] for name in TRIAL},
        **vars(score),
        "status": str(status),  # plain text for Parquet
        "reference_nll": reference_nll,
        "excess": excess,
        "reference_information_error": reference_error,
        **vars(Facts.of(record)),
        "n": n,
        "p": p,
    }


def _beats(score: Score, reference_nll: float, data_set: DataSet) -> bool:
    """Whether a fit is better than the reference, and may replace it."""
    if score.status is not None:
        return False
    gain = (reference_nll - score.nll) * data_set.sample.size
    if not (gain > MIN_GAIN and score.gain_left <= CONVERGED_EXCESS):
        return False
    family = data_set.sample.family
    mixture = Mixture(family, np.array(score.weights), np.array(score.parameters))
    summit = ascend(data_set.sample, mixture)
    return not rejection_reason(data_set.sample, summit, data_set.min_spread)


def _optimum(fitted: ScipyMixture, data_set: DataSet, nll: float) -> dict[str, Any]:
    """The fields ``optimum`` and ``gain_left`` of a fit.

    The ascent's own likelihoods serve where they agree with scipy's ``nll`` of the fit.
    """
    n = data_set.sample.size
    start = Mixture(data_set.sample.family, fitted.weights, fitted.parameters)
    with np.errstate(all="ignore"):
        summit = ascend(data_set.sample, start)
        gain = summit.log_likelihood - data_set.sample.log_likelihood(start)
        agrees = abs(summit.log_likelihood - gain + n * nll) <= MIN_GAIN * 1e-3
    optimum = nll - gain / n
    if not agrees:
        end = ScipyMixture(fitted.family, summit.mixture.weights, summit.mixture.parameters)
        optimum = mean_nll(end, data_set.observations)
        gain = (nll - optimum) * n
    return {"optimum": optimum, "gain_left": max(0.0, 2.0 * gain / fitted.size)}


def _with_message(reason: str, message: str) -> str:
    return f"{reason} (the fitter: {message})" if message else reason
