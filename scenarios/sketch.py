"""A sample compressed into few weighted rows, on a grid that doesn't depend on chunks.

Within a row every component's log density is linear in T. A row has a count and a mean T, and
loses only the curvature of the mixture's log density.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array

CELLS = 1 << 16
"""Cells of the fine grid, at most; ``Sketch.rows`` merges them."""
BLOCK = 1 << 17
"""Observations that are added at once."""


class Sketch:
    """Counts and sums of T in cells of width 2^level on the family's link scale.

    The level is the finest at which the range of the observations has ``CELLS`` cells, and a cell
    of a coarser level is the union of two: so the cells depend on the observations alone, neither
    on their order nor on their chunks. Sums depend on the order by rounding.
    """

    def __init__(self, family: ExponentialFamily) -> None:
        self.family = family
        self.log_base = 0.0
        self._low, self._high = np.inf, -np.inf
        self._level, self._first = 0, 0
        self._table = np.zeros((1 + len(family.parameters), 0))  # counts, then sums of T

    def add(self, x: Array) -> None:
        """Add observations, all inside the family's support."""
        for low in range(0, x.size, BLOCK):
            block = x[low : low + BLOCK]
            link, statistics = self.family.link(block), self.family.statistics(block)
            self._cover(float(link.min()), float(link.max()))
            cell = self._cells(link) - self._first
            length = self._table.shape[1]
            self._table[0] += np.bincount(cell, minlength=length)
            for j, column in enumerate(statistics.T, start=1):
                self._table[j] += np.bincount(cell, weights=column, minlength=length)
            self.log_base += float(self.family.log_base(block).sum())

    def rows(self, bins: int) -> tuple[Array, Array]:
        """At most ``bins`` (≥ 2) rows: mean T (r, d), in column-major order, and counts (r,).

        Pairs of neighbouring cells are merged, as the grid's levels do, where count × width² is
        smallest: it bounds the loss of merging.
        """
        occupied = np.flatnonzero(self._table[0])
        cells, table = occupied + self._first, self._table[:, occupied]
        starts = np.flatnonzero(np.diff(_merged(cells, table[0], bins), prepend=-1))
        summed = np.add.reduceat(table, starts, axis=1)
        return np.asfortranarray((summed[1:] / summed[0]).T), summed[0]

    def _cells(self, link: Array) -> NDArray[np.int64]:
        return np.floor(np.ldexp(link, -self._level)).astype(np.int64)

    def _cover(self, low: float, high: float) -> None:
        """Extend the grid to [``low``, ``high``], at a coarser level if need be."""
        if low >= self._low and high <= self._high:
            return
        before, first, level = self._table, self._first, self._level
        self._low, self._high = min(low, self._low), max(high, self._high)
        self._level = _level(self._low, self._high)
        self._first, last = self._cells(np.array([self._low, self._high]))
        occupied, length = np.flatnonzero(before[0]), last - self._first + 1
        cells = ((occupied + first) >> (self._level - level)) - self._first
        self._table = np.zeros((len(before), length))
        for j, row in enumerate(before):
            self._table[j] += np.bincount(cells, row[occupied], length)


def blocks(chunks: Iterable[Array]) -> Iterator[Array]:
    """Rearrange chunks of any size into blocks of ``BLOCK`` numbers, the last one shorter."""
    parts: list[Array] = []
    count = 0
    for chunk in chunks:
        rest = np.asarray(chunk, dtype=np.float64).ravel()
        while count + rest.size >= BLOCK:
            take = BLOCK - count
            yield np.concatenate([*parts, rest[:take]])
            parts, count, rest = [], 0, rest[take:]
        if rest.size:
            parts.append(rest)
            count += rest.size
    if parts:
        yield np.concatenate(parts)


def _level(low: float, high: float) -> int:
    """The finest level, no finer than floats, at which [low, high] has at most ``CELLS`` cells."""
    level = int(np.frexp(max(abs(low), abs(high), 1e-300))[1]) - 50
    while np.floor(np.ldexp(high, -level)) - np.floor(np.ldexp(low, -level)) >= CELLS:
        level += 1
    return level


def _merged(cells: NDArray[np.int64], counts: Array, bins: int) -> NDArray[np.int64]:
    """The row of each occupied cell, in order: consecutive numbers from 0.

    Every node of the dyadic tree over the cells costs count × width². A row is a node whose cost
    is at most a threshold while its parent's is above it; the threshold is the smallest that
    leaves at most ``bins`` rows.
    """
    # By level: costs of nodes and of their parents, and each node's parent. A cell costs nothing.
    levels, above, parent = [np.zeros(cells.size)], [], []
    nodes, sizes = cells, counts
    while nodes[0] < -1 or nodes[-1] > 0:  # -1 and 0 are their own parents
        first = np.diff(nodes >> 1, prepend=(nodes[0] >> 1) - 1) != 0
        nodes, sizes = nodes[first] >> 1, np.add.reduceat(sizes, np.flatnonzero(first))
        parent.append(np.cumsum(first) - 1)
        levels.append(sizes * 4.0 ** len(parent))
        above.append(levels[-1][parent[-1]])
    costs, over = np.sort(np.concatenate(levels)), np.sort(np.concatenate([*above, [np.inf]]))
    rows = np.searchsorted(costs, costs, side="right") - np.searchsorted(over, costs, side="right")
    threshold = costs[np.argmax(rows <= bins)]
    place, level = np.arange(cells.size), np.zeros(cells.size, dtype=np.int64)
    for height, step in enumerate(parent, start=1):
        place = step[place]
        level[levels[height][place] <= threshold] = height
    changed = (np.diff(cells >> level) != 0) | (np.diff(level) != 0)
    return np.concatenate([[0], np.cumsum(changed)])
