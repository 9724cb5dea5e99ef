"""A random part of many observations, which stands for all where an estimate needs no more.

It is random because the order of observations may have a meaning: every second row may be
another sensor's.
"""

from __future__ import annotations

import numpy as np

from scenarios.families.base import Array

THINNED = 1 << 17
"""Observations, at most, in the random part that stands for large data."""


def random_part(x: Array, most: int = 0) -> Array:
    """All observations, or a random part of ``most`` (``THINNED``) of them, in their order.

    The part depends on the number of observations alone.
    """
    size = most or THINNED
    if x.size <= size:
        return x
    chosen = np.random.default_rng(x.size).choice(x.size, size, replace=False, shuffle=False)
    return x[np.sort(chosen)]


class Reservoir:
    """A random part of ``THINNED`` of the observations that come in blocks, in their order.

    Each observation gets a random key, and those with the smallest keys stay.
    """

    def __init__(self) -> None:
        self.values, self._keys, self._limit = np.empty(0), np.empty(0), np.inf
        self._generator = np.random.default_rng(0)

    def add(self, block: Array) -> None:
        """Take a block into account."""
        keys = self._generator.random(block.size)
        below = keys < self._limit
        values, keys = np.append(self.values, block[below]), np.append(self._keys, keys[below])
        if values.size > THINNED:
            keep = np.sort(np.argpartition(keys, THINNED)[:THINNED])
            values, keys = values[keep], keys[keep]
            self._limit = float(keys.max())
        self.values, self._keys = values, keys
