"""Models that a bootstrap draws from and fits again: mixtures, and some with ends at the data's.

Each has a name, p ``parameters``, its ``log_likelihood`` of the data it was fitted to, quantiles
and draws, and ``refit``: the log likelihoods of the same model fitted to other data.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit.draws import Draws
from benchmarks.fit.many import fit_all
from benchmarks.fit.peaks import grid
from benchmarks.fit.polish import MIN_SPREAD
from benchmarks.fit.search import scipy_mixture
from benchmarks.reference.admissible import Region, sample_spreads
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.families.beta import Beta
from scenarios.mixture import Mixture
from scenarios.sample import Sample

STARTS = 6
"""Random starts of a refit, beside the mixture itself."""


@dataclass(frozen=True, eq=False)
class Model(ABC):
    """A fitted model."""

    name: str
    parameters: int
    log_likelihood: float

    def bic(self, size: float) -> float:
        """-2 ℓ + p log n."""
        return -2.0 * self.log_likelihood + self.parameters * float(np.log(size))

    @property
    def support(self) -> tuple[float, float]:
        """The open interval outside which other data can't be fitted."""
        return -np.inf, np.inf

    @abstractmethod
    def draw(self, generator: np.random.Generator, size: int) -> Array:
        """Independent draws (size,)."""

    @abstractmethod
    def quantiles(self, levels: Array) -> Array:
        """The quantiles at ascending ``levels`` (m,)."""

    @abstractmethod
    def refit(self, draws: Draws, generator: np.random.Generator) -> Array:
        """The largest log likelihoods (B,) of this model that are found for other data.

        -∞ where none is.
        """


@dataclass(frozen=True, eq=False)
class FittedMixture(Model):
    """A mixture whose family is anchored at the data."""

    mixture: Mixture
    region: Region
    """Of the data."""

    @classmethod
    def of(cls, mixture: Mixture, log_likelihood: float, region: Region) -> FittedMixture:
        """A mixture with its log likelihood."""
        name = f"{mixture.components} × {mixture.family.name.replace('_', ' ')}"
        return cls(name, mixture.dimension, log_likelihood, mixture, region)

    @classmethod
    def of_sample(cls, mixture: Mixture, log_likelihood: float, sample: Sample) -> FittedMixture:
        """A mixture fitted to a sample."""
        region = Region.of(sample, MIN_SPREAD)
        return cls.of(mixture.within(sample.family), log_likelihood, region)

    @property
    def support(self) -> tuple[float, float]:
        """The family's."""
        return self.mixture.family.support

    def draw(self, generator: np.random.Generator, size: int) -> Array:
        """Draw labels, then values, which stay inside the support."""
        x = self.mixture.sample(size, generator)
        low, high = self.support
        return np.clip(x, np.nextafter(low, high), np.nextafter(high, low))

    def quantiles(self, levels: Array) -> Array:
        """Interpolate in the distribution function."""
        x = grid(scipy_mixture(self.mixture))
        return np.interp(levels, self.mixture.cdf(x), x)

    def refit(self, draws: Draws, generator: np.random.Generator) -> Array:
        """Fit from the mixture and from random starts."""
        return fit_all(draws, self.mixture, self.region, STARTS, generator).reached


@dataclass(frozen=True, eq=False)
class Uniform(Model):
    """Uniform between the smallest and the largest observation."""

    low: float
    high: float

    @classmethod
    def of(cls, draws: Draws) -> Uniform:
        """The fit to one data set: its ends are the data's."""
        low, high = float(draws.x.min()), float(draws.x.max())
        return cls("uniform", 2, -draws.size * float(np.log(high - low)), low, high)

    def draw(self, generator: np.random.Generator, size: int) -> Array:
        """Draw by numpy."""
        return generator.uniform(self.low, self.high, size)

    def quantiles(self, levels: Array) -> Array:
        """Shift and scale the levels."""
        return self.low + (self.high - self.low) * levels

    def refit(self, draws: Draws, generator: np.random.Generator) -> Array:
        """Take the ends of each data set."""
        low, high = draws.ends()
        return np.asarray(-draws.size * np.log(high - low))


