"""Ours beside theirs, on the same data from the same start: ``python -m benchmarks.peers``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

METHODS = (
    "sklearn:preset=tight", "sklearn", "pomegranate:preset=tight", "pomegranate", "scipy_user",
    "em", "direct", "em:bins=1024", "direct:bins=1024",
)  # fmt: skip
BASE = METHODS[0]


def compare(
    size: Annotated[int, typer.Option(help="Draws from two normals.")] = 100_000,
    repeats: Annotated[int, typer.Option(help="Times that every method runs, by turns.")] = 7,
) -> None:
    """Time a fit of two normals by each method, in turns, as ratios to scikit-learn's.

    The data are in memory; what a method prepares, a sketch for one, is in its time. Short
    of best: nats of the total log likelihood.
    """
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from benchmarks.harness import judge
    from benchmarks.harness.metrics import duration
    from fitters.spec import parse
    from fitters.starts import Start, policy
    from scenarios.families import family
    from scenarios.mixture import Mixture
    from scenarios.sample import Sample

    truth = Mixture(family("normal"), np.array([0.4, 0.6]), np.array([[-1.0, 0.8], [1.5, 0.6]]))
    x = truth.sample(np.random.default_rng(0), size)
    sample = Sample.of(x, truth.family)
    start = Start.of(policy("quantile"), sample, 2, 1)
    fitters = {spec: parse(spec) for spec in METHODS}
    usable = {s: f for s, f in fitters.items() if f.supports(sample.family, 2) is None}
    seconds: dict[str, list[float]] = {spec: [] for spec in usable}
    total, claims = {}, {}
    for turn in range(repeats + 1):
        for spec, fitter in usable.items():
            sample = Sample.of(x, truth.family)  # afresh: a sketch is kept with its sample
            began = time.perf_counter()
            fit = fitter.prepare(sample, sample.family, 2).fit(start, 0, lambda copy: None)
            if turn:  # the first is for imports and caches
                seconds[spec].append(time.perf_counter() - began)
            found = judge.Judged("normal", fit.mixture.weights, fit.mixture.parameters)
            total[spec] = -judge.nll(found, sample.observations) * size
            claims[spec] = {True: "converged", False: "not converged", None: "–"}[fit.converged]
    base = np.array(seconds.get(BASE, seconds[next(iter(seconds))]))
    table = Table(title=f"two normals, n = {size:,}", title_justify="left", box=None)
    for heading in ("method", "median time", "time ÷ first", "lowest–highest", "short of best"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    table.add_column("it claims")
    for spec, times in seconds.items():
        ratio = np.array(times) / base
        table.add_row(
            spec,
            duration(float(np.median(times))),
            f"{np.median(ratio):.3g}",
            f"{ratio.min():.3g}–{ratio.max():.3g}",
            f"{max(total.values()) - total[spec]:.2g}",
            claims[spec],
        )
    Console(width=120).print(table, highlight=False)


if __name__ == "__main__":
    typer.run(compare)
