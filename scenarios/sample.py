"""What a fitter sees: observations as weighted rows of sufficient statistics.

The sample owns the kernels that pass over the data, and counts the passes, so that work
means the same thing for every fitter that uses them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scenarios.digest import digest
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.kernels import louis, posterior, products
from scenarios.mixture import Mixture
from scenarios.sketch import Sketch, blocks
from scenarios.stack import Stack

BLOCK = 1 << 13
"""Rows that a kernel takes at once: what it makes of them stays in the processor's cache."""
TOGETHER = 1 << 13
"""Rows × mixtures that a kernel takes at once."""
IN_MEMORY = 1 << 22
"""Observations up to which T(x) is kept; beyond, it is computed anew in every pass."""
THINNED = 1 << 17
"""Observations, evenly spaced, that are enough to see where the data lie."""


@dataclass(eq=False)
class Sample:
    """Observations of one family, as ``rows`` with ``counts``.

    ``rows`` (r, d) hold T(x) for an exponential family, in column-major order so that
    each statistic is contiguous, and x itself (r, 1) otherwise; where there are very many,
    they are not ``kept`` but computed in every pass. ``counts`` (r,) say how many
    observations a row stands for; ``log_base`` is Σ h(x), which no parameter moves.
    ``evaluations`` counts passes: density rows evaluated ÷ n. A sketch's ``source`` counts
    them too.

    ``family`` is anchored at the data, and the kernels' derivatives are in its free
    coordinates, whatever anchor a mixture given to them has.
    """

    family: Family
    observations: Array
    kept: Array | None
    counts: Array
    log_base: float
    source: Sample | None = None
    evaluations: float = 0.0
    _grid: Sketch | None = field(default=None, init=False, repr=False)
    _sketches: dict[int, Sample] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, observations: Array, family: Family) -> Sample:
        """The exact sample: a row for each observation, which may lie in a mapped file.

        Raises ``UserError`` for no observations, and ``SupportError`` for observations
        outside the family's support.
        """
        x = np.ascontiguousarray(observations, dtype=np.float64).ravel()
        if x.size == 0:
            raise UserError("there are no observations to fit: give at least one")
        family.check_support(x)
        large = x.size > IN_MEMORY
        anchored = family.anchored(thin(x) if large else x)
        log_base = 0.0
        if isinstance(anchored, ExponentialFamily):
            parts = (x[low : low + IN_MEMORY] for low in range(0, x.size, IN_MEMORY))
            log_base = float(sum(anchored.log_base(part).sum() for part in parts))
        kept = None if large else np.asfortranarray(_rows(anchored, x))
        return cls(anchored, x, kept, np.broadcast_to(np.float64(1.0), x.size), log_base)

    @classmethod
    def stream(cls, chunks: Iterable[Array], family: ExponentialFamily, bins: int = 1024) -> Sample:
        """A sketch of observations that come in chunks and are not kept.

        The same, to the last bit, however they are cut into chunks. ``observations`` are
        then an evenly spaced part of them. Raises as ``of`` does.
        """
        sketch: Sketch | None = None
        kept: list[Array] = []
        stride, seen = 1, 0
        for block in blocks(chunks):
            family.check_support(block)
            if sketch is None:
                sketch = Sketch(family.anchored(block))
            sketch.add(block)
            kept.append(block[-seen % stride :: stride].copy())  # a view would hold all of it
            seen += block.size
            if sum(part.size for part in kept) > 2 * THINNED:
                kept, stride = [np.concatenate(kept)[::2]], 2 * stride
        if sketch is None:
            raise UserError("there are no observations to fit: give at least one")
        rows, counts = sketch.rows(bins)
        return cls(sketch.family, np.concatenate(kept), rows, counts, sketch.log_base)

    def sketch(self, bins: int = 1024) -> Sample:
        """The same observations in at most ``bins`` rows; itself where that is no gain.

        Raises ``TypeError`` for a family without exponential form.
        """
        if not isinstance(self.family, ExponentialFamily):
            raise TypeError(f"{self.family.name} is no exponential family: rows can't be averaged")
        if self.size <= bins:
            return self
        if self._grid is None:  # one for all numbers of rows: it costs a pass
            self._grid = Sketch(self.family)
            self._grid.add(self.observations)
        if bins not in self._sketches:
            told = (self.family, self.observations, *self._grid.rows(bins), self.log_base, self)
            self._sketches[bins] = Sample(*told)
        return self._sketches[bins]

    @cached_property
    def size(self) -> int:
        """The number of observations n, not of rows."""
        return round(float(self.counts.sum()))

    @property
    def rows(self) -> Array:
        """All rows (r, d)."""
        return _rows(self.family, self.observations) if self.kept is None else self.kept

    @cached_property
    def ordered(self) -> Array:
        """The observations in order, or an evenly spaced part of them where they are many."""
        return np.sort(thin(self.observations))

    def digest(self) -> str:
        """SHA-256 of the observations to ten digits: equal digests, equal data."""
        return digest(self.observations)

    def count(self, passes: float = 1.0) -> None:
        """Enter passes made by other code than this sample's kernels."""
        self.evaluations += passes
        if self.source is not None:
            self.source.count(passes)

    def log_likelihood(self, mixture: Mixture) -> float:
        """Σ log density in nats: one pass."""
        return self.log_base + sum(float(part[0]) for _, part, *_ in self._pass(_one(mixture)))

    def expectation(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """The E-step: (log likelihood, expected counts (K,), Σ responsibility·row (K, d)).

        One pass.
        """
        value, mass, totals = self.expectations(_one(mixture))
        return float(value[0]), mass[0], totals[0]

    def expectations(self, stack: Stack) -> tuple[Array, Array, Array]:
        """``expectation`` of each of B mixtures, (B,), (B, K), (B, K, d): B passes."""
        value, mass = np.full(len(stack), self.log_base), np.zeros(stack.weights.shape)
        totals = np.zeros((*stack.weights.shape, len(self.family.parameters)))
        for these, part, responsibilities, rows, counts in self._pass(stack):
            weighted = responsibilities if counts is None else responsibilities * counts
            value[these] += part
            mass[these] += weighted.sum(axis=2)
            totals[these] += weighted @ rows.T
        return value, mass, totals

    def gradient(self, mixture: Mixture) -> tuple[float, Array]:
        """Log likelihood and its gradient (p,) in coordinates.

        One pass for an exponential family; otherwise the component scores are numeric,
        and each of their differences counts as a pass too.
        """
        family, weights = self.family, mixture.weights
        if isinstance(family, ExponentialFamily):
            value, mass, totals = self.expectation(mixture)
            jacobian, _ = family.natural_derivatives(mixture.parameters)
            mean = family.mean_statistics(family.natural(mixture.parameters))
            free = np.einsum("kja,kj->ka", jacobian, totals - mass[:, None] * mean)
        else:
            value, mass = self.log_base, np.zeros(len(weights))
            free = np.zeros(mixture.parameters.shape)
            for _, part, (responsibilities,), rows, counts in self._pass(_one(mixture)):
                weighted = responsibilities if counts is None else responsibilities * counts
                value += float(part[0])
                mass += weighted.sum(axis=1)
                scores = family.score(rows[0], mixture.parameters)
                free += np.einsum("kn,kdn->kd", weighted, scores)
            self.count(family.score_cost() * len(self.counts) / self.size)
        odds = mass[:-1] - mass.sum() * weights[:-1]
        return value, np.concatenate([odds, free.ravel()])

    def hessian(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """Log likelihood, gradient (p,) and exact Hessian (p, p) in coordinates: one pass.

        Raises ``TypeError`` for a family without exponential form.
        """
        value, gradient, hessian = self.hessians(_one(mixture))
        return float(value[0]), gradient[0], hessian[0]

    def hessians(self, stack: Stack) -> tuple[Array, Array, Array]:
        """``hessian`` of each of B mixtures, (B,), (B, p), (B, p, p): B passes."""
        family, (size, components) = self.family, stack.weights.shape
        if not isinstance(family, ExponentialFamily):
            raise TypeError(f"{family.name} is no exponential family: there is no exact Hessian")
        width = 1 + len(family.parameters)
        value = np.full(size, self.log_base)
        singles = np.zeros((size, components, width, width))
        pairs = np.zeros((size, components * width, components * width))
        for these, part, responsibilities, rows, counts in self._pass(stack):
            single, pair = products(responsibilities, rows, counts)
            value[these] += part
            singles[these] += single
            pairs[these] += pair
        return value, *louis(family, stack, singles, pairs)

    def _pass(self, stack: Stack) -> Iterator[tuple[slice, Array, Array, Array, Array | None]]:
        """One pass for each of B mixtures, some of them and b rows at a time.

        Yields which of them, Σ counts · (log density - h) (B,), P(component | row) (B, K, b),
        which is the caller's to overwrite, the rows (d, b), and their counts (b,), None
        where all are 1.
        """
        family, (size, components) = self.family, stack.weights.shape
        parameters = stack.parameters.reshape(size * components, len(family.parameters))
        with np.errstate(divide="ignore"):
            constants = np.log(stack.weights).reshape(-1, 1)
        eta = None
        if isinstance(family, ExponentialFamily):
            eta = family.natural(parameters)
            constants = constants - family.log_partition(eta)[:, None]
        once = self.counts.strides == (0,)
        self.count(size * len(self.counts) / self.size)
        together = max(1, TOGETHER // len(self.counts))
        for low in range(0, len(self.counts), BLOCK):
            part = slice(low, low + BLOCK)
            if self.kept is None:
                rows = _rows(family, self.observations[part]).T
            else:
                rows = self.kept[part].T
            counts = None if once else self.counts[part]
            for first in range(0, size, together):
                these = slice(first, min(first + together, size))
                mine = slice(these.start * components, these.stop * components)
                if eta is None:
                    joint = family.log_density(rows[0], parameters[mine]) + constants[mine]
                else:
                    joint = eta[mine] @ rows + constants[mine]
                joint = joint.reshape(-1, components, rows.shape[1])
                yield these, posterior(joint, counts), joint, rows, counts


def _one(mixture: Mixture) -> Stack:
    return Stack(mixture.family, mixture.weights[None], mixture.parameters[None])


def thin(x: Array) -> Array:
    """At most ``THINNED`` of the observations, evenly spaced in the order they came."""
    return x[:: -(-x.size // THINNED)]


def _rows(family: Family, x: Array) -> Array:
    return family.statistics(x) if isinstance(family, ExponentialFamily) else x[:, None]
