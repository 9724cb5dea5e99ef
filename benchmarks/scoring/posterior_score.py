"""The fields of a score that a sampled posterior adds: its health, its chains, its predictive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.reference.ascent import ascend_all
from benchmarks.reference.scipy_mixture import ScipyMixture, log_densities, quadrature
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.truth_errors import kl_divergence
from scenarios.families.base import Array
from scenarios.mixture import Mixture, MixtureBatch

MAX_R_HAT, MIN_ESS = 1.05, 400.0
"""Limits of healthy chains. At 430 effective draws well-mixed chains often exceed an R̂ of 1.01."""


def health(posterior: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields ``healthy`` and ``unhealthy_because``; none without a posterior.

    Chains are healthy with R̂ ≤ 1.05 and effective sample sizes, of bulk and tails, of at least 400.
    """
    if posterior is None:
        return {}
    limits = {
        "R̂": (posterior.get("r_hat"), lambda value: value <= MAX_R_HAT),
        "bulk ESS": (posterior.get("ess"), lambda value: value >= MIN_ESS),
        "tail ESS": (posterior.get("ess_tail"), lambda value: value >= MIN_ESS),
    }
    reasons = []
    for name, (value, within) in limits.items():
        if value is None:
            reasons.append(f"{name} is unknown")
        elif not within(float(value)):  # so is "nan"
            reasons.append(f"{name} is {float(value):.4g}")
    return {"healthy": not reasons, "unhealthy_because": ", ".join(reasons)}


def chain_optima(posterior: Mapping[str, Any] | None, data_set: DataSet) -> list[float] | None:
    """The NLL of the optimum that the reference's ascent reaches from each chain's mean.

    NaN for a mean that is no admissible mixture; None without a posterior.
    """
    if posterior is None or "chain_means" not in posterior:
        return None
    means = np.array(posterior["chain_means"], dtype=np.float64)  # (chain, K, 1 + d)
    weights = means[..., 0] / means[..., 0].sum(axis=-1, keepdims=True)
    family, n = data_set.sample.family, data_set.sample.size
    optima = np.full(len(means), np.nan)
    usable = [
        index
        for index, (share, rows) in enumerate(zip(weights, means[..., 1:], strict=True))
        if data_set.admits(ScipyMixture(family.name, share, rows))
    ]
    if usable:
        starts = [Mixture(family, weights[i], means[i, :, 1:]) for i in usable]
        with np.errstate(all="ignore"):
            ends = ascend_all(data_set.sample, MixtureBatch.of(starts))
        optima[usable] = [-end.log_likelihood / n for end in ends]
    return [float(value) for value in optima]


def predictive_kl(
    posterior: Mapping[str, Any] | None, fitted: ScipyMixture, data_set: DataSet
) -> float:
    """KL(truth ‖ posterior predictive) in nats, by quadrature; NaN without truth or posterior.

    The predictive density is the mean of the densities of the draws that the record keeps.
    """
    truth = data_set.truth
    if posterior is None or truth is None or "kept" not in posterior:
        return np.nan  # this object, so that scores without it are equal
    draws = np.array(posterior["kept"], dtype=np.float64)  # (draw, K, 1 + d)
    x, weight = quadrature(truth, fitted)
    log_predictive = _log_mean(log_densities(truth.family, draws[..., 0], draws[..., 1:], x))
    return kl_divergence(weight, truth.log_density(x), log_predictive)


def _log_mean(values: Array) -> Array:
    """log of the mean of exp(``values``) over the first axis."""
    return np.asarray(np.logaddexp.reduce(values, axis=0) - np.log(len(values)))
