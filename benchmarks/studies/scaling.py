"""How the time of a fit grows with the data, and which step takes it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Canvas

    from scenarios.families.base import Array
    from scenarios.mixture import Mixture

CHUNK = 1 << 22
"""Draws that are drawn and written at once."""
COLUMNS = (
    "n", "reading", "a pass", "sample", "sketch", "climb", "polish", "sketched", "÷ pass", "exact",
)  # fmt: skip


def step_times(max_size: int, repeats: int, exact_to: int) -> pd.DataFrame:
    """Median seconds of each step (``COLUMNS``) for n = 10⁴, 10⁵, ..., ``max_size``."""
    import pandas as pd

    from scenarios.families import family
    from scenarios.mixture import Mixture

    truth = Mixture(family("beta"), np.array([0.5, 0.5]), np.array([[10.0, 1.5], [1.5, 10.0]]))
    sizes = [10**power for power in range(4, len(str(max_size)))]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.npy"
            _write(truth, size, path)
            x = np.load(path, mmap_mode="r")
            x.sum()  # reads the file into memory, if it fits
            if size == sizes[0]:
                _time_steps(x, truth, True)  # warms up imports and caches
            timings = [_time_steps(x, truth, size <= exact_to) for _ in range(repeats)]
            rows.append({"n": size, **pd.DataFrame(timings).median()})
            path.unlink()
    times = pd.DataFrame(rows)
    times["÷ pass"] = times["sketched"] / times["a pass"]
    return times[list(COLUMNS)]


def growth_figure(times: pd.DataFrame) -> str:
    """The plot of ``step_times`` as SVG; times that were not measured (NaN) are left out."""
    from benchmarks.report.drawing import DASHES, SERIES, SOFT, log_axes, svg

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        columns = {"newton:bins=1024": "sketched", "direct": "exact", "a pass": "a pass"}
        for (label, name), colour, dash in zip(columns.items(), SERIES, DASHES, strict=False):
            axes.plot(times["n"], times[name], marker="o", ms=4, color=colour, ls=dash, label=label)
        slope = times["n"] * times["a pass"].iloc[-1] / times["n"].iloc[-1] / 4.0
        axes.plot(times["n"], slope, color=SOFT, lw=1.0)
        log_axes(axes, "xy")
        place = (times["n"].iloc[1], slope.iloc[1])
        axes.annotate("∝ n", place, xytext=(4, -10), textcoords="offset points")
        axes.set_xlabel("observations n")
        axes.set_ylabel("seconds")
        axes.legend()

    return svg(draw, (7.6, 3.6), "growth", "Seconds against the number of observations")


def _time_steps(x: Array, truth: Mixture, with_exact: bool) -> dict[str, float]:
    """Seconds of each step, all run once; ``exact`` is NaN unless asked for."""
    from fitters.spec import parse
    from fitters.starts import Start, policy
    from scenarios.model import Model
    from scenarios.sample import Sample

    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - began
        return result

    timed("reading", x.sum)
    sample = timed("sample", lambda: Sample.of(x, truth.family))
    model = Model(sample.family, 2)
    start = Start.of(policy("quantile"), sample, model, 1)
    sketch = timed("sketch", lambda: sample.sketch(1024))
    on_sketch, on_both, on_all = (
        parse(spec).prepare(data, model)
        for spec, data in (("newton", sketch), ("newton:bins=1024", sample), ("direct", sample))
    )
    timed("climb", lambda: on_sketch.fit(start, 0, lambda copy: None))
    whole = timed("whole", lambda: on_both.fit(start, 0, lambda copy: None))
    seconds["polish"] = max(seconds["whole"] - seconds["climb"], 0.0)
    seconds["sketched"] = sum(seconds[name] for name in ("sample", "sketch", "whole"))
    timed("a pass", lambda: sample.gradient(whole.mixture))
    seconds["exact"] = float("nan")
    if with_exact:
        timed("exact", lambda: on_all.fit(start, 0, lambda copy: None))
        seconds["exact"] += seconds["sample"]
    return seconds


def _write(truth: Mixture, size: int, path: Path) -> None:
    """Write ``size`` draws as a ``.npy`` file."""
    generator = np.random.default_rng(0)
    x = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(size,))
    for low in range(0, size, CHUNK):
        x[low : low + CHUNK] = truth.sample(min(CHUNK, size - low), generator)
    x.flush()
