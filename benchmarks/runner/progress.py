"""The progress of a run, and a line that shows it."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runner.plan import Key, Plan, Record, key_of
from benchmarks.runner.status import RETURNED
from scenarios.errors import UserError


@dataclass(frozen=True)
class Progress:
    """How far a run is: trials and cells done of those planned, and failures by outcome."""

    folder: Path
    done: int
    planned: int
    cells_done: int
    cells: int
    failures: Mapping[str, int]


class Tally:
    """Counts the trials of a plan as their records arrive."""

    def __init__(self, plan: Plan, folder: Path, done: Mapping[Key, Record]) -> None:
        self.folder, self.done, self.planned = folder, 0, plan.size()
        self._left = Counter(key[:3] for cell in plan.cells() for key in cell.trial_keys())
        self._failures = Counter[str]()
        self.add(done.values())

    def add(self, records: Iterable[Record]) -> Progress:
        """Count more records; returns the progress with them."""
        for record in records:
            self.done += 1
            self._left[key_of(record)[:3]] -= 1
            if record["outcome"] != RETURNED:
                self._failures[record["outcome"]] += 1
        cells_done = sum(count == 0 for count in self._left.values())
        failures = dict(self._failures)
        return Progress(self.folder, self.done, self.planned, cells_done, len(self._left), failures)


def show_line(progress: Progress) -> None:
    """Show the progress of a run as ``say`` shows a message."""
    failures = f" ({count_text(progress.failures)})" if progress.failures else ""
    say(f"{progress.done} of {progress.planned} trials{failures}")


def count_text(counts: Mapping[str, int]) -> str:
    """Return counts as text, most frequent first: "2 timeout, 1 error"."""
    return ", ".join(f"{count} {name}" for name, count in Counter(counts).most_common())


def duration(seconds: float) -> str:
    """Return seconds in the unit that needs the fewest digits."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def seconds_of(text: str) -> float:
    """A time such as 90s, 20m or 1h in seconds; ``UserError`` for anything else."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    try:
        return float(text[:-1]) * units[text[-1:]]
    except (KeyError, ValueError):
        raise UserError(f"--budget {text}: it takes a time such as 90s, 20m or 1h") from None


def say(message: str) -> None:
    """Replace the line of progress in a terminal or a notebook; an empty message clears it."""
    if sys.stderr.isatty() or _in_notebook():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """Print a line that a user should read, on standard error."""
    print(f"Note: {message}", file=sys.stderr)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
