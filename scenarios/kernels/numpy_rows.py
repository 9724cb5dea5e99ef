"""The rows of one sample, and numpy's passes over them: for every family, and for any number.

They are the reference that compiled passes are held to, and take their place where none is
compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.kernels import numpy_passes
from scenarios.mixture import MixtureBatch

CACHE_BLOCK = 1 << 13
"""Rows in a block of a pass, whose intermediate results stay in the processor's cache."""
MAX_BATCH_ROWS = 1 << 13
"""Rows × mixtures that a pass evaluates at once."""


@dataclass(frozen=True, eq=False)
class NumpyRows:
    """Rows as ``Sample`` has them: ``stored`` (n, d), or None where T(x) is computed anew."""

    family: Family
    observations: Array
    stored: Array | None
    counts: Array

    def likelihoods(self, batch: MixtureBatch) -> Array:
        """Log likelihoods (B,) less Σ h."""
        value = np.zeros(len(batch))
        for index, part, *_ in self._pass(batch):
            value[index] += part
        return value

    def expectations(self, batch: MixtureBatch) -> tuple[Array, Array, Array]:
        """Values (B,) less Σ h, Σ c r (B, K) and Σ c r · row (B, K, d)."""
        value, mass = np.zeros(len(batch)), np.zeros(batch.weights.shape)
        totals = np.zeros((*batch.weights.shape, len(self.family.parameters)))
        for index, part, responsibilities, rows, counts in self._pass(batch):
            weighted = responsibilities if counts is None else responsibilities * counts
            value[index] += part
            mass[index] += weighted.sum(axis=2)
            totals[index] += weighted @ rows.T
        return value, mass, totals

    def gradients(self, batch: MixtureBatch) -> tuple[Array, Array]:
        """Values (B,) less Σ h, and gradients (B, p) in coordinates."""
        family, weights = self.family, batch.weights
        if isinstance(family, ExponentialFamily):
            value, mass, totals = self.expectations(batch)
            free = [
                numpy_passes.natural_gradient(family, *each)
                for each in zip(batch.parameters, mass, totals, strict=True)
            ]
        else:
            value, mass = np.zeros(len(batch)), np.zeros(weights.shape)
            free = [np.zeros(parameters.shape) for parameters in batch.parameters]
            for index, part, responsibilities, rows, counts in self._pass(batch):
                weighted = responsibilities if counts is None else responsibilities * counts
                value[index] += part
                mass[index] += weighted.sum(axis=2)
                for b, shares in zip(range(index.start, index.stop), weighted, strict=True):
                    scores = family.score(rows[0], batch.parameters[b])
                    free[b] += (scores @ shares[:, :, None])[..., 0]
        odds = mass[:, :-1] - mass.sum(axis=1, keepdims=True) * weights[:, :-1]
        return value, np.concatenate([odds, np.stack(free).reshape(len(odds), -1)], axis=1)

    def hessians(self, batch: MixtureBatch) -> tuple[Array, Array, Array]:
        """Values (B,) less Σ h, gradients (B, p) and Hessians (B, p, p) in coordinates."""
        family, (size, components) = self.family, batch.weights.shape
        d, rows_of = len(family.parameters), batch.parameters.reshape(size * components, -1)
        value = np.zeros(size)
        singles = np.zeros((size, components, 1 + d, 1 + d))
        pairs = np.zeros((size, components * (1 + d), components * (1 + d)))
        if isinstance(family, ExponentialFamily):
            means = family.mean_statistics(family.natural(rows_of))
            for index, part, shares, rows, counts in self._pass(batch):
                flat = slice(index.start * components, index.stop * components)
                single, pair = numpy_passes.products(shares, rows - means[flat, :, None], counts)
                value[index] += part
                singles[index] += single
                pairs[index] += pair
            slopes, bends = numpy_passes.natural_maps(family, rows_of, means, singles)
        else:
            slopes = np.broadcast_to(np.eye(d), (size, components, d, d))
            bends = np.zeros(slopes.shape)
            derivatives: list[Array] = []
            for index, part, shares, _, counts in self._pass(batch, derivatives):
                first, second = derivatives
                single, pair = numpy_passes.products(shares, first, counts)
                value[index] += part
                singles[index] += single
                pairs[index] += pair
                bends[index] += numpy_passes.bends_of(shares, second, counts)
        return value, *numpy_passes.louis_derivatives(batch.weights, singles, pairs, slopes, bends)

    def component_derivatives(self, batch: MixtureBatch) -> tuple[Array, Array, Array, Array]:
        """Values (B,) less Σ h, Σ r (B, K), Σ r∇log f (B, K, d) and Σ r∇²log f (B, K, d, d)."""
        (size, components), d = batch.weights.shape, len(self.family.parameters)
        value, mass = np.zeros(size), np.zeros((size, components))
        slopes, bends = np.zeros((size, components, d)), np.zeros((size, components, d, d))
        derivatives: list[Array] = []
        for index, part, shares, _, counts in self._pass(batch, derivatives):
            first, second = derivatives
            weighted = shares if counts is None else shares * counts
            value[index] += part
            mass[index] += weighted.sum(axis=2)
            each = first @ weighted.reshape(len(first), -1, 1)
            slopes[index] += each.reshape(*shares.shape[:2], d)
            bends[index] += numpy_passes.bends_of(shares, second, counts)
        return value, mass, slopes, bends

    def _pass(
        self, batch: MixtureBatch, derivatives: list[Array] | None = None
    ) -> Iterator[tuple[slice, Array, Array, Array, Array | None]]:
        """Pass over all rows for each of B mixtures, a block of rows and some mixtures at a time.

        Yields the slice of the mixtures, Σ counts · (log density - h) (b,), responsibilities
        (b, K, m), which the caller may overwrite, the rows (d, m), and their counts (m,), None
        where all are 1. ``derivatives``, if given, then holds those of the components, by
        ``Family.derivatives``: of rows that hold x.
        """
        size, components = batch.weights.shape
        joint_of = numpy_passes.joint_densities(self.family, batch, derivatives)
        all_counts_are_one = self.counts.strides == (0,)
        at_once = MAX_BATCH_ROWS if derivatives is None else MAX_BATCH_ROWS // 2
        together = max(1, at_once // len(self.counts))
        for low in range(0, len(self.counts), CACHE_BLOCK):
            block = slice(low, low + CACHE_BLOCK)
            if self.stored is None:
                rows = rows_of(self.family, self.observations[block]).T
            else:
                rows = self.stored[block].T
            counts = None if all_counts_are_one else self.counts[block]
            for first in range(0, size, together):
                index = slice(first, min(first + together, size))
                flat = slice(index.start * components, index.stop * components)
                joint = joint_of(flat, rows).reshape(-1, components, rows.shape[1])
                yield index, numpy_passes.posterior(joint, counts), joint, rows, counts


def rows_of(family: Family, x: Array) -> Array:
    """The rows (n, d) of observations: T(x) for an exponential family, and x itself otherwise."""
    return family.statistics(x) if isinstance(family, ExponentialFamily) else x[:, None]


def stored_rows(family: Family, x: Array) -> Array:
    """``rows_of`` in column-major order, block by block: no intermediate result is of that size."""
    if not isinstance(family, ExponentialFamily):
        return x[:, None]
    rows = np.empty((len(family.parameters), x.size))
    for low in range(0, x.size, CACHE_BLOCK):
        rows[:, low : low + CACHE_BLOCK] = family.statistics(x[low : low + CACHE_BLOCK]).T
    return rows.T
