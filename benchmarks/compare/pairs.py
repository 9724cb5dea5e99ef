"""Two runs side by side: the same trials with two versions of the fitters, scored alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare.looks import Looks
from benchmarks.runner.journal import read
from benchmarks.runner.plan import TRIAL, Key, Plan, Record, key_of
from benchmarks.runner.provenance import code_text
from benchmarks.runner.status import Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.facts import Facts
from benchmarks.scoring.scored_run import (
    by_data_set,
    check_drawn,
    score_data_set,
    score_without_search,
)
from scenarios.data_summary import same_data
from scenarios.errors import UserError
from scenarios.registry import choose
from scenarios.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("status", "excess", "information_error", "hellinger", "outside_rates")
FIGURES = (*SCORES, "cost", "seconds", "cpu_share")
"""The figures of a side: scores, and what each trial cost with its start. ``cost`` is in passes;
``cpu_share`` is processor ÷ wall seconds. Missing where a trial has none."""
STARTS = ("start_weights", "start_parameters")
"""Fields of a record that describe its start."""
RESULT = ("outcome", "claimed", "iterations")
"""Fields of identical records that are equal; the mixture and the passes are so to rounding."""
Scored = dict[tuple[str, int, int], tuple[list[dict[str, Any]], list[str]]]
"""Scored rows and notes by scenario, replicate and number of records."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The trials that two runs share, a row each, with ``base_`` and ``new_`` figures.

    ``identical`` says whether the fitter did and returned the same on both sides. Data sets with
    nothing else are not scored: they have no status.
    """

    table: pd.DataFrame
    unpaired: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The number of trials in the base run only and in the new run only, by fitter."""
    interleaved: bool = False
    """Whether the two runs were interleaved on one machine, so that times can be compared."""
    repeats: Mapping[str, bool] = field(default_factory=dict)
    """Whether a fitter of the base, run again with other seeds, gives identical records."""
    looks: Looks = field(default_factory=dict)
    """Data sets of every scenario at each look, by fitter, of a comparison that settles itself."""
    complete: Mapping[str, int] = field(default_factory=dict)
    """Data sets of every scenario that are complete on both sides, by fitter."""
    seed: int = 0
    """The random seed of data sets and starts."""
    notes: list[str] = field(default_factory=list)


def pair(
    base: Path,
    new: Path,
    progress: Callable[[str], None] = lambda text: None,
    scored: Scored | None = None,
) -> Pairs:
    """Pair the trials that two runs share, and score them by the same optimum on each data set.

    ``scored`` has the rows of earlier calls, for a run that grows. Raises ``UserError`` if
    contract, seed, scenarios, data or starts of the runs differ, or if one of the runs is of more
    than one code.
    """
    runs, records = zip(*(read(folder) for folder in (base, new)), strict=True)
    plans = [Plan.of(run["plan"]) for run in runs]
    _check_plans(base, new, list(runs), plans)
    sides = [{key_of(record): record for record in side} for side in records]
    shared = [key for key in sides[0] if key in sides[1]]
    described = [_with_inputs(side) for side in records]
    for key in shared:
        _check_inputs(key, described[0][key], described[1][key])
    scenarios = {scenario.name: scenario for scenario in plans[0].scenarios}
    codes = [_code_of(folder, run) for folder, run in zip((base, new), runs, strict=True)]
    notes = [f"base: {codes[0]}; new: {codes[1]}"]
    scored = {} if scored is None else scored
    base_rows: list[dict[str, Any]] = []
    new_rows: list[dict[str, Any]] = []
    for (name, replicate), group in by_data_set([sides[0][key] for key in shared]).items():
        keys = [key_of(record) for record in group]
        if (name, replicate, len(keys)) not in scored:
            progress(f"scoring {name}, data set {replicate}")
            both = [(sides[0][key], sides[1][key]) for key in keys]
            found = scored_pairs(both, scenarios[name], replicate, plans[0].seed)
            scored[name, replicate, len(keys)] = found
        rows, messages = scored[name, replicate, len(keys)]
        base_rows += rows[: len(keys)]
        new_rows += rows[len(keys) :]
        notes += messages
    only = [Counter(key[2] for key in sides[i] if key not in sides[1 - i]) for i in (0, 1)]
    unpaired = {fitter: (only[0][fitter], only[1][fitter]) for fitter in {**only[0], **only[1]}}
    pair_ids = [run.get("interleaved_with") for run in runs]
    interleaved = pair_ids[0] is not None and pair_ids[0] == pair_ids[1]
    looks = {fitter: tuple(sizes) for fitter, sizes in runs[1].get("looks", {}).items()}
    repeats = runs[0].get("repeats", {})
    table = rated(paired_table(base_rows, new_rows))
    complete = _complete(plans[1], set(shared))
    return Pairs(table, unpaired, interleaved, repeats, looks, complete, plans[0].seed, notes)


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
        for record, row in zip(group, rows, strict=True):
            if row["status"] != Status.UNSUPPORTED:
                figures = _figures(record, row["p"])
                scored = {**row, **figures, "fitter": label, "identical": False}
                sides[row["fitter"]].append(scored)
    table = paired_table(sides[first], sides[second])
    only = (len(sides[first]) - len(table), len(sides[second]) - len(table))
    return Pairs(rated(table), {label: only} if any(only) else {}, notes=notes)


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
    identical = pd.DataFrame(base, columns=[*TRIAL, "identical"]).astype({"identical": bool})
    sides[0]["identical"] = identical["identical"]
    return sides[0].merge(sides[1], on=list(TRIAL), validate="one_to_one")


