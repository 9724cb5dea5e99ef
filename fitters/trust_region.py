"""Steps of Newton's method for a batch of quadratic models, by the eigenvalues of Hessians.

Both kinds of step use the eigenvalues of the Hessian. ``safeguarded_steps`` goes to the model's
maximum, reflects directions of the wrong curvature, and cuts the step at a radius.
``trust_region_steps`` solves the trust region's problem exactly.
"""

from __future__ import annotations

import numpy as np

from scenarios.families.base import Array

FLAT = 1e-10
"""Curvature, relative to the largest, below which a direction is flat and gains nothing."""


def safeguarded_steps(
    gradients: Array, hessians: Array, radius: Array | float = np.inf
) -> tuple[Array, Array]:
    """Return ascent steps (B, p) and the gains (B,) at the maxima of quadratic models.

    The models are of log likelihoods: ``gradients`` (B, p), ``hessians`` (B, p, p). No step is
    longer than ``radius``, (B,) or one for all; a gain is that of the whole step. Where a model has
    no maximum, at a saddle, the gain is infinite, and the sign of the wrong curvature is reversed
    (Nocedal & Wright 2006, *Numerical Optimization*, section 3.4). A model that is not finite has
    a step of NaN and an infinite gain.
    """
    finite = np.isfinite(hessians.sum(axis=(1, 2)) + gradients.sum(axis=1))
    curvature, vectors = np.linalg.eigh(np.where(finite[:, None, None], -hessians, 0.0))
    flat = FLAT * curvature[:, -1:]
    slope = _project(vectors, np.where(finite[:, None], gradients, 0.0))
    step = np.divide(
        slope, np.abs(curvature), out=np.zeros_like(slope), where=np.abs(curvature) > flat
    )
    length = np.maximum(np.linalg.norm(step, axis=1), 1e-300)
    shortened = step * np.minimum(1.0, radius / length)[:, None]
    has_maximum = finite & (curvature[:, 0] >= -flat[:, 0])
    gains = np.where(has_maximum, 0.5 * (slope * step).sum(axis=1), np.inf)
    steps = (vectors @ shortened[..., None])[..., 0]
    return np.where(finite[:, None], steps, np.nan), gains


def trust_region_steps(gradients: Array, hessians: Array, radius: Array) -> tuple[Array, Array]:
    """Steps (B, p) of length at most ``radius`` (B,) that reduce quadratic models most.

    Returns the steps and the reductions (B,). Moré & Sorensen (1983), *SIAM J. Sci. Stat.
    Comput.* 4:553: the step is -(H + λI)⁻¹g with the least λ ≥ 0 for which H + λI is positive
    definite and the step is inside; λ is found by their Newton iteration, kept in a bracket.
    With few parameters eigenvalues are the cheapest way.
    """
    curvature, vectors = np.linalg.eigh(hessians)
    slope = _project(vectors, gradients)
    lowest = curvature[:, 0]
    # Where the lowest curvature is negative and the gradient has nothing along its direction,
    # rounding decides which way to go.
    low = np.maximum(0.0, -lowest)
    high = low + np.linalg.norm(gradients, axis=1) / radius + 1e-300
    with np.errstate(all="ignore"):
        shift = np.where(lowest > 0.0, 0.0, low + 1e-3 * (high - low))
        for _ in range(60):
            step = slope / (curvature + shift[:, None])
            length = np.linalg.norm(step, axis=1)
            outside = length > radius
            solved = (np.abs(length - radius) <= 1e-6 * radius) | (~outside & (shift == 0.0))
            if solved.all():
                break
            low, high = np.where(outside, shift, low), np.where(outside, high, shift)
            derivative = (step**2 / (curvature + shift[:, None])).sum(axis=1)
            newton = shift + (length**2 / derivative) * (length - radius) / radius
            inside = (newton > low) & (newton < high)
            shift = np.where(solved, shift, np.where(inside, newton, 0.5 * (low + high)))
        step = slope / (curvature + shift[:, None])
        length = np.linalg.norm(step, axis=1)
        step *= np.minimum(1.0, radius / length)[:, None]
    step = np.nan_to_num(step)
    reduction = (slope * step).sum(axis=1) - 0.5 * (curvature * step**2).sum(axis=1)
    return -(vectors @ step[..., None])[..., 0], reduction


def _project(vectors: Array, gradients: Array) -> Array:
    """Gradients (B, p) in the bases of eigenvectors (B, p, p)."""
    return np.asarray((vectors.swapaxes(1, 2) @ gradients[..., None])[..., 0])
