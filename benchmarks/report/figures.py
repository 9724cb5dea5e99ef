"""Figures of one scenario, drawn from judged trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.plan import Key, key_of
from benchmarks.harness.problem import Problem
from benchmarks.report.drawing import (
    DASHES,
    FAIR,
    GOOD,
    INK,
    MARKERS,
    POOR,
    SERIES,
    SOFT,
    histogram,
    inside,
    log_axes,
    svg,
    thinned_bins,
    view,
)
from benchmarks.report.estimates import BEST_KNOWN, Estimates
from benchmarks.report.tables import Table
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Traces = dict[Key, list[tuple[float, float, float]]]
STATUS_COLOURS = {"converged": GOOD, "basin": FAIR}
FLOOR = 1e-9
"""NLL gaps are shown down to here: below is rounding."""
FARTHEST = 6.0
"""Standard errors from the truth at which a figure of estimates ends."""


def series(trials: pd.DataFrame) -> list[tuple[str, str, str, str, object]]:
    """(fitter, start, label, colour, dash) of each, alike in every figure of a run.

    The colour is the fitter's, the dash the start policy's.
    """
    fitters, starts = list(trials["fitter"].unique()), list(trials["start"].unique())
    return [
        (
            fitter,
            start,
            f"{fitter}, {start}" if len(starts) > 1 else fitter,
            SERIES[index % len(SERIES)],
            DASHES[(place + index // len(SERIES)) % len(DASHES)],
        )
        for index, fitter in enumerate(fitters)
        for place, start in enumerate(starts)
    ]


def of_series(rows: pd.DataFrame, fitter: str, start: str) -> pd.DataFrame:
    """Those of the rows, trials or a summary's, that are of this fitter and start."""
    return rows[(rows["fitter"] == fitter) & (rows["start"] == start)]


