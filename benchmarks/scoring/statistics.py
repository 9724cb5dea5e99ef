"""Exact tests and confidence bounds for rates, paired rates and paired ratios."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, binomtest, norm, t

from scenarios.families.base import Array

MAX_ENUMERATED = 14
"""The largest number m of values whose 2ᵐ patterns of signs are all enumerated."""
DRAWN = 1 << 14
"""Patterns of signs that are drawn at random for more values."""
MIN_CORRELATION = 0.1
"""The smallest correlation that trials on one data set are taken to have."""


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a rate (Wilson 1927, *JASA* 22:209), by scipy."""
    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def clustered_interval(
    successes: ArrayLike, trials: ArrayLike, strata: Sequence[Hashable], confidence: float = 0.95
) -> tuple[float, float]:
    """An interval of the rate of all ``trials`` (d,) on d data sets, by their ``successes`` (d,).

    ``strata`` (d,) are fixed, as scenarios are; the data sets within one are drawn. The limits
    are Clopper and Pearson's at the effective sample size, with the degrees of freedom that the
    data sets leave (Korn & Graubard 1998, *Survey Methodology* 24:193). Trials on one data set
    are taken to have a correlation of at least ``MIN_CORRELATION``, since a few data sets that
    agree do not show that there is none. Where every stratum has one data set, nothing is known
    of others: Wilson's interval, which holds for these data sets.
    """
    won, count = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    groups: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        groups.setdefault(stratum, []).append(index)
    freedom, total = len(won) - len(groups), count.sum()
    if freedom == 0:
        return wilson(int(won.sum()), int(total), confidence)
    rate = won.sum() / total
    variance = 0.0
    for members in groups.values():
        if len(members) == 1:  # its data set is given: the variance of independent trials
            variance += float((won * (1.0 - won / count))[members].sum()) / total**2
        else:
            residuals = (won - rate * count)[members] / total
            variance += float(residuals.var(ddof=1)) * len(members)
    effective = total / (1.0 + MIN_CORRELATION * (total / len(won) - 1.0))
    upper = 0.5 + confidence / 2.0
    if variance > 0.0:
        ratio = t.ppf(upper, total - 1.0) / t.ppf(upper, freedom)
        effective = min(effective, rate * (1.0 - rate) / variance * ratio**2)
    hits = effective * rate
    low = beta.ppf(1.0 - upper, hits, effective - hits + 1.0) if rate > 0.0 else 0.0
    high = beta.ppf(upper, hits + 1.0, effective - hits) if rate < 1.0 else 1.0
    return float(low), float(high)


