"""What the page says of one scenario; it shows the first data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import aggregates, judge
from benchmarks.harness.judgement import Judgement
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import Reference
from benchmarks.report import across, figures
from benchmarks.report.drawing import density_bins, inside, view
from benchmarks.report.estimates import BEST_KNOWN, Estimates, usual_values
from benchmarks.report.tables import Column, Drawn, Table
from benchmarks.report.template import identifier
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

MOST_OPTIMA = 8
"""Optima that are shown one by one."""


@dataclass(frozen=True)
class Basin:
    """An optimum that trials ended in: a small picture of it, and from where it was reached."""

    rank: int
    nll: str
    picture: str
    """The path of its density in a box of 100 by 30; empty where no mixture is known there."""
    shares: tuple[str, ...]
    """How many trials of each start policy ended there, of how many."""


@dataclass(frozen=True)
class Section:
    """One scenario."""

    judgement: Judgement
    problem: Problem
    summary: pd.DataFrame
    """Its rows of the comparison."""

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.problem.scenario.name

    @property
    def anchor(self) -> str:
        """The name as an HTML id."""
        return f"s-{identifier(self.name)}"

    @property
    def comparison(self) -> Table:
        """Its comparison table."""
        return across.comparison(self.summary, f"Comparison on {self.name}")

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The trials of its first data set."""
        trials = self.judgement.trials
        return trials[(trials["scenario"] == self.name) & (trials["data_set"] == 0)]

    @property
    def reference(self) -> Reference:
        """The best known optimum of its first data set."""
        return self.judgement.references[self.name, 0]

    @property
    def truth(self) -> str:
        """The true components in words; empty for real data."""
        truth = self.problem.scenario.truth
        return "" if truth is None else self._words(truth.weights, truth.parameters)

    @property
    def best(self) -> str:
        """The best known optimum in words."""
        return self._words(self.reference.judged.weights, self.reference.judged.parameters)

    @property
    def own_error(self) -> float | None:
        """The reference's own information error, beside which the fitters' stand."""
        errors = self.trials["reference_information_error"].dropna()
        return None if errors.empty else float(errors.iloc[0])

    @cached_property
    def drawn(self) -> list[Drawn]:
        """Its figures."""
        return [self._density, *self._estimates(), *self._traces()]

    @property
    def starts(self) -> list[str]:
        """The start policies, in the order run."""
        return [str(start) for start in self.trials["start"].unique()]

    @cached_property
    def basins(self) -> tuple[list[Basin], int]:
        """(the best optima that its trials ended in, how many more there are)."""
        table = aggregates.basins(self.trials)
        planned = self.trials.groupby("start").size()
        found = []
        for rank, rows in table.groupby("rank"):
            counts = rows.set_index("start")["times"]
            shares = [f"{counts.get(start, 0)}/{planned[start]}" for start in self.starts]
            nll = float(rows["nll"].iloc[0])
            found.append(Basin(int(rank) + 1, f"{nll:.6f}", self._picture(nll), tuple(shares)))
        return found[:MOST_OPTIMA], len(found[MOST_OPTIMA:])

    @cached_property
    def box(self) -> str:
        """The histogram as a path in the small pictures' box."""
        heights, edges = self._bins
        return _path(np.repeat(edges, 2)[1:-1], np.repeat(heights, 2), self._span, self._tallest)

    @property
    def _density(self) -> Drawn:
        truth = "the true density as a heavy line, " if self.truth else ""
        return Drawn(
            "density",
            figures.density_figure(self.problem, self.trials, f"density-{self.anchor}"),
            f"The data as a histogram, {truth}and of each method the median restart (solid) and "
            "the worst (dashed).",
            figures.density_numbers(self.problem, self.trials),
        )

    def _estimates(self) -> Iterator[Drawn]:
        """Estimates beside the truth, where it can be told."""
        if self.problem.truth is None or self.problem.why_no_error:
            return
        if self.reference.fewer_components:
            return
        told = Estimates(self.problem, self.reference.judged, self.trials)
        shown = {
            label: told.medians[fitter, start]
            for fitter, start, label, *_ in figures.series(self.trials)
            if (fitter, start) in told.medians
        }
        columns = [Column("name", "parameter", left=True), Column("truth", "truth")]
        columns += [Column("error", "standard error"), Column("best", "best known")]
        columns += [Column(label, label) for label in shown]
        told_columns: dict[str, Array] = {
            "truth": usual_values(told.truth),
            "error": told.standard_errors,
            "best": told.medians[BEST_KNOWN],
            **shown,
        }
        rows = [
            {"name": name, **{key: f"{values[i]:.4g}" for key, values in told_columns.items()}}
            for i, name in enumerate(told.names)
        ]
        yield Drawn(
            "estimates",
            figures.estimate_figure(told, self.trials, f"estimates-{self.anchor}"),
            "Median estimates of the restarts that came close, as distances from the truth in "
            "standard errors that the Cramér–Rao bound allows; beyond the frame at its edge.",
            Table(f"Estimates on {self.name}", columns, rows),
        )

    def _traces(self) -> Iterator[Drawn]:
        """Loss curves of every fitter that left traces."""
        traced = {key[2] for key, points in self._points.items() if len(points) > 1}
        for index, fitter in enumerate(self.trials["fitter"].unique()):
            if fitter in traced:
                name = f"trace-{self.anchor}-{index}"
                yield Drawn(
                    f"trace-{identifier(fitter)}",
                    figures.trace_figure(self.problem, self._points, self.trials, fitter, name),
                    f"{fitter}: how far each restart was above the best known NLL, one line a "
                    "restart; below the dashed line it has converged.",
                    self._arrivals(fitter),
                )

    def _arrivals(self, fitter: str) -> Table:
        """Median passes and seconds to some targets, and how many restarts reached them."""
        columns = [Column("target", "excess ≤", metric="excess"), Column("reached", "reached")]
        columns += [Column("passes", "median passes"), Column("seconds", "median seconds")]
        mine = self.trials[self.trials["fitter"] == fitter]
        passes, seconds = (
            np.array(mine[f"target_{measure}"].tolist(), dtype=float)
            for measure in ("evaluations", "seconds")
        )
        rows = []
        for index, target in enumerate(aggregates.TARGETS):
            hit = np.isfinite(passes[:, index])
            rows.append(
                {
                    "target": f"{target:g}",
                    "reached": f"{hit.sum()}/{len(mine)}",
                    "passes": f"{np.median(passes[hit, index]):.4g}" if hit.any() else "–",
                    "seconds": f"{np.median(seconds[hit, index]):.3g}" if hit.any() else "–",
                }
            )
        return Table(f"When {fitter} came within targets on {self.name}", columns, rows)

    @cached_property
    def _points(self) -> figures.Traces:
        return {k: v for k, v in self.judgement.traces.items() if k[:2] == (self.name, 0)}

    @cached_property
    def _span(self) -> tuple[float, float]:
        return view(self.problem.sample.ordered)

    @cached_property
    def _bins(self) -> tuple[Any, Any]:
        return density_bins(self.problem.sample.ordered, *self._span)

    @property
    def _tallest(self) -> float:
        return 1.25 * float(self._bins[0].max())

    def _picture(self, nll: float) -> str:
        """The density at an optimum: the reference search's, or that of a trial that is there."""
        family, n = self.problem.scenario.family, self.problem.sample.size
        known = [
            (abs(-optimum.log_likelihood / n - nll), optimum.weights, optimum.parameters)
            for optimum in self.reference.optima
        ]
        known += [
            (abs(row.nll - nll), row.weights, row.parameters)
            for row in self.trials[self.trials["nll"].notna()].itertuples()
        ]
        gap, weights, parameters = min(known, key=lambda entry: entry[0])
        if gap * n > aggregates.ONE_OPTIMUM:
            return ""
        grid = inside(*self._span, family.support, 120)
        density = judge.Judged.of(family.name, weights, parameters).density(grid)
        return _path(grid, density, self._span, self._tallest)

    def _words(self, weights: Any, parameters: Any) -> str:
        family = self.problem.scenario.family
        names = family.parameter_names()
        return " + ".join(
            f"{weight:.4g} · {family.name}("
            + ", ".join(f"{name} {value:.4g}" for name, value in zip(names, row, strict=True))
            + ")"
            for weight, row in zip(weights, parameters, strict=True)
        )


def _path(x: Any, y: Any, span: tuple[float, float], tallest: float) -> str:
    """An SVG path through points, in a box of 100 by 30."""
    across_box = 100.0 * (np.asarray(x) - span[0]) / (span[1] - span[0])
    up = 30.0 * (1.0 - np.clip(np.asarray(y) / tallest, 0.0, 1.0))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across_box, up, strict=True))
    return f"M{points}"
