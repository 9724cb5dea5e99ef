"""How far a worker is with its cell: messages and losses in, records out.

No process, pipe or clock is touched here: ``process.Worker`` reads the messages, notices the
losses, and kills.
"""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace

from benchmarks.harness import SCHEMA
from benchmarks.harness.plan import Cell, Limits, Record, key_of

LOSSES = 3
"""Workers lost in a row after which the rest of a cell is not attempted."""


class CellProgress:
    """One cell in one worker: first it is prepared, then its trials come in their order."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._left = deque(cell.trials)
        self._lost = cell.lost
        self._batch = 1
        self.setting_up = True

    @property
    def complete(self) -> bool:
        """Whether every trial of the cell is on record."""
        return not self._left

    def receive(self, line: bytes) -> Record | None:
        """Take a worker's message: a record, or None where it says that it is prepared.

        Raises ``ValueError`` for anything else than the message that is due.
        """
        try:
            message = json.loads(line)
            if self.setting_up:
                self._batch = int(message["batch"])
                self.setting_up = False
                return None
            record: Record = message["record"]
            due = key_of(self._cell.record(*self._left[0]))
            if key_of(record) != due:
                raise ValueError(f"a record of {key_of(record)}, where {due} is due")
        except (LookupError, TypeError) as error:
            raise ValueError(f"a message without what is due: {error}") from error
        self._left.popleft()
        self._lost = 0
        return record

    def allowed(self, limits: Limits) -> tuple[float, str]:
        """Seconds until the next message is late, and the option that says so."""
        if self.setting_up:
            return limits.setup_timeout, "--setup-timeout"
        return limits.timeout * min(self._batch, len(self._left)), "--timeout"

    def lose(self, outcome: str, message: str, elapsed: float) -> list[Record]:
        """The worker was lost ``elapsed`` seconds after its last message.

        Returns the record of the trial that it was at and, after ``LOSSES`` in a row, those of
        the rest of the cell. Where it was at a batch there is none yet: one trial of the batch
        is at fault, and alone it shows which.
        """
        if self._batch > 1:
            self._cell = replace(self._cell, alone=True)
            return []
        self._lost += 1
        # The time is what the trial cost: it belongs to the cost of a success.
        spent = {"setup_seconds" if self.setting_up else "seconds": elapsed}
        records = [self._failed(outcome, message) | {"lost_worker": True} | spent]
        if self._lost >= LOSSES:
            why = f"{self._lost} workers in a row were lost on this cell"
            records += [self._failed("not_attempted", why) for _ in range(len(self._left))]
        return records

    def remaining(self) -> Cell:
        """The cell of what is left, for a fresh worker."""
        return replace(self._cell, trials=tuple(self._left), lost=self._lost)

    def _failed(self, outcome: str, message: str) -> Record:
        """The record of the trial that is due, which failed."""
        record = {"schema": SCHEMA, **self._cell.record(*self._left.popleft())}
        return record | {"outcome": outcome, "message": message}
