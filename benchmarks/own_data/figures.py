"""The pictures of a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.own_data.answer import Answer
from benchmarks.report.drawing import (
    DASHES,
    INK,
    SERIES,
    SOFT,
    histogram,
    inside,
    svg,
    thinned_bins,
    view,
)
from benchmarks.report.tables import Table
from scenarios.families.base import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 200


def density_figure(answer: Answer, name: str) -> str:
    """The data as a histogram, the mixture, and each component with its weight."""
    x, support = answer.chosen.sample.ordered, answer.family.support
    low, high = view(x)
    grid = inside(low, high, support)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        tallest = histogram(axes, x, low, high, answer.size, "data")
        parts = component_densities(answer, grid)
        for k, part in enumerate(parts):
            axes.plot(
                grid, part, color=SERIES[k % len(SERIES)], ls=DASHES[1 + k % 4], lw=1.5,
                label=f"component {k + 1}",
            )  # fmt: skip
        axes.plot(grid, parts.sum(axis=0), color=INK, lw=1.8, label="mixture")
        axes.set_ylim(0.0, 1.25 * tallest)
        axes.set_xlabel(answer.data.column or "x")
        axes.set_ylabel("density")
        figure.legend(loc="outside upper center", ncols=3, fontsize=9)

    return svg(draw, (6.6, 3.6), name, "The fitted density over the data")


def density_numbers(answer: Answer) -> Table:
    """A row for each of some bins: the data's density, the mixture's and each component's."""
    middles, heights = thinned_bins(answer.chosen.sample.ordered)
    parts = component_densities(answer, middles)
    headings = ["x", "data", "mixture", *(f"component {k + 1}" for k in range(len(parts)))]
    rows = np.column_stack([middles, heights, parts.sum(axis=0), *parts])
    return Table.of_numbers("The fitted density", headings, rows)


def quantile_figure(answer: Answer, name: str) -> str:
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

    return svg(draw, (6.6, 3.1), name, "Distribution functions and quantiles, fitted and observed")


def quantile_numbers(answer: Answer) -> Table:
    """What ``quantile_figure`` shows, at some shares."""
    headings = (
        "share of the data", "fitted probability", "quantile of the data", "fitted quantile",
    )  # fmt: skip
    rows = np.column_stack(quantiles(answer))[:: POINTS // 20]
    return Table.of_numbers("Probabilities and quantiles", headings, rows)


def quantiles(answer: Answer) -> tuple[Array, Array, Array, Array]:
    """(shares, fitted probabilities of their quantiles, quantiles of the data, fitted ones)."""
    best = answer.chosen.best
    assert best is not None
    x = answer.chosen.sample.ordered
    share = (np.arange(POINTS) + 0.5) / POINTS
    observed = np.quantile(x, share)
    mixture = best.summit.mixture
    fitted = mixture.cdf(observed)
    ends = mixture.family.quantile(np.array([1e-4, 1.0 - 1e-4]), mixture.parameters)
    grid = np.linspace(float(ends.min()), float(ends.max()), 4000)
    grid = np.unique(np.concatenate([grid, observed]))
    expected = np.interp(share, mixture.cdf(grid), grid)
    return share, fitted, observed, expected


def component_densities(answer: Answer, grid: Array) -> Array:
    """Weight times density of each component, (K, m)."""
    return np.stack(
        [
            weight * np.exp(law.logpdf(grid))
            for weight, law in zip(answer.mixture.weights, answer.mixture.components, strict=True)
        ]
    )
