"""Figures as SVG text that takes its colours from the page it stands in.

A figure is drawn in the light colours of ``PALETTE``. ``themed`` turns each into the page's
variable of that name, so that one figure is right in the light, in the dark and on paper.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.families.base import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Name: (light, dark). The series are after Okabe & Ito, told apart by the colour-blind, each
# as dark (as light) as it takes to have a contrast of 3 and more with the paper.
PALETTE = {
    "ink": ("#1c2126", "#e8ebee"),
    "soft": ("#56606b", "#a7b0ba"),
    "line": ("#d3d9e0", "#3a434c"),
    "tint": ("#f3f5f7", "#1e242a"),
    "paper": ("#ffffff", "#14181c"),
    "link": ("#0a58a5", "#82bcf5"),
    "bar": ("#d7dde4", "#37414b"),
    "grid": ("#e7eaed", "#262d34"),
    "s0": ("#0072b2", "#56a8e8"),
    "s1": ("#c84f00", "#ff8f55"),
    "s2": ("#00805e", "#2fc79a"),
    "s3": ("#a8508a", "#e59ac6"),
    "s4": ("#8f6a00", "#e8b53a"),
    "s5": ("#5a6671", "#a9b6c2"),
}
INK, SOFT, BAR, GRID = (PALETTE[name][0] for name in ("ink", "soft", "bar", "grid"))
SERIES = tuple(PALETTE[f"s{index}"][0] for index in range(6))
GOOD, FAIR, POOR = SERIES[2], SERIES[4], SERIES[1]
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1, 2)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Segoe UI", "Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "mixturebench",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.facecolor": "none",
    "xtick.bottom": False,
    "ytick.left": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.unicode_minus": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "grid.color": GRID,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def svg(draw: Callable[[Figure], None], size: tuple[float, float], name: str, label: str) -> str:
    """Draw a figure of ``size`` inches and return its SVG element.

    ``name`` makes its ids unique in a page; ``label`` says in words what it shows.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    told = _compact(text.getvalue())
    told = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', told)
    told = re.sub(r'(url\(#|href="#)', rf"\1{name}-", told)
    head = f'class="figure" role="img" aria-label="{escape(label)}"'
    return re.sub(r'width="[^"]+pt" height="[^"]+pt"', head, told, count=1)


def themed(figure: str) -> str:
    """A figure with the page's variables for its colours, and the page's font."""
    for name, (light, _) in PALETTE.items():
        figure = figure.replace(light, f"var(--{name})")
    return re.sub(r"; font-family: [^;\"]*", "", figure)


def histogram(axes: Axes, x: Array, low: float, high: float, size: int, label: str) -> float:
    """The data as a density between ``low`` and ``high``; returns its greatest height.

    ``x`` are the observations, or an evenly spaced part of all ``size`` of them.
    """
    heights, edges = density_bins(x, low, high)
    axes.stairs(heights, edges, fill=True, color=BAR, label=f"{label} (n = {size:,})")
    return float(heights.max())


def density_bins(x: Array, low: float, high: float) -> tuple[Array, Array]:
    """(share of the observations in each bin ÷ its width, edges): Rice's 2 n^⅓ bins, 15 to 80."""
    shown = x[(x >= low) & (x <= high)]
    bins = int(np.clip(2.0 * x.size ** (1 / 3), 15, 80))
    counts, edges = np.histogram(shown, bins, (low, high))
    return counts / (x.size * np.diff(edges)), edges


def thinned_bins(x: Array) -> tuple[Array, Array]:
    """(middles, heights) of some twenty of the histogram's bins, for a table."""
    heights, edges = density_bins(x, *view(x))
    step = max(1, len(heights) // 20)
    return 0.5 * (edges[1:] + edges[:-1])[::step], heights[::step]


def log_axes(axes: Axes, which: str) -> None:
    """Logarithmic axes ("x", "y" or "xy") over whole decades, labelled in plain text."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for letter in which:
        getattr(axes, f"set_{letter}scale")("log")
        low, high = getattr(axes, f"get_{letter}lim")()
        if not 0.0 < low < high < np.inf:  # nothing is drawn: every trial failed
            low, high = 0.1, 10.0
        decades = [10.0 ** np.floor(np.log10(low) + 0.02), 10.0 ** np.ceil(np.log10(high) - 0.02)]
        getattr(axes, f"set_{letter}lim")(decades)
        axis = getattr(axes, f"{letter}axis")
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))


def power_of_ten(value: float) -> str:
    """0.1, 1, 10, 100, and beyond them 10ⁿ."""
    power = round(float(np.log10(value)))
    if -1 <= power <= 2:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def view(x: Array) -> tuple[float, float]:
    """Where to look at data: from their 0.05 % quantile to their 99.95 %."""
    low, high = np.quantile(x, [0.0005, 0.9995])
    return float(low), float(high)


def inside(low: float, high: float, support: tuple[float, float], points: int = 300) -> Array:
    """Points at which to draw a density, a little beyond the data but inside the support."""
    margin, inner = 0.05 * (high - low), 1e-3 * (high - low)
    return np.linspace(
        max(low - margin, support[0] + inner), min(high + margin, support[1] - inner), points
    )


def _compact(drawn: str) -> str:
    """The SVG element alone, without what no reader sees: a third of its length."""
    told = drawn[drawn.index("<svg") :]
    told = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", told, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', told))
    told = re.sub(r' id="([^"]+)"', lambda m: m.group() if m[1] in used else "", told)
    told = re.sub(r' (d|points|x|y|transform)="([^"]*)"', _rounded, told)
    told = re.sub(r' transform="rotate\(-?0 [^"]*"', "", told)
    return re.sub(r">\s+<", "><", told)


def _rounded(match: re.Match[str]) -> str:
    """Coordinates to a tenth of a point, which halves the page."""
    name, value = match.groups()
    if name == "transform" and "translate" not in value:
        return match.group()
    short = re.sub(r"-?\d+\.\d{2,}", lambda number: f"{float(number.group()):.1f}", value)
    return f' {name}="{" ".join(short.split())}"'
