"""The data, the true density, and each method's median and worst restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.drawing import INK, curve_points, histogram, hover, thinned_bins
from benchmarks.report.figures.base import Figure
from benchmarks.report.series import Series, series_of
from benchmarks.report.tables import Table
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from benchmarks.report.section import Section


class Density(Figure):
    """The densities of two restarts of each fitter and start, a panel each, over the data."""

    name = "density"
    order = 1
    scope = "scenario"

    def __init__(self, section: Section) -> None:
        super().__init__(section)
        self.data_set = section.data_set
        self.title = f"Densities on {section.name}: data, truth and fits"
        truth = "the true density as a heavy line, " if self.data_set.truth else ""
        self.caption = (
            f"The data as a histogram, {truth}and of each method the median restart (solid) and "
            "the worst (dashed)."
        )
        fits = {s: median_and_worst(section.trials, s) for s in series_of(section.trials)}
        self.panels = [(series, *pair) for series, pair in fits.items() if pair]
        self.columns = 2 if len(self.panels) <= 4 else 3
        self.lines = max(1, -(-len(self.panels) // self.columns))
        self.size = (6.6, (2.0 if self.columns == 2 else 1.7) * self.lines + 0.2)

    def draw(self, canvas: Canvas) -> None:
        """Draw a panel for each series; without any fit, one of the data alone."""
        grid = canvas.subplots(self.lines, self.columns, sharex=True, sharey=True, squeeze=False)
        panels = grid.ravel()
        ordered, truth = self.data_set.sample.ordered, self.data_set.truth
        x = curve_points(ordered, self.data_set.scenario.family.support)
        for axes in panels[: max(1, len(self.panels))]:
            height = histogram(axes, ordered, self.data_set.sample.size)
            if truth is not None:
                axes.plot(x, truth.density(x), color=INK, lw=2.4, label="truth")
            axes.set_ylim(0.0, 1.3 * height)
            axes.grid(False)
        for axes in panels[max(1, len(self.panels)) :]:
            axes.set_visible(False)
        for axes, (series, median, worst) in zip(panels, self.panels, strict=False):
            for trial, word, style in ((worst, "worst", (0, (4, 2))), (median, "median", "-")):
                axes.plot(
                    x, self._density(trial, x), color=series.colour, ls=style,
                    lw=1.5 if word == "median" else 1.1,
                    gid=hover(f"{series.label}: {word} restart, NLL {trial['nll']:.5f}"),
                )  # fmt: skip
            axes.set_title(series.label, color=series.colour, fontsize=9)

    def numbers(self) -> Table:
        """Return the densities in the middle of some bins of the data."""
        x, heights = thinned_bins(self.data_set.sample.ordered)
        columns = {"x": x, "data": heights}
        if self.data_set.truth is not None:
            columns["truth"] = self.data_set.truth.density(x)
        for series, median, worst in self.panels:
            columns[f"{series.label}: median"] = self._density(median, x)
            columns[f"{series.label}: worst"] = self._density(worst, x)
        return Table.of_numbers(self.title, list(columns), np.column_stack(list(columns.values())))

    def _density(self, trial: Any, x: Array) -> Array:
        family = self.data_set.scenario.family.name
        return ScipyMixture.of(family, trial["weights"], trial["parameters"]).density(x)


def median_and_worst(trials: pd.DataFrame, series: Series) -> tuple[Any, Any] | None:
    """Return two restarts by NLL; inadmissible ones count as worst. None if all are."""
    rows = series.rows(trials)
    scored = rows[np.isfinite(rows["nll"].astype(float))].sort_values("nll")
    if scored.empty:
        return None
    middle = min((len(rows) - 1) // 2, len(scored) - 1)
    return scored.iloc[middle], scored.iloc[-1]
