"""One scenario of a page: its first data set, the trials on it, and their reference."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.drawing import curve_points, density_bins, view
from benchmarks.report.figures.base import drawn_figures
from benchmarks.report.tables import Drawn
from benchmarks.scoring.comparisons import optima_reached
from benchmarks.scoring.score import ONE_OPTIMUM
from benchmarks.scoring.scored_run import ScoredRun
from scenarios.families.base import Array
from scenarios.scenario import Scenario


def model_text(scenario: Scenario) -> str:
    """The number of components, and their family."""
    plural = "s" if scenario.components > 1 else ""
    return f"{scenario.components} {scenario.family.name} component{plural}"


class Section:
    """A scenario's first data set, and the trials on it with their traces."""

    def __init__(self, scored: ScoredRun, name: str) -> None:
        trials, key = scored.trials, (name, 0)
        self.name, self.data_set = name, scored.data_sets[key]
        self.trials = trials[(trials["scenario"] == name) & (trials["replicate"] == 0)]
        self.traces = {k: points for k, points in scored.traces.items() if k[:2] == key}

    @property
    def model(self) -> str:
        """The number of components, their family, and n."""
        return f"{model_text(self.data_set.scenario)}, n = {self.data_set.sample.size:,}"

    @cached_property
    def figures(self) -> list[Drawn]:
        """The scenario's figures."""
        return drawn_figures("scenario", self)

    @property
    def starts(self) -> list[str]:
        """The start policies, in the order of the plan."""
        return self.trials["start"].unique().tolist()

    @property
    def outside_rates(self) -> str:
        """Why the data set is in no rate; empty where it is."""
        return str(self.trials["outside_rates"].iloc[0])

    @property
    def reference_error(self) -> float | None:
        """The reference's information error; None where the truth is not identifiable."""
        errors = self.trials["reference_information_error"].dropna()
        return None if errors.empty else float(errors.iloc[0])

    @cached_property
    def optima(self) -> list[tuple[float, str, list[str]]]:
        """(NLL, picture, each start's count of trials) of the optima reached, best first."""
        planned, found = self.trials["start"].value_counts(), []
        for _, rows in optima_reached(self.trials).groupby("rank"):
            times, nll = rows.set_index("start")["times"], float(rows["nll"].iloc[0])
            counts = [f"{times.get(start, 0)}/{planned[start]}" for start in self.starts]
            found.append((nll, self._picture(nll), counts))
        return found

    @cached_property
    def histogram(self) -> str:
        """The histogram as a path in the box of the small pictures."""
        heights, edges = self._bins
        return self._path(np.repeat(edges, 2)[1:-1], np.repeat(heights, 2))

    @cached_property
    def _bins(self) -> tuple[Array, Array]:
        return density_bins(self.data_set.sample.ordered)

    def _picture(self, nll: float) -> str:
        """Draw the density at an optimum as an SVG path; empty where no mixture is known there."""
        family, n = self.data_set.scenario.family, self.data_set.sample.size
        best = self.data_set.best_known
        known = [
            (abs(-optimum.log_likelihood / n - nll), optimum.weights, optimum.parameters)
            for optimum in (best.optima if best else ())
        ]
        known += [
            (abs(row.nll - nll), row.weights, row.parameters)
            for row in self.trials[self.trials["nll"].notna()].itertuples()
        ]
        if not known:
            return ""
        gap, weights, parameters = min(known, key=lambda entry: entry[0])
        if gap * n > ONE_OPTIMUM:
            return ""
        grid = curve_points(self.data_set.sample.ordered, family.support, 120)
        return self._path(grid, ScipyMixture.of(family.name, weights, parameters).density(grid))

    def _path(self, x: Any, y: Any) -> str:
        """Return an SVG path through points, in a box of 100 by 30."""
        low, high = view(self.data_set.sample.ordered)
        right = 100.0 * (np.asarray(x) - low) / (high - low)
        up = np.asarray(y) / (1.25 * self._bins[0].max())
        down = 30.0 * (1.0 - np.clip(up, 0.0, 1.0))
        return "M" + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(right, down, strict=True))
