"""Responsibilities in a pass over rows, their sums, and the derivatives of the likelihood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import MixtureBatch


def joint_densities(
    family: Family, batch: MixtureBatch, derivatives: list[Array] | None
) -> Callable[[slice, Array], Array]:
    """Make the function of a slice of B K components and rows (d, b): log(weight × density) - h.

    It fills ``derivatives``, if given, with those that ``family.derivatives`` returns; its rows
    must then hold x.
    """
    parameters = batch.parameters.reshape(-1, len(family.parameters))
    with np.errstate(divide="ignore"):
        constants = np.log(batch.weights).reshape(-1, 1)
    if isinstance(family, ExponentialFamily):
        eta = family.natural(parameters)
        constants = constants - family.log_partition(eta)[:, None]
        return lambda flat, rows: eta[flat] @ rows + constants[flat]

    def joint(flat: slice, rows: Array) -> Array:
        if derivatives is None:
            return family.log_density(rows[0], parameters[flat]) + constants[flat]
        values, *derivatives[:] = family.derivatives(rows[0], parameters[flat])
        return values + constants[flat]

    return joint


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


def products(responsibilities: Array, first: Array, counts: Array | None) -> tuple[Array, Array]:
    """Σ rₖ u uᵀ (B, K, 1 + d, 1 + d) and Σ rₖrₗ u uᵀ (B, K(1 + d), K(1 + d)), with u = (1, Gₖ).

    ``responsibilities`` (B, K, b); ``first`` (B K, d, b) is what the gradients are linear in: the
    components' scores, or T - E T, which loses no digits to a component far from zero.
    """
    size, components, length = responsibilities.shape
    width = 1 + first.shape[1]
    shares = responsibilities.reshape(-1, 1, length)
    each = np.empty((len(first), width, length))
    each[:, :1] = shares
    np.multiply(shares, first, out=each[:, 1:])
    weighted = each if counts is None else each * counts
    singles = np.empty((len(first), width, width))
    singles[:, 0] = weighted.sum(axis=2)
    singles[:, 1:, 0] = singles[:, 0, 1:]
    singles[:, 1:, 1:] = weighted[:, 1:] @ first.swapaxes(1, 2)
    whole, weighted = (part.reshape(size, -1, length) for part in (each, weighted))
    return singles.reshape(size, components, width, width), weighted @ whole.swapaxes(1, 2)


def bends_of(responsibilities: Array, second: Array, counts: Array | None) -> Array:
    """Σ rₖ∇Gₖ (B, K, d, d) from the scores' derivatives ``second`` (B K, d, d, b)."""
    size, components, length = responsibilities.shape
    weighted = responsibilities if counts is None else responsibilities * counts
    d = second.shape[1]
    summed = second.reshape(len(second), -1, length) @ weighted.reshape(-1, length, 1)
    return np.asarray(summed.reshape(size, components, d, d))


def natural_gradient(
    family: ExponentialFamily, parameters: Array, mass: Array, totals: Array
) -> Array:
    """∇ℓ by the free coordinates (K, d) from Σ rₖ (K,) and Σ rₖT (K, d)."""
    jacobian, _ = family.natural_derivatives(parameters)
    mean = family.mean_statistics(family.natural(parameters))
    return np.einsum("kja,kj->ka", jacobian, totals - mass[:, None] * mean)


def natural_maps(
    family: ExponentialFamily, parameters: Array, means: Array, singles: Array
) -> tuple[Array, Array]:
    """What ``louis_derivatives`` takes of an exponential family, where u = (1, T - E T).

    The gradient by a component's free coordinates is (∂η/∂free)ᵀ(T - E T). ``parameters`` and
    ``means`` E T are (B K, d); ``singles`` are those of ``products``.
    """
    size, components, d = *singles.shape[:2], parameters.shape[1]
    jacobian, curvature = family.natural_derivatives(parameters)
    jacobian = jacobian.reshape(size, components, d, d)
    covariance = family.covariance_statistics(family.natural(parameters))
    covariance = covariance.reshape(size, components, d, d)
    slopes, mass, residual = jacobian.swapaxes(2, 3), singles[:, :, 0, 0], singles[:, :, 0, 1:]
    bends = np.einsum("bkj,bkjac->bkac", residual, curvature.reshape(size, components, d, d, d))
    return slopes, bends - mass[:, :, None, None] * (slopes @ covariance @ jacobian)


def louis_derivatives(
    weights: Array, singles: Array, pairs: Array, slopes: Array, bends: Array
) -> tuple[Array, Array]:
    """Gradients (B, p) and Hessians (B, p, p) of the log likelihood of B mixtures.

    With r the responsibilities and g the gradients of log wₖf, per observation,
    ∇²ℓ = Σₖ rₖ(gₖgₖᵀ + ∇gₖ) - (Σₖ rₖgₖ)(Σₖ rₖgₖ)ᵀ (Louis 1982, *JRSS B* 44:226). As every
    g is linear in some u = (1, G), both follow from the sums of rₖuuᵀ and rₖrₗuuᵀ, ``singles``
    and ``pairs``. The part of g by the component's own free coordinates is ``slopes`` (B, K, d, d)
    · G, and ``bends`` (B, K, d, d) are Σ rₖ∇gₖ of it.
    """
    size, components, d, _ = slopes.shape
    p = components - 1 + components * d
    # Each component's gradient as a linear map of u; 1 alone gives the log-odds.
    linear = np.zeros((size, components, p, 1 + d))
    linear[:, :, : components - 1, 0] = -weights[:, None, :-1]
    hessian = np.zeros((size, p, p))
    for k in range(components):
        free = slice(components - 1 + k * d, components - 1 + (k + 1) * d)
        linear[:, k, free, 1:] = slopes[:, k]
        if k < components - 1:
            linear[:, k, k, 0] += 1.0
        hessian[:, free, free] = bends[:, k]
    odds = weights[:, :-1, None] * (np.eye(components - 1) - weights[:, None, :-1])
    mass = singles[:, :, 0, 0].sum(axis=1)
    hessian[:, : components - 1, : components - 1] = -mass[:, None, None] * odds

    stacked = linear.transpose(0, 2, 1, 3).reshape(size, p, -1)
    gradient = (stacked @ singles[:, :, 0, :].reshape(size, -1, 1))[..., 0]
    hessian += ((linear @ singles) @ linear.swapaxes(2, 3)).sum(axis=1)
    hessian -= stacked @ pairs @ stacked.swapaxes(1, 2)
    return gradient, hessian