def are_identical(one: Record, two: Record) -> bool:
    """Whether a fitter did and returned the same in two trials, to nine digits."""
    if any(one.get(name) != two.get(name) for name in RESULT):
        return False
    passes = [record.get("passes", {}) for record in (one, two)]
    if passes[0].keys() != passes[1].keys():
        return False
    numbers = [
        [record.get("weights", []), record.get("parameters", []), list(kernels.values())]
        for record, kernels in zip((one, two), passes, strict=True)
    ]
    return all(_close(*values) for values in zip(*numbers, strict=True))


def _close(one: list[Any], two: list[Any]) -> bool:
    """Whether two arrays have the same shape and the same numbers, to rounding."""
    a, b = (np.array(values, dtype=float) for values in (one, two))
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=0.0, equal_nan=True)


def _complete(plan: Plan, shared: set[Key]) -> dict[str, int]:
    """How many data sets of every scenario have all their trials, by fitter."""
    complete = {fitter: plan.replicates(fitter) for fitter in plan.fitters}
    for cell in plan.cells():
        if not shared.issuperset(cell.trial_keys()):
            complete[cell.fitter] = min(complete[cell.fitter], cell.replicate)
    return complete


def scored_pairs(
    both: list[tuple[Record, Record]], scenario: Scenario, replicate: int, seed: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the base's trials on one data set, then those of the new run's, and notes."""
    identical = [are_identical(*each) for each in both]
    base, new = ([each[side] for each in both] for side in (0, 1))
    changed = [i for i, same in enumerate(identical) if not same]
    scores: list[dict[str, Any]] = [{} for _ in (*base, *new)]
    notes: list[str] = []
    if changed:
        data_set = DataSet.of(scenario, replicate, seed)
        check_drawn(data_set, base)
        rows, notes = score_without_search(base + [new[i] for i in changed], data_set)
        # Identical trials have one score.
        place = {i: len(base) + j for j, i in enumerate(changed)}
        scores = [*rows[: len(base)], *(rows[place.get(i, i)] for i in range(len(new)))]
    p, unscored = scenario.model.dimension, {"outside_rates": ""}
    return [
        {
            **unscored,
            **{name: score[name] for name in SCORES if name in score},
            **{name: record[name] for name in TRIAL},
            **_figures(record, p),
            "identical": same,
        }
        for record, score, same in zip(base + new, scores, identical * 2, strict=True)
    ], notes


def _figures(record: Record, p: int) -> dict[str, float]:
    """What a trial cost, with its start: passes, wall seconds, and its share of a processor."""
    facts = Facts.of(record, p)
    starts = [np.nan_to_num(value) for value in (facts.start_passes, facts.start_seconds)]
    return {
        "cost": facts.passes + starts[0],
        "seconds": facts.seconds + starts[1],
        "cpu_share": facts.cpu_seconds / facts.seconds if facts.seconds else np.nan,
    }


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


def _with_inputs(records: list[Record]) -> dict[Key, Record]:
    """The records by key; one that lacks its data or its start has another fitter's.

    A baseline describes each data set and each start once.
    """
    data: dict[tuple[Any, ...], Record] = {}
    starts: dict[tuple[Any, ...], Record] = {}
    for record in records:
        scenario, replicate, _, *start = key_of(record)
        if "data" in record:
            data.setdefault((scenario, replicate), {"data": record["data"]})
        if all(name in record for name in STARTS):
            described = {name: record[name] for name in STARTS}
            starts.setdefault((scenario, replicate, *start), described)
    found = {}
    for record in records:
        scenario, replicate, _, *start = key = key_of(record)
        own = starts.get((scenario, replicate, *start), {})
        found[key] = data.get((scenario, replicate), {}) | own | record
    return found


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
    for name in STARTS:
        if name in base and name in new:
            one, two = (np.array(record[name], dtype=float) for record in (base, new))
            if one.shape != two.shape or not np.allclose(one, two, rtol=1e-9, atol=0.0):
                return False
    return True
