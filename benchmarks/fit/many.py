"""One mixture model fitted to many data sets at once.

A bootstrap fits hundreds of small data sets, where a pass over one costs more in calls than in
arithmetic. Here a pass takes a mixture for each data set, or several.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import Region
from benchmarks.reference.ascent import em_steps
from benchmarks.reference.newton import FLAT, MAX_REJECTED, MAX_STEP
from benchmarks.reference.starts import random_starts
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.kernels.numpy_passes import bends_of, louis_derivatives, natural_maps, products
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
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Draws:
    """B data sets of n observations: ``x`` (B, n), or ``x`` (1, r) with ``counts`` (B, r)."""

    x: Array
    counts: Array | None = None

    def __len__(self) -> int:
        """B."""
        return len(self.x if self.counts is None else self.counts)

    @cached_property
    def size(self) -> float:
        """The number of observations n of each."""
        return float(self.x.shape[1] if self.counts is None else self.counts[0].sum())

    def ordered(self, index: int) -> Array:
        """The observations of one data set, in order; each once where they have counts."""
        return np.sort(self.x[index]) if self.counts is None else self.x[0, self.counts[index] > 0]

    def sums(self, values: Array) -> Array:
        """Σ over the observations of ``values`` (B or 1, r) for each data set, (B,)."""
        return values.sum(axis=1) if self.counts is None else self.counts @ values[0]

    def part(self, low: int, high: int) -> Draws:
        """Some of the data sets."""
        if self.counts is None:
            return Draws(self.x[low:high])
        return Draws(self.x, self.counts[low:high])

    @classmethod
    def condensed(cls, x: Array, cells: int = 4_000) -> Draws:
        """One data set (n,), or the means of about ``cells`` groups of neighbours where n is large.

        The extremes, a hundredth of the cells on either side, stay single.
        """
        if x.size <= 5 * cells:
            return cls(np.sort(x)[None])
        x, single = np.sort(x), cells // 100
        edges = np.linspace(single, x.size - single, cells - 2 * single + 1).astype(int)
        edges = np.concatenate([np.arange(single), edges, x.size - np.arange(single)[::-1]])
        counts = np.diff(edges).astype(float)
        return cls((np.add.reduceat(x, edges[:-1]) / counts)[None], counts[None])


@dataclass(frozen=True, eq=False)
class Passes:
    """Passes over data sets: mixture i of a batch is evaluated on data set ``owner[i]``."""

    family: Family
    """Anchored at data like these."""
    draws: Draws
    rows: Array
    """T(x) (B or 1, d, r) of an exponential family, otherwise x (B or 1, 1, r)."""
    owner: Index
    log_base: Array
    """Σ h(x) of each data set, (B,)."""

    @classmethod
    def of(cls, family: Family, draws: Draws) -> Passes:
        """Each data set owns one mixture."""
        rows, base = draws.x[:, None], np.zeros(len(draws))
        if isinstance(family, ExponentialFamily):
            flat = draws.x.ravel()
            rows = family.statistics(flat).reshape(*draws.x.shape, -1).swapaxes(1, 2)
            base = draws.sums(family.log_base(flat).reshape(draws.x.shape))
        return cls(family, draws, np.ascontiguousarray(rows), np.arange(len(draws)), base)

    def owned(self, owner: Index) -> Passes:
        """The same with other owners (m,), ascending."""
        return Passes(self.family, self.draws, self.rows, owner, self.log_base)

    def log_likelihoods(self, batch: MixtureBatch) -> Array:
        """(m,)."""
        return self._posterior(self._joint(batch)[0])[0]

    def expectations(self, batch: MixtureBatch) -> tuple[Array, Array, Array]:
        """Log likelihoods (m,), Σ r (m, K) and Σ r T (m, K, d) of an exponential family."""
        value, shares = self._posterior(self._joint(batch)[0])
        weighted = self._counted(shares)
        return value, weighted.sum(axis=2), weighted @ self._of_owners(self.rows).swapaxes(1, 2)

    def component_derivatives(self, batch: MixtureBatch) -> tuple[Array, Array, Array, Array]:
        """Log likelihoods, Σ r, Σ r∇log f (m, K, d) and Σ r∇²log f (m, K, d, d)."""
        joint, first, second = self._joint(batch, derivatives=True)
        value, shares = self._posterior(joint)
        weighted = self._counted(shares)
        slopes = (first.reshape(*joint.shape[:2], -1, joint.shape[2]) @ weighted[..., None])[..., 0]
        return value, weighted.sum(axis=2), slopes, bends_of(weighted, second, None)

    def hessians(self, batch: MixtureBatch) -> tuple[Array, Array, Array]:
        """Log likelihoods (m,), gradients (m, p) and Hessians (m, p, p) in coordinates."""
        joint, first, second = self._joint(batch, derivatives=True)
        value, shares = self._posterior(joint)
        counts = None
        if self.draws.counts is not None:
            counts = self._of_owners(self.draws.counts)[:, None]
            counts = counts if len(counts) == 1 else np.repeat(counts, joint.shape[1], axis=0)
        singles, pairs = products(shares, first, counts)
        family, parameters = self.family, batch.parameters.reshape(-1, batch.parameters.shape[2])
        if isinstance(family, ExponentialFamily):
            means = family.mean_statistics(family.natural(parameters))
            slopes, bends = natural_maps(family, parameters, means, singles)
        else:
            d = parameters.shape[1]
            slopes = np.broadcast_to(np.eye(d), (*joint.shape[:2], d, d))
            bends = bends_of(self._counted(shares), second, None)
        return value, *louis_derivatives(batch.weights, singles, pairs, slopes, bends)

    def _joint(self, batch: MixtureBatch, derivatives: bool = False) -> tuple[Array, Array, Array]:
        """Log wₖ fₖ - h (m, K, r), and what gradients are linear in (m K, d, r) and its slopes."""
        family, (size, components, d) = self.family, batch.parameters.shape
        parameters = batch.parameters.reshape(-1, d)
        constants = np.log(batch.weights)[..., None]
        none = np.empty(0)
        if isinstance(family, ExponentialFamily):
            eta = family.natural(parameters)
            constants = constants - family.log_partition(eta).reshape(size, components, 1)
            rows = self._of_owners(self.rows)
            joint = eta.reshape(size, components, d) @ rows + constants
            if not derivatives:
                return joint, none, none
            means = family.mean_statistics(eta).reshape(size, components, d, 1)
            return joint, (rows[:, None] - means).reshape(size * components, d, -1), none
        ends = np.searchsorted(self.owner, np.arange(len(self.draws) + 1)) * components
        if len(self.rows) == 1:
            ends = np.array([0, size * components])
        parts = []
        for x, low, high in zip(self.rows[:, 0], ends[:-1], ends[1:], strict=True):
            each = parameters[low:high]
            if high > low:
                parts.append(
                    family.derivatives(x, each) if derivatives else (family.log_density(x, each),)
                )
        found = [np.concatenate(part) for part in zip(*parts, strict=True)]
        joint = found[0].reshape(size, components, -1) + constants
        return (joint, found[1], found[2]) if derivatives else (joint, none, none)

    def _posterior(self, joint: Array) -> tuple[Array, Array]:
        """Log likelihoods (m,), and responsibilities in the place of ``joint``."""
        largest = joint.max(axis=1)
        joint -= largest[:, None]
        np.exp(joint, out=joint)
        total = joint.sum(axis=1)
        joint /= total[:, None]
        each = largest + np.log(total)
        if self.draws.counts is not None:
            each *= self._of_owners(self.draws.counts)
        return each.sum(axis=1) + self.log_base[self.owner], joint

    def _counted(self, shares: Array) -> Array:
        counts = self.draws.counts
        return shares if counts is None else shares * self._of_owners(counts)[:, None]

    def _of_owners(self, each: Array) -> Array:
        """The rows of each mixture's data set; a single row that all have in common."""
        return each if len(each) == 1 else each[self.owner]


