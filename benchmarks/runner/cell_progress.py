"""The progress of a worker through its cell: messages and losses in, records out.

Pure: ``worker_process.WorkerProcess`` owns the process, the pipes and the clock.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace

from benchmarks.runner import SCHEMA
from benchmarks.runner.plan import Cell, Limits, Record, key_of
from benchmarks.runner.status import Status

MAX_LOSSES = 3
"""Consecutive workers lost after which the rest of a cell is not attempted."""


class CellProgress:
    """One cell in one worker, which prepares and then runs the trials in order."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._trials = deque(cell.trials)
        self._losses = cell.losses
        self._batch = 1
        self.setting_up = True

    @property
    def complete(self) -> bool:
        """Whether every trial of the cell is on record."""
        return not self._trials

    def receive(self, line: bytes) -> Record | None:
        """Parse a worker's message; returns its record, or None if it has prepared.

        Raises ``ValueError`` for any other message than the expected one.
        """
        try:
            message = json.loads(line)
            if self.setting_up:
                self._batch = int(message["batch"])
                self.setting_up = False
                return None
            record: Record = message["record"]
            expected = key_of(self._cell.record(*self._trials[0]))
            if key_of(record) != expected:
                raise ValueError(f"a record of {key_of(record)} instead of {expected}")
        except (LookupError, TypeError) as error:
            raise ValueError(f"an unexpected message: {error}") from error
        self._trials.popleft()
        self._losses = 0
        return record

    def allowed_seconds(self, limits: Limits) -> tuple[float, str]:
        """Return the seconds allowed until the next message, and the option that sets them."""
        if self.setting_up:
            return limits.setup_timeout, "--setup-timeout"
        return limits.timeout * min(self._batch, len(self._trials)), "--timeout"

    def lose(self, outcome: Status, message: str, elapsed: float) -> list[Record]:
        """Account for the loss of the worker, ``elapsed`` seconds after its last message.

        Returns the record of the current trial and, after ``MAX_LOSSES`` in a row, those of
        the rest of the cell. Returns none if it ran a batch: its trials are then repeated one
        by one, to find the one at fault.
        """
        if self._batch > 1:
            self._cell = replace(self._cell, unbatched=True)
            return []
        self._losses += 1
        # The time of a lost trial counts in the cost of a success.
        cost = {"setup_seconds" if self.setting_up else "seconds": elapsed}
        records = [self._failure(outcome, message) | {"lost_worker": True} | cost]
        if self._losses >= MAX_LOSSES:
            reason = f"{self._losses} workers in a row were lost on this cell"
            records += [self._failure(Status.NOT_ATTEMPTED, reason) for _ in self._trials.copy()]
        return records

    def remaining(self) -> Cell:
        """Return the cell with the trials that are not on record, for another worker."""
        return replace(self._cell, trials=tuple(self._trials), losses=self._losses)

    def _failure(self, outcome: Status, message: str) -> Record:
        """Take the current trial off the queue; returns the record of its failure."""
        record = {"schema": SCHEMA, **self._cell.record(*self._trials.popleft())}
        return record | {"outcome": outcome.value, "message": message}
