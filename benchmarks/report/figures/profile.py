"""The share of all targets reached within a cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report.drawing import log_axes
from benchmarks.report.figures.base import Figure
from benchmarks.report.series import series_of
from benchmarks.report.tables import Column, Table
from benchmarks.runner.progress import duration
from benchmarks.scoring.summary import supported
from benchmarks.scoring.targets import profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from benchmarks.report.page import Page

BUDGETS = {
    "seconds": {duration(10.0**power): 10.0**power for power in range(-3, 4)},
    "passes": {f"{10**power:,} passes": 10.0**power for power in range(6)},
}
"""The costs of the table of numbers by heading, for each measure."""
AXES = {"seconds": ("seconds, finding the start included", 1e-5), "passes": ("passes", 0.1)}
"""Label and smallest cost shown, by measure."""


class Profile(Figure):
    """Share of all (trial, target) pairs reached, against time and against passes."""

    name = "profile"
    order = 1
    scope = "run"
    title = "Share of targets reached against cost"
    caption = (
        "Share of all (trial, target) pairs reached within a cost; the targets are excesses of "
        "100, 10, … 0.0001. Higher and further left is better; setup is not counted."
    )

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        applied = supported(page.trials)
        self.curves = [
            (series, measure, *profile(series.rows(applied), measure))
            for measure in BUDGETS
            for series in series_of(page.trials)
            if len(series.rows(applied))
        ]

    def draw(self, canvas: Canvas) -> None:
        """Draw a step function for each series, in a panel for each measure."""
        panels = dict(zip(BUDGETS, canvas.subplots(1, 2, sharey=True), strict=True))
        for series, measure, cost, share in self.curves:
            if cost.size:
                x = np.maximum(cost, AXES[measure][1])
                panels[measure].step(
                    np.append(x, max(x[-1], 1.0)), np.append(share, share[-1]), where="post",
                    color=series.colour, ls=series.dash, lw=1.7, label=series.label,
                )  # fmt: skip
        for measure, axes in panels.items():
            log_axes(axes, "x")
            axes.set_ylim(0.0, 1.02)
            axes.set_xlabel(AXES[measure][0])
        panels["seconds"].set_ylabel("share of targets reached")
        handles, labels = panels["seconds"].get_legend_handles_labels()
        if handles:
            canvas.legend(handles, labels, loc="outside upper center", ncols=3)

    def numbers(self) -> Table:
        """Return the shares reached at round budgets."""
        headings = [heading for budgets in BUDGETS.values() for heading in budgets]
        columns = [Column("fitter", "fitter", left=True)]
        columns += [Column(heading, heading, ".0%") for heading in headings]
        rows: dict[str, dict[str, Any]] = {}
        for series, measure, cost, share in self.curves:
            budgets = BUDGETS[measure]
            reached = np.searchsorted(cost, list(budgets.values()), side="right")
            shares = np.append(0.0, share)[reached]
            row = rows.setdefault(series.label, {"fitter": series.label})
            row |= dict(zip(budgets, shares, strict=True))
        return Table(self.title, columns, list(rows.values()))
