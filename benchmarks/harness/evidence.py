"""The gate's statistics: exact tests and bounds for paired rates and paired ratios."""

from __future__ import annotations

from functools import cache

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
    flips, _ = _patterns(len(values))
    slack = 1e-12 * np.abs(values).sum()
    # Flipping a set of values keeps the sum as large where their own sum is at most zero.
    return float(np.mean(flips @ values <= 0.5 * slack))


def flip_bounds(values: Array, level: float) -> tuple[float, float]:
    """Bounds of the centre of symmetry of ``values`` (m,), each missed with at most ``level``.

    Those centres that ``sign_flip`` does not reject. Infinite where so few values can't
    bear that level.
    """
    return -_upper(-values, level), _upper(values, level)


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


@cache
def _patterns(count: int) -> tuple[Array, Array]:
    """Which of ``count`` values each pattern flips, (patterns, count) of 0 and 1, and how many.

    The first pattern flips none.
    """
    if count <= ENUMERATED:
        flips = np.arange(1 << count)[:, None] >> np.arange(count) & 1
    else:
        flips = np.random.default_rng(0).integers(0, 2, (DRAWN, count)) ^ 1
        flips[0] = 0
    return flips.astype(np.float64), flips.sum(axis=1)


def _upper(values: Array, level: float) -> float:
    """The least upper bound of the centres that are not rejected as too large.

    A pattern counts against the centre c where the mean of the values that it flips is at
    least c, and the one that flips none always counts. So the bound is an order statistic of
    the means of subsets (Hartigan 1969, *JASA* 64:1303).
    """
    flips, sizes = _patterns(len(values))
    some = sizes > 0
    rank = int(np.floor(level * len(flips))) + 1 - int((~some).sum())
    if rank <= 0:
        return float("inf")
    means = (flips @ values)[some] / sizes[some]
    return float(np.partition(means, -rank)[-rank])
