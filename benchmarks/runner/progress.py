"""Show progress on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from benchmarks.runner.plan import Record, key_of
from benchmarks.runner.status import RETURNED

if TYPE_CHECKING:
    from benchmarks.runner.session import RunSession

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


@contextmanager
def progress_bar(session: RunSession) -> Iterator[Callable[[Record], None]]:
    """Show cells and trials done of planned, failures by outcome, and the time left.

    Yields the function to call with each new record.
    """
    console, plan, done = Console(stderr=True), session.plan, session.done
    trials_left = Counter(key[:3] for cell in plan.cells() for key in cell.trial_keys())
    trials_left.subtract(key[:3] for key in done)
    failures = Counter(r["outcome"] for r in done.values() if r["outcome"] != RETURNED)
    bar = Progress(*COLUMNS, console=console, disable=not console.is_terminal)
    task = bar.add_task("", total=plan.size(), completed=len(done), cells="", failures="")

    def show(advance: int) -> None:
        finished = sum(count == 0 for count in trials_left.values())
        text = f"({count_text(failures)})" if failures else ""
        cells = f"{finished}/{len(trials_left)}"
        bar.update(task, advance=advance, cells=cells, failures=text)

    def count(record: Record) -> None:
        trials_left[key_of(record)[:3]] -= 1
        if record["outcome"] != RETURNED:
            failures[record["outcome"]] += 1
        show(1)

    show(0)
    with bar:
        yield count


def count_text(counts: Counter[str]) -> str:
    """Return counts as text, most frequent first: "2 timeout, 1 error"."""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def say(message: str) -> None:
    """Replace the progress line on a terminal; an empty message clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)
