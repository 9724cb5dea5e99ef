"""Components by place and width, on the scale of their family's link, and a grid of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.reference.admissible import Region
from scenarios.families import Array, Family
from scenarios.sample import Sample

LEVEL, STEP = 0.5, 0.8
"""The grid's steps: of log width, and of the place in widths."""
WIDEST = 4.0
"""The grid's largest width ÷ the data's."""
PLACES, SOME = 1025, 16
"""Places where the least admissible width is computed, and the share of them that come first."""
FINEST = 256.0
"""Bins, at most, to the width of the narrowest admissible component."""
NODES = special.ndtri((np.arange(16) + 0.5) / 16.0)
"""Values like a standard normal sample's."""


def _beta(place: Array, width: Array) -> Array:
    one, other = special.expit(place), special.expit(-place)
    return np.stack([one, other], axis=1) / (one * other * width**2)[:, None]


def _gamma(place: Array, width: Array) -> Array:
    shape = width**-2.0
    return np.stack([shape, shape * np.exp(-place)], axis=1)


def _normal(place: Array, width: Array) -> Array:
    return np.stack([place, width], axis=1)


def _weibull(place: Array, width: Array) -> Array:
    return np.stack([1.28 / width, np.exp(place)], axis=1)


def _student_t(place: Array, width: Array, df: Array) -> Array:
    return np.stack([df, place, width / special.stdtrit(df, 0.84)], axis=1)


SHAPES: dict[str, Callable[..., Array]] = {
    "beta": _beta, "gamma": _gamma, "normal": _normal, "lognormal": _normal, "weibull": _weibull,
    "student_t": _student_t,
}  # fmt: skip
"""Usual parameters of components of a place and a width, about as they are on the link's scale."""
EXTRA = {"student_t": (1.0, 4.0, 30.0)}
"""Values of a third parameter on the grid, which is nowhere below the first."""


class Plane:
    """Components by coordinates (m, 2): place, and log width above the least admissible there.

    Student's t has log df as a third.
    """

    def __init__(self, sample: Sample, min_spread: float) -> None:
        self.family, self.region = sample.family, Region.of(sample, min_spread)
        self.links = self.family.link(sample.ordered)
        low, high = np.quantile(self.links, [0.16, 0.84])
        self.scale = 0.5 * float(high - low) or 1.0
        self.extra = EXTRA.get(self.family.name, ())
        ends = self.links[0] - 4.0 * self.scale, self.links[-1] + 4.0 * self.scale
        self.places = np.linspace(*ends, PLACES)
        self.least = self._least()

    def _least(self) -> Array:
        """The least admissible log width at each of ``places``.

        By bisection at some, and steps log(spread / least spread) from there at all.
        """
        some = self.places[::SOME]
        low = np.full(some.size, np.log(1e-8 * self.scale))
        high = np.full(some.size, np.log(WIDEST * self.scale))
        for _ in range(16):
            middle = 0.5 * (low + high)
            wide = self._shares(some, middle) >= 1.0
            low, high = np.where(wide, low, middle), np.where(wide, middle, high)
        least = np.interp(self.places, some, high)
        for _ in range(4):
            with np.errstate(divide="ignore"):
                steps = np.nan_to_num(np.log(self._shares(self.places, least)))
            least = least - np.clip(steps, -0.5, 0.5)
        return least

    def _shares(self, place: Array, log_width: Array) -> Array:
        """Spreads ÷ the least admissible, (m,)."""
        with np.errstate(all="ignore"):
            shapes = self._usual(place, log_width)
            return self.region.relative_spreads(shapes) / self.region.min_spread

    def _usual(self, place: Array, log_width: Array, log_extra: Array | None = None) -> Array:
        """Usual parameters (m, d)."""
        width = np.exp(log_width)
        if self.family.name not in SHAPES:
            return _by_moments(self.family, place, width)
        if not self.extra:
            return SHAPES[self.family.name](place, width)
        third = np.full(place.size, self.extra[0]) if log_extra is None else np.exp(log_extra)
        return SHAPES[self.family.name](place, width, third)

    def point(self, place: Array, log_width: Array) -> Array:
        """Coordinates (m, 2) of components of a place and log width, if there are no others."""
        return np.stack([place, log_width - np.interp(place, self.places, self.least)], axis=1)

    def least_widths(self, places: Array) -> Array:
        """The least admissible widths (m,)."""
        return np.exp(np.interp(places, self.places, self.least))

    def log_width(self, points: Array) -> Array:
        """The log width of each point, (m,)."""
        return points[:, 1] + np.interp(points[:, 0], self.places, self.least)

    def usual(self, points: Array) -> Array:
        """Usual parameters (m, d)."""
        return self._usual(points[:, 0], self.log_width(points), points[:, 2:].T.ravel())

    def clipped(self, points: Array) -> Array:
        """The nearest admissible points, within reach of the data."""
        result = points.copy()
        result[:, 0] = np.clip(result[:, 0], self.places[0], self.places[-1])
        result[:, 1] = np.maximum(result[:, 1], 0.0)
        if self.extra:
            result[:, 2] = np.clip(result[:, 2], np.log(self.extra[0]), np.log(1e6))
        return result

    def grid(self) -> Array:
        """Points wherever data lie: places ``STEP`` widths apart, of widths ``LEVEL`` apart."""
        parts = []
        for level in np.arange(self.least.min(), np.log(WIDEST * self.scale), LEVEL):
            step = STEP * np.exp(level)
            cells = np.floor(self.links / step)
            cells = cells[np.append(True, np.diff(cells) > 0.0)]
            cells = np.unique(np.concatenate([cells - 1.0, cells, cells + 1.0]))
            points = self.point((cells + 0.5) * step, np.full(cells.size, level))
            points = points[points[:, 1] > -0.5 * LEVEL]
            parts.append(np.maximum(points, [-np.inf, 0.0]))
        points = np.vstack(parts)
        if self.extra:
            logs = np.log(self.extra)
            thirds = np.repeat(logs, len(points))
            points = np.column_stack([np.tile(points, (len(logs), 1)), thirds])
        return points


def bins(y: Array, widths: Array, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The indices (b,) of the first and the last observation of each bin of sorted y (n,).

    Bins are in proportion to ``widths`` (n,) there, and as fine as ``most`` bins allow.
    """
    steps = np.diff(y) / np.minimum(widths[1:], widths[:-1])
    places, finest = np.concatenate([[0.0], np.cumsum(steps)]), FINEST
    while True:
        starts = np.flatnonzero(np.append(True, np.diff(np.floor(places * finest)) > 0.0))
        if len(starts) <= most or finest < 1e-3:
            return starts, np.append(starts[1:], y.size) - 1
        finest *= 0.8


def _by_moments(family: Family, place: Array, width: Array) -> Array:
    """Usual parameters (m, d) of a family about which no more is known: moment estimates."""
    y = place[:, None] + width[:, None] * NODES
    low, high = family.support
    reach = np.inf if np.isinf(low) else 30.0 if np.isfinite(high) else 300.0
    x = family.unlink(np.clip(y, -reach, reach))
    return np.stack([family.moment_estimate(row) for row in x])
