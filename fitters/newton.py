"""Newton steps towards a maximum, for one restart or for many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenarios.families.base import Array
from scenarios.sample import Sample
from scenarios.stack import Stack

FLAT = 1e-10
"""Curvature, relative to the largest, below which a direction is a ridge's: along it there is
nothing to gain."""

FIRST_RADIUS, SMALLEST_RADIUS, LARGEST_RADIUS = 1.0, 1e-10, 1000.0
TAKEN = 0.15
"""Share of the predicted gain that a step must bring."""


def newton_steps(
    gradients: Array, hessians: Array, longest: Array | float = np.inf
) -> tuple[Array, Array]:
    """Steps (B, p) uphill on quadratic models, and the nats to be gained at their tops (B,).

    ``gradients`` (B, p), ``hessians`` (B, p, p) of log likelihoods. Where a model has no top,
    at a saddle, the gain is infinite, and the step goes down the wrong curvature as if it
    were a right one of the same size. No step is longer than ``longest``, (B,) or one for
    all. A model that isn't finite has a step of NaN, and an infinite gain.
    """
    finite = np.isfinite(hessians.sum(axis=(1, 2)) + gradients.sum(axis=1))
    curvature, vectors = np.linalg.eigh(np.where(finite[:, None, None], -hessians, 0.0))
    flat = FLAT * curvature[:, -1:]
    held = np.abs(curvature) > flat
    along = (vectors.swapaxes(1, 2) @ np.where(finite[:, None], gradients, 0.0)[..., None])[..., 0]
    scaled = np.divide(along, np.abs(curvature), out=np.zeros_like(along), where=held)
    length = np.maximum(np.linalg.norm(scaled, axis=1), 1e-300)
    shortened = scaled * np.minimum(1.0, longest / length)[:, None]
    steps = (vectors @ shortened[..., None])[..., 0]
    top = finite & (curvature[:, 0] >= -flat[:, 0])
    gains = np.where(top, 0.5 * (along * scaled).sum(axis=1), np.inf)
    return np.where(finite[:, None], steps, np.nan), gains


def climb(
    sample: Sample, starts: Stack, tolerance: float, most: int
) -> tuple[Stack, NDArray[np.bool_], NDArray[np.int_]]:
    """Trust-region Newton from every start: where each ended, whether at a top, and its steps.

    On -ℓ/n in coordinates, until no component of its gradient exceeds ``tolerance``; in
    ``most`` steps at most; passes are one more. Steps solve the trust region's
    problem exactly (Moré & Sorensen 1983, *SIAM J. Sci. Stat. Comput.* 4:553), which with
    few parameters is cheapest by eigenvalues; radii follow Nocedal & Wright (2006),
    *Numerical Optimization*, algorithm 4.1.
    """
    size = len(starts)
    at = Stack(starts.family, starts.weights.copy(), starts.parameters.copy())
    points, radius = at.coordinates(), np.full(size, FIRST_RADIUS)
    values, gradients, hessians = _models(sample, at)
    steps, going = np.zeros(size, dtype=int), np.arange(size)
    for _ in range(most):
        flat = np.abs(gradients[going]).max(axis=1) <= tolerance
        going = going[~flat & np.isfinite(values[going]) & (radius[going] > SMALLEST_RADIUS)]
        if not going.size:
            break
        step, gain = trust_region_steps(gradients[going], hessians[going], radius[going])
        reached = points[going] + step
        there = Stack.from_coordinates(sample.family, at.components, reached)
        value, gradient, hessian = _models(sample, there)
        steps[going] += 1
        ratio = np.where(np.isfinite(value), (values[going] - value) / gain, -np.inf)
        far = np.linalg.norm(step, axis=1) >= 0.999 * radius[going]
        grown = np.where(
            (ratio > 0.75) & far, np.minimum(2.0 * radius[going], LARGEST_RADIUS), radius[going]
        )
        radius[going] = np.where(ratio < 0.25, 0.25 * radius[going], grown)
        taken = ratio > TAKEN
        moved = going[taken]
        points[moved], values[moved] = reached[taken], value[taken]
        gradients[moved], hessians[moved] = gradient[taken], hessian[taken]
        at.put(moved, there.take(taken))
    return at, np.abs(gradients).max(axis=1) <= tolerance, steps


def _models(sample: Sample, stack: Stack) -> tuple[Array, Array, Array]:
    """-ℓ/n (B,), and its gradients and Hessians; an infinite value where it has none."""
    with np.errstate(all="ignore"):
        values, gradients, hessians = sample.hessians(stack)
    n = sample.size
    finite = np.isfinite(values + gradients.sum(axis=1) + hessians.sum(axis=(1, 2)))
    return np.where(finite, -values / n, np.inf), -gradients / n, -hessians / n


def trust_region_steps(gradients: Array, hessians: Array, radius: Array) -> tuple[Array, Array]:
    """The steps (b, p) no longer than ``radius`` (b,) that quadratic models fall most by, and
    by how much (b,)."""
    curvature, vectors = np.linalg.eigh(hessians)
    along = (vectors.swapaxes(1, 2) @ gradients[..., None])[..., 0]
    # Where the lowest curvature is negative and the gradient has nothing along it, rounding
    # decides which way to go.
    lowest = curvature[:, 0]
    least = np.maximum(0.0, -lowest)  # of the shift
    norm = np.linalg.norm(gradients, axis=1)
    low, high = least, least + norm / radius + 1e-300
    with np.errstate(all="ignore"):
        shift = np.where(lowest > 0.0, 0.0, least + 1e-3 * (high - least))
        for _ in range(60):
            scaled = along / (curvature + shift[:, None])
            length = np.linalg.norm(scaled, axis=1)
            outside = length > radius
            ended = (np.abs(length - radius) <= 1e-6 * radius) | (~outside & (shift == 0.0))
            if ended.all():
                break
            low, high = np.where(outside, shift, low), np.where(outside, high, shift)
            slope = (scaled**2 / (curvature + shift[:, None])).sum(axis=1)
            newton = shift + (length**2 / slope) * (length - radius) / radius
            inside = (newton > low) & (newton < high)
            shift = np.where(ended, shift, np.where(inside, newton, 0.5 * (low + high)))
        scaled = along / (curvature + shift[:, None])
        length = np.linalg.norm(scaled, axis=1)
        scaled *= np.minimum(1.0, radius / length)[:, None]
    scaled = np.nan_to_num(scaled)
    step = -(vectors @ scaled[..., None])[..., 0]
    gain = (along * scaled).sum(axis=1) - 0.5 * (curvature * scaled**2).sum(axis=1)
    return step, gain
