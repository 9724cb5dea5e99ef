"""How time grows with the data, and where it goes: ``python -m benchmarks.scaling``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scenarios.families.base import Array
    from scenarios.mixture import Mixture

CHUNK = 1 << 22
"""Draws made and written at once."""
COLUMNS = (
    "n", "reading", "a pass", "sample", "sketch", "climb", "polish", "sketched", "÷ pass", "exact",
)  # fmt: skip


def grow(
    most: Annotated[int, typer.Option(help="The largest n, a power of ten; 8 bytes each.")] = 10**7,
    repeats: Annotated[int, typer.Option(help="Times that each is timed; the median counts.")] = 3,
    exact_to: Annotated[int, typer.Option(help="The largest n for direct on all data.")] = 10**6,
    figure: Annotated[Path | None, typer.Option(help="An SVG file for the plot.")] = None,
) -> None:
    """Time `direct:bins=1024` on ½ Beta(10, 1.5) + ½ Beta(1.5, 10) for n = 10⁴, 10⁵, ...

    The data are in a file that is mapped. Columns: reading (their sum, which is as fast as
    memory allows), a pass (log likelihood and gradient), sample (checks and statistics),
    sketch, climb (on the sketch), polish (Newton steps on all the data), sketched (all four),
    that over a pass, and exact (`direct` on all the data, for comparison).
    """
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from benchmarks.harness.metrics import duration
    from scenarios.families import family
    from scenarios.mixture import Mixture

    truth = Mixture(family("beta"), np.array([0.5, 0.5]), np.array([[10.0, 1.5], [1.5, 10.0]]))
    table = Table(title="direct:bins=1024", title_justify="left", box=None)
    for heading in COLUMNS:
        table.add_column(heading, justify="right")
    sizes = [10**power for power in range(4, len(str(most)))]
    told: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.npy"
            _write(truth, size, path)
            x = np.load(path, mmap_mode="r")
            x.sum()  # from here on the file is in memory, if it can be
            if size == sizes[0]:
                _turn(x, truth, True)  # for imports and caches
            turns = [_turn(x, truth, size <= exact_to) for _ in range(repeats)]
            middle = {name: float(np.median([turn[name] for turn in turns])) for name in turns[0]}
            told.append(middle)
            ratio = middle["sketched"] / middle["a pass"]
            texts = (duration(middle[name]) for name in COLUMNS[1:-2])
            table.add_row(f"{size:,}", *texts, f"{ratio:.1f}", duration(middle["exact"]))
            path.unlink()
    Console(width=120).print(table, highlight=False)
    if figure is not None:
        from benchmarks.report.figures import growth_figure

        shown = {"direct:bins=1024": "sketched", "direct": "exact", "a pass": "a pass"}
        lines = {label: [turn[name] for turn in told] for label, name in shown.items()}
        figure.write_text(growth_figure(sizes, lines), encoding="utf-8")


def _turn(x: Array, truth: Mixture, with_exact: bool) -> dict[str, float]:
    """Seconds of each step, all done once."""
    from fitters.spec import parse
    from fitters.starts import Start, policy
    from scenarios.sample import Sample

    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        seconds[name] = time.perf_counter() - began
        return result

    timed("reading", x.sum)
    sample = timed("sample", lambda: Sample.of(x, truth.family))
    start = Start.of(policy("quantile"), sample, 2, 1)
    sketch = timed("sketch", lambda: sample.sketch(1024))
    on_sketch, on_all = (
        parse(spec).prepare(data, truth.family, 2)
        for spec, data in (("direct", sketch), ("direct:bins=1024", sample))
    )
    timed("climb", lambda: on_sketch.fit(start, 0, lambda copy: None))
    whole = timed("whole", lambda: on_all.fit(start, 0, lambda copy: None))
    seconds["polish"] = max(seconds["whole"] - seconds["climb"], 0.0)
    seconds["sketched"] = sum(seconds[name] for name in ("sample", "sketch", "whole"))
    timed("a pass", lambda: sample.gradient(whole.mixture))
    seconds["exact"] = float("nan")
    if with_exact:
        exact = parse("direct").prepare(sample, truth.family, 2)
        timed("exact", lambda: exact.fit(start, 0, lambda copy: None))
        seconds["exact"] += seconds["sample"]
    return seconds


def _write(truth: Mixture, size: int, path: Path) -> None:
    import numpy as np

    generator = np.random.default_rng(0)
    x = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(size,))
    for low in range(0, size, CHUNK):
        x[low : low + CHUNK] = truth.sample(generator, min(CHUNK, size - low))
    x.flush()


if __name__ == "__main__":
    typer.run(grow)