def ratio_of_means(
    values: ArrayLike, references: ArrayLike, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Σ ``values`` (d,) ÷ Σ ``references`` (d,) over d data sets, with an interval by data set.

    Student's interval of the logarithm, with the standard error of a ratio estimator (Cochran
    1977, *Sampling techniques*, 6.4) and d - 1 degrees of freedom. NaN without data sets; without
    limits for one.
    """
    own, base = np.asarray(values, dtype=np.float64), np.asarray(references, dtype=np.float64)
    count = len(own)
    if count == 0 or not base.sum() > 0.0:
        return float("nan"), float("nan"), float("nan")
    ratio = own.sum() / base.sum()
    if count == 1 or ratio == 0.0:
        return float(ratio), float("nan"), float("nan")
    residuals = own - ratio * base
    error = np.sqrt(count / (count - 1.0) * np.sum(residuals**2)) / own.sum()
    factor = np.exp(t.ppf(0.5 + confidence / 2.0, count - 1.0) * error)
    return float(ratio), float(ratio / factor), float(ratio * factor)


def mcnemar_p(losses: int, gains: int) -> float:
    """One-sided p-value of ``losses`` and ``gains`` among pairs, under equal chances of both.

    Exact: given the number of discordant pairs, losses are binomial with ½ (McNemar 1947,
    *Psychometrika* 12:153). All strata share this ½, so their counts may be added.
    """
    if losses + gains == 0:
        return 1.0
    return float(binomtest(losses, losses + gains, 0.5, alternative="greater").pvalue)


def sign_test_p(wins: int, losses: int) -> float:
    """Two-sided p-value of the exact sign test on ``wins`` and ``losses``; ties are left out."""
    return min(1.0, 2.0 * mcnemar_p(max(wins, losses), min(wins, losses)))


def loss_bounds(
    both: int, losses: int, gains: int, neither: int, level: float
) -> tuple[float, float]:
    """Lower and upper bound of a rate's loss, P(loss) - P(gain), each at about ``1 - level``.

    The arguments count pairs by success: on both sides, on the base side alone, on the new
    side alone, on neither. Newcombe's method 10 (1998, *Stat. Med.* 17:2635): Wilson's
    intervals of both rates, combined by their correlation.
    """
    pairs = both + losses + gains + neither
    sums = [both + losses, gains + neither, both + gains, losses + neither]
    product = float(np.prod(sums, dtype=float))
    base, new = (both + losses) / pairs, (both + gains) / pairs
    base_low, base_high = wilson(both + losses, pairs, 1.0 - 2.0 * level)
    new_low, new_high = wilson(both + gains, pairs, 1.0 - 2.0 * level)
    covariance = float(both * neither - losses * gains)
    if covariance > 0.0:  # Newcombe's correction for continuity
        covariance = max(covariance - pairs / 2.0, 0.0)
    correlation = covariance / np.sqrt(product) if product > 0 else 0.0

    def combined(first: float, second: float) -> float:
        return float(np.sqrt(first**2 - 2.0 * correlation * first * second + second**2))

    loss = base - new
    return (
        loss - combined(base - base_low, new_high - new),
        loss + combined(base_high - base, new - new_low),
    )


def sign_flip_p(values: Array) -> float:
    """One-sided p-value of a mean of ``values`` (m,) this large, under symmetry about 0.

    Fisher's randomisation test (1935, *The design of experiments*, 21): exact where all 2ᵐ
    patterns of signs are enumerated; where they are drawn, the observed pattern is one of
    them, which keeps the test valid. ``scipy.stats.permutation_test`` gives the same exact
    p-values, but takes over 100 times as long.
    """
    flips, _ = _patterns(len(values))
    rounding = 1e-12 * np.abs(values).sum()
    # Flipping a set of values keeps the sum as large where their own sum is at most zero.
    return float(np.mean(flips @ values <= 0.5 * rounding))


def sign_flip_bounds(values: Array, level: float) -> tuple[float, float]:
    """Lower and upper bound of the centre of symmetry of ``values`` (m,), each at ``1 - level``.

    They enclose the centres that ``sign_flip_p`` does not reject at ``level``. Infinite where
    the values are too few to reject any centre at that level.
    """
    return -_upper_bound(-values, level), _upper_bound(values, level)


def holm(p: Array) -> Array:
    """p-values (m,) adjusted for their number (Holm 1979, *Scand. J. Statist.* 6:65)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def min_pairs(level: float) -> int:
    """The smallest number of data sets, or of discordant pairs, that can reach ``level``."""
    return int(np.ceil(-np.log2(level)))


def min_detectable_loss(pairs: int, level: float) -> float:
    """The smallest loss of a rate that ``mcnemar_p`` can show: all discordant pairs are losses.

    Infinite where so few pairs cannot reach ``level``.
    """
    required = min_pairs(level)
    return required / pairs if required <= pairs else float("inf")


def min_detectable_shift(values: Array, level: float, power: float = 0.8) -> float:
    """The smallest mean that ``sign_flip_p`` shows with ``power``, at the scatter of ``values``.

    By the normal approximation. Infinite where so few values cannot reach ``level``.
    """
    if 0.5 ** len(values) > level:
        return float("inf")
    standard_error = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(norm.ppf(1.0 - level) + norm.ppf(power)) * standard_error


@cache
def _patterns(count: int) -> tuple[Array, Array]:
    """Patterns of flipped signs, (patterns, count) of 0 and 1, and how many signs each flips.

    The first pattern flips none.
    """
    if count <= MAX_ENUMERATED:
        flips = np.arange(1 << count)[:, None] >> np.arange(count) & 1
    else:
        flips = np.random.default_rng(0).integers(0, 2, (DRAWN, count)) ^ 1
        flips[0] = 0
    return flips.astype(np.float64), flips.sum(axis=1)


def _upper_bound(values: Array, level: float) -> float:
    """The largest centre of symmetry that is not rejected at ``level`` as too large.

    A pattern counts against the centre c where the mean of the values that it flips is at
    least c, and the pattern that flips none always counts. So the bound is an order statistic
    of the means of subsets (Hartigan 1969, *JASA* 64:1303).
    """
    flips, sizes = _patterns(len(values))
    some = sizes > 0
    rank = int(np.floor(level * len(flips))) + 1 - int((~some).sum())
    if rank <= 0:
        return float("inf")
    means = (flips @ values)[some] / sizes[some]
    return float(np.partition(means, -rank)[-rank])
