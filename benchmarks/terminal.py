"""What a terminal shows: progress of a run, and tables."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.gate.verdict import Comparison
    from benchmarks.harness.plan import Record
    from benchmarks.harness.run import Run
    from benchmarks.harness.status import Status
    from benchmarks.report.tables import Table as Cells

COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.fields[cells]} cells"),
    BarColumn(bar_width=24),
    MofNCompleteColumn(),
    TextColumn("trials"),
    TimeElapsedColumn(),
    TextColumn("elapsed, about"),
    TimeRemainingColumn(),
    TextColumn("left {task.fields[failures]}"),
)


class RunProgress:
    """Cells and trials done of planned, failures by status, time left; quiet without a terminal."""

    def __init__(self, run: Run) -> None:
        console = Console(stderr=True)
        self._left = Counter({cell.trial_keys()[0][:3]: len(cell.trials) for cell in run.left()})
        self._cells = sum(1 for _ in run.plan.cells())
        self._failures = Counter(
            r["outcome"] for r in run.done.values() if r["outcome"] != "returned"
        )
        self._bar = Progress(*COLUMNS, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=run.plan.size(), completed=len(run.done))
        self._show()

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, record: Record) -> None:
        """Count one more trial."""
        cell = (record["scenario"], record["data_set"], record["fitter"])
        self._left[cell] -= 1
        if self._left[cell] == 0:
            del self._left[cell]
        if record["outcome"] != "returned":
            self._failures[record["outcome"]] += 1
        self._bar.advance(self._task)
        self._show()

    def _show(self) -> None:
        told = told_counts(self._failures)
        cells = f"{self._cells - len(self._left)}/{self._cells}"
        self._bar.update(self._task, cells=cells, failures=f"({told})" if told else "")


def told_counts(counts: Counter[str]) -> str:
    """ "2 timeout, 1 error"."""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def say(what: str) -> None:
    """Progress of what takes seconds, on a terminal alone; empty to clear the line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def show_status(status: Status, folder: object, resume: str) -> None:
    """How far a run has come, in a table and a few sentences."""
    unfinished = "running" if status.running else "interrupted"
    state = "finished" if status.finished else unfinished
    print(
        f"{folder}: {state}, {status.trials_done} of {status.trials} trials, begun {status.begun}"
    )
    table = _table("")
    for heading in ("fitter", "cells", "trials", "failures"):
        table.add_column(heading, justify="left" if heading in ("fitter", "failures") else "right")
    for row in status.fitters:
        table.add_row(
            row.fitter,
            f"{row.cells_done}/{row.cells}",
            f"{row.trials_done}/{row.trials}",
            told_counts(row.failures),
        )
    _console().print(table, highlight=False)
    for count, fitter, scenario, outcome, message in status.reasons[:20]:
        print(f"{count} × {fitter} on {scenario}: {outcome}: {message}")
    if len(status.reasons) > 20:
        print(f"and {len(status.reasons) - 20} other reasons: see the messages in trials.jsonl")
    print(
        "Time: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in status.times.items()),
        end="",
    )
    if status.seconds:
        share = status.times["fits"] / (status.seconds * status.workers)
        print(
            f"; {status.seconds:.1f} s passed with workers: {status.workers}, "
            f"{share:.0%} of them inside fits",
            end="",
        )
    print(".")
    if state == "interrupted":
        print(f"To go on: {resume}")
    elif state == "finished":
        print(f"To see it: mixturebench report {folder}")


def show_comparison(trials: pd.DataFrame) -> None:
    """The comparison, one block a scenario, and the ranking over all of them."""
    from benchmarks.harness.metrics import KEYS, OVERALL, summarise
    from benchmarks.report.across import comparison

    for scenario, block in summarise(trials).groupby("scenario", sort=False):
        show_table(comparison(block, str(scenario)))
    if trials["scenario"].nunique() > 1:
        show_table(comparison(summarise(trials, KEYS[1:]), "all scenarios together", OVERALL))


def show_table(table: Cells) -> None:
    """A table under its label."""
    told = _table(f"\n{table.label}")
    for column in table.columns:
        told.add_column(
            column.heading, justify="left" if column.left else "right", no_wrap=not column.fold
        )
    for row in table.rows:
        told.add_row(*(row[column.name] for column in table.columns))
    _console().print(told, highlight=False, markup=False)


def _console() -> Console:
    """Standard output, wide where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)


def _table(title: str) -> Table:
    return Table(title=title or None, title_justify="left", box=None, pad_edge=False)


def comparison_text(comparison: Comparison) -> str:
    """The gate's verdict as text: a table, what to know besides, and the verdict last."""
    from benchmarks.gate import show

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in show.HEADINGS:
        right = heading in ("change", "p", "could see")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in show.rows(comparison):
        table.add_row(*row)
    console = Console(width=max(150, Console().width), highlight=False)
    with console.capture() as capture:
        console.print(table)
        for note in show.notes(comparison):
            console.print(f"Note: {note}.", markup=False)
    told = "\n".join(line.rstrip() for line in capture.get().splitlines())
    return f"{told}\n\n{show.sentence(comparison)}"
