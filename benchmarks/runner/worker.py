"""A worker: a process that runs cells of one shape until it is killed.

It reads cells from its standard input, one line of JSON each, and answers on its standard
output: ``{"prepared": seconds, "batch": size}``, then ``{"record": ...}`` for each trial. It
moves both to private files first. Fitters have an empty standard input, and their standard
output is discarded, so nothing that they print is mistaken for a message.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from fitters.base import Prepared

GRACE_SECONDS = 10.0
"""A worker without a supervisor ends itself this long after a limit."""


def main() -> None:
    """Run cells until killed; when the supervisor ends, kill this process group."""
    inbox, outbox = _private_pipes()
    faulthandler.enable()
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, jobs), daemon=True).start()

    def send(message: dict[str, Any]) -> None:
        outbox.write(json.dumps(message, allow_nan=False).encode() + b"\n")
        outbox.flush()

    prepared = None
    while True:
        job = json.loads(jobs.get())
        prepared = run_cell(job["cell"], job["limits"], prepared, send)


def run_cell(
    content: dict[str, Any],
    limits: dict[str, float],
    earlier: Prepared | None,
    send: Callable[[dict[str, Any]], None],
) -> Prepared | None:
    """Run one cell and ``send`` its messages; returns the prepared fitter for the next cell."""
    from benchmarks.runner.datasets import draw_sample
    from benchmarks.runner.plan import Cell, Limits
    from benchmarks.runner.status import Status, failure
    from benchmarks.runner.trial import CellRunner

    cell, allowed = Cell.of(content), Limits(**limits)
    with _deadline(allowed.setup_timeout):
        try:
            runner = CellRunner(cell, draw_sample(cell.scenario, cell.replicate, cell.seed))
        except Exception as error:  # another machine may lack a file or a plug-in
            send({"prepared": 0.0, "batch": 1})
            failed = failure(Status.ERROR, f"before the trial: {error}")
            for trial in cell.trials:
                send({"record": cell.record(*trial) | failed})
            return earlier
        runner.prepare(earlier)
    send({"prepared": runner.setup_seconds, "batch": runner.batch})
    for first in range(0, len(cell.trials), runner.batch):
        trials = cell.trials[first : first + runner.batch]
        with _deadline(allowed.timeout * len(trials)):
            records = runner.run(trials)
        for record in records:
            send({"record": record})
    return runner.prepared


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move standard input and output to private files, and put the null device in their place."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return inbox, outbox


def _listen(inbox: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    """Queue jobs until the supervisor, and so the input, ends; then kill this process group."""
    for line in inbox:
        jobs.put(line)
    os.killpg(0, signal.SIGKILL)


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End this process ``GRACE_SECONDS`` after the limit, even if the interpreter is blocked."""
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
