"""The peaks and valleys of a mixture's density, in the units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.families import family
from scenarios.families.base import Array

LEVELS = expit(np.linspace(-16.0, 16.0, 193))
"""Levels of each component's quantiles that are in the grid: 1e-7 to 1 - 1e-7."""
MIN_DEPTH = 1e-6
"""Log density by which a valley lies below both peaks, at least: less is rounding."""
REFINED, ROUNDS = 33, 6
"""Points of a bracket, and how often the bracket shrinks to two of their intervals."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """The local maxima of a density from left to right, and the valleys between them."""

    places: Array
    """(m,); an end of the support where the density falls from there."""
    heights: Array
    """The density at the peaks (m,), infinite at an end where it grows without bound."""
    at_end: NDArray[np.bool_]
    """Which peaks are at an end of the support, (m,)."""
    valleys: Array
    """The places of the lowest density between neighbouring peaks, (m - 1,)."""
    floors: Array
    """The density at the valleys, (m - 1,)."""

    def __len__(self) -> int:
        """m."""
        return len(self.places)

    def without_valley(self, index: int) -> Peaks:
        """Merge the peaks on both sides of a valley: the lower one is gone."""
        low = self.heights[index] < self.heights[index + 1]
        return self._without_peak(index if low else index + 1, index)

    def without_basins(self, kept: Sequence[bool] | NDArray[np.bool_]) -> Peaks:
        """Only peaks that are ``kept`` (m,), at least one; the others join by their shallower side.

        The basin of a peak reaches from valley to valley.
        """
        peaks, left = self, list(kept)
        while not all(left) and any(left):
            index = left.index(False)
            beside = [i for i in (index - 1, index) if 0 <= i < len(peaks.valleys)]
            valley = max(beside, key=lambda i: peaks.floors[i])
            peaks = peaks._without_peak(index, valley)
            del left[index]
        return peaks

    def _without_peak(self, peak: int, valley: int) -> Peaks:
        tops = [np.delete(each, peak) for each in (self.places, self.heights)]
        at_end = np.delete(self.at_end, peak)
        bottoms = [np.delete(each, valley) for each in (self.valleys, self.floors)]
        return Peaks(tops[0], tops[1], at_end, bottoms[0], bottoms[1])


def find_peaks(mixture: ScipyMixture, min_mass: float = 0.0) -> Peaks:
    """The peaks of a mixture's density whose basins hold at least ``min_mass`` of it.

    The density is evaluated at quantiles of all components, from 1e-7 to 1 - 1e-7, and at the
    ends of the support, then on finer and finer grids around each extreme.
    """
    x = grid(mixture)
    values = _log_density(mixture, x)
    tops, bottoms = _extremes(values)
    top_places, top_values = _refined(mixture, x, tops, 1.0)
    bottom_places, bottom_values = _refined(mixture, x, bottoms, -1.0)
    ends = family(mixture.family).support
    with np.errstate(over="ignore"):
        heights, floors = np.exp(top_values), np.exp(bottom_values)
    peaks = Peaks(top_places, heights, np.isin(top_places, ends), bottom_places, floors)
    edges = np.concatenate([[-np.inf], mixture.cdf(peaks.valleys), [np.inf]])
    masses = np.diff(np.clip(edges, 0.0, 1.0))
    return peaks.without_basins(masses >= min(min_mass, float(masses.max())))


def merged(mixture: ScipyMixture, peaks: Peaks, most: int) -> Peaks:
    """At most ``most`` of a mixture's peaks: those with the least mass above a valley are gone.

    A narrow peak of little mass may have a deep valley beside it; the mass above the valley is
    what data would have to lose for the peak to vanish (Müller & Sawitzki 1991, *JASA* 86:738).
    """
    while len(peaks) > max(1, most):
        peaks = peaks.without_valley(int(np.argmin(excess_masses(mixture, peaks))))
    return peaks


def excess_masses(mixture: ScipyMixture, peaks: Peaks) -> Array:
    """The mass above each valley's density (m - 1,), on that side of it where there is less.

    A side reaches to the next valley.
    """
    x = np.union1d(grid(mixture), peaks.valleys)
    masses, widths = np.diff(mixture.cdf(x)), np.diff(x)
    basins = np.searchsorted(peaks.valleys, 0.5 * (x[1:] + x[:-1]))
    sides = np.empty((2, len(peaks.valleys)))
    for valley, floor in enumerate(peaks.floors):
        above = np.maximum(masses - floor * widths, 0.0)
        for side in (0, 1):
            sides[side, valley] = above[basins == valley + side].sum()
    return np.asarray(sides.min(axis=0))


def grid(mixture: ScipyMixture) -> Array:
    """Places where any component has mass, in order, and the finite ends of the support."""
    ends = np.array(family(mixture.family).support)
    with np.errstate(all="ignore"):
        x = np.concatenate([mixture.quantiles(LEVELS).ravel(), ends])
    return np.unique(x[np.isfinite(x)])


def component_masses(mixture: ScipyMixture, edges: Array) -> Array:
    """The share of each component between the ``edges`` (m - 1,), (K, m)."""
    distribution = family(mixture.family).scipy_distribution(mixture.parameters)
    below = np.zeros((len(mixture.weights), len(edges) + 2))
    below[:, -1] = 1.0
    if len(edges):
        below[:, 1:-1] = distribution.cdf(edges)
    return np.diff(below, axis=1)


def _log_density(mixture: ScipyMixture, x: Array) -> Array:
    values = mixture.log_density(x)
    return np.where(np.isnan(values), -np.inf, values)


def _extremes(values: Array) -> tuple[list[int], list[int]]:
    """The indices of the maxima, and of the minima between them, that rise above rounding."""
    tops: list[int] = []
    bottoms: list[int] = []
    top = bottom = 0
    rising = True
    for index, value in enumerate(values.tolist()):
        if rising:
            if value > values[top]:
                top = index
            elif value < values[top] - MIN_DEPTH:
                tops.append(top)
                bottom, rising = index, False
        elif value < values[bottom]:
            bottom = index
        elif value > values[bottom] + MIN_DEPTH:
            bottoms.append(bottom)
            top, rising = index, True
    if rising:
        tops.append(top)
    return tops, bottoms


def _refined(mixture: ScipyMixture, x: Array, index: list[int], sign: float) -> tuple[Array, Array]:
    """Places and log densities of the largest ``sign`` × density near each x[index]."""
    if not index:
        return np.empty(0), np.empty(0)
    at = np.array(index)
    low, high = x[np.maximum(at - 1, 0)], x[np.minimum(at + 1, x.size - 1)]
    rows = np.arange(at.size)
    for _ in range(ROUNDS):
        points = np.linspace(low, high, REFINED, axis=1)
        values = _log_density(mixture, points.ravel()).reshape(points.shape)
        best = np.argmax(sign * values, axis=1)
        low = points[rows, np.maximum(best - 1, 0)]
        high = points[rows, np.minimum(best + 1, REFINED - 1)]
    return points[rows, best], values[rows, best]
