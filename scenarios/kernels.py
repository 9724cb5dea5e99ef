"""Responsibilities in a pass over rows, their sums, and the derivatives of the likelihood."""

from __future__ import annotations

import numpy as np

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.mixture import MixtureBatch


def posterior(joint: Array, counts: Array | None) -> Array:
    """Turn log(weight × density) (B, K, b) into responsibilities, in place.

    Returns the log likelihood Σ counts · log Σₖ weight × density (B,); ``counts`` (b,) are None
    where all are 1.
    """
    largest = joint.max(axis=1)
    if joint.shape[1] == 2:  # one exponential suffices
        second = joint[:, 1] > joint[:, 0]
        ratio = np.exp(joint.min(axis=1) - largest)
        total = 1.0 + ratio
        joint[:, 1] = np.where(second, 1.0, ratio)
        joint[:, 0] = np.where(second, ratio, 1.0)
    else:
        joint -= largest[:, None]
        np.exp(joint, out=joint)
        total = joint.sum(axis=1)
    joint /= total[:, None]
    if counts is not None:
        return np.asarray((largest + np.log(total)) @ counts)
    # Totals are between 1 and K: one logarithm of the product of 32 replaces 32 logarithms.
    whole = total.shape[1] - total.shape[1] % 32
    products = total[:, :whole].reshape(len(total), 32, -1).prod(axis=1)
    logs = np.log(products).sum(axis=1) + np.log(total[:, whole:]).sum(axis=1)
    return np.asarray(largest.sum(axis=1) + logs)


def products(responsibilities: Array, rows: Array, counts: Array | None) -> tuple[Array, Array]:
    """Σ rₖ u uᵀ (B, K, 1 + d, 1 + d) and Σ rₖrₗ u uᵀ (B, K(1 + d), K(1 + d)), u = (1, T).

    ``responsibilities`` (B, K, b), ``rows`` (d, b).
    """
    size, components, length = responsibilities.shape
    u = np.concatenate([np.ones((1, length)), rows])
    each = (responsibilities[:, :, None, :] * u).reshape(size, -1, length)
    weighted = each if counts is None else each * counts
    singles = (weighted.reshape(-1, length) @ u.T).reshape(size, components, len(u), len(u))
    return singles, weighted @ each.transpose(0, 2, 1)


def louis_derivatives(
    family: ExponentialFamily, batch: MixtureBatch, singles: Array, pairs: Array
) -> tuple[Array, Array]:
    """Gradients (B, p) and Hessians (B, p, p) of the log likelihood, in ``family``'s coordinates.

    With r the responsibilities and g the gradients of log wₖf, per observation,
    ∇²ℓ = Σₖ rₖ(gₖgₖᵀ + ∇gₖ) - (Σₖ rₖgₖ)(Σₖ rₖgₖ)ᵀ (Louis 1982, *JRSS B* 44:226). As every
    g is linear in u = (1, T), both follow from the sums that ``products`` returns.
    """
    size, components, d = batch.parameters.shape
    by_row = batch.parameters.reshape(size * components, d)
    eta = family.natural(by_row)
    jacobian, curvature = family.natural_derivatives(by_row)
    jacobian = jacobian.reshape(size, components, d, d)
    mean = family.mean_statistics(eta).reshape(size, components, d)
    covariance = family.covariance_statistics(eta).reshape(size, components, d, d)
    weights, mass = batch.weights, singles[:, :, 0, 0]
    p = components - 1 + components * d

    # Each component's gradient as a linear map of u: T - E T gives the free coordinates, 1 the
    # log-odds.
    slopes = jacobian.swapaxes(2, 3)
    maps = np.zeros((size, components, p, 1 + d))
    maps[:, :, : components - 1, 0] = -weights[:, None, :-1]
    residual = singles[:, :, 0, 1:] - mass[:, :, None] * mean
    blocks = np.einsum("bkj,bkjac->bkac", residual, curvature.reshape(size, components, d, d, d))
    blocks -= mass[:, :, None, None] * (slopes @ covariance @ jacobian)
    hessian = np.zeros((size, p, p))
    for k in range(components):
        free = slice(components - 1 + k * d, components - 1 + (k + 1) * d)
        maps[:, k, free, 0] = -(slopes[:, k] @ mean[:, k, :, None])[..., 0]
        maps[:, k, free, 1:] = slopes[:, k]
        if k < components - 1:
            maps[:, k, k, 0] += 1.0
        hessian[:, free, free] = blocks[:, k]
    odds = weights[:, :-1, None] * (np.eye(components - 1) - weights[:, None, :-1])
    hessian[:, : components - 1, : components - 1] = -mass.sum(axis=1)[:, None, None] * odds

    stacked = maps.transpose(0, 2, 1, 3).reshape(size, p, -1)
    gradient = (stacked @ singles[:, :, 0, :].reshape(size, -1, 1))[..., 0]
    hessian += ((maps @ singles) @ maps.swapaxes(2, 3)).sum(axis=1)
    hessian -= stacked @ pairs @ stacked.swapaxes(1, 2)
    return gradient, hessian
