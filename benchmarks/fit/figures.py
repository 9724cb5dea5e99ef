"""The figures of a fit, each with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fit.answer import Answer
from benchmarks.fit.words import rounded, with_error
from benchmarks.report.drawing import (
    DASHES,
    INK,
    SERIES,
    SOFT,
    curve_points,
    density_bins,
    histogram,
    hover,
    svg,
    thinned_bins,
)
from benchmarks.report.tables import Drawn, Table
from scenarios.families.base import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 200
MOST_TALL = 3.0
"""Height of a peak that is shown, at most, in heights of the tallest bar."""
LABEL_WIDTH = 0.17
"""Width of a cut's label, as a share of the axis."""
UNSEEN = 0.004
"""Opacity of what is there to be pointed at."""


def density_figure(answer: Answer) -> Drawn:
    """The data as a histogram, the mixture, and each component times its weight."""
    x = answer.chosen.sample.ordered
    grid = curve_points(x, answer.family.support)
    labels, by = answer.shown.grouping.labels, answer.options.by
    names = [f"component {k + 1}" for k in range(answer.chosen.components)]
    if answer.chosen.components != answer.shown.count > 1:
        names = [f"{name}, {by} {group + 1}" for name, group in zip(names, labels, strict=True)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        tallest = histogram(axes, x, answer.size)
        parts = _component_densities(answer, grid)
        for k, (name, part) in enumerate(zip(names, parts, strict=True)):
            colour, dashes = SERIES[labels[k] % len(SERIES)], DASHES[1 + k % 4]
            axes.plot(grid, part, color=colour, ls=dashes, lw=1.5, label=name)
        axes.plot(grid, parts.sum(axis=0), color=INK, lw=1.8, label="mixture")
        highest = float(parts.sum(axis=0).max())
        top = max(1.25 * tallest, 1.08 * min(highest, MOST_TALL * tallest))
        axes.set_ylim(0.0, top)
        _note_bins(answer, axes, x, top)
        _mark(answer, axes, top)
        axes.set_xlabel(answer.data.column or "x")
        axes.set_ylabel("density")
        figure.legend(loc="outside upper center", ncols=2)

    middles, heights = thinned_bins(x)
    parts = _component_densities(answer, middles)
    rows = np.column_stack([middles, heights, parts.sum(axis=0), *parts])
    return Drawn(
        "density",
        svg(draw, (5.6, 3.6), "density", "The fitted density over the data"),
        "The data as a histogram, the fitted mixture (solid) and its components (dashed), those of "
        f"one {by} in one colour. Triangles are the peaks, and vertical lines the cuts between "
        f"{by}s. Over a bar its values are shown.",
        Table.of_numbers("The fitted density", ["x", "data", "mixture", *names], rows),
    )


def _note_bins(answer: Answer, axes: Axes, x: Array, top: float) -> None:
    """Say over each bin how many observations it holds, and its middle's density and group."""
    heights, edges = density_bins(x)
    middles = 0.5 * (edges[1:] + edges[:-1])
    fitted = _component_densities(answer, middles).sum(axis=0)
    groups = answer.shown.probabilities_at(middles)
    counts = np.round(heights * np.diff(edges) * answer.size)
    bars = axes.bar(
        edges[:-1], top, np.diff(edges), align="edge", color=INK, alpha=UNSEEN, lw=0, zorder=3
    )
    for index, bar in enumerate(bars):
        text = (
            f"{edges[index]:.4g} to {edges[index + 1]:.4g}: {counts[index]:,.0f} observations, "
            f"density {heights[index]:.3g}, fitted {fitted[index]:.3g}"
        )
        if answer.shown.count > 1:
            group = int(groups[:, index].argmax())
            share = groups[group, index]
            text += f"; {answer.options.by} {group + 1} with a probability of {share:.0%}"
        bar.set_gid(hover(text))


def _mark(answer: Answer, axes: Axes, top: float) -> None:
    """Mark the peaks of the density, and the cuts between groups, with their values."""
    peaks = answer.peaks
    for place, height in zip(peaks.places, np.minimum(peaks.heights, 0.97 * top), strict=True):
        (line,) = axes.plot(place, height, marker="v", color=INK, ms=6, ls="", zorder=4)
        line.set_gid(hover(f"peak at {place:.5g}"))
    row, last = 0, -np.inf
    apart = LABEL_WIDTH * float(np.diff(axes.get_xlim())[0])
    for cut in answer.cuts.sort_values("cut").itertuples():
        line = axes.axvline(cut.cut, color=SOFT, lw=1.2, ls=(0, (2, 2)), zorder=4)
        line.set_gid(hover(f"cut at {with_error(cut.cut, cut.error)}"))
        row, last = (row + 1 if cut.cut - last < apart else 0), cut.cut
        axes.annotate(
            f"cut {rounded(cut.cut, cut.error)}", (cut.cut, 0.985 * top), va="top", ha="left",
            xytext=(3, -11 * row), textcoords="offset points", fontsize=8, color=SOFT,
        )  # fmt: skip


def quantile_figure(answer: Answer) -> Drawn:
    """Probabilities against probabilities, and quantiles against quantiles."""
    share, fitted, observed, expected = quantiles(answer)
    band = 1.358 / np.sqrt(answer.size)

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        ends = np.array([0.0, 1.0])
        left.fill_between(ends, ends - band, ends + band, color=SOFT, alpha=0.18, lw=0)
        left.plot(ends, ends, color=SOFT, lw=1.0)
        left.plot(fitted, share, color=SERIES[0], lw=1.6)
        left.set_xlabel("fitted probability")
        left.set_ylabel("share of the data")
        right.plot(expected, expected, color=SOFT, lw=1.0)
        right.plot(expected, observed, color=SERIES[0], ls="", marker="o", ms=3)
        right.set_xlabel("fitted quantile")
        right.set_ylabel("quantile of the data")

    headings = (
        "share of the data", "fitted probability", "quantile of the data", "fitted quantile",
    )  # fmt: skip
    rows = np.column_stack([share, fitted, observed, expected])[:: POINTS // 20]
    label = "Distribution functions and quantiles, fitted and observed"
    return Drawn(
        "quantiles",
        svg(draw, (5.6, 2.8), "quantiles", label),
        "Left, the distribution functions against each other: the fit is poor where the line "
        "leaves the band (95 %, Kolmogorov's, which is too wide for fitted parameters). Right, "
        "the quantiles: the shape is wrong where the points leave the line.",
        Table.of_numbers("Probabilities and quantiles", headings, rows),
    )


def quantiles(answer: Answer) -> tuple[Array, Array, Array, Array]:
    """(shares, fitted probabilities of the data's quantiles, the data's quantiles, the fitted).

    The fitted quantiles are interpolated in the mixture's distribution function.
    """
    mixture = answer.best.mixture
    share = (np.arange(POINTS) + 0.5) / POINTS
    observed = np.quantile(answer.chosen.sample.ordered, share)
    ends = mixture.family.quantile(np.array([1e-4, 1.0 - 1e-4]), mixture.parameters)
    grid = np.linspace(float(ends.min()), float(ends.max()), 4000)
    grid = np.unique(np.concatenate([grid, observed]))
    expected = np.interp(share, mixture.cdf(grid), grid)
    return share, mixture.cdf(observed), observed, expected


def _component_densities(answer: Answer, grid: Array) -> Array:
    """Weight times density of each component, (K, m)."""
    densities = np.exp(answer.mixture.component_log_densities(grid))
    return np.asarray(answer.mixture.weights[:, None] * densities)
