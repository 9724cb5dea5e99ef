"""Two runs side by side: the same trials with two versions of the fitters, scored alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.runner.journal import read
from benchmarks.runner.plan import TRIAL, Key, Plan, Record, key_of
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.score import check_drawn, reference_for, score_data_set
from scenarios.data_summary import same_data
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("status", "excess", "information_error", "hellinger", "passes", "seconds")


@dataclass(frozen=True, eq=False)
class Pairs:
    """The trials that two runs share, a row each, with ``base_`` and ``new_`` figures."""

    table: pd.DataFrame
    unpaired: dict[str, tuple[int, int]]
    """By fitter, the number of trials in the base run only and in the new run only."""
    interleaved: bool
    """Whether both runs were interleaved on one machine, so that times can be compared."""
    notes: list[str]


def pair(base: Path, new: Path, progress: Callable[[str], None] = lambda text: None) -> Pairs:
    """Score the trials that two runs share, both by the better of their references.

    Raises ``UserError`` if the runs can't be compared: of another contract, seed or
    scenario, or if their data or starts differ.
    """
    runs, records = zip(*(read(folder) for folder in (base, new)), strict=True)
    plans = [Plan.of(run["plan"]) for run in runs]
    _check_plans(base, new, list(runs), plans)
    sides = [{key_of(record): record for record in side} for side in records]
    shared = [key for key in sides[0] if key in sides[1]]
    for key in shared:
        _check_inputs(key, sides[0][key], sides[1][key])
    scenarios = {scenario.name: scenario for scenario in plans[0].scenarios}
    base_rows, new_rows, notes = [], [], []
    for name, replicate in dict.fromkeys((key[0], key[1]) for key in shared):
        progress(f"scoring {name}, data set {replicate}")
        keys = [key for key in shared if key[:2] == (name, replicate)]
        data_set = DataSet.of(scenarios[name], replicate, plans[0].seed)
        check_drawn(data_set, [sides[0][key] for key in keys])
        both = [side[key] for side in sides for key in keys]
        rows, messages = score_data_set(both, data_set, reference_for(data_set))
        base_rows += rows[: len(keys)]
        new_rows += rows[len(keys) :]
        notes += messages
    only = [Counter(key[2] for key in sides[i] if key not in sides[1 - i]) for i in (0, 1)]
    unpaired = {fitter: (only[0][fitter], only[1][fitter]) for fitter in {**only[0], **only[1]}}
    pair_ids = [run.get("interleaved_with") for run in runs]
    interleaved = pair_ids[0] is not None and pair_ids[0] == pair_ids[1]
    return Pairs(paired_table(base_rows, new_rows), unpaired, interleaved, notes)


def paired_table(base: list[dict[str, Any]], new: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each trial that is in both lists of scored rows, in the order of the first."""
    import pandas as pd

    sides = [
        pd.DataFrame(rows, columns=[*TRIAL, *FIGURES]).rename(
            columns={name: f"{side}_{name}" for name in FIGURES}
        )
        for side, rows in (("base", base), ("new", new))
    ]
    return sides[0].merge(sides[1], on=list(TRIAL), validate="one_to_one")


def _check_plans(base: Path, new: Path, runs: list[dict[str, Any]], plans: list[Plan]) -> None:
    """Raise ``UserError`` unless contract, seed and the common scenarios are the same."""
    for name, values in (
        ("contract", [run["contract"] for run in runs]),
        ("seed", [plan.seed for plan in plans]),
    ):
        if values[0] != values[1]:
            raise UserError(
                f"{base} has {name} {values[0]} and {new} has {values[1]}: runs of different "
                f"{name}s can't be compared; run the older again"
            )
    contents = [{s.name: s.content for s in plan.scenarios} for plan in plans]
    for name in contents[0].keys() & contents[1].keys():
        if contents[0][name] != contents[1][name]:
            raise UserError(
                f"scenario {name!r} is not the same in {base} and {new}: run one of them again"
            )
    if not contents[0].keys() & contents[1].keys():
        raise UserError(f"{base} and {new} have no scenario in common: there is nothing to compare")


def _check_inputs(key: Key, base: Record, new: Record) -> None:
    """Raise ``UserError`` unless both trials had the same data and the same start."""
    differing = []
    if "data" in base and "data" in new and not same_data(base["data"], new["data"]):
        differing.append(("data", "the scenario, the generator or the seed has changed"))
    if not _same_start(base, new):
        differing.append(("start", "the start policy or its seeds have changed"))
    for name, reason in differing:
        trial = dict(zip(TRIAL, key, strict=True))
        raise UserError(
            f"the {name} of {trial} is not the same on both sides: {reason}. "
            "If that is intended, make a new base; otherwise find the cause"
        )


def _same_start(base: Record, new: Record) -> bool:
    """Whether two trials began at the same mixture, to rounding; unknown starts are equal."""
    for name in ("start_weights", "start_parameters"):
        if name in base and name in new:
            one, two = (np.array(record[name], dtype=float) for record in (base, new))
            if one.shape != two.shape or not np.allclose(one, two, rtol=1e-9, atol=0.0):
                return False
    return True
