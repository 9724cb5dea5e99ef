"""Scores of a run: a pure function of its records, the data, and their references.

A better reference can score old runs again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.reference.cache import REFERENCES, unpack_references
from benchmarks.reference.certificate import Reference
from benchmarks.reference.search import NoReferenceError
from benchmarks.runner.journal import read
from benchmarks.runner.plan import TRIAL, Key, Plan, Record, key_of
from benchmarks.runner.session import resume_command
from benchmarks.runner.status import RETURNED, Status
from benchmarks.scoring.challengers import (
    Challenged,
    best_without_search,
    challenge,
    is_above,
)
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.facts import DISTURBED, Facts
from benchmarks.scoring.score import (
    FOUND_EXCESS,
    Score,
    score_trial,
    trial_status,
    with_message,
)
from benchmarks.scoring.searches import Search, search_together
from benchmarks.scoring.targets import target_costs
from benchmarks.scoring.truth_errors import truth_errors
from scenarios.data_summary import same_data, summarise_data
from scenarios.errors import UserError
from scenarios.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

NOT_DISTINGUISHABLE = "not distinguishable"
"""A data set that the best fit with one component less describes within an excess of 1."""


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run with its scores."""

    run: dict[str, Any]
    """The content of ``run.json``."""
    data_sets: dict[tuple[str, int], DataSet]
    """By scenario and replicate."""
    trials: pd.DataFrame
    """The scored table, one row a trial."""
    traces: dict[Key, list[tuple[float, float, float]]]
    """(seconds, passes, NLL) of each recorded iterate of a trial."""
    notes: list[str]
    """Sentences, without their full stops, on what limits the figures."""


def score_run(folder: Path, progress: Callable[[str], None] = lambda what: None) -> ScoredRun:
    """Score the run in ``folder``; ``UserError`` if its data cannot be drawn again.

    ``progress`` is called before each data set, whose reference may take seconds.
    """
    import pandas as pd

    run, records = read(folder)
    plan = Plan.of(run["plan"])
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}
    data_sets, traces = {}, {}
    table: list[dict[str, Any]] = []
    notes: list[str] = []
    groups = by_data_set(plan.ordered(records))
    if (folder / REFERENCES).is_file():
        unpack_references(folder / REFERENCES)
    search_together((Search(scenarios[name], r, plan.seed) for name, r in groups), progress)
    for (name, replicate), group in groups.items():
        progress(f"scoring {name}, data set {replicate}")
        data_set = DataSet.of(scenarios[name], replicate, plan.seed)
        data_sets[name, replicate] = data_set
        check_drawn(data_set, group)
        rows, messages = score_data_set(group, data_set)
        for record, row in zip(group, rows, strict=True):
            traces[key_of(record)] = points = data_set.trace(record, row["p"])
            row.update(target_costs(points, row, partial(data_set.is_admissible, record)))
        table += rows
        notes += messages
    _add_cold_setups(table, scenarios)
    if len(table) < plan.size():
        notes.append(
            f"{plan.size() - len(table)} of the planned trials are missing from every figure: "
            f"to run them: {resume_command(folder)}"
        )
    notes += _unsupported(records)
    failures = sum(record["outcome"] not in (RETURNED, Status.UNSUPPORTED) for record in records)
    if failures:
        notes.append(
            f"{failures} of {len(records)} trials returned no fit; their causes: mixturebench "
            f"status {folder}"
        )
    disturbed = sum(row["disturbed"] for row in table)
    if disturbed:
        notes.append(
            f"{disturbed} of {len(table)} times are disturbed: the processor was busy with the fit "
            f"for less than {DISTURBED:.0%} of its wall time; for times, run on a quiet machine"
        )
    return ScoredRun(run, data_sets, pd.DataFrame(table), traces, notes)


def by_data_set(records: list[Record]) -> dict[tuple[str, int], list[Record]]:
    """The records of each data set, those of all fitters together: they share a reference."""
    groups: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        groups.setdefault(key_of(record)[:2], []).append(record)
    return groups


def _add_cold_setups(table: list[dict[str, Any]], scenarios: dict[str, Scenario]) -> None:
    """Add to each row the wall and processor seconds of a cold preparation.

    It is the longest in the run of the same fitter, family and K, since workers use an earlier
    preparation again for most data sets.
    """
    longest: dict[tuple[Any, ...], float] = {}
    for clock in ("setup_seconds", "setup_cpu_seconds"):
        keys = []
        for row in table:
            scenario = scenarios[row["scenario"]]
            keys.append((clock, row["fitter"], scenario.family.name, scenario.components))
            if not row["rebound"]:
                longest[keys[-1]] = np.fmax(longest.get(keys[-1], np.nan), row[clock])
        for row, key in zip(table, keys, strict=True):
            row[f"cold_{clock}"] = longest.get(key, np.nan)


def _unsupported(records: list[Record]) -> list[str]:
    """A note for each method that does not apply to a model, with the scenarios and the reason."""
    scenarios: dict[tuple[str, str], dict[str, None]] = {}
    for record in records:
        if record["outcome"] == Status.UNSUPPORTED:
            key = (record["fitter"], record.get("message", ""))
            scenarios.setdefault(key, {})[record["scenario"]] = None
    return [
        f"{fitter} is in no rate on {', '.join(names)}, to which it does not apply: {reason}"
        for (fitter, reason), names in scenarios.items()
    ]


