"""The inference layer: what changed by chance, and what did not, with data sets as units.

Four lines decide for each fitter: the rates of trials that found the optimum and that converged,
the cost of all trials, and their time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare.paired_tests import log_e_value, max_t_p, upper_bound
from benchmarks.runner.status import FOUND, SUCCESS
from benchmarks.scoring.facts import DISTURBED
from benchmarks.scoring.statistics import holm
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 10.0
"""The largest ratio of costs that counts as it is; larger ones count as this."""


@dataclass(frozen=True)
class Line:
    """One figure of a fitter, lower is better, as one value a data set.

    ``tolerated`` is the largest change that is no regression, and ``must_detect`` the smallest
    that *passed* excludes: losses of a rate, or logarithms of a ratio of new to base.
    """

    name: str
    column: str
    tolerated: float
    must_detect: float
    successes: tuple[str, ...] = ()
    """Statuses that count as success, for a rate."""
    smallest: float = 1.0
    """What a smaller cost counts as."""

    @property
    def is_rate(self) -> bool:
        """Whether it is a loss of a rate, rather than a ratio."""
        return bool(self.successes)

    @property
    def scale(self) -> float:
        """The largest absolute value."""
        return 1.0 if self.is_rate else float(np.log(LARGEST))

    def values(self, table: pd.DataFrame) -> Array:
        """The change on each data set, (m,), of the trials of one fitter."""
        if self.is_rate:
            return losses(table, self.successes)
        return cost_ratios(table, self.column, self.smallest)


TIME = Line("time", "seconds", float(np.log(1.1)), float(np.log(1.5)), smallest=1e-3)
LINES = (
    Line("found", "status", 0.02, 0.1, FOUND),
    Line("converged", "status", 0.02, 0.1, SUCCESS),
    Line("cost", "cost", float(np.log(1.05)), float(np.log(1.25))),
    TIME,
)
SHOWN = ("information_error", "hellinger")
"""Figures of trials that found the optimum on both sides; they decide nothing."""
DATA_SET = ["replicate", "scenario"]


def losses(table: pd.DataFrame, successes: tuple[str, ...]) -> Array:
    """The loss of a rate on each data set, base minus new, (m,); none by identical trials."""
    base, new = (table[f"{side}_status"].isin(successes).astype(float) for side in ("base", "new"))
    return (base - new).groupby([table[name] for name in DATA_SET]).mean().to_numpy()


def cost_ratios(table: pd.DataFrame, column: str, smallest: float = 1.0) -> Array:
    """The logarithm of the ratio, new to base, of what all trials on a data set cost, (m,).

    Failures are included. A trial that was killed has no known cost, which counts as infinite: as
    the largest ratio on the new side, as the smallest on the base's, and as none on both.
    """
    keys, limit = [table[name] for name in DATA_SET], np.log(LARGEST)
    base, new = (
        table[f"{side}_{column}"].astype(float).fillna(np.inf).groupby(keys).sum().clip(smallest)
        for side in ("base", "new")
    )
    with np.errstate(invalid="ignore"):
        ratios = np.log(new) - np.log(base)
    return ratios.fillna(0.0).clip(-limit, limit).to_numpy(dtype=float)


def is_disturbed(table: pd.DataFrame) -> bool:
    """Whether a side's processor was busy with the median trial for less than 95 % of its time."""
    shares = table[["base_cpu_share", "new_cpu_share"]].astype(float).median()
    return bool((shares < DISTURBED).any())


def line_rows(
    values: Array, lines: tuple[Line, ...], alpha: float, seed: int
) -> list[dict[str, Any]]:
    """A row for each line of one fitter: estimate, upper bound, and test against the tolerated.

    ``values`` (m, l) are the changes on m data sets. ``p`` is adjusted for the lines. ``log_e`` is
    the evidence against a change of the size that must be detected.
    """
    p = max_t_p(values - [line.tolerated for line in lines], seed)
    rows = []
    for line, column, p_line in zip(lines, values.T, p, strict=True):
        scaled = column / line.scale
        rows.append(
            {
                "line": line.name,
                "is_rate": line.is_rate,
                "tolerated": line.tolerated,
                "must_detect": line.must_detect,
                "data_sets": len(column),
                "unequal": int(np.sum(column != 0.0)),
                "estimate": float(column.mean()),
                "high": line.scale * upper_bound(scaled, alpha),
                "p": float(p_line),
                "log_e": log_e_value(scaled, line.must_detect / line.scale),
            }
        )
    return rows


def decided(row: Mapping[str, Any], level: float, alpha: float) -> tuple[str, str]:
    """The verdict of a line, tested at ``level`` and bounded at 1 - ``alpha``, and its details."""
    if row["p_holm"] < level:
        return "regressed", ""
    needed = -np.log(alpha)
    if row["log_e"] >= needed:
        return "passed", ""
    if row["estimate"] >= row["must_detect"] or row["log_e"] <= 0.0:
        return "inconclusive", "needs more data sets: the change is large, and they are few"
    count = int(np.ceil(row["data_sets"] * needed / row["log_e"]))
    return "inconclusive", f"needs about {max(count, row['data_sets'] + 1)} data sets"


def holm_over_fitters(p: Mapping[str, Array]) -> dict[str, Array]:
    """Adjust the p-values (l,) of the lines of each fitter for the number of fitters.

    Holm's factor is that of the fitter's smallest p-value.
    """
    if not p:
        return {}
    smallest = np.array([each.min() for each in p.values()])
    adjusted = holm(smallest)
    factors = adjusted / np.maximum(smallest, 1e-300)
    return {
        fitter: np.minimum(1.0, np.maximum(values * factor, low))
        for (fitter, values), factor, low in zip(p.items(), factors, adjusted, strict=True)
    }


def shown(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The ratio of means, new to base, of each figure that is shown, NaN where nothing has one."""
    both = table["base_status"].isin(FOUND) & table["new_status"].isin(FOUND)
    rows = []
    for name in SHOWN:
        sides = table.loc[both, [f"base_{name}", f"new_{name}"]].astype(float).dropna()
        means = sides.mean().to_numpy()
        ratio = means[1] / means[0] if len(sides) and means[0] > 0.0 else np.nan
        rows.append({"figure": name, "trials": len(sides), "ratio": float(ratio)})
    return rows
