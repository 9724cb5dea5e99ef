"""The progress of a worker through its cell: turns messages and losses into records.

It does no input or output; ``WorkerProcess`` has the process, the pipes and the clock.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace

from benchmarks.runner.plan import Cell, Limits, Record, key_of
from benchmarks.runner.status import Status, failure

MAX_LOSSES = 3
"""Consecutive workers lost after which the rest of a cell is not attempted."""


class CellProgress:
    """The state of one cell in one worker, which prepares and then runs the trials in order."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._trials = deque(cell.trials)
        self._losses = cell.losses
        self._batch = 1
        self.setting_up = True
        self.setup_seconds = 0.0

    @property
    def complete(self) -> bool:
        """Whether every trial of the cell is on record."""
        return not self._trials

    def receive(self, line: bytes) -> Record | None:
        """Parse a worker's message; returns its record, or None if the worker is prepared now.

        Raises ``ValueError`` if another message was expected.
        """
        try:
            message = json.loads(line)
            if self.setting_up:
                self._batch, self.setup_seconds = int(message["batch"]), float(message["prepared"])
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
        """Count the loss of the worker, ``elapsed`` seconds after its last message.

        Returns the record of the current trial and, after ``MAX_LOSSES`` in a row, those of
        the rest of the cell. Returns none if the worker ran a batch: the trials are then
        repeated one by one, to find the one at fault.
        """
        if self._batch > 1:
            self._cell = replace(self._cell, unbatched=True)
            return []
        self._losses += 1
        if self.setting_up:
            message = f"while it was being prepared, {message}"
        # The time of a lost trial counts in the cost of a success.
        cost = {"setup_seconds" if self.setting_up else "seconds": elapsed}
        lost = self._cell.record(*self._trials.popleft()) | failure(outcome, message)
        records = [lost | {"lost_worker": True} | cost]
        if self._losses >= MAX_LOSSES:
            reason = f"{self._losses} workers in a row were lost on this cell"
            rest = failure(Status.NOT_ATTEMPTED, reason)
            records += [self._cell.record(*trial) | rest for trial in self._trials]
            self._trials.clear()
        return records

    def remaining(self) -> Cell:
        """Return the cell with the trials that are not on record, for another worker."""
        return replace(self._cell, trials=tuple(self._trials), losses=self._losses)
