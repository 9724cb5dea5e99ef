"""Tests and bounds for paired values, one a data set: sign flips and bets."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scenarios.families.base import Array

MAX_ENUMERATED = 20
"""The largest number of data sets whose patterns of signs are all enumerated."""
DRAWN = 1_000_000
"""Patterns of signs that are drawn at random for more."""
BLOCK = 1 << 14
"""Patterns that are handled at once."""
ENOUGH = 1000
"""Patterns as extreme as the observed one after which no more are drawn: p is not small."""
BET = 0.65
"""The size of a bet, as a share of the largest that cannot lose more than all. Between .5 and .7
it shows most often that nothing was lost, whether few data sets change by chance or many."""


def max_t_p(values: Array, seed: int) -> Array:
    """p-values (l,) of the sums of ``values`` (m, l) for m data sets, adjusted for the l lines.

    One-sided, under symmetry about 0 or below: the signs of a data set are flipped in all lines
    together, and a sum is divided by the root of its sum of squares, which flips leave as it is.
    Step-down by the maximum over lines (Westfall & Young 1993, *Resampling-based multiple
    testing*, 2.8). Exact up to ``MAX_ENUMERATED`` data sets; beyond, of the patterns drawn with
    ``seed`` the observed one is another (Phipson & Smyth 2010, *SAGMB* 9:39), and drawing ends
    where p is known well enough (Besag & Clifford 1991, *Biometrika* 78:301).
    """
    values = np.asarray(values, dtype=np.float64)
    norms = np.sqrt(np.sum(values**2, axis=0))
    scaled = values / np.where(norms > 0.0, norms, 1.0)
    observed = scaled.sum(axis=0)
    if not (observed > 0.0).any():
        return np.ones(len(observed))
    order = np.argsort(-observed)
    scaled, observed = scaled[:, order], observed[order]
    exceeded, patterns = np.zeros(len(order)), 0
    for signs in _signs(len(values), seed):
        flipped = (signs @ scaled)[:, ::-1]
        largest = np.maximum.accumulate(flipped, axis=1)[:, ::-1]
        exceeded += np.sum(largest >= observed - 1e-9, axis=0)
        patterns += len(signs)
        if len(values) > MAX_ENUMERATED and exceeded.min() >= ENOUGH:
            break
    if len(values) > MAX_ENUMERATED:
        exceeded, patterns = exceeded + 1, patterns + 1
    p = np.empty(len(order))
    p[order] = np.maximum.accumulate(exceeded / patterns)
    return p


def log_e_value(values: Array, limit: float) -> float:
    """The logarithm of the evidence that the mean of ``values`` (m,), in [-1, 1], is below a limit.

    The wealth after a bet of one size on each value being below ``limit``. If the mean is not, its
    expectation is at most 1 after any number of values: of independent ones with unequal means
    too, by the inequality of the means. So it exceeds 1/alpha with a probability of at most alpha,
    whenever one looks (Waudby-Smith & Ramdas 2024, *JRSS B* 86:1; Ville 1939).
    """
    if limit >= 1.0:
        return float("inf")
    return float(np.log1p(BET * (limit - np.asarray(values)) / (1.0 - limit)).sum())


def upper_bound(values: Array, alpha: float) -> float:
    """The upper bound of the mean of ``values`` (m,), in [-1, 1], at 1 - ``alpha``; at most 1."""
    low, high = float(np.mean(values)), 1.0
    for _ in range(20):
        middle = 0.5 * (low + high)
        if log_e_value(values, middle) >= -np.log(alpha):
            high = middle
        else:
            low = middle
    return high


def _signs(count: int, seed: int) -> Iterator[Array]:
    """Yield blocks (b, count) of patterns of signs, ±1: all of them, or ``DRAWN``."""
    if count <= MAX_ENUMERATED:
        for first in range(0, 1 << count, BLOCK):
            numbers = np.arange(first, min(first + BLOCK, 1 << count))
            yield np.asarray(1.0 - 2.0 * (numbers[:, None] >> np.arange(count) & 1))
        return
    generator = np.random.default_rng(seed)
    for first in range(0, DRAWN, BLOCK):
        size = min(BLOCK, DRAWN - first)
        bits = np.frombuffer(generator.bytes(size * -(-count // 8)), dtype=np.uint8)
        yield np.asarray(1.0 - 2.0 * np.unpackbits(bits.reshape(size, -1), axis=1, count=count))
