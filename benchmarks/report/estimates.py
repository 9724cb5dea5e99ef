"""Weights and parameters in the usual units, and their standard errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.families.base import Array, Family


def usual_jacobian(mixture: ScipyMixture) -> Array:
    """Return ∂ (weights, parameters) / ∂ coordinates, (K + K d, p), which propagates errors.

    Rows are w₁ … w_K, then the parameters of each component in turn; the coordinates are the
    log-odds and log parameters of ``ScipyMixture.coordinates``.
    """
    weights, parameters = mixture.weights, mixture.parameters
    count = len(weights)
    jacobian = np.zeros((count + parameters.size, mixture.size))
    jacobian[:count, : count - 1] = np.diag(weights)[:, :-1] - np.outer(weights, weights[:-1])
    slopes = parameters.copy()
    slopes[:, list(mixture.locations)] = 1.0
    jacobian[count:, count - 1 :] = np.diag(slopes.ravel())
    return jacobian


def usual_names(family: Family, components: int) -> list[str]:
    """Return the names of the rows of ``usual_jacobian``: "weight 1", …, "alpha 1", "beta 1", …."""
    weights = [f"weight {k + 1}" for k in range(components)]
    return weights + [f"{n} {k + 1}" for k in range(components) for n in family.parameter_names()]


def usual_values(mixture: ScipyMixture) -> Array:
    """Return the weights, then the parameters of each component in turn, (K + K d,)."""
    return np.concatenate([mixture.weights, mixture.parameters.ravel()])


def standard_errors(mixture: ScipyMixture, covariance: NDArray[np.floating]) -> Array:
    """Return √diag J C Jᵀ, the errors of ``usual_values``; C is the coordinates' covariance."""
    jacobian = usual_jacobian(mixture)
    return np.sqrt(np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian))
