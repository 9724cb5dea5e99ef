"""One mixture model fitted to many data sets at once, for a bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit.draws import Draws, Index, Passes
from benchmarks.reference.admissible import Region
from benchmarks.reference.ascent import em_steps
from benchmarks.reference.newton import FLAT, MAX_REJECTED, MAX_STEP
from benchmarks.reference.starts import random_starts
from scenarios.families.base import Array
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample

KEPT = 3
"""The most likely of a data set's starts, after ``EM_STEPS``, that go on."""
EM_STEPS, NEWTON_STEPS, TOLERANCE = 12, 50, 1e-2
"""Steps of a fit, and the predicted gain in nats at which it ends."""
SAME = 0.02
"""Starts whose log likelihoods differ by less, in nats, are one."""
DENSITIES = 1 << 20
"""Densities that are evaluated at once."""
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fits:
    """One mixture model fitted to B data sets."""

    batch: MixtureBatch
    """The most likely admissible maximum found for each, (B,)."""
    values: Array
    """Its log likelihood (B,); -∞ where all ascents end elsewhere."""
    reached: Array
    """The largest admissible log likelihood at the end of an ascent, whether that is a maximum or
    not, (B,); -∞ without one."""

    @classmethod
    def joined(cls, parts: list[Fits]) -> Fits:
        """The fits to some data sets, then to others."""
        batches = [part.batch for part in parts]
        batch = MixtureBatch(
            batches[0].family,
            np.concatenate([each.weights for each in batches]),
            np.concatenate([each.parameters for each in batches]),
        )
        values, reached = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("values", "reached")
        )
        return cls(batch, values, reached)


