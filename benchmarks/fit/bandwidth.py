"""Silverman's test of the number of peaks, which assumes no family.

The critical bandwidth is the smallest at which a kernel density estimate with normal kernels has
no more than so many peaks. Data drawn from that estimate, which has as many peaks as the null
hypothesis allows, are smoothed alike: where they seldom have more, the data do. Silverman (1981),
*JRSS B* 43:97.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.fit.rounded import Rounding
from scenarios.families import Family
from scenarios.families.base import Array

CELLS = 1_024
"""Cells of the data's range and of half of it on either side, which draws may reach."""
FEWEST = 2
"""Observations that a peak holds, at least: a single one in a tail is none."""
NEGLIGIBLE = 1e-12
"""Share of the highest density below which a density is rounding."""
STRIDE = 1.1
"""Ratio of the bandwidths that are tried from the widest down."""
PRECISION = 1.01
"""Ratio of two bandwidths between which the critical one lies when the search ends."""
REPLICATES = 500
"""Data sets that are drawn."""


@dataclass(frozen=True)
class BandwidthTest:
    """Silverman's test of at most ``peaks`` peaks."""

    peaks: int
    bandwidth: float
    """The critical one."""
    scale: str
    """What was smoothed: the ``logarithm`` or ``logit`` of the observations, or empty: these."""
    p: float
    """(1 + the number of data sets drawn with more peaks) / (``replicates`` + 1)."""
    replicates: int


@dataclass(frozen=True, eq=False)
class Cells:
    """Observations counted in cells of equal width."""

    middles: Array
    counts: Array
    """The number of observations in each."""

    @classmethod
    def of(cls, y: Array) -> Cells:
        """Count finite values (n,) that are not all equal."""
        low, high = float(y.min()), float(y.max())
        edges = np.linspace(low - (high - low) / 2.0, high + (high - low) / 2.0, CELLS + 1)
        return cls(0.5 * (edges[1:] + edges[:-1]), np.histogram(y, edges)[0].astype(float))

    @property
    def width(self) -> float:
        """The width of a cell."""
        return float(self.middles[1] - self.middles[0])

    @property
    def sd(self) -> float:
        """The standard deviation of the observations."""
        mean = np.average(self.middles, weights=self.counts)
        return float(np.sqrt(np.average((self.middles - mean) ** 2, weights=self.counts)))

    def places(self, y: Array) -> NDArray[np.intp]:
        """The cell of each value (n,); the first or the last for one outside."""
        places = np.round((y - self.middles[0]) / self.width)
        return np.clip(places, 0, len(self.middles) - 1).astype(np.intp)

    def smoothed(self, counts: Array, bandwidth: float) -> Array:
        """Kernel density estimates × n of counts (…, m), at the middles.

        By the Fourier transform, which is periodic: cells without observations are added.
        """
        length = 2 * len(self.middles)
        frequencies = np.fft.rfftfreq(length, self.width)
        kernel = np.exp(-2.0 * (np.pi * bandwidth * frequencies) ** 2)
        smooth = np.fft.irfft(np.fft.rfft(counts, length) * kernel, length)
        return np.asarray(smooth[..., : len(self.middles)])

    def critical_bandwidth(self, peaks: int) -> float:
        """The smallest bandwidth from which on the estimate has at most ``peaks`` peaks.

        It is sought from above: narrow kernels make peaks of single observations, which don't
        count.
        """
        low = high = self.width * CELLS / 4.0
        while low > self.width / 2.0 and not self._has_more(low, peaks):
            low, high = low / STRIDE, low
        while high > PRECISION * low:
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if self._has_more(middle, peaks) else (low, middle)
        return high

    def _has_more(self, bandwidth: float, peaks: int) -> bool:
        return count_peaks(self.smoothed(self.counts, bandwidth)) > peaks


def bandwidth_test(
    x: Array,
    family: Family,
    peaks: int,
    seed: int,
    rounding: Rounding | None = None,
    replicates: int = REPLICATES,
) -> BandwidthTest:
    """Test whether observations (n,) have at most ``peaks`` peaks.

    A kernel of one bandwidth does not suit long tails. The scale is that of the data or of the
    family's link: the one on which the range is fewer standard deviations. Draws are rounded as the
    data are. Their kernel makes them wider than the data are, for which their bandwidth allows.
    """
    linked = _in_sds(family.link(x)) < _in_sds(x)
    to, back = (family.link, family.unlink) if linked else (np.asarray, np.asarray)
    cells = Cells.of(to(x))
    bandwidth = cells.critical_bandwidth(peaks)
    null = np.maximum(cells.smoothed(cells.counts, bandwidth), 0.0)
    generator = np.random.default_rng([seed, peaks])
    drawn = generator.multinomial(x.size, null / null.sum(), size=replicates).astype(float)
    if rounding is not None:
        (low, high), middles = family.support, back(cells.middles)
        inside = np.clip(middles, np.nextafter(low, high), np.nextafter(high, low))
        places = cells.places(to(rounding.apply(inside, family.support)))
        drawn = np.stack([np.bincount(places, row, len(places)) for row in drawn])
    wider = float(np.hypot(1.0, bandwidth / cells.sd))
    smooth = cells.smoothed(drawn, bandwidth * wider)
    more = sum(count_peaks(row) > peaks for row in smooth)
    scale = _scale(family) if linked else ""
    return BandwidthTest(peaks, bandwidth, scale, (1.0 + more) / (replicates + 1.0), replicates)


def count_peaks(density: Array) -> int:
    """The maxima of a density × n (m,) between whose valleys lie ``FEWEST`` observations or more.

    At least one.
    """
    level = np.where(density > NEGLIGIBLE * density.max(), density, 0.0)
    slopes = np.sign(np.diff(level))
    places = np.flatnonzero(slopes)
    valleys = places[1:][(slopes[places[:-1]] < 0.0) & (slopes[places[1:]] > 0.0)]
    below = np.concatenate([[0.0], np.cumsum(density)[valleys], [density.sum()]])
    return max(1, int((np.diff(below) > FEWEST - 0.5).sum()))


def _in_sds(y: Array) -> float:
    """The range of observations ÷ their standard deviation."""
    return float((y.max() - y.min()) / y.std())


def _scale(family: Family) -> str:
    """What the link of a family takes."""
    return "logit" if np.isfinite(family.support).all() else "logarithm"
