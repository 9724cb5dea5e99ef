"""The share of all targets reached within a cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report.drawing import hover, log_axes
from benchmarks.report.figures.base import Figure
from benchmarks.report.series import Series, series_of
from benchmarks.report.tables import Column, Table
from benchmarks.runner.progress import duration
from benchmarks.scoring.summary import counted
from benchmarks.scoring.targets import profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from benchmarks.report.page import Page

SECONDS = {duration(10.0**power): 10.0**power for power in range(-3, 4)}
PANELS: dict[str, tuple[str, bool, str, float, dict[str, float]]] = {
    "passes": (
        "passes", False, "passes", 0.1, {f"{10**power:,} passes": 10.0**power for power in range(6)}
    ),
    "seconds": ("seconds", False, "seconds", 1e-5, SECONDS),
    "cold": (
        "seconds", True, "seconds with setup", 1e-5,
        {f"{name} with setup": budget for name, budget in SECONDS.items()},
    ),
}  # fmt: skip
"""Of each panel: the measure, whether setup counts, the label of its axis, the smallest cost shown,
and the costs of the table of numbers, by heading."""
NO_TRACE = " †"
LABEL = Column("label", "fitter", left=True)


class Profile(Figure):
    """Share of all (scenario, target) pairs reached by restarts, against three costs."""

    name = "profile"
    order = 1
    scope = "run"
    title = "Share of targets reached against cost"
    size = (11.0, 3.4)
    full_width = True
    caption = (
        "Share of (scenario, target) pairs that restarts reach within a cost; the targets are "
        "excesses of 100, 10, … 0.0001, reached by an admissible iterate. A run restarts until it "
        "reaches its target, and pays for its failures: runs are drawn from the trials. Higher and "
        "further left is better."
    )

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        rated = counted(page.trials)
        self.curves = [
            (series, self._label(series), panel, *profile(series.rows(rated), measure, cold))
            for panel, (measure, cold, *_) in PANELS.items()
            for series in series_of(page.trials)
            if len(series.rows(rated))
        ]
        if any(label.endswith(NO_TRACE) for _, label, *_ in self.curves):
            self.caption += " †: leaves no trace, so that its targets count when it ends."

    def _label(self, series: Series) -> str:
        return series.label + ("" if series.fitter in self.source.traced else NO_TRACE)

    def draw(self, canvas: Canvas) -> None:
        """Draw a step function for each series, in a panel for each cost."""
        panels = dict(zip(PANELS, canvas.subplots(1, len(PANELS), sharey=True), strict=True))
        for series, label, panel, cost, share in self.curves:
            if cost.size:
                x = np.maximum(cost, PANELS[panel][3])
                panels[panel].step(
                    np.append(x, max(x[-1], 1.0)), np.append(share, share[-1]), where="post",
                    color=series.colour, ls=series.dash, lw=1.7, label=label,
                    gid=hover(f"{label}: {share[-1]:.0%} of targets at any cost"),
                )  # fmt: skip
        for panel, axes in panels.items():
            log_axes(axes, "x")
            axes.set_ylim(0.0, 1.02)
            axes.set_xlabel(PANELS[panel][2])
        panels["passes"].set_ylabel("share of targets reached")
        handles, labels = panels["passes"].get_legend_handles_labels()
        if handles:
            canvas.legend(handles, labels, loc="outside upper center", ncols=3)

    def numbers(self) -> Table:
        """Return the shares reached at round budgets."""
        headings = [heading for *_, budgets in PANELS.values() for heading in budgets]
        columns = [LABEL, *(Column(heading, heading, ".0%") for heading in headings)]
        rows: dict[str, dict[str, Any]] = {}
        for _, label, panel, cost, share in self.curves:
            budgets = PANELS[panel][-1]
            reached = np.searchsorted(cost, list(budgets.values()), side="right")
            shares = np.append(0.0, share)[reached]
            rows.setdefault(label, {"label": label}).update(zip(budgets, shares, strict=True))
        return Table(self.title, columns, list(rows.values()))
