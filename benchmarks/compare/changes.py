"""The exact layer: every trial that changed, of fitters that repeat exactly.

Such a fitter gives identical records when it is run again, so that a difference is the code's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare.accepted import trial_name
from benchmarks.compare.lines import cost_ratios
from benchmarks.runner.plan import Key, key_of
from benchmarks.runner.status import FOUND

if TYPE_CHECKING:
    import pandas as pd

WORSE_EXCESS = 0.02
"""A larger rise of the excess breaks a trial: another processor's rounding is smaller."""
TOLERATED_COST = 1.05
"""A larger ratio of costs, as a geometric mean over data sets, is a regression."""


def with_changes(table: pd.DataFrame, accepted: Mapping[Key, str]) -> pd.DataFrame:
    """Add ``change`` to paired trials: identical, broken, accepted, mended, or changed.

    A trial is broken if it is no longer found, or if its excess rose by more than
    ``WORSE_EXCESS``, and mended if the reverse is so. A broken trial that is named in
    ``accepted`` is accepted.
    """
    found = [table[f"{side}_status"].isin(FOUND) for side in ("base", "new")]
    excess = [table[f"{side}_excess"].astype(float).fillna(np.inf) for side in ("base", "new")]
    broken = found[0] & ~found[1] | (excess[1] > excess[0] + WORSE_EXCESS)
    mended = found[1] & ~found[0] | (excess[0] > excess[1] + WORSE_EXCESS)
    is_accepted = np.zeros(len(table), dtype=bool)
    if accepted:
        is_accepted[:] = [key_of(row) in accepted for row in table.to_dict("records")]
    conditions = {
        "identical": table["identical"],
        "accepted": broken & is_accepted,
        "broken": broken,
        "mended": mended,
    }
    change = np.select(list(conditions.values()), list(conditions), "changed")
    return table.assign(change=change)


def summarise_changes(table: pd.DataFrame) -> dict[str, Any]:
    """Count the trials of one fitter by change; ``cost`` is the ratio of new to base."""
    counts = table["change"].value_counts()
    names = ("identical", "broken", "accepted", "mended")
    ratios = cost_ratios(table, "cost")
    return {
        **{name: int(counts.get(name, 0)) for name in names},
        "changed": len(table) - int(counts.get("identical", 0)),
        "cost": float(np.exp(ratios.mean())),
    }


def names_of(changes: pd.DataFrame, change: str) -> list[str]:
    """The names of the trials that changed so."""
    return [trial_name(row) for row in changes.to_dict("records") if row["change"] == change]
