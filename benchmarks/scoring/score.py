"""The score of one trial: what it returned, recomputed by scipy, before a reference judges it.

A fitter's own claims are reported, never used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.reference.ascent import ascend
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.runner.plan import Record
from benchmarks.runner.status import RETURNED, Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.posterior_score import chain_optima, health, predictive_kl
from benchmarks.scoring.truth_errors import interval_coverage, truth_errors
from scenarios.mixture import Mixture

CONVERGED_EXCESS, FOUND_EXCESS = 0.01, 1.0
"""The largest excess of a fit that converged, and of one that found the optimum."""
ONE_OPTIMUM = 0.05
"""Optima within this many total nats of each other are one optimum."""
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
    predictive_kl: float = np.nan
    """The same of a posterior's predictive density."""
    healthy: bool | None = None
    """Whether a posterior's chains have R̂ ≤ 1.05 and ESS ≥ 400, of bulk and tails."""
    unhealthy_because: str = ""
    """Which of these limits they exceed."""
    chain_optima: list[float] | None = None
    """NLL of the optimum that the reference's ascent reaches from each chain's mean, (chains,)."""
    information_error: float = np.nan
    """Squared error in the Fisher metric, per parameter."""
    reference_information_error: float = np.nan
    """The same of the reference."""
    reference_kl: float = np.nan
    """The reference's KL divergence from the true density, in nats."""
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
    outside_rates: str = ""
    """Why the data set is in no rate: not distinguishable, or no reference."""

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


def score_trial(record: Record, data_set: DataSet) -> Score:
    """The score of a trial without reference; ``status`` is None where a reference decides it."""
    message = record.get("message", "")
    if record["outcome"] != RETURNED:
        return Score(Status(record["outcome"]), message)
    try:
        mixture = (record["weights"], record["parameters"])
        fitted = ScipyMixture.of(data_set.scenario.family.name, *mixture)
    except (KeyError, TypeError, ValueError) as error:
        return Score(Status.INVALID, f"its record has no mixture: {error}")
    score = Score(
        None, message, fitted.weights.tolist(), fitted.parameters.tolist(),
        **health(record.get("posterior")),
    )  # fmt: skip
    try:
        with np.errstate(all="ignore"):
            return _judged(score, fitted, record, data_set)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        reason = f"it can't be scored: {type(error).__name__}: {error}"
        return replace(score, status=Status.INVALID, message=with_message(reason, message))


def _judged(score: Score, fitted: ScipyMixture, record: Record, data_set: DataSet) -> Score:
    """The score of a mixture of numbers."""
    message = score.message
    invalid, expected = fitted.invalid_reason(), data_set.scenario.components
    if invalid is None and len(fitted.weights) != expected:
        invalid = f"it has {len(fitted.weights)} components, and {expected} were asked for"
    if invalid is not None:
        return replace(score, status=Status.INVALID, message=with_message(invalid, message))
    x = data_set.observations
    spurious = data_set.spurious_reason(fitted)
    if spurious is not None:
        score = replace(score, status=Status.SPURIOUS, message=with_message(spurious, message))
        if np.abs(fitted.parameters).max() >= MAX_STABLE_PARAMETER:
            return score
        # The optimum beyond it is of interest, but its own likelihood is no score.
        return replace(score, **_optimum(fitted, data_set, mean_nll(fitted, x)))
    score = replace(score, nll=mean_nll(fitted, x))
    if not np.isfinite(score.nll):
        return replace(score, status=Status.INVALID, message="its likelihood of the data is zero")
    posterior = record.get("posterior")
    quantiles = (posterior or {}).get("quantiles")
    return replace(
        score,
        **_optimum(fitted, data_set, score.nll),
        **truth_errors(fitted, data_set),
        **interval_coverage(quantiles, fitted, data_set),
        predictive_kl=predictive_kl(posterior, fitted, data_set),
        chain_optima=chain_optima(posterior, data_set),
    )


def is_one_optimum(nll: Any, reference_nll: Any, n: Any) -> Any:
    """Whether NLLs, numbers or series, are those of one optimum of ``n`` observations."""
    return n * abs(nll - reference_nll) <= ONE_OPTIMUM


def trial_status(excess: float, score: Score, reference_nll: float, n: int) -> Status:
    """The status of an admissible fit of ``n`` observations, the same rule for every method.

    It is found if the ascent from it ends at the reference optimum and its excess is at most 1,
    and converged if that is at most 0.01. Otherwise it is unmixed where the chains of its
    posterior lead to different optima, local where nothing is left to gain, or unfinished.
    """
    if is_one_optimum(score.optimum, reference_nll, n) and excess <= FOUND_EXCESS:
        return Status.CONVERGED if excess <= CONVERGED_EXCESS else Status.FOUND
    ends = score.chain_optima
    if ends is not None and not n * np.ptp(ends) <= ONE_OPTIMUM:  # NaN is another
        return Status.UNMIXED
    return Status.LOCAL if score.gain_left <= CONVERGED_EXCESS else Status.UNFINISHED


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


def with_message(reason: str, message: str) -> str:
    """A reason, and the fitter's own message if there is one."""
    return f"{reason} (the fitter: {message})" if message else reason
