"""Which methods find the optimum of a user's data, from which start, how often, at what cost."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.report.columns import comparison_columns
from benchmarks.report.tables import Column, Row, Table
from benchmarks.runner.choices import Choices
from benchmarks.runner.execution import available_cores, execute_plan
from benchmarks.runner.plan import Plan
from benchmarks.runner.profiles import FITTERS
from benchmarks.runner.progress import duration
from benchmarks.runner.run_status import status_of
from benchmarks.runner.supervisor import LocalBackend
from benchmarks.scoring.score import is_one_optimum
from benchmarks.scoring.scored_run import NOT_DISTINGUISHABLE, ScoredRun, score_run
from benchmarks.scoring.summary import summarise
from fitters.base import Fitter
from fitters.spec import fitter_of, spec_of
from fitters.starts import policy
from scenarios.model import Model

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.fit.answer import Answer

STARTS = ("quantile", "screened")
RESTARTS = {"gradient": 2, "mcmc": 1, "": 10}
"""Restarts from each start policy, by fitter name; the entry ``""`` is for all others."""
TIMEOUT = 30.0
"""Seconds for one trial, so that one method can't take all the time."""
FIGURES = (
    "fitter", "start", "restarts", "found", "found_rate", "found_rate_low", "found_rate_high",
    "converged", "seconds", "passes", "setup_seconds", "spent_seconds", "ert_found_seconds",
    "ert_found_passes", "first_answer_found", "others",
)  # fmt: skip
"""Columns of ``Methods.table``, as ``scoring.summary.summary_row`` computes them."""


@dataclass(frozen=True, eq=False)
class Methods:
    """What the methods do on one data set, one family and one number of components."""

    table: pd.DataFrame
    """A row for each method and start, the least cost of a success first; columns ``FIGURES``."""
    log_likelihood: float
    """That of the optimum they were to find, in nats; NaN where none is known."""
    own_log_likelihood: float
    """That of the answer, in nats."""
    same_optimum: bool
    """Whether the two are one optimum."""
    why_not: str
    """Why no rate can be computed; empty where rates are."""
    notes: list[str]
    """Sentences, without their full stops, on what limits the figures."""

    @property
    def sentence(self) -> str:
        """Which method finds the optimum at the least cost, how often, and which never do."""
        rows = self.table.to_dict("records")
        if self.why_not:
            return f"No method can be compared on these data: {self.why_not}."
        optimum = f"{'this' if self.same_optimum else 'the best known'} optimum (log likelihood "
        optimum += f"{self.log_likelihood:.3f})"
        found = [row for row in rows if row["found"]]
        if not found:
            return f"No method finds {optimum} from any start."
        best = found[0]
        low, high = (100.0 * best[f"found_rate_{end}"] for end in ("low", "high"))
        text = (
            f"{_name(best)} finds {optimum} at the least cost: in {best['found']} of "
            f"{best['restarts']} restarts (95 % interval {low:.0f} to {high:.0f} %), with "
            f"{duration(best['ert_found_seconds'])} to a success, failures and starts included"
        )
        # 2 of 2 is no evidence of more than 9 of 10.
        oftener = [row for row in found if row["found_rate_low"] > best["found_rate"]]
        others = [row for row in found if row["fitter"] != best["fitter"]]
        if oftener:
            most = max(oftener, key=lambda row: row["found_rate"])  # of equals the cheapest
            text += f"; {_name(most)} finds it more often, {_short(most)}"
        elif others:
            text += f"; the next method is {_name(others[0])}, {_short(others[0])}"
        never = [f"{_name(row)} (0 of {row['restarts']})" for row in rows if not row["found"]]
        return f"{text}; never: {', '.join(never)}." if never else f"{text}."

    @property
    def difference(self) -> str:
        """A sentence on the two optima where they are not one; empty where they are."""
        gain = self.log_likelihood - self.own_log_likelihood
        if self.same_optimum or math.isnan(gain):
            return ""
        return (
            f"This is not the answer's own optimum: its log likelihood is {abs(gain):.3g} nats "
            f"{'above' if gain > 0 else 'below'} the answer's {self.own_log_likelihood:.3f}"
            f"{'; more `--restarts` may reach it' if gain > 0 else ''}."
        )

    @property
    def shown(self) -> Table:
        """The table for a terminal or a page."""
        (cost,) = comparison_columns("ert_found")
        columns = [
            Column("fitter", "method", left=True),
            Column("start", "start", left=True),
            Column("found", "found, 95 %", _found),
            Column("setup_seconds", "setup", lambda row: duration(row["setup_seconds"])),
            replace(cost, heading="to a success"),
            Column("others", "not found", left=True, fold=True),
        ]
        return Table.of("Which method finds this optimum", columns, self.table)

    @property
    def sentences(self) -> list[str]:
        """All that is said besides the table, a sentence each."""
        return [
            *filter(None, [self.sentence, self.difference]),
            *(f"{note}." for note in self.notes),
        ]

    def content(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "sentence": self.sentence,
            "log_likelihood": self.log_likelihood,
            "same_optimum": self.same_optimum,
            "methods": self.table.to_dict("records"),
            "notes": self.notes,
        }

    def __repr__(self) -> str:
        return "\n".join([*self.sentences, self.shown.text(80)])


