"""Progress of long work on standard error; silent where that is not a terminal."""

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


class ProgressBar:
    """A bar with cells and trials done of planned, failures by outcome, and the time left."""

    def __init__(self, session: RunSession) -> None:
        console = Console(stderr=True)
        plan, done = session.plan, session.done
        self._trials_left = Counter(key[:3] for cell in plan.cells() for key in cell.trial_keys())
        self._failures: Counter[str] = Counter()
        self._bar = Progress(*COLUMNS, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(
            "", total=plan.size(), completed=len(done), cells="", failures=""
        )
        for record in done.values():
            self._count(record)
        self._show()

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def __call__(self, record: Record) -> None:
        """Count one more trial."""
        self._count(record)
        self._bar.advance(self._task)
        self._show()

    def _count(self, record: Record) -> None:
        self._trials_left[key_of(record)[:3]] -= 1
        if record["outcome"] != RETURNED:
            self._failures[record["outcome"]] += 1

    def _show(self) -> None:
        finished = sum(count == 0 for count in self._trials_left.values())
        cells = f"{finished}/{len(self._trials_left)}"
        failures = f"({count_text(self._failures)})" if self._failures else ""
        self._bar.update(self._task, cells=cells, failures=failures)


def count_text(counts: Counter[str]) -> str:
    """Return counts as text, most frequent first: "2 timeout, 1 error"."""
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def say(message: str) -> None:
    """Replace the progress line on a terminal; an empty message clears it."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)
