"""Figures of a run, as SVG text to stand in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.problem import Problem

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette, told apart by the colour-blind; black is the truth's.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1, 2)), (0, (1, 1)))
STATUS_COLOURS = {"converged": "#009E73", "basin": "#E69F00"}
OTHER_COLOUR = "#D55E00"
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Segoe UI", "Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "mixturebench",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
}


def density_figure(problem: Problem, trials: pd.DataFrame, name: str) -> str:
    """Histogram of the data, the true density, and the best fit of each fitter and start."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        x = problem.sample.ordered
        low, high = np.quantile(x, [0.0005, 0.9995])
        margin = 0.05 * (high - low)
        shown = x[(x >= low) & (x <= high)]
        bins = int(np.clip(2.0 * x.size ** (1 / 3), 15, 80))
        share = shown.size / x.size
        axes.hist(
            shown,
            bins=bins,
            weights=np.full(shown.size, share / shown.size / ((high - low) / bins)),
            range=(low, high),
            color="#d9dee4",
            label=f"data (n = {problem.sample.size:,})",
        )
        support = problem.truth.components[0].support() if problem.truth else (-np.inf, np.inf)
        inner = 1e-3 * (high - low)
        grid = np.linspace(
            max(low - margin, support[0] + inner), min(high + margin, support[1] - inner), 600
        )
        if problem.truth is not None:
            axes.plot(grid, problem.truth.density(grid), color="black", lw=3.0, label="truth")
        for index, (label, best) in enumerate(_best_fits(trials)):
            fitted = judge.Judged.of(
                problem.scenario.family.name, best["weights"], best["parameters"]
            )
            axes.plot(
                grid,
                fitted.density(grid),
                color=COLOURS[index % len(COLOURS)],
                ls=DASHES[index % len(DASHES)],
                lw=1.6,
                label=label,
            )
        tallest = max(float(np.max(patch.get_height())) for patch in axes.patches)  # type: ignore[attr-defined]
        axes.set_ylim(0.0, 1.25 * tallest)
        axes.set_xlabel("x")
        axes.set_ylabel("density")
        _legend(axes)

    return _svg(draw, (7.6, 3.6), name)


def trace_figure(
    problem: Problem, records: list[dict[str, Any]], trials: pd.DataFrame, fitter: str, name: str
) -> str:
    """Loss curves of one fitter: NLL above the best known against passes, a line a restart."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        key = ["start", "restart"]
        statuses = {
            (row.start, row.restart): (row.status, row.reference_nll, row.nll)
            for row in trials[[*key, "status", "reference_nll", "nll"]].itertuples()
        }
        floor = 1e-9
        counts: dict[str, int] = {}
        for record in records:
            status, reference, final = statuses[record["start"], record["restart"]]
            points = [(max(p, 0.7), nll) for _, p, nll in problem.trace(record)]
            if np.isfinite(final):
                points.append((max(float(record["evaluations"]), 0.7), final))
            passes, values = np.array(points).T
            colour = STATUS_COLOURS.get(status, OTHER_COLOUR)
            first = status not in counts
            counts[status] = counts.get(status, 0) + 1
            axes.loglog(
                passes,
                np.maximum(values - reference, floor),
                color=colour,
                lw=1.3,
                alpha=0.75,
                label=status if first else None,
            )
        parameters = problem.scenario.components * (1 + len(problem.scenario.family.parameters)) - 1
        target = 0.01 * parameters / (2.0 * problem.observations.size)
        axes.axhline(target, color="#444444", lw=1.0, ls=(0, (4, 3)))
        axes.annotate(
            "excess 0.01: converged below",
            (1.0, target),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            fontsize=8.5,
            color="#444444",
        )
        axes.set_xlabel("passes over the data")
        axes.set_ylabel("NLL above the best")
        handles, labels = axes.get_legend_handles_labels()
        told = [f"{label} ({counts[label]})" for label in labels]
        axes.legend(handles, told, frameon=False, fontsize=9, loc="lower left")

    return _svg(draw, (7.6, 3.2), name)


def growth_figure(sizes: list[int], lines: dict[str, list[float]]) -> str:
    """Seconds (NaN where not measured) against the number of observations, a line a name."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (name, seconds) in enumerate(lines.items()):
            axes.loglog(
                sizes, seconds, marker="o", ms=4, color=COLOURS[index], ls=DASHES[index], label=name
            )
        slope = np.array(sizes) * lines["a pass"][-1] / sizes[-1] / 4.0
        axes.loglog(sizes, slope, color="#888888", lw=1.0)
        axes.annotate("∝ n", (sizes[1], slope[1]), xytext=(4, -10), textcoords="offset points")
        axes.set_xlabel("observations n")
        axes.set_ylabel("seconds")
        axes.legend(frameon=False, fontsize=9)

    return _svg(draw, (7.6, 3.6), "growth")


def _best_fits(trials: pd.DataFrame) -> list[tuple[str, Any]]:
    """For each (fitter, start) the admissible fit of least NLL, in the order run."""
    starts = trials["start"].nunique()
    best = []
    for (fitter, start), group in trials.groupby(["fitter", "start"], sort=False):
        fits = group[np.isfinite(group["nll"].astype(float))]
        if not fits.empty:
            label = f"{fitter} from {start}" if starts > 1 else str(fitter)
            best.append((label, fits.loc[fits["nll"].idxmin()]))
    return best


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=9, loc="upper center", ncols=3)


def _svg(draw: Callable[[Figure], None], size: tuple[float, float], name: str) -> str:
    """Draw a figure and return its SVG element, its ids made unique in the page by ``name``."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'id="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{name}-", svg)
    return re.sub(r'width="[^"]+pt" height="[^"]+pt"', 'class="figure"', svg, count=1)
