"""Which mixtures may be a reference, and why others may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.certificate import SAME_OPTIMUM
from benchmarks.reference.newton import FLAT, Ascent
from benchmarks.reference.scipy_mixture import IO_BLOCK, ScipyMixture, link_of
from scenarios.families import Array, ExponentialFamily, Family, family
from scenarios.mixture import Mixture
from scenarios.random_part import random_part
from scenarios.sample import Sample

# A component narrower than this share of the sample's spread, with fewer than FEW expected
# observations, fits noise.
NARROW_SPREAD, FEW = 0.05, 10.0
STATIONARY = 1e-6
"""Largest predicted gain, in nats, of a stationary point."""
STATIONARY_WHERE_FLAT = 1e-3
"""The same on a flat direction, and where a parameter is at its limit: there the last digits of a
density are rounding."""
EMPTY = 1e-2
"""Expected observations below which a component is empty."""
AT_EDGE = "a component has the smallest admissible spread, and the likelihood rises beyond it"
RIDGE = "not a strict maximum: the likelihood has a ridge there"
LEVELS = np.array([0.16, 0.84])
"""Half of the range between these quantiles is a spread."""
WIDE_AND_NARROW, LONG_TAILS = np.array([0.16, 0.31, 0.69, 0.84]), 10.0
"""Levels of two ranges, and the ratio of the wide to the narrow one from which tails are long: it
is 2 for a normal, 2.7 for Student's t with 1 degree of freedom, and 9 with .3."""


def sample_spread(x: Array) -> float:
    """Half of the observations' 16–84 % range; of a random part where there are many."""
    low, high = np.quantile(random_part(x, IO_BLOCK), LEVELS)
    return 0.5 * float(high - low)


def sample_spreads(x: Array, link: Callable[[Array], Array]) -> tuple[float, float]:
    """``sample_spread`` in x and on the family's link scale."""
    part = random_part(x, IO_BLOCK)
    return sample_spread(part), sample_spread(link(part))


@dataclass(frozen=True)
class Region:
    """The admissible components of a sample: those that are not too narrow.

    A component's relative spread is its half 16–84 % range ÷ the sample's, in x or on the family's
    link scale (the logarithm of positive values, the logit on an interval), whichever is larger:
    far to the right a component is wide in x, and near zero by the logarithm. Of a component that
    holds few observations only the link scale counts: every spike on one far observation is as wide
    in x as all the others together.

    A spike with long tails, as Student's t with degrees of freedom near zero, has no spread: none
    bounds its density, and there the likelihood grows without bound.
    """

    family: Family
    size: int
    """The number of observations."""
    min_spread: float
    """The smallest admissible relative spread."""
    spread: float
    """The sample's, in x."""
    link_spread: float
    """The sample's, on the link scale."""

    @classmethod
    def of(cls, sample: Sample, min_spread: float) -> Self:
        """Measure the sample's spreads."""
        spreads = sample_spreads(sample.observations, sample.family.link)
        return cls(sample.family, sample.size, min_spread, *spreads)

    def relative_spreads(self, parameters: Array, expected: Array | float = np.inf) -> Array:
        """Relative spreads (...) of components, ``parameters`` (..., d); NaN where invalid.

        ``expected`` (...) are the numbers of observations that they hold.
        """
        rows = parameters.reshape(-1, parameters.shape[-1])
        with np.errstate(all="ignore"):
            ends = self.family.quantile(_levels(self.family), rows)
            linked = self.family.link(ends)
        size = np.broadcast_to(expected, parameters.shape[:-1]).ravel()
        shares = _shares(self.family, ends, linked, self.spread, self.link_spread, size)
        return shares.reshape(parameters.shape[:-1])

    def least(self, expected: Array) -> Array:
        """The smallest admissible relative spreads of components that hold so many observations."""
        return np.where(expected < FEW, max(NARROW_SPREAD, self.min_spread), self.min_spread)

    def inside(self, expected: Array, parameters: Array) -> NDArray[np.bool_]:
        """Which components, ``parameters`` (..., d), the search may enter, shape (...)."""
        return np.asarray(self.relative_spreads(parameters, expected) >= self.least(expected))