def density_figure(problem: Problem, trials: pd.DataFrame, name: str) -> str:
    """The data, the truth, and the median and the worst restart of each fitter and start."""
    drawn = [(entry, median_and_worst(trials, *entry[:2])) for entry in series(trials)]
    drawn = [(entry, fits) for entry, fits in drawn if fits is not None]
    columns = 2 if len(drawn) <= 4 else 3
    lines = max(1, -(-len(drawn) // columns))
    low, high = view(problem.sample.ordered)
    grid = inside(low, high, problem.scenario.family.support)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
        shown: list[tuple[Any, Any]] = [*drawn] or [(None, None)]
        for panel, (entry, fits) in zip(panels, shown, strict=False):
            _panel(panel, problem, grid, (low, high), entry, fits)
        for panel in panels[len(shown) :]:
            panel.set_visible(False)

    label = f"Densities on {problem.scenario.name}: data, truth and fits"
    return svg(draw, (6.6, (2.0 if columns == 2 else 1.7) * lines + 0.2), name, label)


def _panel(
    axes: Axes,
    problem: Problem,
    grid: Array,
    span: tuple[float, float],
    entry: tuple | None,
    fits: tuple | None,
) -> None:
    tallest = histogram(axes, problem.sample.ordered, *span, problem.sample.size, "data")
    if problem.truth is not None:
        axes.plot(grid, problem.truth.density(grid), color=INK, lw=2.4, label="truth")
    if entry is not None and fits is not None:
        family, (_, _, label, colour, _) = problem.scenario.family.name, entry
        for fit, dash, width in ((fits[1], (0, (4, 2)), 1.1), (fits[0], "-", 1.5)):
            mixture = judge.Judged.of(family, fit["weights"], fit["parameters"])
            axes.plot(grid, mixture.density(grid), color=colour, ls=dash, lw=width)
        axes.set_title(label, color=colour, fontsize=9)
    axes.set_ylim(0.0, 1.3 * tallest)
    axes.grid(False)


def density_numbers(problem: Problem, trials: pd.DataFrame) -> Table:
    """What ``density_figure`` shows: a row for each of some bins of the data."""
    middles, heights = thinned_bins(problem.sample.ordered)
    headings, columns = ["x", "data"], [middles, heights]
    if problem.truth is not None:
        headings.append("truth")
        columns.append(problem.truth.density(middles))
    for fitter, start, label, *_ in series(trials):
        fits = median_and_worst(trials, fitter, start)
        for word, fit in zip(("median", "worst"), fits or (), strict=False):
            told = problem.scenario.family.name, fit["weights"], fit["parameters"]
            headings.append(f"{label}: {word}")
            columns.append(judge.Judged.of(*told).density(middles))
    label = f"Densities on {problem.scenario.name}"
    return Table.of_numbers(label, headings, np.column_stack(columns))


def median_and_worst(trials: pd.DataFrame, fitter: str, start: str) -> tuple | None:
    """Two of a fitter's restarts, by NLL; those that ended inadmissible count as worst."""
    mine = of_series(trials, fitter, start)
    judged = mine[np.isfinite(mine["nll"].astype(float))].sort_values("nll")
    if judged.empty:
        return None
    middle = min((len(mine) - 1) // 2, len(judged) - 1)
    return judged.iloc[middle], judged.iloc[-1]


def trace_figure(
    problem: Problem, traces: Traces, trials: pd.DataFrame, fitter: str, name: str
) -> str:
    """NLL above the best known against passes and against time: one line a restart."""

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        mine = trials[trials["fitter"] == fitter]
        for status, rows in mine.groupby("status", sort=False):
            found = [_line(row, traces) for row in rows.to_dict("records")]
            lines = [line for line in found if line is not None]
            if not lines:
                continue
            seconds, passes, gaps = np.concatenate(lines, axis=1)
            drawn = {"color": STATUS_COLOURS.get(str(status), POOR), "lw": 1.2, "alpha": 0.75}
            left.plot(passes, gaps, label=f"{status} ({len(lines)})", **drawn)
            right.plot(seconds, gaps, **drawn)
        target = 0.01 * float(trials["p"].iloc[0]) / (2.0 * problem.sample.size)
        for axes in (left, right):
            log_axes(axes, "xy")
            axes.axhline(target, color=SOFT, lw=1.0, ls=(0, (4, 3)))
        left.set_xlabel("passes over the data")
        right.set_xlabel("seconds")
        left.set_ylabel("NLL above the best")
        if left.lines[:-1]:
            left.legend(fontsize=8.5, loc="lower left")

    label = f"Traces of {fitter} on {problem.scenario.name}"
    return svg(draw, (6.6, 2.7), name, label)


def _line(row: dict[str, Any], traces: Traces) -> Array | None:
    """(seconds, passes, NLL gaps) of a trial, with a gap at the end so that lines may follow each
    other in one path; None where there is nothing to draw."""
    points = list(traces.get(key_of(row), []))
    if np.isfinite(row["nll"]):
        points.append((row["seconds"], row["evaluations"], row["nll"]))
    if not points:
        return None
    seconds, passes, values = np.array([*points, (np.nan,) * 3], dtype=float).T
    gaps = np.maximum(values - row["reference_nll"], FLOOR)
    return np.stack([np.maximum(seconds, 1e-5), np.maximum(passes, 0.7), gaps])


def estimate_figure(estimates: Estimates, trials: pd.DataFrame, name: str) -> str:
    """Median estimates in standard errors from the truth, a line a parameter."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        lines = np.arange(len(estimates.names))[::-1]
        axes.axvspan(-1.96, 1.96, color=SOFT, alpha=0.13, lw=0)
        axes.axvline(0.0, color=INK, lw=1.0)
        shown = [*series(trials), (*BEST_KNOWN, "best known", INK, "-")]
        for index, (fitter, start, label, colour, _) in enumerate(shown):
            if (fitter, start) not in estimates.standardised:
                continue
            shift = 0.6 * ((index + 0.5) / len(shown) - 0.5)
            axes.plot(
                np.clip(estimates.standardised[fitter, start], -FARTHEST, FARTHEST),
                lines - shift, ls="", ms=5, color=colour,
                marker="|" if not fitter else MARKERS[index % len(MARKERS)], label=label,
            )  # fmt: skip
        axes.set_yticks(lines, estimates.names)
        axes.set_xlim(-FARTHEST - 0.4, FARTHEST + 0.4)
        axes.set_xlabel("standard errors from the truth (Cramér–Rao); shaded: 95 %")
        figure.legend(loc="outside upper center", ncols=3, fontsize=8.5)

    height = 1.1 + 0.3 * len(estimates.names) + 0.16 * (len(series(trials)) // 3)
    return svg(draw, (6.0, height), name, "Estimates beside the truth")


def growth_figure(sizes: list[int], lines: dict[str, list[float]]) -> str:
    """Seconds (NaN where not measured) against the number of observations, a line a name."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (name, seconds) in enumerate(lines.items()):
            axes.plot(
                sizes, seconds, marker="o", ms=4, color=SERIES[index], ls=DASHES[index], label=name
            )
        slope = np.array(sizes) * lines["a pass"][-1] / sizes[-1] / 4.0
        axes.plot(sizes, slope, color=SOFT, lw=1.0)
        log_axes(axes, "xy")
        axes.annotate("∝ n", (sizes[1], slope[1]), xytext=(4, -10), textcoords="offset points")
        axes.set_xlabel("observations n")
        axes.set_ylabel("seconds")
        axes.legend()

    return svg(draw, (7.6, 3.6), "growth", "Seconds against the number of observations")
