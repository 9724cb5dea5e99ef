"""Components that could be added to a mixture, ranked by what the likelihood gains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import FEW, NARROW_SPREAD, Region
from benchmarks.reference.view import densities_at
from scenarios.families import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

FEW_NEIGHBOURS, GROWTH = 10, 1.5
"""Windows of so many neighbours and fewer begin at every observation; the sizes of wider ones grow
by a factor."""
MAX_WINDOWS = 600
"""Windows of one size."""
SHORTLIST = 50
"""Components whose gain on the line is computed, at most thrice: a quadratic model chooses."""
WIDE = 0.1
"""Relative spread of a wide component."""
MAX_WEIGHT = 0.8
UNCOVERED = 10.0
"""Density of a component ÷ the mixture's, from which the mixture does not cover an observation."""
SAME_COMPONENT = 0.85
"""Correlation of what two components add, beyond which they are nearly the same."""
LIMITING = (0.5, 4.0)
"""Logarithms between which a parameter is drawn that may grow without bound."""


class Insertion(NamedTuple):
    """A component to add, the weight at which the likelihood gains most, and that gain."""

    parameters: Array
    weight: float
    gain: float


@dataclass(frozen=True, eq=False)
class Candidates:
    """Moment estimates of windows of the sorted data, the admissible ones (m, d)."""

    sample: Sample
    parameters: Array
    narrow: NDArray[np.bool_]
    """Which are too narrow to hold few observations, (m,)."""
    wide: NDArray[np.bool_]
    densities: Array
    """f ÷ exp h at the sample's rows, (m, r)."""

    @classmethod
    def of(
        cls, view: Sample, ordered: Array, region: Region, generator: np.random.Generator
    ) -> Self:
        """Estimate components from windows of the ``ordered`` data, with densities on ``view``."""
        family = view.family
        rows = np.stack([family.moment_estimate(part) for part in _windows(ordered, region)])
        for name, column in zip(family.parameter_names(), rows.T, strict=True):
            if name in family.limits:  # no moment tells it
                column[:] = np.exp(generator.uniform(*LIMITING, size=len(rows)))
        keep = np.flatnonzero(region.relative_spreads(rows) >= region.min_spread)
        narrow = region.relative_spreads(rows[keep], 0.0) < NARROW_SPREAD
        wide = region.relative_spreads(rows[keep]) >= WIDE
        with np.errstate(all="ignore"):
            densities = densities_at(view.rows.T, family, rows[keep])
        return cls(view, rows[keep], narrow, wide, densities)

    def best(self, mixture: Mixture, count: int) -> list[Insertion]:
        """The ``count`` insertions into a mixture that gain most, and half as many wide ones.

        No two are nearly the same. Where many observations are equal, the narrow ones would leave
        no room for others. The gain is exact on the line to the component: max over a of
        Σ log(1 + a(f/f̂ - 1)).
        """
        counts, n = self.sample.counts, self.sample.size
        with np.errstate(all="ignore"):
            fitted = mixture.weights @ densities_at(
                self.sample.rows.T, self.sample.family, mixture.parameters
            )
            fitted = np.maximum(fitted, 1e-280)
            few, slopes, curvatures = self._shortlist(counts / fitted, counts / fitted**2)
            if not few.size:
                return []
            ratios = self.densities[few] / fitted - 1.0
            # Where observations have nearly no density yet, the quadratic model's weight is far too
            # small, and Newton's method only doubles it: their share is a better beginning.
            shares = (ratios > UNCOVERED) @ counts / n
            weights = np.clip(np.maximum(slopes / curvatures, shares), 1e-6, 0.5)
            for _ in range(8):  # Newton's method: the gain is concave in the weight
                terms = ratios / (1.0 + weights[:, None] * ratios)
                step = (terms @ counts) / ((terms * terms) @ counts)
                weights = np.clip(weights + step, 1e-6, MAX_WEIGHT)
            gains = np.log1p(weights[:, None] * ratios) @ counts
            added = ratios / (1.0 + weights[:, None] * ratios)
        gains = np.where(self.narrow[few] & (weights * n < 0.7 * FEW), -np.inf, gains)
        order, chosen = np.argsort(-gains), self._apart(added, gains, few, count)
        return [
            Insertion(self.parameters[few[j]], max(float(weights[j]), 1.0 / n), float(gains[j]))
            for j in order
            if chosen[j]
        ]

    def _apart(
        self, added: Array, gains: Array, few: NDArray[np.intp], count: int
    ) -> NDArray[np.bool_]:
        """Choose ``count`` and half as many wide ones by gain; no two ``added`` correlate."""
        with np.errstate(all="ignore"):
            standard = added - added.mean(axis=1, keepdims=True)
            standard /= np.linalg.norm(standard, axis=1, keepdims=True)
        chosen, allowed = np.zeros(len(gains), dtype=bool), gains > 0.0
        for more, among in ((count, allowed), (count // 2, self.wide[few])):
            allowed &= among
            for _ in range(more):
                j = int(np.argmax(np.where(allowed, gains, -np.inf)))
                if not allowed[j]:
                    break
                chosen[j] = True
                allowed &= ~(np.abs(standard @ standard[j]) > SAME_COMPONENT)
                allowed[j] = False
        return chosen

    def _shortlist(self, by_one: Array, by_two: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """The components that gain most by a quadratic model, and the gain's first derivatives.

        Where the mixture has nearly no density, ratios are huge and the model is poor: those with
        the largest slope are taken too. ``by_one``, ``by_two`` are counts ÷ f̂ and ÷ f̂², (r,).
        """
        n, first = self.sample.size, self.densities @ by_one
        slopes = first - n
        curvatures = np.einsum("mr,mr,r->m", self.densities, self.densities, by_two)
        curvatures += n - 2.0 * first
        with np.errstate(all="ignore"):
            gains = np.where(slopes > 0.0, slopes**2 / np.maximum(curvatures, slopes), -np.inf)
        gains[~np.isfinite(gains)] = -np.inf
        orders = (-gains, -slopes, np.where(self.wide, -gains, np.inf))
        few = np.unique(np.concatenate([np.argsort(order)[:SHORTLIST] for order in orders]))
        few = few[slopes[few] > 0.0]
        return few, slopes[few], curvatures[few]


def _windows(x: Array, region: Region) -> Iterator[Array]:
    """Windows of the ordered data: all of a few neighbours that are wide enough to be admissible,
    and wider ones half a width apart."""
    n, width = x.size, 2.0
    while width < GROWTH * n:
        size = min(int(width), n)
        if size <= FEW_NEIGHBOURS:
            lows = np.flatnonzero(_wide_enough(x, size, region))
            if lows.size > MAX_WINDOWS:
                lows = lows[np.linspace(0, lows.size - 1, MAX_WINDOWS).astype(int)]
        else:
            number = min(MAX_WINDOWS, int(2 * (n - size) / size) + 1)
            lows = np.unique(np.linspace(0, n - size, number).astype(int))
        for low in lows:
            yield x[low : low + size]
        width = width + 1.0 if width < 6.0 else width * GROWTH


def _wide_enough(x: Array, size: int, region: Region) -> NDArray[np.bool_]:
    """Which windows of ``size`` neighbours have the spread that so few observations must have."""
    wide = np.zeros(x.size - size + 1, dtype=bool)
    for values, spread in ((x, region.spread), (region.family.link(x), region.link_spread)):
        centred = values - values.mean()
        sums = [np.cumsum(np.append(0.0, centred**power)) for power in (1, 2)]
        mean, square = ((total[size:] - total[:-size]) / size for total in sums)
        wide |= np.sqrt(np.maximum(square - mean**2, 0.0)) >= 0.9 * NARROW_SPREAD * spread
    return wide
