"""A sample compressed into few weighted rows, on a grid that depends on the data alone.

Within a row every component's log density is linear in T. A row has a count and a mean T, and
loses only the curvature of the mixture's log density.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.kernels.loading import compiled

CELLS = 1 << 15
"""Occupied cells of the fine grid, at most; ``Sketch.rows`` merges them."""
WINDOW = 1 << 16
"""Neighbouring cells, occupied or not, that are held as an array; others are held one by one."""
BLOCK = 1 << 17
"""Observations that are added at once."""
CENTRED = 1 << 12
"""Observations, about, whose median is the middle of the first window."""
SPARE = 4
"""Cells for each row, at least, from which the rows are merged, where there are so many."""
POWERS = 1000
"""The largest power of two, of either sign, that is a float, and so is its inverse."""
FINER = 6
"""Levels below that of the range that are tried on a dense array, before cells are sorted."""

Cells = NDArray[np.int64]


class Sketch:
    """Counts and sums of T in cells of width 2^level on the family's link scale.

    The level is the finest, no finer than floats, at which at most ``CELLS`` cells are occupied:
    so a few observations far away leave the cells of the others as they are. A cell of a coarser
    level is the union of two, so that the cells depend on the observations alone, neither on their
    order nor on their chunks. Sums depend on the order by rounding.
    """

    def __init__(self, family: ExponentialFamily) -> None:
        self.family = family
        self.log_base = 0.0
        self._width = 1 + len(family.parameters)
        self._level: int | None = None
        self._first = 0
        # A row for each cell from ``_first`` on: its count, then its sums of T.
        self._window = np.zeros((0, self._width))
        self._far, self._far_table = np.empty(0, dtype=np.int64), np.zeros((0, self._width))
        self._near = 0  # occupied cells in the window

    def add(self, x: Array, statistics: Array | None = None) -> None:
        """Add observations (n,), all inside the family's support, whose T (n, d) may be known."""
        self.__dict__.pop("_occupied", None)
        for low in range(0, x.size, BLOCK):
            block = x[low : low + BLOCK]
            if statistics is None:
                rows = self.family.statistics(block)
            else:
                rows = statistics[low : low + BLOCK]
            link = self.family.link_of(block, rows)
            finest = _finest(float(np.abs(link).max()))
            if self._level is None:
                self._level = max(finest, _level_of_many(link)) if link.size > CELLS else finest
            elif finest > self._level:
                self._coarsen(finest - self._level)
            if self._window.size == 0:
                some = link[:: 1 + link.size // CENTRED]
                self._first = int(np.median(self._cells(some))) - WINDOW // 2
                self._window = np.zeros((WINDOW, self._width))
            self._count(link, rows)
            if self._near + self._far.size > CELLS:
                self._coarsen(0)
            self.log_base += float(self.family.log_base(block).sum())

    def rows(self, bins: int) -> tuple[Array, Array]:
        """At most ``bins`` (≥ 2) rows: mean T (r, d), in column-major order, and counts (r,).

        Pairs of neighbouring cells are merged, as the grid's levels do, where count × width² is
        smallest: it bounds the loss of merging.
        """
        cells, table = self._occupied
        enough = max(bins + 1, min(cells.size // 2, SPARE * bins))
        while cells[0] < -1 or cells[-1] > 0:  # -1 and 0 are their own parents
            if np.count_nonzero(np.diff(cells >> 1)) + 1 < enough:
                break
            cells = cells >> 1
        cells, table = _summed(cells, table)
        starts = np.flatnonzero(np.diff(_merged(cells, table[:, 0], bins), prepend=-1))
        return _means(np.add.reduceat(table, starts, axis=0))

    def all_rows(self) -> tuple[Array, Array]:
        """The rows of all occupied cells, as ``rows`` has them."""
        return _means(self._occupied[1])

    @property
    def cell_width(self) -> float:
        """The width of a cell on the link scale."""
        return float(np.ldexp(1.0, self._level or 0))

    @property
    def cell_share(self) -> float:
        """The width of a cell ÷ that of the middle 68 %; infinite where these are in one cell."""
        cells, table = self._occupied
        reached = table[:, 0].cumsum()
        low, high = cells[np.searchsorted(reached, [0.16 * reached[-1], 0.84 * reached[-1]])]
        return float("inf") if low == high else 1.0 / float(high - low)

    def _cells(self, link: Array) -> Cells:
        return np.floor(np.ldexp(link, -(self._level or 0))).astype(np.int64)

    def _count(self, link: Array, statistics: Array) -> None:
        """Add observations to their cells, those outside the window one cell at a time."""
        function, level = compiled("add_to_cells", False, link.size), self._level or 0
        if function is None or abs(level) > POWERS:
            outside = self._add_to_window(self._cells(link), statistics)
        else:
            outside = np.empty(link.size, dtype=np.int64)
            link = np.require(link, requirements=["C", "W"])  # a mapped file is read-only
            per_unit = float(np.ldexp(1.0, -level))
            missed, new = function(link, statistics, per_unit, self._first, self._window, outside)
            outside, self._near = outside[:missed], self._near + new
        if outside.size:
            table = np.column_stack([np.ones(outside.size), statistics[outside]])
            self._far, self._far_table = _summed(
                np.concatenate([self._far, self._cells(link[outside])]),
                np.concatenate([self._far_table, table]),
            )

    def _add_to_window(self, cells: Cells, statistics: Array) -> NDArray[np.int64]:
        """``scenarios.kernels.cells.add_to_cells`` in numpy; returns the indices outside."""
        place, length = cells - self._first, len(self._window)
        inside = (place >= 0) & (place < length)
        place = place[inside]
        if place.size:
            self._window[:, 0] += np.bincount(place, minlength=length)
            for j, column in enumerate(statistics[inside].T, start=1):
                self._window[:, j] += np.bincount(place, weights=column, minlength=length)
        self._near = int(np.count_nonzero(self._window[:, 0]))
        return np.flatnonzero(~inside)

    @cached_property
    def _occupied(self) -> tuple[Cells, Array]:
        """The occupied cells in order, and their table."""
        return self._sorted()

    def _sorted(self) -> tuple[Cells, Array]:
        near = np.flatnonzero(self._window[:, 0])
        if not self._far.size:
            return near + self._first, self._window[near]
        cells = np.concatenate([near + self._first, self._far])
        table = np.concatenate([self._window[near], self._far_table])
        order = np.argsort(cells, kind="stable")
        return cells[order], table[order]

    def _coarsen(self, levels: int) -> None:
        """Go up by ``levels``, and on until at most ``CELLS`` are occupied; centre the window."""
        cells, table = self._sorted()
        cells = cells >> levels
        while np.count_nonzero(np.diff(cells)) >= CELLS:
            cells, levels = cells >> 1, levels + 1
        self._level = (self._level or 0) + levels
        cells, table = _summed(cells, table)
        middle = int(cells[np.searchsorted(table[:, 0].cumsum(), 0.5 * table[:, 0].sum())])
        self._first = middle - WINDOW // 2
        near = (cells >= self._first) & (cells < self._first + WINDOW)
        self._window = np.zeros((WINDOW, self._width))
        self._window[cells[near] - self._first] = table[near]
        self._near = int(np.count_nonzero(near))
        self._far, self._far_table = cells[~near], table[~near]


def _summed(cells: Cells, table: Array) -> tuple[Cells, Array]:
    """Distinct cells in order, and the sums of their rows of ``table``."""
    if (np.diff(cells) < 0).any():
        order = np.argsort(cells, kind="stable")
        cells, table = cells[order], table[order]
    starts = np.flatnonzero(np.diff(cells, prepend=cells[:1] - 1))
    return cells[starts], np.add.reduceat(table, starts, axis=0) if starts.size else table


def _means(table: Array) -> tuple[Array, Array]:
    """Mean T (r, d), in column-major order, and counts (r,) of a ``table`` of sums."""
    counts = np.ascontiguousarray(table[:, 0])
    return np.asfortranarray(table[:, 1:] / counts[:, None]), counts


def _level_of_many(link: Array) -> int:
    """A level at which the grid of these values may begin: it has at most ``CELLS`` cells there.

    It is the finest such level where that is at most ``FINER`` below the level at which the whole
    range has ``CELLS`` cells; otherwise a floor below every level.
    """
    low, high = float(link.min()), float(link.max())
    level = int(np.frexp(max(high - low, 1e-300))[1]) - 16
    for finer in range(level, level - FINER, -1):
        cells = np.floor(np.ldexp(link, -finer)).astype(np.int64)
        if np.count_nonzero(np.bincount(cells - cells.min())) > CELLS:
            return finer + 1
    return -5000


def _finest(largest: float) -> int:
    """The finest level, no finer than floats, for link values of at most this size."""
    return int(np.frexp(max(largest, 1e-300))[1]) - 50


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
