"""A run's folder as an object: its scores, its report, its comparison with another run."""

from __future__ import annotations

import html
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.compare.folders import compare_runs
from benchmarks.compare.verdict import Comparison
from benchmarks.files import replace_file, write_text
from benchmarks.report.formats.base import format_called
from benchmarks.report.page import Page
from benchmarks.report.section import model_text
from benchmarks.report.template import framed
from benchmarks.runner.journal import read_run
from benchmarks.runner.plan import Plan
from benchmarks.runner.progress import say
from benchmarks.runner.run_status import RunStatus, status_of
from benchmarks.scoring.scored_run import ScoredRun, score_run
from benchmarks.scoring.summary import KEYS, summarise
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A run's folder. Scores are computed from its facts when they are first needed.

    Raises ``UserError`` if there is no run in ``folder``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        read_run(self.folder)

    @cached_property
    def scored(self) -> ScoredRun:
        """The scores; raises ``UserError`` if no trial is on record."""
        scored = score_run(self.folder, say)
        say("")
        if scored.trials.empty:
            raise UserError(
                f"the run in {self.folder} has no trials yet: there is nothing to score"
            )
        return scored

    def write_scores(self) -> None:
        """Write the scored trials to ``trials.parquet``; ``UserError`` if that fails."""
        path, content = self.folder / "trials.parquet", BytesIO()
        self.trials.to_parquet(content, index=False)
        try:
            replace_file(path, content.getvalue())
        except OSError as error:
            raise UserError(
                f"{path} can't be written: {error.strerror}; make room for it"
            ) from error

    @property
    def trials(self) -> pd.DataFrame:
        """The scored trials, a row each; docs/metrics.md describes the columns."""
        return self.scored.trials

    def summary(self, by: tuple[str, ...] = KEYS) -> pd.DataFrame:
        """Rates, costs and median scores of each group of trials, the best first."""
        return summarise(self.trials, by)

    @cached_property
    def page(self) -> Page:
        """The report's figures and tables; ``page.verdict`` has its first sentences."""
        return Page(self.scored)

    @property
    def status(self) -> RunStatus:
        """What is done, what is left, what failed and why."""
        return status_of(self.folder)

    def report(self, form: str = "html") -> str:
        """The text of the report: ``html``, ``md`` or ``csv``."""
        return format_called(form).render(self.page)

    def report_file(self, form: str = "html") -> Path | None:
        """Where the report is written if no file is named; None for a form that is printed."""
        chosen = format_called(form)
        return None if chosen.printed else self.folder / f"report.{chosen.extension}"

    def write_report(self, form: str = "html", out: str | Path | None = None) -> Path:
        """Write the report, by default to ``report.html`` in the folder; returns its file."""
        path = self.report_file(form) if out is None else Path(out)
        if path is None:
            raise UserError(f"a report as {form} has no file of its own: name one")
        return write_text(path, self.report(form), "--out")

    def compare(self, base: str | Path, alpha: float | None = None) -> Comparison:
        """Whether this run is worse than the one in ``base``."""
        return compare_runs(Path(base), self.folder, alpha)

    def __repr__(self) -> str:
        status = self.status
        models = ", ".join(
            f"{scenario.name} ({model_text(scenario)})"
            for scenario in Plan.of(read_run(self.folder)["plan"]).scenarios
        )
        done = f"{status.trials_done} of {status.trials} trials"
        first = f"Run in {self.folder}: {done} on {models}"
        return "\n".join([first, *(self.page.verdict if status.trials_done else ())])

    def _repr_html_(self) -> str:
        if not self.status.trials_done:
            return f"<pre>{html.escape(repr(self))}</pre>"
        return framed(self.report())
