"""Digests of numbers that rounding can't move."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike

BITS = 20
"""Of a float64's 52 that are rounded away: what is left is good to 1e-10."""
BLOCK = 1 << 20


def digest(*arrays: ArrayLike) -> str:
    """SHA-256 of numbers rounded to 32 bits of their own size.

    Processors and libraries disagree in the last bit or two of a logarithm or a long sum.
    Numbers that differ so have equal digests, but for about one in a million of them.
    """
    told = hashlib.sha256()
    for array in arrays:
        flat = np.ascontiguousarray(array, dtype=np.float64).ravel()
        for low in range(0, flat.size, BLOCK):
            bits = flat[low : low + BLOCK].view(np.int64)
            told.update(((bits + (1 << (BITS - 1))) >> BITS).tobytes())
    return told.hexdigest()
