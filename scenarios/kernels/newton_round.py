"""Steps of trust-region Newton for B restarts at once, by the rules of ``fitters.newton``."""

from __future__ import annotations

import math

import numpy as np

from scenarios.kernels.jit import kernel, part
from scenarios.kernels.louis import derivatives
from scenarios.kernels.mixtures import from_coordinates, where


@part()
def trust_region_step(gradient, hessian, radius):
    """The step (p,) of length ≤ ``radius`` that reduces a quadratic model most, and its reduction.

    As ``fitters.trust_region.trust_region_steps``, for one model.
    """
    curvature, vectors = np.linalg.eigh(hessian)
    slope = vectors.T @ gradient
    low = max(0.0, -curvature[0])
    high = low + math.sqrt((gradient**2).sum()) / radius + 1e-300
    shift = 0.0 if curvature[0] > 0.0 else low + 1e-3 * (high - low)
    for _ in range(60):
        step = slope / (curvature + shift)
        length = math.sqrt((step**2).sum())
        outside = length > radius
        if abs(length - radius) <= 1e-6 * radius or (not outside and shift == 0.0):
            break
        if outside:
            low = shift
        else:
            high = shift
        derivative = (step**2 / (curvature + shift)).sum()
        newton = shift + (length**2 / derivative) * (length - radius) / radius
        shift = newton if low < newton < high else 0.5 * (low + high)
    step = slope / (curvature + shift)
    step *= min(1.0, radius / math.sqrt((step**2).sum()))
    for i in range(step.size):
        if not math.isfinite(step[i]):
            step[i] = 0.0
    return -(vectors @ step), (slope * step).sum() - 0.5 * (curvature * step**2).sum()


@part()
def next_radius(radius, ratio, length, largest):
    """A smaller radius after a poor step, a larger one after a good step that reached it."""
    if ratio < 0.25:
        return 0.25 * radius
    if ratio > 0.75 and length >= 0.999 * radius:
        return min(2.0 * radius, largest)
    return radius


@kernel("i8, {anchor}, f8[:,::1], {counts}, f8[:,::1], f8[:,:,::1], f8[:,::1], f8[::1], f8[:,::1], "
        "f8[:,:,::1], f8[::1], i8[::1], UniTuple(f8, 6)")  # fmt: skip
def newton_round(
    code, anchor, rows, counts, weights, parameters, points, values, gradients, hessians, radius,
    steps, rules,
):  # fmt: skip
    """Take a step from each restart that has neither converged nor stalled, in place.

    Models are of -ℓ/n at ``points`` (B, p), which are the coordinates of the mixtures. ``rules``
    are n, Σ h, the largest gradient of a maximum, the smallest and largest radius, and the least
    share of the predicted reduction. Returns the number of steps.
    """
    size, log_base, tolerance, smallest, largest, least = rules
    active = np.zeros(len(values), dtype=np.bool_)
    for b in range(len(values)):
        steep = np.abs(gradients[b]).max() > tolerance
        active[b] = math.isfinite(values[b]) and radius[b] > smallest and steep
    index = where(active)
    if index.size == 0:
        return 0
    moves, trial_points = np.empty((index.size, points.shape[1])), points[index]
    predicted = np.empty(index.size)
    for j in range(index.size):
        b = index[j]
        moves[j], predicted[j] = trust_region_step(gradients[b], hessians[b], radius[b])
        trial_points[j] += moves[j]
    trial_weights, trial = from_coordinates(code, anchor, trial_points)
    found, slopes, bends = derivatives(code, anchor, rows, counts, trial_weights, trial)
    for j in range(index.size):
        b = index[j]
        steps[b] += 1
        value, slope, bend = -(found[j] + log_base) / size, -slopes[j] / size, -bends[j] / size
        ratio = -np.inf
        if math.isfinite(value + slope.sum() + bend.sum()):
            ratio = (values[b] - value) / predicted[j]
        radius[b] = next_radius(radius[b], ratio, math.sqrt((moves[j] ** 2).sum()), largest)
        if ratio > least:
            weights[b], parameters[b], points[b] = trial_weights[j], trial[j], trial_points[j]
            values[b], gradients[b], hessians[b] = value, slope, bend
    return index.size
