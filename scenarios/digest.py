"""Digests of numbers that don't depend on rounding."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike

BITS = 20
"""Bits of a float64's 52 that are rounded away: the rest is a relative precision of 1e-10."""
BLOCK = 1 << 20
"""Numbers that are hashed at once."""


def digest(*arrays: ArrayLike) -> str:
    """SHA-256 of numbers, each rounded to 32 significant bits.

    Processors and libraries disagree in the last bit or two of a logarithm or a long sum.
    Numbers that differ by so little have equal digests, but for about one in a million of them.
    """
    sha = hashlib.sha256()
    for array in arrays:
        flat = np.ascontiguousarray(array, dtype=np.float64).ravel()
        for low in range(0, flat.size, BLOCK):
            bits = flat[low : low + BLOCK].view(np.int64)
            sha.update(((bits + (1 << (BITS - 1))) >> BITS).tobytes())
    return sha.hexdigest()
