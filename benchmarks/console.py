"""Tables and texts on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.reference.certificate import Reference
    from benchmarks.report.tables import Table as Cells
    from benchmarks.runner.run_status import RunStatus


def show_status(status: RunStatus, folder: object, resume: str) -> None:
    """Print the status of a run: a table, the causes of failure, and the time spent."""
    done = f"{status.trials_done} of {status.trials} trials"
    print(f"{folder}: {status.state}, {done}, begun {status.begun}")
    table = _table("")
    for heading in ("fitter", "cells", "trials", "failures"):
        table.add_column(heading, justify="left" if heading in ("fitter", "failures") else "right")
    for row in status.fitters.itertuples():
        cells, trials = f"{row.cells_done}/{row.cells}", f"{row.trials_done}/{row.trials}"
        table.add_row(row.fitter, cells, trials, row.failures)
    _console().print(table, highlight=False)
    for row in status.reasons[:20].itertuples(index=False):
        count, fitter, scenario, outcome, message = row
        print(f"{count} × {fitter} on {scenario}: {outcome}: {message}")
    if len(status.reasons) > 20:
        print(f"and {len(status.reasons) - 20} other reasons: see the messages in trials.jsonl")
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in status.times.items())
    if status.seconds:
        share = status.times["fits"] / (status.seconds * status.workers)
        times += f"; {status.seconds:.1f} s passed with workers: {status.workers}, "
        times += f"{share:.0%} of them inside fits"
    print(f"Time: {times}.")
    if status.state == "interrupted":
        print(f"To go on: {resume}")
    elif status.state == "finished":
        print(f"To see it: mixturebench report {folder}")


def show_comparison(trials: pd.DataFrame) -> None:
    """Print the comparison on each scenario, and over all of them if there are several."""
    from benchmarks.report.columns import COMPARISON, OVERALL
    from benchmarks.report.tables import Table as Cells
    from benchmarks.scoring.summary import KEYS, summarise

    for scenario, rows in summarise(trials).groupby("scenario", sort=False):
        show_table(Cells.of(str(scenario), COMPARISON, rows))
    if trials["scenario"].nunique() > 1:
        show_table(Cells.of("all scenarios together", OVERALL, summarise(trials, KEYS[1:])))


def show_table(cells: Cells) -> None:
    """Print a table under its label."""
    table = _table(f"\n{cells.label}")
    for column in cells.columns:
        table.add_column(
            column.heading, justify="left" if column.left else "right", no_wrap=not column.fold
        )
    for row in cells.cells:
        table.add_row(*row)
    _console().print(table, highlight=False, markup=False)


def _console() -> Console:
    """Standard output, wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)


def _table(title: str) -> Table:
    return Table(title=title or None, title_justify="left", box=None, pad_edge=False)


def show_reference(name: str, n: int, found: Reference) -> None:
    """Print the best known optimum of ``n`` observations, and its certificate."""
    from scenarios.families import family

    names = family(found.family).parameter_names()
    print(f"{name}, n = {n:,}: the best admissible {found.family} mixture found")
    components = zip(found.weights, found.parameters, strict=True)
    for weight, row in sorted(components, key=lambda component: component[1]):
        values = ", ".join(f"{key} {value:.6g}" for key, value in zip(names, row, strict=True))
        print(f"  {weight:.6f} · {found.family}({values})")
    print(f"  log likelihood {found.log_likelihood:.6f}, NLL {-found.log_likelihood / n:.10f}")
    if found.fewer_components:
        print(f"  no admissible optimum with {found.components} components is better than this")
    print("certificate")
    print(f"  still to be gained, by the quadratic model: {found.predicted_gain:.1e} nats")
    print(
        f"  smallest eigenvalue of the mean observed information: {found.smallest_eigenvalue:.3g}"
    )
    print(f"  found by: {found.method}")
    unseen = "" if found.unseen is None else f"; about {found.unseen:.1f} more are still unseen"
    print(f"  {found.searches} searches met {len(found.optima)} distinct optima{unseen}")
    if found.directional is not None:
        print(
            f"  sup D = {found.directional:.4g}: no mixture of any number of components gains "
            f"more than {n * max(found.directional, 0.0):.4g} nats"
        )
    print("optima met, best first (log likelihood, searches that ended there)")
    for optimum in found.optima[:10]:
        reason = f"  not admissible: {optimum.rejection_reason}" if optimum.rejection_reason else ""
        print(f"  {optimum.log_likelihood:14.4f}  {optimum.times:5d}{reason}")
    if len(found.optima) > 10:
        print(f"  and {len(found.optima) - 10} more")


def show_frame(frame: pd.DataFrame) -> None:
    """Print a data frame of strings; long cells take several lines."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in frame.columns:
        table.add_column(str(name), overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*row)
    Console().print(table, markup=False)
