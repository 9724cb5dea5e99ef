"""Verdicts on pairs of trials: regressed, passed, inconclusive, or measured nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare.pairs import Pairs
from benchmarks.runner.status import FOUND, SUCCESS
from benchmarks.scoring import statistics

if TYPE_CHECKING:
    import pandas as pd

EXIT = {"passed": 0, "regressed": 1, "inconclusive": 3, "measured nothing": 4}
"""Exit status by verdict."""
NO_PAIRS = {
    "pairs": 0, "data_sets": 0, "unequal": 0, "estimate": np.nan, "low": np.nan, "high": np.nan,
    "p": 1.0, "min_detectable": np.inf, "where": "",
}  # fmt: skip
"""Estimates of a metric without any pair of values."""
COLUMNS = ("fitter", "metric", "kind", "tolerated", "must_detect", *NO_PAIRS, "advisory")


@dataclass(frozen=True)
class Rate:
    """A rate of successes over all trials; its change is the loss, base minus new."""

    name: str
    successes: tuple[str, ...]
    """Statuses that count as success; every other status counts as failure."""
    tolerated: float = 0.02
    must_detect: float = 0.2
    """A loss up to ``tolerated`` is no regression; ``passed`` excludes one of ``must_detect``."""
    kind: str = "loss"

    def estimates(self, group: pd.DataFrame, alpha: float, level: float) -> dict[str, Any]:
        """Return the loss with its bounds and test; empty without pairs."""
        if group.empty:
            return {}
        base, new = (group[f"{side}_status"].isin(self.successes) for side in ("base", "new"))
        lost = group[base & ~new]
        losses, gains = len(lost), int((~base & new).sum())
        counts = (int((base & new).sum()), losses, gains, int((~base & ~new).sum()))
        low, high = statistics.loss_bounds(*counts, alpha)
        detectable = statistics.min_detectable_loss(len(group), level)
        return {
            "pairs": len(group),
            "data_sets": len(group[["scenario", "replicate"]].drop_duplicates()),
            "unequal": losses + gains,
            "estimate": (losses - gains) / len(group),
            "low": low,
            "high": high,
            "p": statistics.mcnemar_p(losses, gains),
            "min_detectable": max(self.tolerated, detectable),
            "where": _first_three(lost["scenario"].value_counts(), "{} {}"),
        }


@dataclass(frozen=True)
class Ratio:
    """A figure, lower is better, of trials that found the optimum on both sides.

    Its change is the ratio of new to base; values are clipped to [``min_value``, ``max_value``].
    """

    name: str
    column: str
    min_value: float
    max_value: float
    tolerated: float
    must_detect: float
    """Ratios of new to base, as for ``Rate``."""
    kind: str = "ratio"

    def estimates(self, group: pd.DataFrame, alpha: float, level: float) -> dict[str, Any]:
        """Return the mean ratio with its bounds and test, over data sets; empty without pairs."""
        found = group["base_status"].isin(FOUND) & group["new_status"].isin(FOUND)
        sides = group.loc[found, [f"base_{self.column}", f"new_{self.column}"]].dropna()
        if sides.empty:
            return {}
        logs = np.log(sides.clip(self.min_value, self.max_value))
        change = logs.iloc[:, 1] - logs.iloc[:, 0]
        # Restarts that reach one optimum are not independent: each data set is one value.
        keys = [group.loc[sides.index, name] for name in ("scenario", "replicate")]
        medians = change.groupby(keys, sort=False).median()
        values = medians.to_numpy(dtype=float)
        low, high = statistics.sign_flip_bounds(values, alpha)
        by_scenario = medians.groupby(level=0, sort=False).mean().sort_values(ascending=False)
        worse = by_scenario[by_scenario > np.log(self.tolerated)]
        detectable = float(np.exp(statistics.min_detectable_shift(values, level)))
        return {
            "pairs": len(sides),
            "data_sets": len(values),
            "unequal": int((change != 0.0).sum()),
            "estimate": float(np.exp(values.mean())),
            "low": float(np.exp(low)),
            "high": float(np.exp(high)),
            "p": statistics.sign_flip_p(values),
            "min_detectable": max(self.tolerated, detectable),
            "where": _first_three(np.exp(worse), "{} × {:.3g}"),
        }


TIME = "time"
TRUTH_METRICS = ("inf. error", "Hellinger")
"""Metrics that need a true mixture, which real data lack."""
METRICS: tuple[Rate | Ratio, ...] = (
    Rate("converged", SUCCESS),
    Rate("found", FOUND),
    Ratio("excess", "excess", 1e-3, 1.0, 1.25, 2.0),
    Ratio("inf. error", "information_error", 0.1, 100.0, 1.05, 1.25),
    Ratio("Hellinger", "hellinger", 1e-3, 1.0, 1.05, 1.25),
    Ratio("passes", "passes", 1.0, 1e7, 1.05, 1.5),
    Ratio(TIME, "seconds", 1e-3, 1e5, 1.1, 1.5),
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The verdicts of a comparison, and the overall verdict.

    ``table`` has a row for each fitter and metric: ``COLUMNS``, ``p_holm``, ``verdict`` and
    ``details``. ``estimate``, ``low`` and ``high`` are a loss of a rate (0.1: ten of a hundred
    trials fewer) or a ratio of new to base; each bound is missed with probability alpha at most.
    ``min_detectable`` is the smallest loss or ratio that so many pairs can show at Holm's
    strictest level. The overall verdict does not depend on ``advisory`` rows.
    """

    table: pd.DataFrame
    alpha: float
    verdict: str
    unpaired: dict[str, tuple[int, int]]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """The exit status of the overall verdict."""
        return EXIT[self.verdict]

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, with each regression."""
        from benchmarks.compare.render import sentence

        return sentence(self)

    def text(self, form: str = "text", wide: bool = False) -> str:
        """The comparison as ``text``, which may be ``wide``, as ``markdown`` or as ``json``."""
        from benchmarks.compare.render import rendered

        return rendered(self, form, wide)

    def __repr__(self) -> str:
        return self.text()


def compare(pairs: Pairs, alpha: float) -> Comparison:
    """Compare every fitter by every metric, with Holm's correction over rows not advisory."""
    import pandas as pd

    groups = dict(iter(pairs.table.groupby("fitter", sort=False)))
    fitters = dict.fromkeys([*groups, *pairs.unpaired])
    advisory = () if pairs.interleaved else (TIME,)
    # Holm's strictest level, on which the smallest detectable change depends.
    level = alpha / max(1, len(fitters) * (len(METRICS) - len(advisory)))
    rows = [
        {
            "fitter": fitter,
            "metric": metric.name,
            "kind": metric.kind,
            "tolerated": metric.tolerated,
            "must_detect": metric.must_detect,
            **NO_PAIRS,
            **metric.estimates(groups.get(fitter, pairs.table.iloc[:0]), alpha, level),
            "advisory": metric.name in advisory,
        }
        for fitter in fitters
        for metric in METRICS
    ]
    estimates = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"advisory": bool})
    table = decide(estimates, alpha)
    notes = _notes(pairs, bool(table["advisory"].any()))
    return Comparison(table, alpha, overall_verdict(table), pairs.unpaired, notes)


