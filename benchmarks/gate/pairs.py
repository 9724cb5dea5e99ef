"""Two runs side by side: the same trials under two versions of the fitters, judged alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.journal import read
from benchmarks.harness.judgement import check_drawn, judge_data_set, reference_of
from benchmarks.harness.plan import TRIAL, Key, Plan, Record, key_of
from benchmarks.harness.problem import Problem
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FIGURES = ("status", "excess", "information_error", "hellinger", "evaluations", "seconds")


@dataclass(frozen=True, eq=False)
class Pairs:
    """The trials that two runs share, a row each, with ``base_`` and ``new_`` figures."""

    table: pd.DataFrame
    unpaired: dict[str, tuple[int, int]]
    """By fitter, the trials in the base alone and in the new run alone."""
    interleaved: bool
    """Whether both sides ran by turns on one machine, so that times can be compared."""
    notes: list[str]


def pair(base: Path, new: Path, progress: Callable[[str], None] = lambda what: None) -> Pairs:
    """Judge two runs' shared trials, both by the better of their references.

    Raises ``UserError`` if the runs can't be compared: of another contract, seed or
    scenario, or if their data or starts differ.
    """
    sides = [read(folder) for folder in (base, new)]
    plans = [Plan.of(run["plan"]) for run, _ in sides]
    _check_alike(base, new, [run for run, _ in sides], plans)
    records = [{key_of(record): record for record in told} for _, told in sides]
    shared = [key for key in records[0] if key in records[1]]
    for key in shared:
        _check_pair(key, records[0][key], records[1][key])
    scenarios = {scenario.name: scenario for scenario in plans[0].scenarios}
    rows, notes = [], []
    for name, data_set in dict.fromkeys((key[0], key[1]) for key in shared):
        progress(f"judging {name}, data set {data_set}")
        keys = [key for key in shared if key[:2] == (name, data_set)]
        problem = Problem.of(scenarios[name], data_set, plans[0].seed)
        check_drawn(problem, [records[0][key] for key in keys])
        both = [side[key] for side in records for key in keys]
        judged, told = judge_data_set(both, problem, reference_of(problem))
        notes += told
        rows += [paired_row(*two) for two in zip(judged, judged[len(keys) :], strict=False)]
    lone = [Counter(key[2] for key in side if key not in records[1 - i])
            for i, side in enumerate(records)]  # fmt: skip
    unpaired = {fitter: (lone[0][fitter], lone[1][fitter]) for fitter in {**lone[0], **lone[1]}}
    marks = [run.get("interleaved_with") for run, _ in sides]
    return Pairs(table_of(rows), unpaired, marks[0] is not None and marks[0] == marks[1], notes)


def paired_row(base: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """One pair's row from two judged rows of the same trial."""
    row = {name: base[name] for name in TRIAL}
    for side, figures in (("base", base), ("new", new)):
        row |= {f"{side}_{name}": figures[name] for name in FIGURES}
    return row


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """``paired_row``s as a table, with its columns even where there are none."""
    import pandas as pd

    columns = [*TRIAL, *(f"{side}_{name}" for side in ("base", "new") for name in FIGURES)]
    return pd.DataFrame(rows, columns=columns)


def _check_alike(base: Path, new: Path, runs: list[dict[str, Any]], plans: list[Plan]) -> None:
    for what, values in (
        ("contract", [run["contract"] for run in runs]),
        ("seed", [plan.seed for plan in plans]),
    ):
        if values[0] != values[1]:
            raise UserError(
                f"{base} has {what} {values[0]} and {new} has {values[1]}: runs of different "
                f"{what}s can't be compared; run the older again"
            )
    contents = [{s.name: s.content for s in plan.scenarios} for plan in plans]
    for name in contents[0].keys() & contents[1].keys():
        if contents[0][name] != contents[1][name]:
            raise UserError(
                f"scenario {name!r} is not the same in {base} and {new}: run one of them again"
            )
    if not contents[0].keys() & contents[1].keys():
        raise UserError(f"{base} and {new} have no scenario in common: there is nothing to compare")


def _check_pair(key: Key, base: Record, new: Record) -> None:
    """Both sides must have met the same data from the same start."""
    for what, remedy in (
        ("data_digest", "the scenario, the generator or the seed has changed"),
        ("start_digest", "the start policy or its seeds have changed"),
    ):
        told = [record.get(what) for record in (base, new)]
        if None not in told and told[0] != told[1]:
            where = dict(zip(TRIAL, key, strict=True))
            raise UserError(
                f"the {what.split('_')[0]} of {where} is not the same on both sides: {remedy}. "
                "If that is meant, make a new base; otherwise it is what to mend"
            )