@dataclass(frozen=True, eq=False)
class FromEnd(Model):
    """One component of a positive family, of the distances from an end just outside the data."""

    end: float
    sign: float
    """1 from the lower end upwards, -1 from the upper end downwards."""
    inner: FittedMixture
    """The distances."""

    @classmethod
    def of(cls, draws: Draws, family: type[Family], sign: float) -> FromEnd | None:
        """The fit to one data set; None where it has no maximum."""
        distances, end = _distances(draws, sign)
        inner = one_component(distances, family)
        if inner is None:
            return None
        name = (
            f"{family.name} {'up from the least' if sign > 0.0 else 'down from the largest'} value"
        )
        return cls(name, inner.parameters + 1, inner.log_likelihood, float(end[0]), sign, inner)

    def draw(self, generator: np.random.Generator, size: int) -> Array:
        """Draw distances."""
        return self.end + self.sign * self.inner.draw(generator, size)

    def quantiles(self, levels: Array) -> Array:
        """Those of the distances, in the other order from the upper end."""
        if self.sign > 0.0:
            return self.end + self.inner.quantiles(levels)
        return self.end - self.inner.quantiles(1.0 - levels[::-1])[::-1]

    def refit(self, draws: Draws, generator: np.random.Generator) -> Array:
        """Take an end just outside each data set, then fit."""
        return self.inner.refit(_distances(draws, self.sign)[0], generator)


def _distances(draws: Draws, sign: float) -> tuple[Draws, Array]:
    """Distances from an end of each data set, and the ends (B,)."""
    low, high = draws.outer_ends()
    end = low if sign > 0.0 else high
    x = sign * (draws.x - end[:, None])
    if draws.counts is not None:  # cells without observations may lie beyond the end
        x = np.where(draws.counts > 0.0, x, x.max(axis=1, keepdims=True))
    return Draws(x, draws.counts), end


@dataclass(frozen=True, eq=False)
class BetaBetween(Model):
    """A beta distribution with one peak between ends just outside the data."""

    low: float
    high: float
    shapes: Array

    @classmethod
    def of(cls, draws: Draws) -> BetaBetween | None:
        """The fit to one data set; None where its density is infinite at both ends."""
        low, width, shapes, (value,), (two_peaks,) = _between(draws)
        if two_peaks or not np.isfinite(value):
            return None
        first, last = float(low[0]), float(low[0] + width[0])
        return cls("beta over the range", 4, float(value), first, last, shapes[0])

    def draw(self, generator: np.random.Generator, size: int) -> Array:
        """Draw by numpy, then shift and scale."""
        return self.low + (self.high - self.low) * generator.beta(
            self.shapes[0], self.shapes[1], size
        )

    def quantiles(self, levels: Array) -> Array:
        """Shift and scale those of scipy."""
        from scipy.stats import beta

        return np.asarray(self.low + (self.high - self.low) * beta(*self.shapes).ppf(levels))

    def refit(self, draws: Draws, generator: np.random.Generator) -> Array:
        """Take ends just outside each data set, then fit."""
        return _between(draws)[3]


def _between(draws: Draws) -> tuple[Array, Array, Array, Array, NDArray[np.bool_]]:
    """Lower ends, widths, shapes (B, 2) and log likelihoods (B,) of ``BetaBetween`` fits, and of
    which data sets (B,) the beta distribution would have two peaks.

    These have the most likely one with one peak: its shapes are at least 1, and one is 1.
    """
    family = Beta()
    low, high = draws.outer_ends()
    width = high - low
    logs = []
    for distance in (draws.x - low[:, None], high[:, None] - draws.x):
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.log(distance / width[:, None])
        counted = each if draws.counts is None else np.where(draws.counts > 0.0, each, 0.0)
        logs.append(draws.sums(counted) / draws.size)
    means = np.stack(logs, axis=1)
    shapes = family.maximise(means)
    two_peaks = np.asarray((shapes < 1.0).all(axis=1))
    # Of Beta(α, 1) the most likely has α = -1 ÷ the mean of log x, and of Beta(1, β) likewise.
    edges = np.maximum(-1.0 / means, 1.0)
    gains = np.log(edges) + (edges - 1.0) * means
    first = (gains[:, 0] >= gains[:, 1])[:, None]
    limited = np.where(first == [True, False], edges, 1.0)
    shapes = np.where(two_peaks[:, None], limited, shapes)
    eta = family.natural(shapes)
    with np.errstate(invalid="ignore"):
        mean = (eta * means).sum(axis=1) - family.log_partition(eta)
        value = draws.size * (mean - np.log(width))
    return low, width, shapes, np.where(np.isfinite(value), value, -np.inf), two_peaks


def one_component(draws: Draws, cls: type[Family]) -> FittedMixture | None:
    """One component's fit to a data set; None where it has no maximum."""
    x = draws.ordered(0)
    family = cls().anchored(x)
    start = Mixture(family, np.ones(1), family.moment_estimate(x)[None])
    region = Region(family, round(draws.size), MIN_SPREAD, *sample_spreads(x, family.link))
    fits = fit_all(draws, start, region, 0, np.random.default_rng(0))
    value = float(fits.values[0])
    return FittedMixture.of(fits.batch[0], value, region) if np.isfinite(value) else None
