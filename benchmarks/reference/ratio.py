"""The mean of f / G over all observations, for components f of an exponential family.

Of many observations it is an upper bound of the mean, and close: those of a bin have T inside a
triangle, in which exp(η·T) is convex, so that each may be replaced by three masses at the corners
with the same total and mean (Edmundson–Madansky).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.cells import Cells
from benchmarks.reference.plane import bins
from scenarios.families import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

EXACT = 1 << 15
"""Rows, at most: more observations are binned."""
TOGETHER = 24
"""Components that are evaluated at once, on the observations that are near one of them."""
NEGLIGIBLE = 40.0
"""A density exp(-40) of the largest that is possible is not computed but bounded."""
ROUNDING = 1e-15
"""Relative error of a term of a log density."""
BLOCK = 1 << 12
"""Observations at which G is computed at once."""

Indices = NDArray[np.intp]


class Ratio:
    """log mean(f / G) of components, from above.

    ``rows`` (d + 2, r) are such that the mean is Σ exp((η, 1, -A(η))·row). In y, the link of x, row
    r stands for observations between ``low`` and ``high`` (r,), both in order.
    """

    def __init__(self, sample: Sample, mixture: Mixture, cells: Cells, most: int = EXACT) -> None:
        self.cells, self.family = cells, cells.family
        x = np.sort(sample.observations)
        log_density = _log_density(mixture, x)
        self.attained = float(log_density.sum())
        """The log likelihood of G."""
        logs = -log_density - np.log(x.size)
        self.links = self.family.link(x)
        self.inverse = np.exp(logs) / cells.stretch(x)
        """1/(n G) in y, (n,)."""
        self.total = float(self.inverse.sum())
        logs += self.family.log_base(x)
        statistics = self.family.statistics(x)
        self.low = self.high = self.links
        if x.size > most:
            first, last = bins(self.links, cells.least_widths(x), most // 3)
            statistics, logs = _corners(statistics, cells.slopes(x), logs, first, last)
            self.low, self.high = np.repeat(self.links[first], 3), np.repeat(self.links[last], 3)
        self.rows = np.vstack([statistics.T, logs, np.ones(len(logs))])

    def __call__(self, u: Array, t: Array) -> Array:
        """An upper bound of log(1 + D) at components (m,)."""
        eta = self.family.natural(self.cells.usual(u, t))
        log_partition = self.family.log_partition(eta)
        eta = np.column_stack([eta, np.ones(len(u)), -log_partition])
        precision = self.cells.precision(u, t)
        first, last = self._near(u, precision)
        # Each of the others is at most √(κ/2π) exp(-κ Q) in y.
        result = np.exp(-NEGLIGIBLE) * np.sqrt(precision / (2.0 * np.pi)) * self.total
        order = np.lexsort([u, np.floor(np.log(precision))])
        for low in range(0, len(order), TOGETHER):
            some = order[low : low + TOGETHER]
            values = eta[some] @ self.rows[:, first[some].min() : last[some].max()]
            result[some] += np.exp(values, out=values).sum(axis=1)
        # What is above cancels terms as large as A.
        return np.log(result) + ROUNDING * np.where(first < last, np.abs(log_partition), 0.0)

    def _near(self, u: Array, precision: Array) -> tuple[Indices, Indices]:
        """The first row with κ Q(y) ≤ ``NEGLIGIBLE`` and one past the last, by bisection."""
        ends = []
        for links, sign in ((self.high, 1.0), (-self.low[::-1], -1.0)):
            low, high = np.zeros(u.size, dtype=np.intp), np.full(u.size, links.size)
            while (low < high).any():
                middle = np.minimum((low + high) // 2, links.size - 1)
                y = sign * links[middle]
                far = sign * (y - u) < 0.0
                far &= precision * self.cells.distance(u, y) > NEGLIGIBLE
                open_ = low < high
                low = np.where(open_ & far, middle + 1, low)
                high = np.where(open_ & ~far, middle, high)
            ends.append(low)
        return ends[0], np.maximum(self.low.size - ends[1], ends[0])


def _log_density(mixture: Mixture, x: Array) -> Array:
    """log G, (n,)."""
    parts = []
    for low in range(0, x.size, BLOCK):
        joint = mixture.log_joint(x[low : low + BLOCK])
        top = joint.max(axis=0)
        joint -= top
        parts.append(np.log(np.exp(joint, out=joint).sum(axis=0)) + top)
    return np.concatenate(parts)


def _corners(
    statistics: Array, slopes: Array, logs: Array, first: Indices, last: Indices
) -> tuple[Array, Array]:
    """Statistics (3 b, 2) and log masses (3 b,) of the corners of each bin's triangle.

    The corners are T at the bin's ends and where the curve's tangents there, ``slopes`` (n, 2),
    meet: the curve T(x) bends one way.
    """
    one, two = statistics[first], statistics[last]
    chord, start, end = two - one, slopes[first], slopes[last]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = _cross(chord, end) / _cross(start, end)
        tip = along[:, None] * start
        size = last - first + 1
        each = statistics - np.repeat(one, size, axis=0)
        area = np.repeat(_cross(tip, chord), size)
        at_tip = _cross(each, np.repeat(chord, size, axis=0)) / area
        at_end = _cross(np.repeat(tip, size, axis=0), each) / area
    # All at one place, but for rounding: at the end, or at the start.
    flat = ~(np.isfinite(at_tip) & np.isfinite(at_end))
    tip = np.where(np.isfinite(tip), tip, 0.0)
    at_tip = np.where(flat, 0.0, np.clip(at_tip, 0.0, 1.0))
    at_end = np.where(flat, 0.0, np.clip(at_end, 0.0, 1.0 - at_tip))
    masses = np.exp(logs - np.repeat(logs[first], size))
    shares = np.stack([1.0 - at_tip - at_end, at_tip, at_end], axis=1) * masses[:, None]
    with np.errstate(divide="ignore"):
        totals = np.log(np.add.reduceat(shares, first)) + logs[first][:, None]
    corners = np.stack([one, one + tip, two], axis=1)
    return corners.reshape(-1, 2), totals.ravel()


def _cross(one: Array, two: Array) -> Array:
    return np.asarray(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
