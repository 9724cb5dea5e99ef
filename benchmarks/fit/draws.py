"""Many data sets, and passes over all of them at once.

A bootstrap fits hundreds of small data sets, where a pass over one costs more in calls than in
arithmetic. Here a pass takes a mixture for each data set, or several.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.kernels.numpy_passes import bends_of, louis_derivatives, natural_maps, products
from scenarios.mixture import MixtureBatch

Index = NDArray[np.intp]
NEAR_END = 10
"""Observations whose distances say how far outside the data an end is."""


@dataclass(frozen=True, eq=False)
class Draws:
    """B data sets of n observations: ``x`` (B, n), or ``x`` (1 or B, r) with ``counts`` (B, r)."""

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
        x = self.x[index if len(self.x) > 1 else 0]
        return np.sort(x if self.counts is None else x[self.counts[index] > 0.0])

    def sums(self, values: Array) -> Array:
        """Σ over the observations of ``values`` (1 or B, r) for each data set, (B,)."""
        return (values if self.counts is None else values * self.counts).sum(axis=1)

    def ends(self) -> tuple[Array, Array]:
        """The smallest and the largest observation of each data set, (B,) each."""
        return self._reached(1.0), -self.flipped()._reached(1.0)

    def outer_ends(self) -> tuple[Array, Array]:
        """Ends outside each data set by the mean distance of the ``NEAR_END`` values next to them.

        Where these are tied, by half the distance to the next value: rounded observations may
        have been so far away.
        """
        first, last = self.ends()
        count = min(float(NEAR_END), self.size - 1.0)
        next_up = np.where(self._present(first, 1.0), self.x, np.inf).min(axis=1)
        next_down = np.where(self._present(last, -1.0), self.x, -np.inf).max(axis=1)
        below = (self._reached(count + 1.0) - first) / count
        above = (last + self.flipped()._reached(count + 1.0)) / count
        return (
            first - np.where(below > 0.0, below, 0.5 * (next_up - first)),
            last + np.where(above > 0.0, above, 0.5 * (last - next_down)),
        )

    def _present(self, end: Array, sign: float) -> NDArray[np.bool_]:
        """Which values (B, r) are observed, and lie inside an end (B,)."""
        inside = sign * (self.x - end[:, None]) > 0.0
        return inside if self.counts is None else inside & (self.counts > 0.0)

    def flipped(self) -> Draws:
        """The observations with the other sign, in the other order."""
        counts = None if self.counts is None else self.counts[:, ::-1]
        return Draws(-self.x[:, ::-1], counts)

    def _reached(self, count: float) -> Array:
        """The value up to which there are ``count`` observations, (B,)."""
        if self.counts is None:
            place = int(count) - 1
            return np.partition(self.x, place, axis=1)[:, place]
        place = (self.counts.cumsum(axis=1) >= count).argmax(axis=1)
        x = np.broadcast_to(self.x, self.counts.shape)
        return x[np.arange(len(x)), place]

    def part(self, low: int, high: int) -> Draws:
        """Some of the data sets."""
        x = self.x[low:high] if len(self.x) == len(self) else self.x
        return Draws(x, None if self.counts is None else self.counts[low:high])

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