def spurious_reason(
    mixture: ScipyMixture, x: Array, min_spread: float, spreads: tuple[float, float] | None = None
) -> str | None:
    """Why the mixture is inadmissible whatever its likelihood; None if it is admissible.

    A mixture's likelihood is unbounded: a component may shrink onto a few observations.
    ``min_spread`` is the smallest admissible relative spread of a component (``Region``). The
    ``sample_spreads`` of x may be known.
    """
    expected = mixture.weights * x.size
    spreads = spreads or sample_spreads(x, link_of(mixture.family))
    shares = _relative_spreads(mixture, spreads, expected)
    tailed = not isinstance(family(mixture.family), ExponentialFamily)
    for k, share in enumerate(shares):
        has = f"component {k + 1} has {share:.2g} of the sample's spread, below"
        if share == 0.0 and tailed:
            return f"component {k + 1} is a spike with long tails, whose spread bounds no density"
        if not share >= min_spread:
            return f"{has} {min_spread:g}"
        if not share >= NARROW_SPREAD and expected[k] < FEW:
            return f"{has} {NARROW_SPREAD:g}, and holds {expected[k]:.1f} observations"
    return None


def _relative_spreads(
    mixture: ScipyMixture, spreads: tuple[float, float], expected: Array
) -> Array:
    """``Region.relative_spreads`` by scipy's quantiles, (K,)."""
    law = family(mixture.family)
    with np.errstate(all="ignore"):
        ends = mixture.quantiles(_levels(law))
        linked = link_of(mixture.family)(ends)
    return _shares(law, ends, linked, *spreads, expected)


def _levels(law: Family) -> Array:
    """The levels of the quantiles that ``_shares`` needs; long tails have some families alone."""
    return LEVELS if isinstance(law, ExponentialFamily) else WIDE_AND_NARROW


def _shares(
    law: Family, ends: Array, linked: Array, spread: float, link_spread: float, expected: Array
) -> Array:
    """Relative spreads (m,) of components with the quantiles ``ends`` and ``linked`` (m, levels).

    Zero for a spike with long tails.
    """
    with np.errstate(all="ignore"):
        in_x = 0.5 * (ends[:, -1] - ends[:, 0]) / spread
        by_link = 0.5 * (linked[:, -1] - linked[:, 0]) / link_spread
        shares = np.where(expected < FEW, by_link, np.fmax(in_x, by_link))
        if isinstance(law, ExponentialFamily):
            return shares
        ratio = (linked[:, 3] - linked[:, 0]) / (linked[:, 2] - linked[:, 1])
        return np.where(ratio >= LONG_TAILS, 0.0, shares)


def rejection_reason(
    sample: Sample, ascent: Ascent, min_spread: float, max_gain: float = STATIONARY
) -> str:
    """Why the end of an ascent can't be a reference; empty if it can.

    It must be admissible, have no empty component, and be a maximum: a predicted gain below
    ``max_gain`` nats and no negative curvature. A direction is flat if its curvature is below
    ``FLAT``, which is rounding; identical components lie on a ridge, which is flat exactly.
    """
    weights = ascent.mixture.weights
    mixture = ScipyMixture(sample.family.name, weights, ascent.mixture.parameters)
    reason = mixture.invalid_reason()
    reason = reason or spurious_reason(mixture, sample.observations, min_spread)
    if reason is not None:
        return reason
    if float(weights.min()) * sample.size < EMPTY:
        return "a component is empty: fewer would do"
    if ascent.at_limit or ascent.smallest_eigenvalue < FLAT:
        max_gain = max(max_gain, STATIONARY_WHERE_FLAT)
    if not (ascent.predicted_gain < max_gain and ascent.smallest_eigenvalue > -FLAT):
        return RIDGE
    if ascent.smallest_eigenvalue < FLAT and merging_loss(sample, ascent) < SAME_OPTIMUM:
        return RIDGE
    return ""


def merging_loss(sample: Sample, ascent: Ascent) -> float:
    """The least log likelihood lost by giving two components the mean of their coordinates.

    It is zero on the ridge of two identical components, whatever their weights; infinite for K = 1.
    """
    merged = with_pairs_merged(ascent.mixture.within(sample.family))
    losses = [ascent.log_likelihood - sample.log_likelihood(mixture) for mixture in merged]
    return min(losses, default=np.inf)


def with_pairs_merged(mixture: Mixture) -> list[Mixture]:
    """The mixture with each pair of components in turn replaced by the mean of coordinates."""
    family = mixture.family
    weights, free = mixture.weights, family.free(mixture.parameters)
    merged = []
    for k, m in combinations(range(mixture.components), 2):
        total = weights[k] + weights[m]
        mean = (weights[k] * free[k] + weights[m] * free[m]) / total
        rest = np.append(np.delete(weights, [k, m]), total)
        rows = family.usual(np.vstack([np.delete(free, [k, m], axis=0), mean]))
        merged.append(Mixture(family, rest, rows))
    return merged
