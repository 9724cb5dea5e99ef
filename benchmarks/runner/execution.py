"""Run what a user chose in a folder, so that an interrupted run can be resumed or extended."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks.runner.choices import Choices
from benchmarks.runner.journal import RUN, read_run
from benchmarks.runner.plan import Plan
from benchmarks.runner.progress import Progress, Tally, note
from benchmarks.runner.session import Backend, note_session, open_session
from scenarios.errors import UserError


def run_choices(
    choices: Choices,
    out: Path | None,
    workers: int | None,
    dask: str | None,
    progress: Callable[[Progress], object],
) -> Path:
    """Run a new plan, or extend and resume the one in ``out``; returns the folder.

    The choices are checked before anything slow is imported, so that a typing error is answered
    at once. Raises ``UserError`` as ``Choices.plan``, ``open_session`` and ``RunSession.execute``.
    """
    if workers is not None and not (isinstance(workers, int) and workers >= 1):
        raise UserError(f"--workers {workers}: it takes a whole number of at least 1")
    if not callable(progress):
        raise UserError(f"progress={progress}: it takes a function of a Progress")
    if workers is not None and dask is not None:
        raise UserError("--workers is for this machine; with --dask the cluster's threads decide")
    plan, folder = planned(choices, out)
    from benchmarks.runner.supervisor import LocalBackend

    backend: Backend = LocalBackend(plan.limits, workers or available_cores())
    if dask is not None:
        from benchmarks.runner.dask_backend import DaskBackend

        backend = DaskBackend(dask, plan.limits)
    choices.save_data(folder)
    execute_plan(plan, folder, backend, progress)
    return folder


def planned(choices: Choices, out: Path | None) -> tuple[Plan, Path]:
    """Return the plan of some choices, and its folder: ``out``, or a new one of today."""
    stored = None if out is None else stored_plan(out)
    if stored is not None:
        for file in choices.unseen_changes(stored):
            note(
                f"{file} has changed since this run began, and the run goes on with the fitter as "
                "it was; to run the changed one, name another folder with --out"
            )
    if out is not None:
        return choices.plan(stored, out), out
    stamp = f"{datetime.now():%Y-%m-%dT%H%M%S}"
    runs = Path("results") / "runs"
    if choices.data is not None:  # the plan names the folder of the data
        folder = runs / f"{stamp}-data"
        return choices.plan(None, folder), folder
    plan = choices.plan()
    return plan, runs / f"{stamp}-{plan.profile}"


def stored_plan(folder: Path) -> Plan | None:
    """Return the plan of the run in a folder, None if there is none."""
    return Plan.of(read_run(folder)["plan"]) if (folder / RUN).is_file() else None


def execute_plan(
    plan: Plan, folder: Path, backend: Backend, progress: Callable[[Progress], object]
) -> None:
    """Run the remaining trials of a plan; ``progress`` is called before the first and after each.

    Raises ``UserError`` as ``open_session`` and ``RunSession.execute`` do.
    """
    with open_session(plan, folder) as session:
        before, began = len(session.done), time.monotonic()
        tally = Tally(plan, folder, session.done)
        progress(tally.add([]))
        if before == plan.size():
            return
        try:
            with terminable():
                session.execute(backend, lambda record: progress(tally.add([record])))
        finally:
            note_session(folder, began, backend.workers, len(session.done) - before)


@contextmanager
def terminable() -> Iterator[None]:
    """Turn a request to terminate, as a batch system sends it, into ``KeyboardInterrupt``.

    Only the main thread can; in another one nothing changes.
    """

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
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
