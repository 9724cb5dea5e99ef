"""Cells of components with functions that are above all densities in them, on a sample.

In a cell with corners v and centre c a density is at most Σ λ F_v with λ ≥ 0 of sum 1, where F_v
is the corner's density times exp of its Kullback–Leibler divergence from c: log f is concave in the
natural parameters, and a geometric mean is at most the arithmetic one. A large cell has in place of
all F_v the largest density, or more, at each observation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import NARROW_SPREAD
from benchmarks.reference.branching import CORNERS, parts
from benchmarks.reference.cells import Cells
from scenarios.families import Array

LARGE = 2.0
"""The divergence of a corner from which a cell is large."""
BEYOND = 4.0
"""How far from the data, in their ranges, and how wide, components are all taken as one."""
OUTER = (0, 1, 2)
"""The numbers of the cells that can't be split."""
FUNCTIONS = 4
"""F_v of a cell."""

Indices = NDArray[np.intp]


class Boxes:
    """Cells by number: their log functions on the data, their sizes, and the cells inside them.

    Those in ``OUTER`` hold all that is outside the next: the very wide, and the far on both sides.
    Components in ``narrow`` cells are admissible only with ``FEW`` observations or more.
    """

    def __init__(self, cells: Cells, x: Array) -> None:
        self.cells, self.y = cells, cells.family.link(x)
        self.log_stretch = np.log(cells.stretch(x))
        self.log_density = lambda points: cells.family.log_density(x, cells.usual(*points.T))
        self.least = NARROW_SPREAD * cells.region.link_spread
        self.reach = BEYOND * max(float(np.ptp(self.y)), cells.least_link)
        ends = [self._end(sign) for sign in (-1.0, 1.0)]
        precision = self.reach**-2.0
        outer = [np.full(x.size, 0.5 * np.log(precision / (2.0 * np.pi)))]
        for end in ends:
            far = cells.distance(np.asarray(end), self.y)
            outer.append(-0.5 * np.log(4.0 * np.pi * np.e * far))
        self.logs = [np.tile(each - self.log_stretch, (FUNCTIONS, 1)) for each in outer]
        self.central = [np.full(x.size, -np.inf)] * len(OUTER)
        self.sizes, self.narrow = np.zeros(len(OUTER)), np.zeros(len(OUTER), dtype=bool)
        self.boxes = np.full((len(OUTER), 4), np.nan)
        self.inside: dict[int, list[int]] = {}
        self.add(np.array([[*ends, cells.lowest(precision), cells.top(*ends)]]))

    def _end(self, sign: float) -> float:
        """A place beyond which no component's density at an observation is above 1/``reach``."""
        edge = float(self.y.min() if sign < 0.0 else self.y.max())
        step = 0.01 * self.reach / BEYOND
        with np.errstate(divide="ignore"):
            while True:
                far = self.cells.distance(np.asarray(edge + sign * step), self.y)
                if (4.0 * np.pi * np.e * far >= self.reach**2).all():
                    return edge + sign * step
                step *= 1.5

    def add(self, boxes: Array) -> list[int]:
        """Number new cells, (m, 4)."""
        if not len(boxes):
            return []
        corners = boxes[:, CORNERS]
        centres = 0.5 * np.stack([boxes[:, 0] + boxes[:, 1], boxes[:, 2] + boxes[:, 3]], axis=1)
        with np.errstate(all="ignore"):
            slack = self.cells.divergence(centres, corners)
            logs = self.log_density(corners.reshape(-1, 2)).reshape(len(boxes), FUNCTIONS, -1)
            logs = logs + slack[:, :, None]
            size = np.nan_to_num(slack, nan=np.inf).max(axis=1)
            large, central = self._largest(boxes)[:, None], self.log_density(centres)
            narrow = self.cells.largest_spreads(boxes)[1] < self.least
        logs = np.where((size < LARGE)[:, None, None], logs, large)
        first = len(self.sizes)
        self.boxes, self.sizes = np.vstack([self.boxes, boxes]), np.append(self.sizes, size)
        self.narrow = np.append(self.narrow, narrow)
        self.logs += list(logs)
        self.central += list(central)
        return list(range(first, first + len(boxes)))

    def _largest(self, boxes: Array) -> Array:
        """Above the largest log density (m, n) in each cell: √(κ/2π) exp(-κ Q) at its best."""
        nearest = np.clip(self.y, boxes[:, :1], boxes[:, 1:2])
        far = self.cells.distance(nearest, self.y)
        low, high = self.cells.least_precision(boxes), self.cells.largest_precision(boxes)
        precision = np.clip(0.5 / far, low[:, None], high[:, None])
        logs = 0.5 * np.log(precision / (2.0 * np.pi)) - precision * far
        return np.asarray(logs - self.log_stretch)

    def usual(self, numbers: Indices) -> Array:
        """Usual parameters (m, d) of cells' centres."""
        low_u, high_u, low_t, high_t = self.boxes[numbers].T
        return self.cells.usual(0.5 * (low_u + high_u), 0.5 * (low_t + high_t))

    def split(self, numbers: Indices) -> None:
        """Make the cells inside these, once."""
        fresh = sorted({int(each) for each in numbers} - self.inside.keys())
        if fresh:
            self.inside |= {number: [] for number in fresh}
            smaller, parents = parts(self.cells, self.boxes[fresh])
            for parent, number in zip(parents, self.add(smaller), strict=True):
                self.inside[fresh[parent]].append(number)
