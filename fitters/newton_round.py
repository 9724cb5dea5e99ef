"""One step of trust-region Newton for B restarts.

``Restarts.advance`` is one call of a compiled function for the families that it knows, and
``numpy_round`` for every other one with exact derivatives; both do the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fitters.base import Array, Sample
from fitters.trust_region import trust_region_steps
from scenarios.mixture import Index, MixtureBatch

FIRST_RADIUS, MIN_RADIUS, MAX_RADIUS = 1.0, 1e-10, 1000.0
MIN_RATIO = 0.15
"""Share of the predicted gain that a step must bring to be accepted."""


@dataclass(eq=False)
class Restarts:
    """State of B independent restarts, with quadratic models of -ℓ/n at their mixtures."""

    sample: Sample
    weights: Array
    """(B, K), as are ``parameters`` (B, K, d)."""
    parameters: Array
    points: Array
    """Coordinates (B, p)."""
    values: Array
    """-ℓ/n (B,); infinite where it or a derivative is not finite."""
    gradients: Array
    hessians: Array
    radius: Array = field(init=False)
    """The longest step (B,)."""
    steps: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.radius = np.full(len(self.weights), FIRST_RADIUS)
        self.steps = np.zeros(len(self.weights), dtype=np.int64)

    @classmethod
    def at(cls, sample: Sample, starts: MixtureBatch) -> Restarts:
        """Begin at a batch of mixtures, which stay as they are: one Hessian pass each."""
        batch = MixtureBatch(sample.family, starts.weights, starts.parameters)
        weights, parameters, points = (
            np.array(a, dtype=np.float64, order="C")
            for a in (batch.weights, batch.parameters, batch.coordinates())
        )
        return cls(sample, weights, parameters, points, *_models(sample, batch))

    def mixtures(self, index: Index) -> MixtureBatch:
        """The current mixtures of some restarts."""
        return MixtureBatch(self.sample.family, self.weights[index], self.parameters[index])

    def largest_gradients(self) -> Array:
        """The largest absolute component of each gradient, (B,)."""
        return np.asarray(np.abs(self.gradients).max(axis=1))

    def advance(self, tolerance: float) -> int:
        """Take a step from each restart that has neither converged nor stalled; returns how many.

        A restart has converged where no component of its gradient exceeds ``tolerance``.
        """
        rows = self.sample.compiled_rows
        function = None if rows is None else rows.function("newton_round")
        if rows is None or function is None:
            return numpy_round(self, tolerance)
        size, log_base = float(self.sample.size), self.sample.log_base
        rules = (size, log_base, tolerance, MIN_RADIUS, MAX_RADIUS, MIN_RATIO)
        count = int(
            function(
                rows.code, rows.anchor, rows.rows, rows.counts, self.weights, self.parameters,
                self.points, self.values, self.gradients, self.hessians, self.radius, self.steps,
                rules,
            )
        )  # fmt: skip
        self.sample.count(count * self.sample.pass_share, "hessian")
        return count


def numpy_round(restarts: Restarts, tolerance: float) -> int:
    """``Restarts.advance`` for any family with exact derivatives."""
    promising = np.isfinite(restarts.values) & (restarts.radius > MIN_RADIUS)
    index = np.flatnonzero(promising & (restarts.largest_gradients() > tolerance))
    if not index.size:
        return 0
    step, predicted = trust_region_steps(
        restarts.gradients[index], restarts.hessians[index], restarts.radius[index]
    )
    points, sample = restarts.points[index] + step, restarts.sample
    trial = MixtureBatch.from_coordinates(sample.family, restarts.weights.shape[1], points)
    values, gradients, hessians = _models(sample, trial)
    restarts.steps[index] += 1
    actual = restarts.values[index] - values
    ratio = np.where(np.isfinite(values), actual / predicted, -np.inf)
    length = np.linalg.norm(step, axis=1)
    restarts.radius[index] = _next_radius(restarts.radius[index], ratio, length)
    accepted = ratio > MIN_RATIO
    for old, new in (
        (restarts.weights, trial.weights), (restarts.parameters, trial.parameters),
        (restarts.points, points), (restarts.values, values),
        (restarts.gradients, gradients), (restarts.hessians, hessians),
    ):  # fmt: skip
        old[index[accepted]] = new[accepted]
    return int(index.size)


def _models(sample: Sample, mixtures: MixtureBatch) -> tuple[Array, Array, Array]:
    """-ℓ/n (B,), gradients (B, p) and Hessians (B, p, p): one Hessian pass each."""
    with np.errstate(all="ignore"):
        values, gradients, hessians = sample.hessians(mixtures)
    n = sample.size
    finite = np.isfinite(values + gradients.sum(axis=1) + hessians.sum(axis=(1, 2)))
    return np.where(finite, -values / n, np.inf), -gradients / n, -hessians / n


def _next_radius(radius: Array, ratio: Array, length: Array) -> Array:
    """Shrink the radius after a poor step, and grow it after a good one that reached it."""
    grow = (ratio > 0.75) & (length >= 0.999 * radius)
    grown = np.where(grow, np.minimum(2.0 * radius, MAX_RADIUS), radius)
    return np.where(ratio < 0.25, 0.25 * radius, grown)
