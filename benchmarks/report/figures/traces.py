"""Loss curves of every fitter that left traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

import numpy as np

from benchmarks.report.columns import TARGETS as TARGET_COLUMNS
from benchmarks.report.drawing import FAIR, GOOD, POOR, SOFT, hover, log_axes
from benchmarks.report.figures.base import Figure
from benchmarks.report.tables import Table
from benchmarks.report.template import identifier
from benchmarks.runner.plan import Record, key_of
from benchmarks.runner.status import Status
from benchmarks.scoring.score import CONVERGED_EXCESS
from benchmarks.scoring.targets import TARGETS
from scenarios.families.base import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from benchmarks.report.section import Section

STATUS_COLOURS = {Status.CONVERGED.value: GOOD, Status.FOUND.value: FAIR}
MIN_GAP = 1e-9
"""The smallest NLL gap that is shown: below is rounding."""


class Traces(Figure):
    """NLL above the best known against passes and against time, one line a restart."""

    name = "trace"
    order = 3
    scope = "scenario"
    size = (6.6, 2.7)

    def __init__(self, section: Section, fitter: str) -> None:
        super().__init__(section)
        self.fitter = fitter
        self.trials = section.trials[section.trials["fitter"] == fitter]
        self.title = f"Traces of {fitter} on {section.name}"
        self.caption = (
            f"{fitter}: NLL of each restart above the best known, one line a restart; below the "
            "dashed line it has converged."
        )

    @classmethod
    def of(cls, section: Section) -> Iterator[Self]:
        """Yield a figure for each fitter with a trace of more than one point."""
        traced = {key[2] for key, points in section.traces.items() if len(points) > 1}
        for fitter in section.trials["fitter"].unique():
            if fitter in traced:
                yield cls(section, fitter)

    @property
    def key(self) -> str:
        """The scenario's name, the figure's and the fitter's."""
        return f"{super().key}-{identifier(self.fitter)}"

    def draw(self, canvas: Canvas) -> None:
        """Draw the restarts of one status in one colour."""
        left, right = canvas.subplots(1, 2, sharey=True)
        for status, rows in self.trials.groupby("status", sort=False):
            lines = [line for row in rows.to_dict("records") if (line := self._line(row)).size]
            if not lines:
                continue
            seconds, passes, gaps = np.concatenate(lines, axis=1)
            style = {"color": STATUS_COLOURS.get(str(status), POOR), "lw": 1.2, "alpha": 0.75}
            style["gid"] = hover(f"{status}: {len(lines)} restarts")
            left.plot(passes, gaps, label=f"{status} ({len(lines)})", **style)
            right.plot(seconds, gaps, **style)
        n, parameters = self.source.data_set.sample.size, float(self.trials["p"].iloc[0])
        for axes in (left, right):
            log_axes(axes, "xy")
            axes.axhline(
                CONVERGED_EXCESS * parameters / (2.0 * n), color=SOFT, lw=1.0, ls=(0, (4, 3))
            )
        left.set_xlabel("passes over the data")
        right.set_xlabel("seconds")
        left.set_ylabel("NLL above the best")
        if left.lines[:-1]:
            left.legend(fontsize=8.5, loc="lower left")

    def numbers(self) -> Table:
        """Return the median cost of each target, and how many restarts reached it."""
        import pandas as pd

        passes, seconds = (
            np.array(self.trials[f"target_{measure}"].tolist()) for measure in ("passes", "seconds")
        )
        values = {
            "reached": np.isfinite(passes).sum(axis=0),
            "median_passes": np.median(passes, axis=0),
            "median_seconds": np.median(seconds, axis=0),
        }
        rows = pd.DataFrame({"target": TARGETS, "trials": len(self.trials), **values})
        return Table.of(self.title, TARGET_COLUMNS, rows)

    def _line(self, row: Record) -> Array:
        """Return a trial's (seconds, passes, NLL gaps), (3, points), empty without points.

        The last point is NaN, so that the lines of several trials can be one path.
        """
        points = list(self.source.traces.get(key_of(row), []))
        if np.isfinite(row["nll"]):
            points.append((row["seconds"], row["passes"], row["nll"]))
        if not points:
            return np.empty((3, 0))
        seconds, passes, values = np.array([*points, (np.nan,) * 3], dtype=float).T
        gaps = np.maximum(values - row["reference_nll"], MIN_GAP)
        return np.stack([np.maximum(seconds, 1e-5), np.maximum(passes, 0.7), gaps])
