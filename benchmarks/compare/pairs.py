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
from benchmarks.runner.provenance import code_text
from benchmarks.runner.status import Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.scored_run import by_data_set, check_drawn, score_data_set
from scenarios.data_summary import same_data
from scenarios.errors import UserError
from scenarios.registry import choose

if TYPE_CHECKING:
    import pandas as pd

FIGURES = (
    "status", "excess", "information_error", "hellinger", "passes", "seconds", "outside_rates",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pairs:
    """The trials that two runs share, a row each, with ``base_`` and ``new_`` figures."""

    table: pd.DataFrame
    unpaired: dict[str, tuple[int, int]]
    """The number of trials in the base run only and in the new run only, by fitter."""
    interleaved: bool
    """Whether the two runs were interleaved on one machine, so that times can be compared."""
    notes: list[str]


def pair(base: Path, new: Path, progress: Callable[[str], None] = lambda text: None) -> Pairs:
    """Score the trials that two runs share, with one reference for each data set.

    Raises ``UserError`` if contract, seed, scenarios, data or starts of the runs differ, or if
    one of the runs is of more than one code.
    """
    runs, records = zip(*(read(folder) for folder in (base, new)), strict=True)
    plans = [Plan.of(run["plan"]) for run in runs]
    _check_plans(base, new, list(runs), plans)
    sides = [{key_of(record): record for record in side} for side in records]
    shared = [key for key in sides[0] if key in sides[1]]
    for key in shared:
        _check_inputs(key, sides[0][key], sides[1][key])
    scenarios = {scenario.name: scenario for scenario in plans[0].scenarios}
    codes = [_code_of(folder, run) for folder, run in zip((base, new), runs, strict=True)]
    base_rows, new_rows, notes = [], [], [f"base: {codes[0]}; new: {codes[1]}"]
    for name, replicate in dict.fromkeys((key[0], key[1]) for key in shared):
        progress(f"scoring {name}, data set {replicate}")
        keys = [key for key in shared if key[:2] == (name, replicate)]
        data_set = DataSet.of(scenarios[name], replicate, plans[0].seed)
        check_drawn(data_set, [sides[0][key] for key in keys])
        both = [side[key] for side in sides for key in keys]
        rows, messages = score_data_set(both, data_set)
        base_rows += rows[: len(keys)]
        new_rows += rows[len(keys) :]
        notes += messages
    only = [Counter(key[2] for key in sides[i] if key not in sides[1 - i]) for i in (0, 1)]
    unpaired = {fitter: (only[0][fitter], only[1][fitter]) for fitter in {**only[0], **only[1]}}
    pair_ids = [run.get("interleaved_with") for run in runs]
    interleaved = pair_ids[0] is not None and pair_ids[0] == pair_ids[1]
    return Pairs(rated(paired_table(base_rows, new_rows)), unpaired, interleaved, notes)


def pair_fitters(
    folder: Path, first: str, second: str, progress: Callable[[str], None] = lambda text: None
) -> Pairs:
    """Pair the trials of two fitters of one run by scenario, data set, start and restart.

    Raises ``UserError`` unless the run has both.
    """
    run, records = read(folder)
    plan = Plan.of(run["plan"])
    for fitter in (first, second):
        choose("fitter of the run", fitter, plan.fitters)
    if first == second:
        raise UserError(f"--fitters {first} {second}: name two different fitters")
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}
    label = f"{second} against {first}"
    chosen = [record for record in records if record["fitter"] in (first, second)]
    sides: dict[str, list[dict[str, Any]]] = {first: [], second: []}
    notes = [f"base: {first}; new: {second}, both of {folder}"]
    for (name, replicate), group in by_data_set(chosen).items():
        progress(f"scoring {name}, data set {replicate}")
        data_set = DataSet.of(scenarios[name], replicate, plan.seed)
        check_drawn(data_set, group)
        rows, messages = score_data_set(group, data_set)
        notes += messages
        for row in rows:
            if row["status"] != Status.UNSUPPORTED:
                sides[row["fitter"]].append({**row, "fitter": label})
    table = paired_table(sides[first], sides[second])
    only = (len(sides[first]) - len(table), len(sides[second]) - len(table))
    return Pairs(rated(table), {label: only} if any(only) else {}, False, notes)


def rated(table: pd.DataFrame) -> pd.DataFrame:
    """The pairs on data sets that rates count, of methods that apply there on one side at least."""
    kept = table["base_outside_rates"] == ""
    kept &= ~(table[["base_status", "new_status"]] == Status.UNSUPPORTED).all(axis=1)
    return table[kept].reset_index(drop=True)


def paired_table(base: list[dict[str, Any]], new: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a row for each trial that is in both lists of scored rows, in the first's order."""
    import pandas as pd

    sides = [
        pd.DataFrame(rows, columns=[*TRIAL, *FIGURES]).rename(
            columns={name: f"{side}_{name}" for name in FIGURES}
        )
        for side, rows in (("base", base), ("new", new))
    ]
    return sides[0].merge(sides[1], on=list(TRIAL), validate="one_to_one")


def _code_of(folder: Path, run: dict[str, Any]) -> str:
    """The code that made a run, in a few words; ``UserError`` if its sessions had several."""
    states = [state for each in (run, *run.get("sessions", [])) if (state := each.get("code"))]
    texts = {state["digest"]: code_text(state) for state in states}
    if len(texts) > 1:
        raise UserError(
            f"the trials in {folder} are of more than one code ({'; '.join(texts.values())}), so "
            "that a comparison would judge a mixture of them: run it again"
        )
    return next(iter(texts.values()), code_text(None))


def _check_plans(base: Path, new: Path, runs: list[dict[str, Any]], plans: list[Plan]) -> None:
    """Raise ``UserError`` unless contract, seed and the common scenarios are the same."""
    contracts, seeds = [run["contract"] for run in runs], [plan.seed for plan in plans]
    for name, (old, current) in (("contract", contracts), ("seed", seeds)):
        if old != current:
            raise UserError(
                f"{base} has {name} {old} and {new} has {current}: runs of different "
                f"{name}s can't be compared; run the older again"
            )
    one, two = ({s.name: s.content for s in plan.scenarios} for plan in plans)
    if not one.keys() & two.keys():
        raise UserError(f"{base} and {new} have no scenario in common: there is nothing to compare")
    for name in one.keys() & two.keys():
        if one[name] != two[name]:
            raise UserError(
                f"scenario {name!r} is not the same in {base} and {new}: run one of them again"
            )


def _check_inputs(key: Key, base: Record, new: Record) -> None:
    """Raise ``UserError`` unless both trials had the same data and the same start."""
    if "data" in base and "data" in new and not same_data(base["data"], new["data"]):
        name, reason = "data", "the scenario, the generator or the seed has changed"
    elif not _same_start(base, new):
        name, reason = "start", "the start policy or its seeds have changed"
    else:
        return
    raise UserError(
        f"the {name} of {dict(zip(TRIAL, key, strict=True))} is not the same on both sides: "
        f"{reason}. If that is intended, make a new base; otherwise find the cause"
    )


def _same_start(base: Record, new: Record) -> bool:
    """Whether two trials have the same start, to rounding; a start not recorded is the same."""
    for name in ("start_weights", "start_parameters"):
        if name in base and name in new:
            one, two = (np.array(record[name], dtype=float) for record in (base, new))
            if one.shape != two.shape or not np.allclose(one, two, rtol=1e-9, atol=0.0):
                return False
    return True
