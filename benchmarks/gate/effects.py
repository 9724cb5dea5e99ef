"""What a design can see, by simulation: the least effect that is found four times in five."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rich.table import Table

from benchmarks.gate import ALPHA
from benchmarks.gate.verdict import METRICS
from benchmarks.harness import evidence

POWER = 0.8
FITTERS = 5
LEVEL = ALPHA / (FITTERS * (len(METRICS) - 1))
"""Of the first in Holm's order, with the fitters and metrics of the profile ``check``."""


def least_losses(repeats: int) -> Table:
    """By trials and the share that flips either way by itself: the loss of a rate in points."""
    churns = (0.0, 0.02, 0.1)
    table = Table(title="least loss of a rate, points", title_justify="left", box=None)
    table.add_column("trials", justify="right")
    for churn in churns:
        table.add_column(f"{churn:.0%} flip anyway", justify="right")
    for trials in (18, 36, 54, 90, 180, 360):
        cells = []
        for churn in churns:

            def found(loss: float, trials: int = trials, churn: float = churn) -> float:
                generator = np.random.default_rng(0)
                shares = [churn / 2 + loss, churn / 2, 1.0 - churn - loss]
                counts = generator.multinomial(trials, shares, repeats)
                return float(np.mean([evidence.mcnemar(w, b) < LEVEL for w, b, _ in counts]))

            least = _least(found, 0.0, 1.0 - churn)
            cells.append(f"{100 * least:.0f}" if np.isfinite(least) else "none")
        table.add_row(str(trials), *cells)
    return table


def least_ratios(repeats: int) -> Table:
    """By data sets and the scatter of their log ratios: the ratio of a continuous figure."""
    scatters = (0.01, 0.05, 0.2, 0.5)
    table = Table(title="least ratio of new to base", title_justify="left", box=None)
    table.add_column("data sets", justify="right")
    for scatter in scatters:
        table.add_column(f"scatter {scatter:.0%}", justify="right")
    for sets in (8, 12, 14, 18, 30):
        cells = []
        for scatter in scatters:

            def found(shift: float, sets: int = sets, scatter: float = scatter) -> float:
                draws = np.random.default_rng(0).normal(shift, scatter, (repeats, sets))
                return float(np.mean([evidence.sign_flip(row) < LEVEL for row in draws]))

            least = _least(found, 0.0, 10.0 * scatter)
            cells.append(f"× {np.exp(least):.2f}" if np.isfinite(least) else "none")
        table.add_row(str(sets), *cells)
    return table


def _least(found: Callable[[float], float], low: float, high: float) -> float:
    """The least effect that is found often enough, by bisection; infinite if none is."""
    if found(high) < POWER:
        return float("inf")
    for _ in range(7):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if found(middle) >= POWER else (middle, high)
    return high
