"""Damped Newton ascents of the likelihood for many mixtures at once, with the exact Hessian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.families import Array
from scenarios.mixture import Index, Mixture, MixtureBatch
from scenarios.sample import Sample

MAX_STEP = 1.0
"""Length of a step in coordinates, which are of order one: a longer one may leave the basin."""
CLOSE = 0.1
"""Predicted gain in nats below which a quadratic model describes the likelihood."""
FLAT = 1e-7
"""Curvature per observation, of either sign, that is rounding: its direction is flat."""
FLAT_LENGTH = 3.0
"""The way, in coordinates, along which a flat direction is taken to go on rising."""
MAX_REJECTED = 25
"""Steps in a row that lower the likelihood, after which an ascent ends."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ascent:
    """The end of an ascent."""

    mixture: Mixture
    log_likelihood: float
    predicted_gain: float
    """½ gᵀ(-H)⁻¹g, the gain at the quadratic model's maximum, in nats; inf without one."""
    smallest_eigenvalue: float
    """Of -H/n in coordinates: positive at a strict maximum."""
    at_limit: bool = False
    """Whether a parameter is at its limit, where its component is of another family."""


@dataclass(frozen=True, eq=False)
class Ascents:
    """The ends of B ascents, with the fields of ``Ascent`` as arrays (B,)."""

    mixtures: MixtureBatch
    log_likelihoods: Array
    predicted_gains: Array
    smallest_eigenvalues: Array

    def __len__(self) -> int:
        """B."""
        return len(self.log_likelihoods)

    def __getitem__(self, index: int) -> Ascent:
        """One end."""
        return Ascent(
            self.mixtures[index],
            float(self.log_likelihoods[index]),
            float(self.predicted_gains[index]),
            float(self.smallest_eigenvalues[index]),
        )


def newton_ascents(
    sample: Sample,
    starts: MixtureBatch,
    tolerance: float,
    max_steps: int,
    allowed: Callable[[MixtureBatch], Flags] | None = None,
    held: Flags | None = None,
    approach: Callable[[MixtureBatch], MixtureBatch] | None = None,
) -> Ascents:
    """Increase the likelihood until each predicted gain is below ``tolerance`` nats.

    No step lowers the likelihood: Newton's method is damped until it increases (Levenberg 1944),
    and a flat or rising direction gets a positive curvature. Coordinates that are ``held`` (B, p)
    do not move. ``approach`` brings starts nearer to their maxima, first of all, that are not
    ``CLOSE``. No step leads to a mixture that is not ``allowed``: a function of a batch to (B,).
    """
    state = _State.at(sample, starts, held)
    state.allowed = allowed
    if approach is not None:
        state.models(np.flatnonzero(state.going))
        far = np.flatnonzero(np.logical_not(state.gains < CLOSE))
        if far.size:
            state.restart(far, approach(starts.take(far)))
    for _ in range(max_steps):
        active = np.flatnonzero(state.going)
        if not active.size:
            break
        eigenvalues, vectors, along, gains = state.models(active)
        going = ~(gains < tolerance)
        state.going[active] = going
        moving = active[going]
        eigenvalues, vectors, along = eigenvalues[going], vectors[going], along[going]
        damping = state.damping[moving]
        safe = np.maximum(damping, 1e-3 - 1.001 * eigenvalues[:, 0])
        shift = np.where(eigenvalues[:, 0] < 1e-12, safe, damping)
        with np.errstate(all="ignore"):
            steps = (vectors @ (along / (eigenvalues + shift[:, None]))[:, :, None])[..., 0]
            length = np.maximum(np.linalg.norm(steps, axis=1), 1e-300)
            steps *= np.minimum(1.0, MAX_STEP / length)[:, None]
        state.move(moving, steps)
    state.models(np.flatnonzero(np.isfinite(state.values)))
    mixtures = state.mixtures(np.arange(len(starts)))
    return Ascents(mixtures, state.values, state.gains, state.smallest)


