"""The smallest effects that a comparison detects four times in five, by simulation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.compare import ALPHA
from benchmarks.compare.verdict import METRICS
from benchmarks.runner.profiles import PROFILES
from benchmarks.scoring import statistics

if TYPE_CHECKING:
    import pandas as pd

POWER = 0.8
LEVEL = ALPHA / (len(PROFILES["check"].fitters) * (len(METRICS) - 1))
"""Level of the first test in Holm's order in the profile ``check``, where times are advisory."""


def min_losses(repeats: int) -> pd.DataFrame:
    """The smallest detected loss of a rate in points; infinite where none is detected.

    By the number of trials, and by the share of trials whose success changes by chance.
    """
    import pandas as pd

    rows = []
    for trials in (18, 36, 54, 90, 180, 360):
        row: dict[str, float] = {"trials": trials}
        for churn in (0.0, 0.02, 0.1):
            power = partial(loss_power, trials, churn, repeats)
            row[f"{churn:.0%} flip anyway"] = 100.0 * _smallest(power, 1.0 - churn)
        rows.append(row)
    return pd.DataFrame(rows)


def min_ratios(repeats: int) -> pd.DataFrame:
    """The smallest detected ratio of new to base; infinite where none is detected.

    By the number of data sets, and by the standard deviation of their log ratios.
    """
    import pandas as pd

    rows = []
    for data_sets in (8, 12, 14, 18, 30):
        row: dict[str, float] = {"data sets": data_sets}
        for scatter in (0.01, 0.05, 0.2, 0.5):
            power = partial(shift_power, data_sets, scatter, repeats)
            row[f"scatter {scatter:.0%}"] = float(np.exp(_smallest(power, 10.0 * scatter)))
        rows.append(row)
    return pd.DataFrame(rows)


def loss_power(trials: int, churn: float, repeats: int, loss: float) -> float:
    """The share of simulated comparisons in which a loss of a rate is significant."""
    shares = [churn / 2 + loss, churn / 2, 1.0 - churn - loss]
    counts = np.random.default_rng(0).multinomial(trials, shares, repeats)[:, :2]
    cases, times = np.unique(counts, axis=0, return_counts=True)
    significant = [statistics.mcnemar_p(lost, won) < LEVEL for lost, won in cases.tolist()]
    return float(np.average(significant, weights=times))


def shift_power(data_sets: int, scatter: float, repeats: int, shift: float) -> float:
    """The share of simulated comparisons in which a shift of log ratios is significant."""
    draws = np.random.default_rng(0).normal(shift, scatter, (repeats, data_sets))
    return float(np.mean([statistics.sign_flip_p(row) < LEVEL for row in draws]))


def _smallest(power: Callable[[float], float], high: float) -> float:
    """The smallest effect up to ``high`` with enough power, by bisection; infinite if none has."""
    low = 0.0
    if power(high) < POWER:
        return float("inf")
    for _ in range(7):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high
