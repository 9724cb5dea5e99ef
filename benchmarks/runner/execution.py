"""Run a plan in a folder, with progress, so that an interrupted run can be resumed."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.runner.plan import Plan
from benchmarks.runner.session import Backend, note_session, open_session, resume_command


def execute_plan(plan: Plan, folder: Path, backend: Backend) -> None:
    """Run the remaining trials of a plan; an interruption prints how to resume it.

    Raises ``UserError`` as ``open_session`` and ``RunSession.execute`` do.
    """
    from benchmarks.runner.progress import progress_bar

    with open_session(plan, folder) as session:
        before, began = len(session.done), time.monotonic()
        if before == plan.size():
            print(f"All {before} trials are in {folder} already", file=sys.stderr)
            return
        done = f", {before} of them done" if before else ""
        print(f"{plan.size()} trials into {folder}{done}", file=sys.stderr)
        try:
            with terminable(), progress_bar(session) as progress:
                session.execute(backend, progress)
        except BaseException:
            safe = f"{len(session.done)} of {plan.size()} trials are safe in {folder}"
            print(f"{safe}; to go on: {resume_command(folder)}", file=sys.stderr)
            raise
        finally:
            note_session(folder, began, backend.workers, len(session.done) - before)


@contextmanager
def terminable() -> Iterator[None]:
    """Turn a request to terminate, as a batch system sends it, into ``KeyboardInterrupt``."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