def fit_all(
    draws: Draws, start: Mixture, region: Region, starts: int, generator: np.random.Generator
) -> Fits:
    """Fit a mixture model to each data set.

    From ``start``, whose family is anchored at data like these, and from ``starts`` random ones.
    """
    each = 1 if start.components == 1 else 1 + starts
    block = max(1, DENSITIES // (each * start.components * draws.x.shape[1]))
    parts = []
    with np.errstate(all="ignore"):
        for low in range(0, len(draws), block):
            part = draws.part(low, low + block)
            parts.append(_fit_block(part, start, region, each - 1, generator))
    return Fits.joined(parts)


def _fit_block(
    draws: Draws, start: Mixture, region: Region, starts: int, generator: np.random.Generator
) -> Fits:
    passes = Passes.of(start.family, draws)
    batch, owner = _starts(draws, start, region, starts, generator)
    passes = passes.owned(owner)
    # ``em_steps`` needs a sample's family and passes alone.
    batch = em_steps(cast(Sample, passes), batch, EM_STEPS, region)
    values = np.where(_admissible(batch, region), passes.log_likelihoods(batch), -np.inf)
    chosen = np.concatenate(
        [_best(values, np.flatnonzero(owner == index)) for index in range(len(draws))]
    )
    passes = passes.owned(owner[chosen])
    batch, ends, maximum = climb(passes, batch.take(chosen), region)
    winners = np.zeros(len(draws), dtype=np.intp)
    values, reached = np.full(len(draws), -np.inf), np.full(len(draws), -np.inf)
    for place, (index, value) in enumerate(zip(passes.owner, ends, strict=True)):
        reached[index] = max(reached[index], value)
        if maximum[place] and value > values[index]:
            winners[index], values[index] = place, value
    return Fits(batch.take(winners), values, reached)


def _starts(
    draws: Draws, start: Mixture, region: Region, starts: int, generator: np.random.Generator
) -> tuple[MixtureBatch, Index]:
    """``start`` and ``starts`` random ones for each data set, and the owners."""
    size, none = len(draws), np.empty((0, start.parameters.shape[1]))
    weights, rows = [np.repeat(start.weights[None], size, axis=0)[:, None]], []
    rows = [np.repeat(start.parameters[None], size, axis=0)[:, None]]
    if starts:
        drawn = [
            random_starts(draws.ordered(b), start.components, starts, region, none, generator)
            for b in range(size)
        ]
        weights.append(np.stack([each.weights for each in drawn]))
        rows.append(np.stack([each.parameters for each in drawn]))
    shares, parameters = np.concatenate(weights, axis=1), np.concatenate(rows, axis=1)
    owner = np.repeat(np.arange(size), 1 + starts)
    flat = parameters.reshape(owner.size, *start.parameters.shape)
    return MixtureBatch(start.family, shares.reshape(owner.size, -1), flat), owner


def _best(values: Array, index: Index) -> Index:
    """The ``KEPT`` largest distinct of values[index]."""
    order = index[np.argsort(-values[index])]
    gaps = -np.diff(values[order], prepend=np.inf)
    return order[np.isnan(gaps) | (gaps > SAME)][:KEPT]


def _admissible(batch: MixtureBatch, region: Region) -> Flags:
    """Which mixtures (m,) have all components inside the region."""
    expected = batch.weights * region.size
    finite = np.isfinite(batch.parameters).all(axis=(1, 2))
    valid = np.asarray(finite & np.isfinite(expected).all(axis=1))
    valid &= (batch.parameters[..., batch.family.positive()] > 0.0).all(axis=(1, 2))
    rows = np.where(valid[:, None, None], batch.parameters, batch.parameters[valid][:1])
    return valid & region.inside(expected, rows).all(axis=1)


def climb(passes: Passes, batch: MixtureBatch, region: Region) -> tuple[MixtureBatch, Array, Flags]:
    """Increase each likelihood until its predicted gain is below ``TOLERANCE``.

    Newton's method, damped until the likelihood increases (Levenberg 1944). The ends, their log
    likelihoods (m,), -∞ where a mixture is not admissible, and which are maxima (m,).
    """
    family, components, n = passes.family, batch.components, passes.draws.size
    points = batch.coordinates()
    values, gradients, hessians = _evaluate(passes, batch, region)
    damping, rejected = np.zeros(len(points)), np.zeros(len(points), dtype=int)
    maximum, going = np.zeros(len(points), dtype=bool), np.isfinite(values)
    for _ in range(NEWTON_STEPS):
        index = np.flatnonzero(going)
        if not index.size:
            break
        steps, gains, convex = _steps(gradients[index] / n, hessians[index] / n, damping[index])
        maximum[index] = convex
        going[index] = moving = ~(convex & (n * gains < TOLERANCE))
        index, trial = index[moving], points[index[moving]] + steps[moving]
        there = MixtureBatch.from_coordinates(family, components, trial)
        found = _evaluate(passes.owned(passes.owner[index]), there, region)
        up = found[0] > values[index]
        at, down = index[up], index[~up]
        points[at] = trial[up]
        for old, new in zip((values, gradients, hessians), found, strict=True):
            old[at] = new[up]
        damping[at] = np.where(damping[at] <= 1e-4, 0.0, damping[at] / 8.0)
        damping[down] = np.maximum(4.0 * damping[down], 1e-4)
        rejected[at] = 0
        rejected[down] += 1
        going[down[rejected[down] > MAX_REJECTED]] = False
    return MixtureBatch.from_coordinates(family, components, points), values, maximum


def _steps(gradients: Array, hessians: Array, damping: Array) -> tuple[Array, Array, Flags]:
    """Damped Newton steps (m, p), predicted gains (m,), and where no curvature is negative (m,).

    Of derivatives per observation. A flat direction may go on rising with its slope.
    """
    bends, vectors = np.linalg.eigh(-hessians)
    along = (vectors.swapaxes(1, 2) @ gradients[..., None])[..., 0]
    flat = np.abs(bends) < FLAT
    each = np.where(flat, np.abs(along), along**2 / np.where(flat, 1.0, bends))
    least = np.maximum(damping, 1e-3 - 1.001 * bends[:, 0])
    shift = np.where(bends[:, 0] < 1e-12, least, damping)
    steps = (vectors @ (along / (bends + shift[:, None]))[..., None])[..., 0]
    length = np.maximum(np.linalg.norm(steps, axis=1), 1e-300)
    steps *= np.minimum(1.0, MAX_STEP / length)[:, None]
    return steps, 0.5 * each.sum(axis=1), bends[:, 0] > -FLAT


def _evaluate(passes: Passes, batch: MixtureBatch, region: Region) -> tuple[Array, Array, Array]:
    """Values (m,), gradients (m, p) and Hessians (m, p, p); -∞ where not admissible."""
    size, p = len(batch), batch.coordinates().shape[1]
    value, gradient, hessian = np.full(size, -np.inf), np.zeros((size, p)), np.zeros((size, p, p))
    inside = np.flatnonzero(_admissible(batch, region))
    if inside.size:
        found = passes.owned(passes.owner[inside]).hessians(batch.take(inside))
        good = np.isfinite(found[0] + found[1].sum(axis=1) + found[2].sum(axis=(1, 2)))
        for whole, part in zip((value, gradient, hessian), found, strict=True):
            whole[inside[good]] = part[good]
    return value, gradient, hessian
