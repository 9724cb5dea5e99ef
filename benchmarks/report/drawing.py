"""Figures as SVG text, drawn by matplotlib in the light colours of ``PALETTE``.

On a page ``themed`` replaces each colour by the page's CSS variable of that name, so that one
figure serves a light and a dark screen and paper.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from scenarios.families.base import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Name: (light, dark). The series are Okabe & Ito's, which the colour-blind can distinguish,
# darkened (lightened) to a contrast of at least 3 with the paper.
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
INK, SOFT, BAR = (PALETTE[name][0] for name in ("ink", "soft", "bar"))
SERIES = tuple(PALETTE[f"s{index}"][0] for index in range(6))
GOOD, FAIR, POOR = SERIES[2], SERIES[4], SERIES[1]
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1, 2)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "DejaVu Sans"],
    "font.size": 10,
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.2,
    "axes.grid": True,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "grid.color": PALETTE["grid"][0],
}
STYLE |= dict.fromkeys(
    ("axes.spines.top", "axes.spines.right", "xtick.bottom", "ytick.left"), False
)
STYLE |= dict.fromkeys(
    ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK
)
SVG = "http://www.w3.org/2000/svg"
HOVER = "hover: "
"""What a ``gid`` begins with whose text a page shows over the element."""


def svg(draw: Callable[[Figure], None], size: tuple[float, float], name: str, label: str) -> str:
    """Draw a figure of ``size`` inches and return its SVG element.

    ``name`` makes its ids unique in a page; ``label`` describes it to screen readers.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata=no_metadata)
    root = ElementTree.fromstring(stream.getvalue())
    for element in root.iter():
        # Whitespace is a sixth of the length. Ids of groups, such as axes_1, are those of every
        # figure and used by none; all others are hashes, which differ by ``hashsalt``.
        element.tail = None
        if element.tag == f"{{{SVG}}}g":
            element.text = None
            text = element.attrib.pop("id", "")
            if text.startswith(HOVER):
                title = ElementTree.Element(f"{{{SVG}}}title")
                title.text = text.removeprefix(HOVER)
                element.insert(0, title)
    for key in ("width", "height"):
        del root.attrib[key]
    root.attrib |= {"class": "figure", "role": "img", "aria-label": label}
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return ElementTree.tostring(root, encoding="unicode")


def themed(figure: str) -> str:
    """Replace a figure's colours by the page's variables."""
    for name, (light, _) in PALETTE.items():
        figure = figure.replace(light, f"var(--{name})")
    return figure


def hover(text: str) -> str:
    """A ``gid`` of an artist that makes a page show ``text`` over it."""
    return HOVER + text


def histogram(axes: Axes, x: Array, size: int) -> float:
    """Draw the data's histogram and return its greatest height.

    ``x`` are the observations, or an evenly spaced part of all ``size`` of them.
    """
    heights, edges = density_bins(x)
    axes.stairs(heights, edges, fill=True, color=BAR, label=f"data (n = {size:,})")
    return float(heights.max())


def density_bins(x: Array) -> tuple[Array, Array]:
    """Return (share of the observations in each bin ÷ its width, edges of the bins).

    The number of bins is Rice's 2 n^⅓, within 15 to 80.
    """
    bins = int(np.clip(2.0 * x.size ** (1 / 3), 15, 80))
    counts, edges = np.histogram(x, bins, view(x))
    return counts / (x.size * np.diff(edges)), edges


def thinned_bins(x: Array) -> tuple[Array, Array]:
    """Return (middles, heights) of some twenty of the histogram's bins, for a table."""
    heights, edges = density_bins(x)
    step = max(1, len(heights) // 20)
    return 0.5 * (edges[1:] + edges[:-1])[::step], heights[::step]


def log_axes(axes: Axes, which: str) -> None:
    """Make axes ("x", "y" or "xy") logarithmic over whole decades, with labels in plain text."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for letter in which:
        axes.set(**{f"{letter}scale": "log"})
        axis = getattr(axes, f"{letter}axis")
        low, high = axis.get_view_interval()
        if not 0.0 < low < high < np.inf:  # every trial failed, so nothing is drawn
            low, high = 0.1, 10.0
        decades = [10.0 ** np.floor(np.log10(low) + 0.02), 10.0 ** np.ceil(np.log10(high) - 0.02)]
        axes.set(**{f"{letter}lim": decades})
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))


def power_of_ten(value: float) -> str:
    """Write a power of ten as 0.1, 1, 10 or 100, and beyond them as 10ⁿ."""
    power = round(float(np.log10(value)))
    if -1 <= power <= 2:
        return f"{10.0**power:g}"
    return "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def view(x: Array) -> tuple[float, float]:
    """Return the range of the data that figures show: their 0.05 % and 99.95 % quantiles."""
    low, high = np.quantile(x, [0.0005, 0.9995])
    return float(low), float(high)


def curve_points(x: Array, support: tuple[float, float], points: int = 300) -> Array:
    """Return points at which to draw a density, a little beyond the data, inside the support."""
    low, high = view(x)
    margin, inner = 0.05 * (high - low), 1e-3 * (high - low)
    return np.linspace(
        max(low - margin, support[0] + inner), min(high + margin, support[1] - inner), points
    )