def measure_methods(answer: Answer, progress: Callable[[str], None] = lambda text: None) -> Methods:
    """Run the methods on the answer's data, family and number of components, and score them.

    Those of ``runner.profiles.FITTERS`` that apply, and the answer's own ``fitters``, from each
    of ``STARTS`` that applies, in a folder that is removed. ``progress`` is called with a line of
    text after each trial.
    """
    with TemporaryDirectory(prefix="mixturebench-") as name:
        folder = Path(name)
        choices, plan, left_out = _plan(answer, folder)
        choices.save_data(folder)
        execute_plan(
            plan,
            folder,
            LocalBackend(plan.limits, available_cores()),
            lambda done: progress(f"{done.done} of {done.planned} trials of the methods"),
        )
        scored = score_run(folder, progress)
        # A note that names the folder tells how to go on from it, and the folder is removed.
        notes = [note for note in scored.notes if name not in note]
        notes += status_of(folder).causes
    return _methods(answer, scored, left_out + notes)


def _plan(answer: Answer, folder: Path) -> tuple[Choices, Plan, list[str]]:
    """The trials of the methods that apply, and a sentence on each that does not."""
    model = Model(answer.family, answer.chosen.components)
    fitters: list[str | Fitter] = []
    starts, left_out = [], []
    for given in dict.fromkeys((*FITTERS, *answer.options.fitters)):
        reason = fitter_of(given).supports(model)
        if reason is None:
            fitters.append(given)
        else:
            spec = given if isinstance(given, str) else spec_of(given)
            left_out.append(f"{spec} does not apply: {reason}")
    for start in STARTS:
        reason = policy(start).supports(model)
        if reason is None:
            starts.append(start)
        else:
            left_out.append(f"Starts by {start} do not apply: {reason}")
    choices = Choices(
        data=answer.chosen.sample.observations,
        family=answer.chosen.family,
        components=answer.chosen.components,
        fitters=tuple(fitters),
        starts=tuple(starts),
        data_sets=1,
        seed=answer.options.seed,
        timeout=TIMEOUT,
    )
    plan = choices.plan(None, folder)
    restarts = {spec: RESTARTS.get(spec.partition(":")[0], RESTARTS[""]) for spec in plan.fitters}
    return choices, replace(plan, restarts=restarts), left_out


def _methods(answer: Answer, scored: ScoredRun, notes: list[str]) -> Methods:
    """The figures of a run that is scored."""
    trials, size, own = scored.trials, answer.size, answer.best.log_likelihood
    table = summarise(trials, ("fitter", "start"))
    table = table.sort_values("ert_found_seconds", kind="stable")[list(FIGURES)]
    nll = float(trials["reference_nll"].iloc[0])
    return Methods(
        table.reset_index(drop=True),
        -nll * size,
        own,
        bool(is_one_optimum(nll, -own / size, size)),
        _why_not(scored),
        [re.sub("^data(, data set 0)?(?=[: ])", "The data", note) for note in notes],
    )


def _why_not(scored: ScoredRun) -> str:
    """Why no rate can be computed: no optimum is known, or fewer components do as well."""
    reason = str(scored.trials["outside_rates"].iloc[0])
    return "one component fewer describes them as well" if reason == NOT_DISTINGUISHABLE else reason


def _name(row: Row) -> str:
    return f"{row['fitter']} from {row['start']} starts"


def _found(row: Row) -> str:
    if not row["restarts"]:
        return "–"
    low, high = (100.0 * row[f"found_rate_{end}"] for end in ("low", "high"))
    return f"{row['found']}/{row['restarts']} [{low:.0f}–{high:.0f} %]"


def _short(row: Row) -> str:
    count = f"{row['found']} of {row['restarts']}"
    return f"{count} with {duration(row['ert_found_seconds'])} to a success"
