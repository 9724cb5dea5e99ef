"""The page of a run: one self-contained HTML file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import aggregates
from benchmarks.harness.judgement import Judgement
from benchmarks.harness.metrics import COLUMNS, OVERALL, display, summarise
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import Reference
from benchmarks.report import figures
from fitters.gradient import Gradient
from fitters.spec import fitters

if TYPE_CHECKING:
    import pandas as pd


def render(judgement: Judgement) -> str:
    """The page's text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("benchmarks.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(page=Page(judgement))


@dataclass(frozen=True)
class Page:
    """What the template may ask for; it computes nothing itself."""

    judgement: Judgement

    @property
    def run(self) -> dict[str, Any]:
        """``run.json``."""
        return self.judgement.run

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """Heading and meaning of each column."""
        return COLUMNS

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The comparison, a row for each (scenario, fitter, start)."""
        return summarise(self.judgement.trials)

    @cached_property
    def overall(self) -> list[dict[str, str]]:
        """The ranking over all scenarios."""
        table = summarise(self.judgement.trials, ("fitter", "start"))
        return [display(row) for row in table.itertuples()]

    @property
    def overall_columns(self) -> dict[str, tuple[str, str]]:
        """The columns of the ranking."""
        return {name: COLUMNS[name] for name in OVERALL}

    @cached_property
    def sections(self) -> list[Section]:
        """One for each scenario, showing its first data set."""
        return [
            Section(self, problem)
            for (_, data_set), problem in self.judgement.problems.items()
            if data_set == 0
        ]

    def figures(self) -> Iterator[tuple[str, str]]:
        """(file name without ending, SVG) of every figure on the page."""
        for section in self.sections:
            yield f"{section.anchor}-density", section.density
            for fitter, figure in section.loss_curves:
                yield f"{section.anchor}-loss-{_identifier(fitter)}", figure

    @property
    def honesty(self) -> list[dict[str, Any]]:
        """What each fitter claimed against what was so."""
        return aggregates.honesty(self.judgement.trials).to_dict("records")

    @property
    def failures(self) -> pd.DataFrame:
        """How often each message of a failed trial came, most often first."""
        trials = self.judgement.trials
        failed = trials[~trials["status"].isin(("converged", "basin", "local", "unfinished"))]
        counted = failed.groupby(["scenario", "fitter", "status", "message"], sort=False).size()
        return counted.rename("count").reset_index().sort_values("count", ascending=False)


@dataclass(frozen=True)
class Section:
    """One scenario."""

    page: Page
    problem: Problem

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.problem.scenario.name

    @property
    def anchor(self) -> str:
        """The name as an HTML id."""
        return _identifier(self.name)

    @property
    def rows(self) -> list[dict[str, str]]:
        """Its comparison table."""
        summary = self.page.summary
        return [display(row) for row in summary[summary["scenario"] == self.name].itertuples()]

    @property
    def _trials(self) -> pd.DataFrame:
        trials = self.page.judgement.trials
        return trials[(trials["scenario"] == self.name) & (trials["data_set"] == 0)]

    @property
    def truth(self) -> list[str]:
        """The true components in words."""
        truth = self.problem.scenario.truth
        if truth is None:
            return []
        names = truth.family.parameter_names()
        return [
            f"{weight:.4g} · {truth.family.name}("
            + ", ".join(f"{name} {value:.4g}" for name, value in zip(names, row, strict=True))
            + ")"
            for weight, row in zip(truth.weights, truth.parameters, strict=True)
        ]

    @property
    def best(self) -> list[str]:
        """The best admissible fit's components in words."""
        trials = self._trials
        fits = trials[np.isfinite(trials["nll"].astype(float))]
        if fits.empty:
            return []
        row = fits.loc[fits["nll"].idxmin()]
        names = self.problem.scenario.family.parameter_names()
        return [f"NLL {row['nll']:.10f} ({row['fitter']})"] + [
            f"{weight:.4f} · {self.problem.scenario.family.name}("
            + ", ".join(f"{name} {value:.4f}" for name, value in zip(names, values, strict=True))
            + ")"
            for weight, values in zip(row["weights"], row["parameters"], strict=True)
        ]

    @property
    def density(self) -> str:
        """The histogram with the densities."""
        return figures.density_figure(self.problem, self._trials, f"density-{self.anchor}")

    @property
    def basins(self) -> list[dict[str, Any]]:
        """Which optima its trials ended in, and from which start policy."""
        table = aggregates.basins(self._trials, {(self.name, 0): self.problem.sample.size})
        return [
            {
                "rank": row["rank"] + 1,
                "nll": f"{row['nll']:.6f}",
                "start": row["start"],
                "share": f"{row['times']}/{row['of']}",
            }
            for row in table.to_dict("records")
        ]

    @property
    def reference(self) -> Reference:
        """The best known optimum of its first data set."""
        return self.page.judgement.references[self.name, 0]

    @property
    def own_error(self) -> float | None:
        """The reference's own information error, beside which the fitters' stand."""
        errors = self._trials["reference_information_error"].dropna()
        return None if errors.empty else float(errors.iloc[0])

    @property
    def loss_curves(self) -> list[tuple[str, str]]:
        """(fitter, figure) for every gradient fitter that left traces."""
        found = []
        for index, fitter in enumerate(self.page.run["plan"]["fitters"]):
            if not issubclass(fitters().get(fitter.partition(":")[0], object), Gradient):
                continue
            records = [
                record
                for record in self.page.judgement.records
                if record["scenario"] == self.name
                and record["data_set"] == 0
                and record["fitter"] == fitter
                and record.get("trace")
            ]
            if records:
                trials = self._trials[self._trials["fitter"] == fitter]
                name = f"trace-{self.anchor}-{index}"
                found.append(
                    (fitter, figures.trace_figure(self.problem, records, trials, fitter, name))
                )
        return found


def _identifier(text: str) -> str:
    """Text as an HTML id or a file name: a user's scenario may be called anything."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
