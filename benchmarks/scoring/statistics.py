"""Intervals for rates and for ratios of means, the sign test, and Holm's correction."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, binomtest, t

from scenarios.families.base import Array

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


def sign_test_p(wins: int, losses: int) -> float:
    """Two-sided p-value of the exact sign test on ``wins`` and ``losses``; ties are left out."""
    if wins + losses == 0:
        return 1.0
    return float(binomtest(wins, wins + losses, 0.5).pvalue)


def holm(p: Array) -> Array:
    """p-values (m,) adjusted for their number (Holm 1979, *Scand. J. Statist.* 6:65)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted
