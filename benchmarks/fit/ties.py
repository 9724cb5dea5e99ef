"""Values that many observations share: heaps on one value, and a grid that all are rounded to."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.families import Array

LEAST, SHARE = 5, 0.03
"""Observations, and the share of all, that a heap has at least."""
LARGE_SHARE = 0.3
"""The share from which equal observations are a heap, whatever lies beside them."""
TIMES = 8.0
"""Observations at a heap ÷ those that its neighbours lead to expect, at least."""
NEIGHBOURS = 5
"""Distinct values on each side that are its neighbours."""
REPEATED = 0.2
"""Share of observations that repeat others, above which the data may be rounded."""


class Heap(NamedTuple):
    """A value, and how many observations are exactly equal to it."""

    value: float
    times: int


def heaps(values: Array, counts: NDArray[np.int_]) -> list[Heap]:
    """The values on which far more observations lie than around them, the largest heap first.

    ``values`` (m,) are distinct and sorted, and ``counts`` (m,) observations have each. Data on a
    grid repeat every value about as often as those beside it, which makes no heap.
    """
    n = float(counts.sum())
    if values.size < 2:
        return []
    edges = np.concatenate([values[:1], 0.5 * (values[1:] + values[:-1]), values[-1:]])
    widths = np.diff(edges)
    widths[[0, -1]] *= 2.0  # the ends of the data are in the middle of their cells
    found = []
    for j in np.flatnonzero((counts >= LEAST) & (counts >= SHARE * n)):
        around = slice(max(0, j - NEIGHBOURS), j + NEIGHBOURS + 1)
        beside = float(counts[around].sum() - counts[j])
        expected = beside * widths[j] / max(float(widths[around].sum() - widths[j]), 1e-300)
        if counts[j] >= LARGE_SHARE * n or counts[j] > TIMES * max(expected, 1.0):
            found.append(Heap(float(values[j]), int(counts[j])))
    return sorted(found, key=lambda heap: -heap.times)


def grid_step(values: Array, counts: NDArray[np.int_]) -> float:
    """The step of the grid that the data are rounded to, in their units; 0 where few repeat.

    It is the median difference of neighbouring distinct values.
    """
    n = float(counts.sum())
    if values.size < 2 or 1.0 - values.size / n <= REPEATED:
        return 0.0
    return float(np.median(np.diff(values)))


def kolmogorov(x: Array, cdf: Callable[[Array], Array]) -> tuple[float, float]:
    """Kolmogorov's distance of the sorted data ``x`` (n,) from a distribution function, and p.

    Where many values repeat, the functions are compared halfway between distinct values: there
    rounding to a grid changes nothing, and at the values themselves each step is a difference.
    """
    from scipy.stats import ks_1samp, kstwo

    values, counts = np.unique(x, return_counts=True)
    if values.size >= (1.0 - REPEATED) * x.size:
        test = ks_1samp(x, cdf, method="exact")
        return float(test.statistic), float(test.pvalue)
    shares = np.cumsum(counts)[:-1] / x.size
    distances = np.abs(cdf(0.5 * (values[1:] + values[:-1])) - shares)
    statistic = float(distances.max(initial=0.0))
    return statistic, float(kstwo.sf(statistic, x.size))
