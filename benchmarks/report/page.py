"""The report of a run: a self-contained page, Markdown for a pull request, or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchmarks.harness.judgement import Judgement
from benchmarks.harness.metrics import COLUMNS, summarise
from benchmarks.report import across
from benchmarks.report.section import Section
from benchmarks.report.tables import Drawn, Table, folded
from benchmarks.report.template import identifier, render
from benchmarks.report.words import verdict

if TYPE_CHECKING:
    import pandas as pd

GLOSSARY = {
    "duel": (
        "p (Holm)",
        "The chance of so uneven a count if both reached the optimum equally often: the exact "
        "sign test on the trials that one alone got right. Adjusted for all rows of its table.",
    ),
    "r_hat": (
        "R̂",
        "How far the chains disagree, by rank-normalised split R̂ on quantities that no labelling "
        "changes: 1 is agreement. A fit by MCMC counts as converged up to 1.01.",
    ),
    "ess": (
        "ESS",
        "The effective sample size: so many independent draws would tell as much, on quantities "
        "that no labelling changes. ESS/s is what a second of sampling buys.",
    ),
    "divergences": (
        "divergences",
        "Steps at which the sampler lost the energy that it should conserve. More than a few mean "
        "that it may have missed a part of the posterior.",
    ),
    "coverage": (
        "intervals held",
        "How many true parameters the central posterior intervals held, over parameters and data "
        "sets. Half and nine tenths are expected; counts within a data set are not independent.",
    ),
}  # fmt: skip
"""Metrics that are in no column of the comparison: heading, and what it means."""


def html(told: Page) -> str:
    """The page's text."""
    return render("page.html", page=told)


def markdown(told: Page) -> str:
    """The verdict and the tables, for a pull request; the scenarios' are folded away."""
    parts = [f"**{' '.join(told.verdict)}**", told.ranking.markdown()]
    parts += [f"- {note}." for note in told.judgement.notes]
    parts += [folded(section.name, section.comparison.markdown()) for section in told.sections]
    parts.append(f"{told.provenance}.")
    return "\n\n".join(parts) + "\n"


def csv(told: Page) -> str:
    """The comparison, a row for each (scenario, fitter, start), in full precision."""
    return told.summary.to_csv(index=False)


@dataclass(frozen=True)
class Page:
    """What the template may ask for; it computes nothing itself."""

    judgement: Judgement

    @property
    def run(self) -> dict[str, Any]:
        """``run.json``."""
        return self.judgement.run

    @property
    def trials(self) -> pd.DataFrame:
        """The judged trials."""
        return self.judgement.trials

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The comparison, a row for each (scenario, fitter, start)."""
        return summarise(self.trials)

    @cached_property
    def overall(self) -> pd.DataFrame:
        """The ranking over all scenarios."""
        return summarise(self.trials, ("fitter", "start"))

    @property
    def verdict(self) -> list[str]:
        """What it comes to, in sentences."""
        return verdict(self.overall, len(self.sections))

    @property
    def ranking(self) -> Table:
        """The first table: over all scenarios."""
        return across.overall(self.overall)

    @property
    def glossary(self) -> dict[str, tuple[str, str]]:
        """Heading and meaning of each metric, by its id."""
        return {**COLUMNS, **GLOSSARY}

    @property
    def provenance(self) -> str:
        """Where the numbers come from, in a line."""
        run = self.run
        return (
            f"mixturebench {run['versions']['mixturebench']}, profile {run['plan']['profile']}, "
            f"seed {run['plan']['seed']}, {len(self.trials)} trials, begun {run['begun']}"
        )

    @cached_property
    def sections(self) -> list[Section]:
        """One for each scenario."""
        return [
            Section(self.judgement, problem, self.summary[self.summary["scenario"] == scenario])
            for (scenario, data_set), problem in self.judgement.problems.items()
            if data_set == 0
        ]

    @cached_property
    def map(self) -> tuple[list[str], list[across.MapRow]]:
        """How many restarts converged, by fitter and scenario."""
        return across.convergence_map(self.trials)

    @cached_property
    def drawn(self) -> list[Drawn]:
        """The figures over all scenarios."""
        return [
            Drawn(
                "profile",
                across.profile_figure(self.trials),
                "Share of all (trial, target) pairs reached within a cost; the targets are "
                "excesses of 100, 10, … 0.0001. Higher and further left is better; setup is apart.",
                across.profile_numbers(self.trials),
            ),
            Drawn(
                "scatter",
                across.scatter_figure(self.summary, self.trials),
                "How exact and how fast: median excess against median time, a point for each "
                "scenario, fitter and start. Excess below 1e-8 is drawn there.",
                across.scatter_numbers(self.summary),
            ),
        ]

    @cached_property
    def tables(self) -> list[tuple[str, str, Table]]:
        """(id, what to know, table) of the other tables over all scenarios."""
        told = [
            ("duels", "Who reaches the optimum where the other does not, from the same start on "
             "the same data.", across.duels(self.trials, "fitter")),
            ("starts", "And where to start, with the same fitter on the same data.",
             across.duels(self.trials, "start")),
            ("honesty", "A method's own word against what was so, over the fits that it returned: "
             "wrongly converged is a failure that nobody would have seen.",
             across.honesty(self.trials)),
            ("posteriors", "How the chains mixed, and whether the posteriors' intervals hold what "
             "they should.", across.posteriors(self.trials)),
            ("failures", "Every trial that returned no admissible fit, by cause.",
             across.failures(self.trials)),
        ]  # fmt: skip
        return [(name, words, table) for name, words, table in told if table is not None]

    def figures(self) -> Iterator[tuple[str, str]]:
        """(file name without ending, SVG) of every figure on the page."""
        for drawn in self.drawn:
            yield drawn.name, drawn.svg
        for section in self.sections:
            for drawn in section.drawn:
                yield f"{identifier(section.name)}-{drawn.name}", drawn.svg
