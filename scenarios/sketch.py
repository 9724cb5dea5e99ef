"""A sample compressed into few weighted rows, on a grid that no chunking can move.

Within a row every component's log density is linear in T, so a row that keeps its count and
its mean T loses only the curvature of the log of their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array

CELLS = 1 << 16
"""Cells of the fine grid, at most: they are merged into rows when all has been seen."""
BLOCK = 1 << 17
"""Observations taken at once."""


class Sketch:
    """Counts and sums of T in cells of width 2^level on the family's link scale.

    The level is the finest at which the range seen so far has ``CELLS`` cells, and a cell
    of a coarser level is the union of two: so the cells depend on the observations alone,
    neither on their order nor on the chunks they came in. Sums depend on the order by
    rounding.
    """

    def __init__(self, family: ExponentialFamily) -> None:
        self.family = family
        self.log_base = 0.0
        self._low, self._high = np.inf, -np.inf
        self._level, self._first = 0, 0
        self._table = np.zeros((1 + len(family.parameters), 0))  # counts, then sums of T

    @property
    def size(self) -> int:
        """Observations seen."""
        return int(self._table[0].sum())

    def add(self, x: Array) -> None:
        """See more observations, all inside the family's support."""
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

        Neighbouring cells are merged by twos, as the grid's levels do, where count × width²
        is least: that bounds what merging loses, and splitting the largest first is the
        best that so many rows can do.
        """
        held = np.flatnonzero(self._table[0])
        cells, table = held + self._first, self._table[:, held]
        starts = np.flatnonzero(np.diff(_merged(cells, table[0], bins), prepend=-1))
        summed = np.add.reduceat(table, starts, axis=1)
        return np.asfortranarray((summed[1:] / summed[0]).T), summed[0]

    def _cells(self, link: Array) -> NDArray[np.int64]:
        return np.floor(np.ldexp(link, -self._level)).astype(np.int64)

    def _cover(self, low: float, high: float) -> None:
        """Make the grid reach from ``low`` to ``high`` too, coarser if need be."""
        if low >= self._low and high <= self._high:
            return
        before, first, level = self._table, self._first, self._level
        self._low, self._high = min(low, self._low), max(high, self._high)
        self._level = _level(self._low, self._high)
        self._first, last = self._cells(np.array([self._low, self._high]))
        self._table = np.zeros((len(before), last - self._first + 1))
        self._place(before, first, level)

    def _place(self, table: Array, first: int, level: int) -> None:
        """Add a table of this grid's or a finer one's cells."""
        held = np.flatnonzero(table[0])
        cells = ((held + first) >> (self._level - level)) - self._first
        for j in range(len(table)):
            self._table[j] += np.bincount(cells, table[j, held], self._table.shape[1])


def blocks(chunks: Iterable[Array]) -> Iterator[Array]:
    """The same numbers in blocks of ``BLOCK``, the last one shorter, however they come."""
    held: list[Array] = []
    count = 0
    for chunk in chunks:
        rest = np.asarray(chunk, dtype=np.float64).ravel()
        while count + rest.size >= BLOCK:
            take = BLOCK - count
            yield np.concatenate([*held, rest[:take]])
            held, count, rest = [], 0, rest[take:]
        if rest.size:
            held.append(rest)
            count += rest.size
    if held:
        yield np.concatenate(held)


def _level(low: float, high: float) -> int:
    """The finest level at which [low, high] has at most ``CELLS`` cells; no finer than floats."""
    level = int(np.frexp(max(abs(low), abs(high), 1e-300))[1]) - 50
    while np.floor(np.ldexp(high, -level)) - np.floor(np.ldexp(low, -level)) >= CELLS:
        level += 1
    return level


def _merged(cells: NDArray[np.int64], counts: Array, bins: int) -> NDArray[np.int64]:
    """For each held cell, in order, the number of its row: consecutive, from 0.

    Every node of the dyadic tree over the cells costs count × width². A row is a node whose
    cost is at most a threshold while its parent's is above it; the threshold is the least
    that leaves at most ``bins`` rows.
    """
    own, above, parent = [np.zeros(cells.size)], [], []  # a cell can't be split: it is free
    nodes, held = cells, counts
    while nodes[0] < -1 or nodes[-1] > 0:  # -1 and 0 have no parents but themselves
        first = np.diff(nodes >> 1, prepend=(nodes[0] >> 1) - 1) != 0
        nodes, held = nodes[first] >> 1, np.add.reduceat(held, np.flatnonzero(first))
        parent.append(np.cumsum(first) - 1)
        own.append(held * 4.0 ** len(parent))
        above.append(own[-1][parent[-1]])
    costs, over = np.sort(np.concatenate(own)), np.sort(np.concatenate([*above, [np.inf]]))
    rows = np.searchsorted(costs, costs, side="right") - np.searchsorted(over, costs, side="right")
    threshold = costs[np.argmax(rows <= bins)]
    place, level = np.arange(cells.size), np.zeros(cells.size, dtype=np.int64)
    for height, step in enumerate(parent, start=1):
        place = step[place]
        level[own[height][place] <= threshold] = height
    changed = (np.diff(cells >> level) != 0) | (np.diff(level) != 0)
    return np.concatenate([[0], np.cumsum(changed)])