def decide(estimates: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Add ``p_holm``, ``verdict`` and ``details`` to a table of ``COLUMNS``."""
    counted = (estimates["pairs"] > 0) & ~estimates["advisory"]
    table = estimates.assign(p_holm=estimates["p"])
    table.loc[counted, "p_holm"] = statistics.holm(table.loc[counted, "p"].to_numpy(dtype=float))
    conditions = {
        "measured nothing": table["pairs"] == 0,
        "regressed": (table["p_holm"] < alpha) & (table["estimate"] > table["tolerated"]),
        "passed": (table["unequal"] == 0) | (table["high"] < table["must_detect"]),
    }
    table["verdict"] = np.select(list(conditions.values()), list(conditions), "inconclusive")
    table["details"] = [_details(row, alpha) for row in table.itertuples()]
    return table


def overall_verdict(table: pd.DataFrame) -> str:
    """Return the worst verdict of the rows that are not advisory.

    Unless another row has regressed or is inconclusive, a comparison with a fitter that has no
    pair measured nothing.
    """
    counted = table[~table["advisory"]]
    for verdict in ("regressed", "inconclusive"):
        if (counted["verdict"] == verdict).any():
            return verdict
    most_pairs = counted.groupby("fitter")["pairs"].max()
    return "passed" if len(most_pairs) and (most_pairs > 0).all() else "measured nothing"


def _details(row: Any, alpha: float) -> str:
    """Return where a fitter regressed, or what would decide an open verdict."""
    if row.verdict in ("inconclusive", "measured nothing"):
        return f"needs {_needed(row, alpha)}"
    if row.unequal == 0:
        return "all pairs equal"
    return str(row.where) if row.verdict == "regressed" else ""


def _needed(row: Any, alpha: float) -> str:
    """Return how many trials or data sets would decide the verdict of a row."""
    loss = row.kind == "loss"
    if row.pairs == 0:
        needed = "trials of this fitter" if loss else "fits that found the optimum"
        truth = " of drawn data" if row.metric in TRUTH_METRICS else ""
        return f"{needed}{truth} on both sides"
    fewest = statistics.min_pairs(alpha)
    if not loss and row.data_sets < fewest:
        return f"at least {fewest} data sets"
    values = np.array([row.estimate, row.high, row.must_detect])
    estimate, high, limit = values if loss else np.log(values)
    count, unit = (row.pairs, "trials") if loss else (row.data_sets, "data sets")
    if estimate >= limit:
        return f"more {unit}: the change is large, but they are too few to show it"
    spread = max(high - estimate, 1e-9)
    return f"about {int(np.ceil(count * (spread / (limit - estimate)) ** 2))} {unit}"


def _notes(pairs: Pairs, advisory: bool) -> list[str]:
    """Return the notes of a comparison, each with a remedy."""
    notes = [
        f"{fitter}: {base} trials are in the base only and {new} in the new run only, and are "
        "not compared: run both sides with the same plan, or renew the baseline"
        for fitter, (base, new) in pairs.unpaired.items()
    ]
    if advisory:
        notes.append(
            "times are advisory, because the runs were not interleaved: `mixturebench run "
            "--against REF` runs both sides interleaved on one machine"
        )
    return notes + pairs.notes


def _first_three(values: pd.Series, form: str) -> str:
    """Return the first three entries of a sorted series, as text."""
    text = ", ".join(form.format(name, value) for name, value in values.head(3).items())
    return f"on {text}" if text else ""
