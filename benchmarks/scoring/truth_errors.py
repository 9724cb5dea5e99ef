"""Distances of a fitted mixture from the truth, where there is one that is identifiable."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.reference.scipy_mixture import ScipyMixture, quadrature
from benchmarks.scoring.data_set import DataSet
from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.scenario import load

MAX_PERMUTED = 6
"""The largest K for which all orders of the labels are tried."""


def truth_errors(fitted: ScipyMixture, data_set: DataSet) -> dict[str, Any]:
    """The fields of ``Score`` on errors, as far as there is a truth and it is identifiable."""
    truth, reason = data_set.truth, {"no_error_because": data_set.no_error_reason}
    if truth is None:
        return reason
    hellinger, kl = density_distances(truth, fitted)
    distances = {"hellinger": hellinger, "kl": kl, **reason}
    if data_set.no_error_reason:
        return distances
    aligned = fitted.permuted(label_order(fitted, truth))
    difference = aligned.coordinates() - truth.coordinates()
    information = data_set.observations.size * truth.information
    scale = np.abs(truth.parameters)
    # A location has no natural zero: its unit is its component's spread.
    scale[:, list(truth.locations)] = truth.spreads[:, None]
    weight_errors = np.abs(aligned.weights - truth.weights)
    parameter_errors = np.abs(aligned.parameters - truth.parameters)
    relative = np.concatenate([weight_errors / truth.weights, (parameter_errors / scale).ravel()])
    return distances | {
        "information_error": float(difference @ information @ difference) / truth.size,
        "weight_error": weight_errors.tolist(),
        "parameter_error": parameter_errors.tolist(),
        "parameter_error_relative": (parameter_errors / scale).tolist(),
        "worst_relative_error": float(relative.max()),
    }


def interval_coverage(quantiles: Any, fitted: ScipyMixture, data_set: DataSet) -> dict[str, Any]:
    """Whether a posterior's central intervals cover each true value, labels aligned.

    ``quantiles`` (4, K, 1 + d) are the 5, 25, 75 and 95 % quantiles of each component's weight
    and parameters, or None. The values are the weights but the last, which the others determine,
    then the parameters.
    """
    truth = data_set.truth
    if quantiles is None or truth is None or data_set.no_error_reason:
        return {}
    order = label_order(fitted, truth)
    low_90, low_50, high_50, high_90 = np.array(quantiles, dtype=float)[:, list(order)]
    values = np.column_stack([truth.weights, truth.parameters])
    covered = {
        "covered_50": (low_50 <= values) & (values <= high_50),
        "covered_90": (low_90 <= values) & (values <= high_90),
    }
    return {
        name: [*table[:-1, 0].tolist(), *table[:, 1:].ravel().tolist()]
        for name, table in covered.items()
    }


def density_distances(truth: ScipyMixture, fitted: ScipyMixture) -> tuple[float, float]:
    """Hellinger distance √(½ ∫ (√f* - √f)² dx), and KL divergence ∫ f* log(f*/f) dx in nats.

    By quadrature. Hellinger is between 0 and 1; KL is infinite where f is 0 and f* is not.
    """
    x, weight = quadrature(truth, fitted)
    log_truth, log_fitted = truth.log_density(x), fitted.log_density(x)
    differences = np.exp(0.5 * log_truth) - np.exp(0.5 * log_fitted)
    kl = kl_divergence(weight, log_truth, log_fitted)
    return float(np.sqrt(0.5 * (weight @ differences**2))), kl


def kl_divergence(weight: Array, log_truth: Array, log_other: Array) -> float:
    """∫ f* log(f*/f) dx in nats, from log densities at the nodes of a quadrature, all (m,)."""
    with np.errstate(invalid="ignore"):
        terms = np.exp(log_truth) * (log_truth - log_other)
    return float(weight @ np.where(np.isfinite(log_truth), terms, 0.0))


def label_order(mixture: ScipyMixture, truth: ScipyMixture) -> tuple[int, ...]:
    """The order of ``mixture``'s components that minimises its distance from ``truth``.

    The metric is Fisher's at the truth where K is small, otherwise that of (link of the median,
    log spread).
    """
    count = len(mixture.weights)
    if count <= MAX_PERMUTED:
        orders = list(permutations(range(count)))
        gaps = np.stack([mixture.permuted(o).coordinates() for o in orders]) - truth.coordinates()
        with np.errstate(all="ignore"):
            distances = np.einsum("oi,ij,oj->o", gaps, truth.information, gaps)
        if np.isfinite(distances).any():
            return orders[int(np.nanargmin(distances))]
    cost = ((truth.places()[:, None] - mixture.places()[None]) ** 2).sum(axis=2)
    # A component without a place, such as one at an end of the floats, is the farthest.
    finite = np.nan_to_num(cost, nan=1e300, posinf=1e300)
    return tuple(linear_sum_assignment(finite)[1].tolist())


def information_errors(
    name: str, data_sets: int, seed: int = 0, components: int | None = None
) -> Array:
    """Information errors of the references of data sets 1 to ``data_sets``, drawn afresh.

    Their mean is 1 for large samples, where maximum likelihood attains the Cramér–Rao bound:
    a check of Fisher information, alignment and search at once. Raises ``UserError`` for a
    scenario without an identifiable truth.
    """
    scenario = load(name)
    if components is not None and components != scenario.components:
        raise UserError(
            f"--data-sets compares with the truth, which has {scenario.components} components, "
            f"not {components}: leave --components out"
        )
    if scenario.truth is None:
        raise UserError(f"scenario {name!r} is real data: there is no truth to compare with")
    errors = []
    for replicate in range(1, data_sets + 1):
        data_set = DataSet.of(scenario, replicate, seed)
        if data_set.no_error_reason:
            raise UserError(f"scenario {name!r}: {data_set.no_error_reason}, so there is no error")
        errors.append(truth_errors(data_set.reference.mixture, data_set)["information_error"])
    return np.array(errors)
