"""The gate's statistics: exact tests and bounds for paired rates and paired ratios."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest, norm

from scenarios.families.base import Array

ENUMERATED = 14
"""Data sets up to which every pattern of signs is tried; beyond, so many are drawn:"""
DRAWN = 1 << 14


def mcnemar(worse: int, better: int) -> float:
    """One-sided p of so many pairs having become worse and so many better, if both are as likely.

    Exact: given their number, those that became worse are binomial with ½ (McNemar 1947,
    *Psychometrika* 12:153). Strata have a common ½, so their counts add.
    """
    if worse + better == 0:
        return 1.0
    return float(binomtest(worse, worse + better, 0.5, alternative="greater").pvalue)


def loss_bounds(
    both: int, worse: int, better: int, neither: int, level: float
) -> tuple[float, float]:
    """Bounds of the loss in a rate, P(worse) - P(better), each missed with about ``level``.

    From how many pairs succeeded on both sides, on the base's alone, on the new one's alone,
    and on neither: Newcombe's method 10 (1998, *Stat. Med.* 17:2635), Wilson's intervals of
    both rates combined by their correlation.
    """
    pairs = both + worse + better + neither
    sums = [both + worse, better + neither, both + better, worse + neither]
    product = float(np.prod(sums, dtype=float))
    rate = [(both + worse) / pairs, (both + better) / pairs]
    (low0, high0), (low1, high1) = (
        binomtest(count, pairs).proportion_ci(1.0 - 2.0 * level, method="wilson")
        for count in (both + worse, both + better)
    )
    excess = float(both * neither - worse * better)
    if excess > 0.0:  # a correction for continuity, his
        excess = max(excess - pairs / 2.0, 0.0)
    correlation = excess / np.sqrt(product) if product > 0 else 0.0

    def apart(first: float, second: float) -> float:
        return float(np.sqrt(first**2 - 2.0 * correlation * first * second + second**2))

    loss = rate[0] - rate[1]
    return (
        loss - apart(rate[0] - low0, high1 - rate[1]),
        loss + apart(high0 - rate[0], rate[1] - low1),
    )


def sign_flip(values: Array) -> float:
    """One-sided p of a mean of ``values`` (m,) so large, if each might have either sign.

    Fisher's randomisation test (1935, *The design of experiments*, 21): exact where all 2ᵐ
    patterns of signs are tried, and valid by counting the observed one where they are drawn.
    """
    return _share_as_large(_patterns(len(values)), values)


def flip_bounds(values: Array, level: float) -> tuple[float, float]:
    """Bounds of the centre of symmetry of ``values`` (m,), each missed with at most ``level``.

    Those centres that ``sign_flip`` does not reject. Infinite where so few values can't
    bear that level.
    """
    signs = _patterns(len(values))
    return -_upper(signs, -values, level), _upper(signs, values, level)


def holm(p: Array) -> Array:
    """p-values adjusted for their number (Holm 1979, *Scand. J. Statist.* 6:65)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def least_loss(pairs: int, level: float) -> float:
    """The smallest loss in a rate that ``mcnemar`` could find with so many pairs: all discordant
    ones worse. Infinite where so few can't bear that level."""
    needed = fewest(level)
    return needed / pairs if needed <= pairs else float("inf")


def least_shift(values: Array, level: float, power: float = 0.8) -> float:
    """The smallest mean of values as scattered as these that ``sign_flip`` would find with
    ``power``; infinite where so few can't bear that level. By the normal approximation."""
    if 0.5 ** len(values) > level:
        return float("inf")
    spread = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(norm.ppf(1.0 - level) + norm.ppf(power)) * spread


def fewest(level: float) -> int:
    """Data sets, or pairs that differ, without which no sign test can reach this level."""
    return int(np.ceil(-np.log2(level)))


def _patterns(count: int) -> Array:
    """Signs (patterns, m), the first row all plus."""
    if count <= ENUMERATED:
        bits = np.arange(1 << count)[:, None] >> np.arange(count) & 1
        return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(0, 2, (DRAWN, count))
    drawn[0] = 1
    return np.asarray(2.0 * drawn - 1.0, dtype=np.float64)


def _share_as_large(signs: Array, values: Array) -> float:
    slack = 1e-12 * np.abs(values).sum()
    return float(np.mean(signs @ values >= values.sum() - slack))


def _upper(signs: Array, values: Array, level: float) -> float:
    """The least centre that is rejected as too large, by bisection."""
    low, high = float(values.mean()), float(values.max()) + 1e-9
    if _share_as_large(signs, high - values) > level:
        return float("inf")
    for _ in range(40):
        middle = 0.5 * (low + high)
        if _share_as_large(signs, middle - values) > level:
            low = middle
        else:
            high = middle
    return high