def fit_all(
    draws: Draws, start: Mixture, region: Region, starts: int, generator: np.random.Generator
) -> tuple[MixtureBatch, Array]:
    """The most likely admissible mixture found for each data set (B,), and log likelihoods (B,).

    From ``start``, whose family is anchored at data like these, and from ``starts`` random ones;
    -∞ where all ascents end elsewhere.
    """
    each = 1 if start.components == 1 else 1 + starts
    block = max(1, DENSITIES // (each * start.components * draws.x.shape[1]))
    parts = []
    with np.errstate(all="ignore"):
        for low in range(0, len(draws), block):
            part = draws.part(low, low + block)
            parts.append(_fit_block(part, start, region, each - 1, generator))
    weights, rows = (
        np.concatenate([getattr(batch, name) for batch, _ in parts])
        for name in ("weights", "parameters")
    )
    values = np.concatenate([value for _, value in parts])
    return MixtureBatch(start.family, weights, rows), values


def _fit_block(
    draws: Draws, start: Mixture, region: Region, starts: int, generator: np.random.Generator
) -> tuple[MixtureBatch, Array]:
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
    batch, values = climb(passes, batch.take(chosen), region)
    winners = np.zeros(len(draws), dtype=np.intp)
    best = np.full(len(draws), -np.inf)
    for place, (index, value) in enumerate(zip(passes.owner, values, strict=True)):
        if value > best[index]:
            winners[index], best[index] = place, value
    return batch.take(winners), best


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
    valid = np.isfinite(batch.parameters).all(axis=(1, 2)) & np.isfinite(expected).all(axis=1)
    valid &= (batch.parameters[..., batch.family.positive()] > 0.0).all(axis=(1, 2))
    rows = np.where(valid[:, None, None], batch.parameters, batch.parameters[valid][:1])
    return valid & region.inside(expected, rows).all(axis=1)


def climb(passes: Passes, batch: MixtureBatch, region: Region) -> tuple[MixtureBatch, Array]:
    """Increase each likelihood until its predicted gain is below ``TOLERANCE``: ends and values.

    Newton's method, damped until the likelihood increases (Levenberg 1944). A mixture that is not
    admissible, or no maximum at the end, has the value -∞.
    """
    family, components, n = passes.family, batch.components, passes.draws.size
    points = batch.coordinates()

    def evaluate(index: Index, at: Array) -> tuple[Array, Array, Array]:
        trial = MixtureBatch.from_coordinates(family, components, at)
        inside = np.flatnonzero(_admissible(trial, region))
        value = np.full(len(at), -np.inf)
        gradient, hessian = np.zeros(at.shape), np.zeros((*at.shape, at.shape[1]))
        if inside.size:
            found = passes.owned(passes.owner[index[inside]]).hessians(trial.take(inside))
            sums = found[0] + found[1].sum(axis=1) + found[2].sum(axis=(1, 2))
            good = np.isfinite(sums)
            for whole, part in zip((value, gradient, hessian), found, strict=True):
                whole[inside[good]] = part[good]
        return value, gradient, hessian

    values, gradients, hessians = evaluate(np.arange(len(points)), points)
    damping, rejected = np.zeros(len(points)), np.zeros(len(points), dtype=int)
    maximum, going = np.zeros(len(points), dtype=bool), np.isfinite(values)
    for _ in range(NEWTON_STEPS):
        index = np.flatnonzero(going)
        if not index.size:
            break
        bends, vectors = np.linalg.eigh(-hessians[index] / n)
        along = (vectors.swapaxes(1, 2) @ gradients[index][..., None])[..., 0] / n
        flat = np.abs(bends) < FLAT
        gains = (
            0.5 * n * np.where(flat, np.abs(along), along**2 / np.where(flat, 1.0, bends)).sum(1)
        )
        convex = bends[:, 0] > -FLAT
        maximum[index] = convex
        going[index] = ~(convex & (gains < TOLERANCE))
        least = np.maximum(damping[index], 1e-3 - 1.001 * bends[:, 0])
        shift = np.where(bends[:, 0] < 1e-12, least, damping[index])
        steps = (vectors @ (along / (bends + shift[:, None]))[..., None])[..., 0]
        steps *= np.minimum(1.0, MAX_STEP / np.maximum(np.linalg.norm(steps, axis=1), 1e-300))[
            :, None
        ]
        moving = going[index]
        index, trial = index[moving], points[index[moving]] + steps[moving]
        found = evaluate(index, trial)
        up = found[0] > values[index]
        at, down = index[up], index[~up]
        points[at], values[at] = trial[up], found[0][up]
        gradients[at], hessians[at] = found[1][up], found[2][up]
        damping[at] = np.where(damping[at] <= 1e-4, 0.0, damping[at] / 8.0)
        rejected[at] = 0
        damping[down] = np.maximum(4.0 * damping[down], 1e-4)
        rejected[down] += 1
        going[down[rejected[down] > MAX_REJECTED]] = False
    ends = MixtureBatch.from_coordinates(family, components, points)
    return ends, np.where(maximum, values, -np.inf)
