"""Scores of a run: a pure function of its records, the data, and their references.

A better reference can score old runs again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.reference.admissible import rejection_reason
from benchmarks.reference.ascent import ascend
from benchmarks.reference.certificate import Reference
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.reference.search import NoReferenceError
from benchmarks.runner.journal import read
from benchmarks.runner.plan import TRIAL, Key, Plan, Record, key_of
from benchmarks.runner.session import resume_command
from benchmarks.runner.status import RETURNED, Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.facts import Facts
from benchmarks.scoring.score import MIN_GAIN, Score, score_trial, trial_status, with_message
from benchmarks.scoring.targets import target_costs
from benchmarks.scoring.truth_errors import truth_errors
from scenarios.data_summary import same_data, summarise_data
from scenarios.errors import UserError
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd


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
    groups: dict[tuple[str, int], list[Record]] = {}  # of all fitters: they share a reference
    for record in plan.ordered(records):
        groups.setdefault(key_of(record)[:2], []).append(record)
    for (name, replicate), group in groups.items():
        progress(f"scoring {name}, data set {replicate}")
        data_set = DataSet.of(scenarios[name], replicate, plan.seed)
        data_sets[name, replicate] = data_set
        check_drawn(data_set, group)
        rows, messages = score_data_set(group, data_set)
        for record, row in zip(group, rows, strict=True):
            traces[key_of(record)] = points = data_set.trace(record)
            row.update(target_costs(points, row))
        table += rows
        notes += messages
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
    return ScoredRun(run, data_sets, pd.DataFrame(table), traces, notes)


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

    ``reference`` is the data set's own unless another is given. A better optimum that a fit leads
    to replaces it if that is admissible. Without a reference nothing is judged.
    """
    trials = [(record, score_trial(record, data_set)) for record in records]
    try:
        reference = data_set.reference if reference is None else reference
    except NoReferenceError as error:
        rows = [_row(record, _unjudged(s, error), data_set, np.nan, np.nan) for record, s in trials]
        return rows, [f"{data_set.name} has no reference, so that no fit is judged: {error}"]
    notes = []
    if reference.fewer_components:
        notes.append(
            f"{data_set.scenario.name}: no admissible optimum with {reference.components} "
            f"components beats the best with {reference.components - 1}, which is the reference"
        )
    notes += [f"{data_set.name}: in its reference {limit}" for limit in reference.limits]
    notes += [f"{data_set.name}: its reference is doubtful: {flag}" for flag in reference.flags]
    reference_nll, challenges = _challenged(trials, data_set, reference)
    errors = {} if reference.fewer_components else truth_errors(reference.mixture, data_set)
    own_error = errors.get("information_error", np.nan)
    rows = [_row(*trial, data_set, reference_nll, own_error) for trial in trials]
    return rows, notes + challenges


def _unjudged(score: Score, error: NoReferenceError) -> Score:
    """The score of a trial on a data set without reference."""
    if score.status is not None:
        return score
    message = with_message(str(error), score.message)
    return replace(score, status=Status.NO_REFERENCE, message=message)


def _challenged(
    trials: list[tuple[Record, Score]], data_set: DataSet, reference: Reference
) -> tuple[float, list[str]]:
    """The NLL of the reference, or of a better admissible optimum above a fit; and notes.

    The first note names the fit that led there, the second counts the fits that are still better.
    """
    n, notes = data_set.sample.size, []
    reference_nll = before = mean_nll(reference.mixture, data_set.observations)
    found: Record | None = None
    for record, score in trials:
        if score.status is None and (reference_nll - score.nll) * n > MIN_GAIN:
            reason, nll = _summit(score, data_set)
            if not reason and nll < reference_nll:
                reference_nll, found = nll, record
    if found is not None:
        gain = (before - reference_nll) * n
        notes.append(
            f"{data_set.name}: {found['fitter']} (start {found['start']}, restart "
            f"{found['restart']}) leads to an optimum that is better than the reference by "
            f"{gain:.3g} nats, and has taken its place in this run"
        )
    above = [(r, s) for r, s in trials if s.status is None and _is_above(s, reference_nll, n)]
    if above:
        record, best = min(above, key=lambda trial: trial[1].nll)
        gain, (reason, _) = (reference_nll - best.nll) * n, _summit(best, data_set)
        notes.append(
            f"{data_set.name}: fits that are better than the reference and may not replace it: "
            f"{len(above)}, the best ({record['fitter']}) by {gain:.3g} nats ({reason}); do not "
            "trust the figures of this data set"
        )
    return reference_nll, notes


def _is_above(score: Score, reference_nll: float, n: int) -> bool:
    return (reference_nll - score.nll) * n > MIN_GAIN


def _row(
    record: Record, score: Score, data_set: DataSet, reference_nll: float, reference_error: float
) -> dict[str, Any]:
    """A row of the scored table: the trial, its score beside the reference's, its facts, n and p.

    ``reference_error`` is the reference's information error.
    """
    n, p = data_set.sample.size, data_set.scenario.model.dimension
    excess, status = score.excess, score.status
    if status is None:
        excess = 2.0 * n * (score.nll - reference_nll) / p
        status = trial_status(excess, score.gain_left, record.get("posterior"))
        if _is_above(score, reference_nll, n):
            status = Status.ABOVE_REFERENCE
    return {
        **{name: record[name] for name in TRIAL},
        **vars(score),
        "status": str(status),  # plain text for Parquet
        "reference_nll": reference_nll,
        "excess": excess,
        "reference_information_error": reference_error,
        **vars(Facts.of(record)),
        "n": n,
        "p": p,
    }


def _summit(score: Score, data_set: DataSet) -> tuple[str, float]:
    """Why the optimum above a fit may not be the reference, empty if it may; and its NLL."""
    family = data_set.sample.family
    mixture = Mixture(family, np.array(score.weights), np.array(score.parameters))
    summit = ascend(data_set.sample, mixture)
    reason = rejection_reason(data_set.sample, summit, data_set.min_spread)
    end = ScipyMixture(family.name, summit.mixture.weights, summit.mixture.parameters)
    return reason, mean_nll(end, data_set.observations)
