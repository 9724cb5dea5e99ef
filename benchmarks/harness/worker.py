"""The worker's side: a process that carries out cells of one shape until it is killed.

It reads cells, one line of JSON each, from what was its standard input, and answers on what
was its standard output: ``{"prepared": seconds, "batch": size}``, then ``{"record": ...}`` for
each trial.
Fitters find standard input empty and standard output leading nowhere, so nothing that they
read or print can be taken for a message.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import queue
import signal
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

GRACE = 10.0
"""Seconds beyond a limit after which a worker that nobody watches any more ends itself."""


def main() -> None:
    """Work until killed; ends by itself, with all that it started, when the supervisor does."""
    inbox, outbox = _channels()
    faulthandler.enable()
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, jobs), daemon=True).start()
    kept: list[Any] = [None]
    while True:
        job = json.loads(jobs.get())
        for message in carry_out(job["cell"], job["limits"], kept):
            outbox.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            outbox.flush()


def carry_out(
    content: dict[str, Any], limits: dict[str, float], kept: list[Any]
) -> Iterator[dict[str, Any]]:
    """The messages of one cell; ``kept`` holds what was prepared, for the next cell."""
    from benchmarks.harness import SCHEMA
    from benchmarks.harness.data import draw_sample
    from benchmarks.harness.plan import Cell, Limits
    from benchmarks.harness.trial import Bench

    cell, allowed = Cell.of(content), Limits(**limits)
    with _deadline(allowed.setup_timeout):
        try:
            sample = draw_sample(cell.scenario, cell.data_set, cell.seed)
            bench = Bench(cell, sample)
        except Exception as error:  # another machine may lack a file or a plug-in
            why = {"schema": SCHEMA, "outcome": "error", "message": f"before the trial: {error}"}
            yield {"prepared": 0.0, "batch": 1}
            yield from ({"record": {**cell.record(*trial), **why}} for trial in cell.trials)
            return
        bench.prepare(kept[0])
        kept[0] = bench.prepared
    yield {"prepared": bench.setup_seconds, "batch": bench.batch}
    for first in range(0, len(cell.trials), bench.batch):
        trials = cell.trials[first : first + bench.batch]
        with _deadline(allowed.timeout * len(trials)):
            records = bench.trials(trials)
        yield from ({"record": record} for record in records)


def _channels() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output as private files; in their place, nothing to read or to fill."""
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return inbox, outbox


def _listen(inbox: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    """Pass jobs on; at the end of input the supervisor is gone, and so is this whole group."""
    for line in inbox:
        jobs.put(line)
    os.killpg(0, signal.SIGKILL)


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """End this process if the block outlasts the limit by far, whatever holds the interpreter.

    Only where no supervisor is left does it come to that: one would have killed it before.
    """
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
