"""The sides of a comparison that settles itself: runs that grow, and what they are compared with.

Workers stay prepared from look to look.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks.compare import ALPHA
from benchmarks.compare.accepted import accepted_trials
from benchmarks.compare.looks import Looks
from benchmarks.compare.pairs import Scored, pair
from benchmarks.compare.repeats import measure_repeats
from benchmarks.compare.trees import package_digests
from benchmarks.compare.verdict import Comparison, compare
from benchmarks.runner.journal import RUN, read_run, write_run
from benchmarks.runner.plan import Limits, Plan, Record
from benchmarks.runner.progress import Progress, Tally, say
from benchmarks.runner.provenance import code_state
from benchmarks.runner.session import note_session, open_session
from benchmarks.runner.supervisor import Supervisor

SPARE = 4
"""Workers that stay prepared beside those that work: compiled models, for the next look."""
CHUNK = 8
"""Cells for each worker that run between two looks at the clock."""


class Recorded:
    """A run on the data of recorded runs, such as the baseline and the last release."""

    def __init__(
        self,
        folder: Path,
        bases: list[Path],
        looks: Looks,
        workers: int,
        limits: Limits,
        progress: Callable[[Progress], object],
    ) -> None:
        self.folder, self.bases, self.progress = folder, bases, progress
        self.facts = {"against": [str(base) for base in bases], "looks": looks}
        self.supervisor = Supervisor(limits, workers, spare=SPARE)
        self._scored: dict[Path, Scored] = {base: {} for base in bases}

    def close(self) -> None:
        """End the workers."""
        self.supervisor.close()

    def repeating(self) -> set[str]:
        """The fitters of the bases that repeat exactly: no statistics, so all data at once."""
        found: set[str] = set()
        for base in self.bases:
            found |= {
                name for name, repeats in read_run(base).get("repeats", {}).items() if repeats
            }
        return found

    def run(self, plan: Plan, deadline: float) -> None:
        """Run what is left of ``plan`` until the deadline."""
        with open_session(plan, self.folder, self.facts) as session:
            before, began = len(session.done), time.monotonic()
            tally = Tally(plan, self.folder, session.done)
            self.progress(tally.add([]))
            try:
                size = CHUNK * self.supervisor.workers
                left = iter(session.remaining())
                while (cells := list(islice(left, size))) and time.monotonic() < deadline:
                    session.execute(
                        self.supervisor, lambda record: self.progress(tally.add([record])), cells
                    )
            finally:
                done = len(session.done) - before
                note_session(self.folder, began, self.supervisor.workers, done)

    def compare(self) -> Mapping[Path, Comparison]:
        """Compare with each base; the bases share the probability of a false alarm."""
        alpha = ALPHA / len(self.bases)
        return {base: _compared(base, self.folder, alpha, s) for base, s in self._scored.items()}


class Interleaved:
    """Two versions of the fitters and scenarios, run cell by cell in turn, one trial at a time.

    Both sides use the current runner; the order of the sides alternates.
    """

    def __init__(
        self,
        folder: Path,
        ref: str,
        roots: Mapping[str, Path],
        looks: Looks,
        limits: Limits,
        progress: Callable[[Progress], object],
    ) -> None:
        self.folder, self.progress = folder, progress
        self.folders = {side: folder / side for side in roots}
        shared = {"interleaved_with": self._pair_id(), "against": ref, "looks": looks}
        self.facts: dict[str, dict[str, Any]] = {
            side: {**shared, "packages": package_digests(root), "code": code_state(root)}
            for side, root in roots.items()
        }
        self.supervisors = {
            side: Supervisor(limits, 1, root, SPARE) for side, root in roots.items()
        }
        self._scored: Scored = {}

    def close(self) -> None:
        """End the workers."""
        for supervisor in self.supervisors.values():
            supervisor.close()

    def repeating(self) -> set[str]:
        """None: on fresh data a fitter that repeats exactly is run look by look too."""
        return set()

    def run(self, plan: Plan, deadline: float) -> None:
        """Run what is left of ``plan`` on both sides until the deadline."""
        with ExitStack() as stack:
            sessions = {
                side: stack.enter_context(open_session(plan, folder, self.facts[side]))
                for side, folder in self.folders.items()
            }
            tally = Tally(plan, self.folder, sessions["new"].done)
            self.progress(tally.add([]))
            on_record: dict[str, Callable[[Record], object]] = {
                "base": lambda record: None,
                "new": lambda record: self.progress(tally.add([record])),
            }
            for number, cell in zip(count(), plan.cells(), strict=False):
                if time.monotonic() >= deadline:
                    break
                for side in ("base", "new") if number % 2 == 0 else ("new", "base"):
                    sessions[side].execute(self.supervisors[side], on_record[side], [cell])
            self._measure_repeats(plan, list(sessions["base"].done.values()))

    def compare(self) -> Mapping[Path, Comparison]:
        """Compare both sides."""
        base, new = self.folders["base"], self.folders["new"]
        return {base: _compared(base, new, ALPHA, self._scored)}

    def _measure_repeats(self, plan: Plan, records: list[Record]) -> None:
        """Record once in the base's ``run.json`` whether each of its fitters repeats exactly."""
        run = read_run(self.folders["base"])
        known = run.get("repeats", {})
        missing = [record for record in records if record["fitter"] not in known]
        if missing:
            found = measure_repeats(plan, missing, self.supervisors["base"])
            write_run(self.folders["base"], {**run, "repeats": {**known, **found}})

    def _pair_id(self) -> str:
        """The identifier that both runs record: an earlier session's, or a new one."""
        base = self.folders["base"]
        recorded = read_run(base).get("interleaved_with") if (base / RUN).is_file() else None
        return str(recorded or uuid.uuid4().hex)


def _compared(base: Path, new: Path, alpha: float, scored: Scored) -> Comparison:
    pairs = pair(base, new, say, scored)
    say("")
    return compare(pairs, alpha, accepted_trials(pairs.seed))