def check_drawn(data_set: DataSet, records: list[Record]) -> None:
    """Raise ``UserError`` unless the data drawn now are those of the ``records``."""
    drawn = summarise_data(data_set.observations)
    if not all(same_data(drawn, record.get("data", drawn)) for record in records):
        raise UserError(
            f"scenario {data_set.scenario.name!r}: the data drawn now are not those of the run: "
            "its file or the generator has changed; run again"
        )


def score_data_set(
    records: list[Record], data_set: DataSet, reference: Reference | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the scored table for the trials of one data set, and notes on its reference.

    ``reference`` is the data set's own unless another is given. A better optimum above a fit or
    above the truth replaces it if that is admissible. Without a reference nothing is judged.
    """
    trials = [(record, score_trial(record, data_set)) for record in records]
    try:
        reference = data_set.reference if reference is None else reference
    except NoReferenceError as error:
        return _unjudged_rows(trials, data_set, error)
    challenged = challenge(trials, data_set, reference)
    best, notes = _BestKnown.of(challenged, data_set), []
    if best.fewer_components:
        notes.append(
            f"{data_set.scenario.name}: no admissible optimum with {reference.components} "
            f"components beats the best with {reference.components - 1}, which is the reference, "
            "so that the data set is in no rate"
        )
    notes += [f"{data_set.name}: in its reference {limit}" for limit in reference.limits]
    notes += [f"{data_set.name}: its reference is doubtful: {flag}" for flag in reference.flags]
    rows = [_row(*trial, data_set, best) for trial in trials]
    return rows, notes + best.not_distinguishable(data_set) + challenged.notes


def score_without_search(
    records: list[Record], data_set: DataSet
) -> tuple[list[dict[str, Any]], list[str]]:
    """The same by the best optimum above the fits and the truth, in place of a reference.

    Data without a truth are scored by a reference.
    """
    if data_set.truth is None:
        return score_data_set(records, data_set)
    trials = [(record, score_trial(record, data_set)) for record in records]
    try:
        best = _BestKnown.of(best_without_search(trials, data_set), data_set)
    except NoReferenceError as error:
        return _unjudged_rows(trials, data_set, error)
    return [_row(*trial, data_set, best) for trial in trials], best.not_distinguishable(data_set)


@dataclass(frozen=True)
class _BestKnown:
    """The best known optimum, with which the trials of one data set are compared."""

    nll: float = np.nan
    """Its NLL."""
    information_error: float = np.nan
    """Its information error."""
    kl: float = np.nan
    """The KL divergence from the true density to it, in nats."""
    fewer_components: bool = False
    """Whether it has fewer components than were asked for."""
    excess_of_fewer: float = np.nan
    """The excess of the best fit with fewer components; NaN for one component."""
    outside: str = ""
    """Why the data set is in no rate; empty where it is."""

    @classmethod
    def of(cls, best: Challenged, data_set: DataSet) -> _BestKnown:
        """Compare it with the truth, and with fewer components."""
        has_fewer = len(best.mixture.weights) < data_set.scenario.components
        errors = {} if has_fewer else truth_errors(best.mixture, data_set)
        fewer = best.log_likelihood_of_fewer
        n, p = data_set.sample.size, data_set.scenario.model.dimension
        excess = np.nan if fewer is None else 2.0 * (-n * best.nll - fewer) / p
        return cls(
            best.nll,
            errors.get("information_error", np.nan),
            errors.get("kl", np.nan),
            has_fewer,
            excess,
            NOT_DISTINGUISHABLE if excess <= FOUND_EXCESS else "",
        )

    def not_distinguishable(self, data_set: DataSet) -> list[str]:
        """A note where fewer components describe the data as well, so that it is in no rate."""
        if not self.outside or self.fewer_components:
            return []
        return [
            f"{data_set.name} is not distinguishable, and in no rate: the best fit with one "
            f"component less has an excess of {self.excess_of_fewer:.2g}"
        ]


NOTHING_KNOWN = _BestKnown(outside="no reference")


def _unjudged_rows(
    trials: list[tuple[Record, Score]], data_set: DataSet, error: NoReferenceError
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a data set without reference, and a note that says so."""
    rows = [_row(record, _unjudged(s, error), data_set, NOTHING_KNOWN) for record, s in trials]
    return rows, [f"{data_set.name} has no reference, so that no fit is judged: {error}"]


def _unjudged(score: Score, error: NoReferenceError) -> Score:
    """The score of a trial on a data set without reference."""
    if score.status is not None:
        return score
    message = with_message(str(error), score.message)
    return replace(score, status=Status.NO_REFERENCE, message=message)


def _row(record: Record, score: Score, data_set: DataSet, best: _BestKnown) -> dict[str, Any]:
    """A row of the scored table: the trial, its score, its facts, n and p."""
    n, p = data_set.sample.size, data_set.scenario.model.dimension
    excess, status = score.excess, score.status
    if status is None:
        excess = 2.0 * n * (score.nll - best.nll) / p
        status = trial_status(excess, score, best.nll, n)
        if is_above(score.nll, best.nll, n):
            status = Status.ABOVE_REFERENCE
    return {
        **{name: record[name] for name in TRIAL},
        **vars(score),
        "status": str(status),  # plain text for Parquet
        "reference_nll": best.nll,
        "excess": excess,
        "reference_information_error": best.information_error,
        "reference_kl": best.kl,
        "no_error_because": data_set.no_error_reason,
        "outside_rates": best.outside,
        **vars(Facts.of(record, p)),
        "n": n,
        "p": p,
    }
