"""Accuracy against time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report.columns import SCENARIO, comparison_columns
from benchmarks.report.drawing import hover, log_axes
from benchmarks.report.figures.base import Figure
from benchmarks.report.series import series_of
from benchmarks.report.tables import Table
from benchmarks.runner.progress import duration
from benchmarks.scoring.score import CONVERGED_EXCESS, FOUND_EXCESS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas


class Scatter(Figure):
    """Median excess against median time, a point for each scenario, fitter and start."""

    name = "scatter"
    order = 2
    scope = "run"
    title = "Accuracy against time"
    caption = (
        "Accuracy and speed: median excess against median time, a point for each scenario, fitter "
        "and start. Excess below 1e-8 is drawn there. A method that fails on half of its restarts "
        "has an infinite median, and no point."
    )

    def draw(self, canvas: Canvas) -> None:
        """Draw the points of each series, and the limits of converged and found."""
        axes = canvas.subplots()
        for series in series_of(self.source.trials):
            rows = series.rows(self.source.summary)
            rows = rows[np.isfinite(rows["excess"]) & np.isfinite(rows["seconds"])]
            for row in rows.to_dict("records"):
                text = f"{series.label} on {row['scenario']}: excess {row['excess']:.2g} at "
                axes.plot(
                    row["seconds"], max(row["excess"], 1e-8), ls="", ms=6, color=series.colour,
                    marker=series.marker, alpha=0.85, gid=hover(text + duration(row["seconds"])),
                )  # fmt: skip
            axes.plot([], [], ls="", color=series.colour, marker=series.marker, label=series.label)
        log_axes(axes, "xy")
        axes.set_ylim(top=max(10.0, axes.get_ylim()[1]))
        for level, word in ((CONVERGED_EXCESS, "converged"), (FOUND_EXCESS, "found")):
            axes.axhline(level, lw=1.0, ls=(0, (4, 3)), color=axes.xaxis.label.get_color())
            axes.annotate(
                f"{word} below", (1.0, level), xycoords=("axes fraction", "data"),
                xytext=(-2, 3), textcoords="offset points", ha="right", fontsize=8.5,
            )  # fmt: skip
        axes.set_xlabel("median seconds of a restart")
        axes.set_ylabel("median excess")
        canvas.legend(loc="outside upper center", ncols=3)

    def numbers(self) -> Table:
        """Return the points."""
        columns = comparison_columns("fitter", "start", "excess", "seconds")
        return Table.of(self.title, [SCENARIO, *columns], self.source.summary)
