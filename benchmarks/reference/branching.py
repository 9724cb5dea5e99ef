"""Branch and bound for the supremum of D over the admissible components of an exponential family.

D(θ) = mean(f_θ / G) - 1. In natural parameters η, (1 + D(η)) exp A(η) = mean(exp(η·T + h) / G) is a
convex function of η, and so is its logarithm L, which in a cell is therefore at most the
interpolation of its values at the corners; and A is above its tangent at the cell's centre c. So in
a cell

    log(1 + D) ≤ the largest over corners v of log(1 + D(v)) + A(v) - A(c) - ∇A(c)·(v - c):

the value at a corner, plus the Kullback–Leibler divergence from c, which falls with the square of
the cell's size. Far from all observations the bound by κ below is closer. Cells are split, the
highest bound first; those without an admissible component are dropped (``Cells.inadmissible``). The
cells cover all components, but for three parts:

- very wide: the density of y, the link of x, is at most √(κ/2π) (``Cells``). So D ≤ 0 where
  κ ≤ 2π/V², V the mean of 1/G in y;
- far from the data: it is at most √(κ/2π) exp(-κ Q(y)), and so at most 1/√(4πe Q(y)) whatever κ
  is: on each side there is a place from which the mean of that ÷ G, and with it 1 + D, is ≤ 1;
- narrower than the narrowest admissible component anywhere between those places (``Cells.top``).

All this is up to rounding.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.cells import Cells
from benchmarks.reference.ratio import Ratio
from scenarios.families import Array

TOGETHER = 1 << 10
"""Cells that are split at once."""
CUTS = 6
"""Bisections that find the part of a cell which is too narrow to be admissible."""
WORTH = 0.1
"""The smallest share of a cell that is cut off so."""
CORNERS = [[0, 2], [0, 3], [1, 2], [1, 3]]
"""(u, t) of the corners of a cell (low u, high u, low t, high t)."""


class Search:
    """An upper bound of the supremum of log(1 + D), which falls while cells are split."""

    def __init__(self, cells: Cells, ratio: Ratio, size: int) -> None:
        """``size`` is the number of observations n."""
        self.cells, self.ratio, self.size = cells, ratio, size
        self.wide = 2.0 * np.pi / ratio.total**2
        self.evaluations, self.best, self.finished = 0, 0.0, 0.0
        self.boxes, self.bounds = np.empty((0, 4)), np.empty(0)
        low, high = self._end(-1.0), self._end(1.0)
        self._add(np.array([[low, high, cells.lowest(self.wide), cells.top(low, high)]]))

    @property
    def supremum(self) -> float:
        """The upper bound, at least 0."""
        return max(self.finished, float(self.bounds.max(initial=0.0)))

    def run(self, tolerance: float, deadline: float) -> None:
        """Split cells until the bound is within ``tolerance`` nats of the largest value found.

        Nats are n log(1 + D). It ends at ``deadline``, by the monotonic clock, at the latest.
        """
        while True:
            active = self.bounds > self.best + tolerance / self.size
            self.finished = max(self.finished, float(self.bounds[~active].max(initial=0.0)))
            self.boxes, self.bounds = self.boxes[active], self.bounds[active]
            if not len(self.boxes) or time.monotonic() > deadline:
                return
            order = np.argsort(-self.bounds)
            chosen, others = self.boxes[order[:TOGETHER]], order[TOGETHER:]
            self.boxes, self.bounds = self.boxes[others], self.bounds[others]
            self._add(parts(self.cells, chosen)[0])

    def _add(self, boxes: Array) -> None:
        """Bound new cells, (m, 4)."""
        if not len(boxes):
            return
        corners = boxes[:, CORNERS]
        points, where = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
        values = self.ratio(*points.T)
        self.evaluations += len(points)
        better = np.flatnonzero(values > self.best)
        better = better[np.argsort(-values[better])][:TOGETHER]
        admissible = values[better][self.cells.admissible(*points[better].T)]
        self.best = float(admissible.max(initial=self.best))
        bounds = cell_bounds(self.cells, boxes, values[where.ravel()].reshape(-1, 4))
        bounds = np.minimum(bounds, gap_bounds(self.cells, self.ratio, boxes))
        bounds[self.cells.largest_precision(boxes) <= self.wide] = 0.0
        self.boxes, self.bounds = np.vstack([self.boxes, boxes]), np.append(self.bounds, bounds)

    def _end(self, sign: float) -> float:
        """A place on one side of the data beyond which D ≤ 0."""
        links, inverse = self.ratio.links, self.ratio.inverse
        start = float(links[0 if sign < 0.0 else -1])
        step = 1e-3 * float(np.std(links))
        while True:
            with np.errstate(divide="ignore"):
                far = self.cells.distance(np.asarray(start + sign * step), links)
                most = inverse @ (1.0 / np.sqrt(4.0 * np.pi * np.e * far))
            if most <= 1.0:
                return start + sign * step
            step *= 1.5


def cell_bounds(cells: Cells, boxes: Array, values: Array) -> Array:
    """Upper bounds (m,) of log(1 + D) in cells (m, 4), given ``values`` (m, 4) at their corners."""
    centres = 0.5 * np.stack([boxes[:, 0] + boxes[:, 1], boxes[:, 2] + boxes[:, 3]], axis=1)
    bounds = values + cells.divergence(centres, boxes[:, CORNERS])
    return np.where(np.isnan(bounds), np.inf, bounds).max(axis=1)


def gap_bounds(cells: Cells, ratio: Ratio, boxes: Array) -> Array:
    """Upper bounds (m,) of log(1 + D) in cells between two observations; inf in others.

    √(κ/2π) exp(-κ Q) at the nearest observation is above all densities, and largest at κ = 1/(2Q).
    """
    low, high = boxes[:, 0], boxes[:, 1]
    links = np.concatenate([[-np.inf], ratio.links, [np.inf]])
    index = np.searchsorted(ratio.links, low)
    with np.errstate(all="ignore"):
        distances = [cells.distance(low, links[index]), cells.distance(high, links[index + 1])]
        nearest = np.fmin(*distances)  # NaN at the infinite ones
        least, most = cells.least_precision(boxes), cells.largest_precision(boxes)
        precision = np.clip(0.5 / nearest, least, most)
        bounds = np.log(ratio.total) + 0.5 * np.log(precision / (2.0 * np.pi)) - precision * nearest
    return np.where((links[index + 1] > high) & (bounds < np.inf), bounds, np.inf)


def parts(cells: Cells, boxes: Array) -> tuple[Array, NDArray[np.intp]]:
    """Smaller cells (m', 4) that hold all admissible components of cells (m, 4).

    With them, the numbers (m',) of the cells that they are parts of.
    """
    left = np.flatnonzero(~cells.inadmissible(boxes))
    boxes = boxes[left]
    tops = _tops(cells, boxes)
    cut = boxes[:, 3] - tops > WORTH * (boxes[:, 3] - boxes[:, 2])
    shorter = np.column_stack([boxes[:, :3], tops])[cut]
    whole = left[~cut]
    smaller = np.vstack([_halves(cells, boxes[~cut]), shorter])
    return smaller, np.concatenate([whole, whole, left[cut]])


def _tops(cells: Cells, boxes: Array) -> Array:
    """A t (m,) in each cell above which it holds no admissible component; its high t if none."""
    low, high = boxes[:, 2].copy(), boxes[:, 3].copy()
    thin = np.flatnonzero(~cells.admissible(0.5 * (boxes[:, 0] + boxes[:, 1]), high))
    for _ in range(CUTS if thin.size else 0):
        middle = 0.5 * (low[thin] + high[thin])
        above = np.column_stack([boxes[thin, :2], middle, boxes[thin, 3]])
        out = cells.inadmissible(above)
        low[thin] = np.where(out, low[thin], middle)
        high[thin] = np.where(out, middle, high[thin])
    return high


def _halves(cells: Cells, boxes: Array) -> Array:
    """Both halves of cells (m, 4), each split where it is longer in Kullback–Leibler divergence."""
    u, t = 0.5 * (boxes[:, 0] + boxes[:, 1]), 0.5 * (boxes[:, 2] + boxes[:, 3])
    ends = np.stack([boxes[:, 1], t, u, boxes[:, 3]], axis=1).reshape(-1, 2, 2)
    lengths = np.nan_to_num(cells.divergence(np.stack([u, t], axis=1), ends))
    by_place = lengths[:, 0] > lengths[:, 1]
    one, two = boxes.copy(), boxes.copy()
    one[by_place, 1] = two[by_place, 0] = u[by_place]
    one[~by_place, 3] = two[~by_place, 2] = t[~by_place]
    return np.vstack([one, two])