@dataclass(eq=False)
class _State:
    """B ascents on their way: their coordinates (B, p), and the likelihood's derivatives there."""

    sample: Sample
    components: int
    points: Array
    held: Flags | None
    values: Array
    gradients: Array
    hessians: Array
    gains: Array
    smallest: Array
    damping: Array
    rejected: NDArray[np.int_]
    going: Flags
    allowed: Callable[[MixtureBatch], Flags] | None = None

    @classmethod
    def at(cls, sample: Sample, starts: MixtureBatch, held: Flags | None) -> _State:
        points = MixtureBatch(sample.family, starts.weights, starts.parameters).coordinates()
        size, p = points.shape
        state = cls(
            sample, starts.components, points, held, np.full(size, -np.inf), np.zeros((size, p)),
            np.zeros((size, p, p)), np.full(size, np.inf), np.full(size, -np.inf),
            np.zeros(size), np.zeros(size, dtype=int), np.zeros(size, dtype=bool),
        )  # fmt: skip
        new = state.evaluate(points, np.arange(size))
        state.values, state.gradients, state.hessians = new
        state.going = np.isfinite(state.values)
        return state

    def restart(self, index: NDArray[np.intp], batch: MixtureBatch) -> None:
        """Go on from other mixtures."""
        new = MixtureBatch(self.sample.family, batch.weights, batch.parameters)
        self.points[index] = new.coordinates()
        found = self.evaluate(self.points[index], index)
        self.values[index], self.gradients[index], self.hessians[index] = found
        self.going[index] = np.isfinite(found[0])

    def mixtures(self, index: Index) -> MixtureBatch:
        """The mixtures at ``index``."""
        return MixtureBatch.from_coordinates(
            self.sample.family, self.components, self.points[index]
        )

    def evaluate(self, points: Array, index: Index) -> tuple[Array, Array, Array]:
        """Values, gradients and Hessians at ``points`` of the ascents at ``index``.

        The value is -∞ where the mixture is invalid or a derivative is not finite.
        """
        size, p = points.shape
        values, gradients = np.full(size, -np.inf), np.zeros((size, p))
        hessians = np.zeros((size, p, p))
        with np.errstate(all="ignore"):
            batch = MixtureBatch.from_coordinates(self.sample.family, self.components, points)
            good = np.flatnonzero(batch.valid() & np.isfinite(points).all(axis=1))
            if self.allowed is not None:
                good = good[self.allowed(batch.take(good))]
            if good.size:
                found = self.sample.hessians(batch.take(good))
                finite = np.isfinite(found[0] + found[1].sum(axis=1) + found[2].sum(axis=(1, 2)))
                good = good[finite]
                values[good], gradients[good], hessians[good] = (part[finite] for part in found)
        if self.held is not None:
            fixed = self.held[index]
            gradients[fixed] = 0.0
            hessians[fixed[:, :, None] | fixed[:, None, :]] = 0.0
            hessians[:, range(p), range(p)] -= np.where(fixed, float(self.sample.size), 0.0)
        return values, gradients, hessians

    def models(self, index: Index) -> tuple[Array, Array, Array, Array]:
        """Eigenvalues (b, p), ascending, and eigenvectors of -H/n, slopes along them, and gains.

        A flat direction may go on rising with its slope for ``FLAT_LENGTH``.
        """
        n = self.sample.size
        eigenvalues, vectors = np.linalg.eigh(-self.hessians[index] / n)
        along = (vectors.swapaxes(1, 2) @ self.gradients[index][:, :, None])[..., 0] / n
        flat = np.abs(eigenvalues) < FLAT
        each = 0.5 * along**2 / np.where(flat, 1.0, eigenvalues)
        total = n * np.where(flat, FLAT_LENGTH * np.abs(along), each).sum(axis=1)
        self.gains[index] = np.where(eigenvalues[:, 0] > -FLAT, total, np.inf)
        self.smallest[index] = eigenvalues[:, 0]
        return eigenvalues, vectors, along, self.gains[index]

    def move(self, index: NDArray[np.intp], steps: Array) -> None:
        """Take those steps that increase the likelihood; damp the others more."""
        points = self.points[index] + steps
        values, gradients, hessians = self.evaluate(points, index)
        up = values > self.values[index]
        at = index[up]
        self.points[at], self.values[at] = points[up], values[up]
        self.gradients[at], self.hessians[at] = gradients[up], hessians[up]
        self.damping[at] = np.where(self.damping[at] <= 1e-4, 0.0, self.damping[at] / 8.0)
        self.rejected[at] = 0
        down = index[~up]
        self.damping[down] = np.maximum(4.0 * self.damping[down], 1e-4)
        self.rejected[down] += 1
        self.going[down[self.rejected[down] > MAX_REJECTED]] = False
