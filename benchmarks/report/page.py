"""The report of a run, as its formats show it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from benchmarks.report.columns import COMPARISON, OVERALL, of_scenario
from benchmarks.report.figures.base import drawn_figures
from benchmarks.report.overall import OverallTable, overall_tables
from benchmarks.report.section import Section
from benchmarks.report.summary_text import verdict
from benchmarks.report.tables import Column, Drawn, Table
from benchmarks.runner.status import SCORED
from benchmarks.scoring.scored_run import ScoredRun
from benchmarks.scoring.summary import KEYS, in_order, summarise

if TYPE_CHECKING:
    import pandas as pd


def data_sets(summary: pd.DataFrame) -> int:
    """The largest number of data sets behind a row of a summary."""
    return int(summary["data_sets"].max()) if len(summary) else 0


class Page:
    """A scored run with its summaries; figures and tables are made when a format asks for them."""

    def __init__(self, scored: ScoredRun) -> None:
        method = list(KEYS[1:])
        overall, names = summarise(scored.trials, KEYS[1:]), scored.trials["scenario"].unique()
        ranking = overall[method].itertuples(index=False, name=None)
        scored = replace(scored, trials=in_order(scored.trials, names, ranking, method))
        self.run, self.trials, self.notes = scored.run, scored.trials, scored.notes
        self.traced = {key[2] for key, points in scored.traces.items() if len(points) > 1}
        """The fitters that left traces."""
        self.summary = summarise(self.trials)
        """One row for each (scenario, fitter, start)."""
        self.sections = [Section(scored, name) for name in self.trials["scenario"].unique()]
        self.verdict = verdict(overall, len(self.sections))
        """The conclusion, in one sentence or a few."""
        if not self.trials["status"].isin(SCORED).any():
            first = self.trials.iloc[0]
            self.verdict[0] += f" All failed, the first as {first['status']}: {first['message']}"
        single = len(self.sections) == 1
        columns = of_scenario(COMPARISON, data_sets(self.summary)) if single else OVERALL
        self.ranking = Table.of("Ranking over all scenarios", columns, overall)

    def comparison(self, scenario: str) -> Table:
        """Return the comparison of fitters and starts on a scenario."""
        rows = self.summary[self.summary["scenario"] == scenario]
        columns = of_scenario(COMPARISON, data_sets(rows))
        return Table.of(f"Comparison on {scenario}", columns, rows)

    @property
    def provenance(self) -> str:
        """Version, plan and date of the run, in a line."""
        run = self.run
        return (
            f"mixturebench {run['versions']['mixturebench']}, profile {run['plan']['profile']}, "
            f"seed {run['plan']['seed']}, {len(self.trials)} trials, begun {run['begun']}"
        )

    @cached_property
    def figures(self) -> list[Drawn]:
        """The figures over all scenarios."""
        return drawn_figures("run", self)

    @cached_property
    def tables(self) -> list[OverallTable]:
        """The other tables over all scenarios."""
        return overall_tables(self.trials)

    @property
    def all_figures(self) -> list[Drawn]:
        """Every figure of the page."""
        return [*self.figures, *(drawn for section in self.sections for drawn in section.figures)]

    @property
    def glossary(self) -> list[Column]:
        """The columns of the page's tables that have a meaning, each once."""
        tables = [entry.table for entry in self.tables]
        tables += [drawn.numbers for drawn in self.all_figures]
        columns = [*COMPARISON, *(column for table in tables for column in table.columns)]
        meanings = {column.name: column for column in reversed(columns) if column.meaning}
        return list(reversed(meanings.values()))
