"""What a fitter sees: observations as weighted rows of sufficient statistics.

The sample owns the kernels that pass over the data, and counts the passes, so that work
means the same thing for every fitter that uses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sketch import Sketch, blocks

BLOCK = 1 << 13
"""Rows that a kernel takes at once: what it makes of them stays in the processor's cache."""
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
            kept.append(block[-seen % stride :: stride])
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
        if bins not in self._sketches:
            sketch = Sketch(self.family)
            sketch.add(self.observations)
            told = (self.family, self.observations, *sketch.rows(bins), self.log_base, self)
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
        """SHA-256 of the observations' bytes: equal digests, equal data."""
        return hashlib.sha256(self.observations.data).hexdigest()

    def count(self, passes: float = 1.0) -> None:
        """Enter passes made by other code than this sample's kernels."""
        self.evaluations += passes
        if self.source is not None:
            self.source.count(passes)

    def log_likelihood(self, mixture: Mixture) -> float:
        """Σ log density in nats: one pass."""
        return self.log_base + sum(part for part, *_ in self._pass(mixture))

    def expectation(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """The E-step: (log likelihood, expected counts (K,), Σ responsibility·row (K, d)).

        One pass.
        """
        value, mass = self.log_base, np.zeros(mixture.components)
        totals = np.zeros((mixture.components, len(self.family.parameters)))
        for part, responsibilities, rows, counts in self._pass(mixture):
            weighted = responsibilities if counts is None else responsibilities * counts
            value += part
            mass += weighted.sum(axis=1)
            totals += weighted @ rows.T
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
            for part, responsibilities, rows, counts in self._pass(mixture):
                weighted = responsibilities if counts is None else responsibilities * counts
                value += part
                mass += weighted.sum(axis=1)
                scores = family.score(rows[0], mixture.parameters)
                free += np.einsum("kn,kdn->kd", weighted, scores)
            self.count(family.score_cost() * len(self.counts) / self.size)
        odds = mass[:-1] - mass.sum() * weights[:-1]
        return value, np.concatenate([odds, free.ravel()])

    def hessian(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """Log likelihood, gradient (p,) and exact Hessian (p, p) in coordinates: one pass.

        With r the responsibilities and g the gradients of log wₖf, per observation,
        ∇²ℓ = Σₖ rₖ(gₖgₖᵀ + ∇gₖ) - (Σₖ rₖgₖ)(Σₖ rₖgₖ)ᵀ (Louis 1982, *JRSS B* 44:226). As
        every g is linear in u = (1, T), all of it follows from Σ rₖ u uᵀ and Σ rₖrₗ u uᵀ.
        Exponential families only.
        """
        family = self.family
        if not isinstance(family, ExponentialFamily):
            raise TypeError(f"{family.name} is no exponential family: there is no exact Hessian")
        weights, components = mixture.weights, mixture.components
        width = 1 + len(family.parameters)
        value = self.log_base
        singles = np.zeros((components * width, width))
        pairs = np.zeros((components * width, components * width))
        for part, responsibilities, rows, counts in self._pass(mixture):
            u = np.concatenate([np.ones((1, rows.shape[1])), rows])
            products = (responsibilities[:, None, :] * u).reshape(components * width, -1)
            weighted = products if counts is None else products * counts
            value += part
            singles += weighted @ u.T  # Σ rₖ u uᵀ
            pairs += weighted @ products.T  # Σ rₖrₗ u uᵀ, in blocks
        single = singles.reshape(components, width, width)

        # Each component's own gradient as a linear map of u: free coordinates from T - E T,
        # the log-odds from 1.
        jacobian, curvature = family.natural_derivatives(mixture.parameters)
        eta = family.natural(mixture.parameters)
        mean = family.mean_statistics(eta)
        covariance = family.covariance_statistics(eta)
        d = eta.shape[1]
        p = components - 1 + components * d
        mass = single[:, 0, 0]
        maps = np.zeros((components, p, width))
        for k in range(components):
            free = slice(components - 1 + k * d, components - 1 + (k + 1) * d)
            maps[k, free, 0] = -jacobian[k].T @ mean[k]
            maps[k, free, 1:] = jacobian[k].T
            maps[k, : components - 1, 0] -= weights[:-1]
            if k < components - 1:
                maps[k, k, 0] += 1.0
        gradient = np.einsum("kpu,ku->p", maps, single[:, 0, :])
        stacked = maps.transpose(1, 0, 2).reshape(p, -1)
        hessian = np.einsum("kpu,kuv,kqv->pq", maps, single, maps) - stacked @ pairs @ stacked.T
        odds = np.diag(weights[:-1]) - np.outer(weights[:-1], weights[:-1])
        hessian[: components - 1, : components - 1] -= mass.sum() * odds
        for k in range(components):
            free = slice(components - 1 + k * d, components - 1 + (k + 1) * d)
            residual = single[k, 0, 1:] - mass[k] * mean[k]
            hessian[free, free] += np.einsum("j,jab->ab", residual, curvature[k])
            hessian[free, free] -= mass[k] * (jacobian[k].T @ covariance[k] @ jacobian[k])
        return value, gradient, hessian

    def _pass(self, mixture: Mixture) -> Iterator[tuple[float, Array, Array, Array | None]]:
        """One pass, a block of b rows at a time.

        Yields Σ counts · (log density - h), P(component | row) (K, b), which is the caller's
        to overwrite, the rows (d, b), and their counts (b,), None where all are 1.
        """
        family = self.family
        with np.errstate(divide="ignore"):
            constants = np.log(mixture.weights)[:, None]
        eta = None
        if isinstance(family, ExponentialFamily):
            eta = family.natural(mixture.parameters)
            constants = constants - family.log_partition(eta)[:, None]
        once = self.counts.strides == (0,)
        self.count(len(self.counts) / self.size)
        for low in range(0, len(self.counts), BLOCK):
            part = slice(low, low + BLOCK)
            if self.kept is None:
                rows = _rows(family, self.observations[part]).T
            else:
                rows = self.kept[part].T
            counts = None if once else self.counts[part]
            if eta is None:
                joint = family.log_density(rows[0], mixture.parameters) + constants
            else:
                joint = eta @ rows + constants
            yield _posterior(joint, counts), joint, rows, counts


def thin(x: Array) -> Array:
    """At most ``THINNED`` of the observations, evenly spaced in the order they came."""
    return x[:: -(-x.size // THINNED)]


def _rows(family: Family, x: Array) -> Array:
    return family.statistics(x) if isinstance(family, ExponentialFamily) else x[:, None]


def _posterior(joint: Array, counts: Array | None) -> float:
    """Log of weight × density (K, b) → responsibilities, in place; returns Σ counts · log Σₖ."""
    top = joint.max(axis=0)
    if len(joint) == 2:  # one exponential does for both
        second = joint[1] > joint[0]
        less = np.exp(joint.min(axis=0) - top)
        total = 1.0 + less
        joint[1] = np.where(second, 1.0, less)
        joint[0] = np.where(second, less, 1.0)
    else:
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(axis=0)
    joint /= total
    if counts is not None:
        return float(counts @ (top + np.log(total)))
    # Totals are between 1 and K: a logarithm of products of 32 does for as many of them.
    whole = total.size - total.size % 32
    logs = np.log(total[:whole].reshape(32, -1).prod(axis=0)).sum() + np.log(total[whole:]).sum()
    return float(top.sum() + logs)
