"""The journal of a run: one line of strict JSON for each trial, facts only.

A line ends with a checksum of what stands before it, is written by one call, and is on the
disk within ``SYNC`` seconds. Whatever ends the writer, all lines but the last are whole, and
a torn last line is set aside when the journal is opened again.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.harness import SCHEMA
from benchmarks.harness.plan import Record
from scenarios.errors import UserError

RUN = "run.json"
TRIALS = "trials.jsonl"
TORN = "trials.torn"
PART = ".part"
"""How the name of a file ends that is still being written."""
OLD = (1, 2)
"""Schemas that can still be read, judged and shown, but not gone on with or compared: their
digests have other forms, and the first has no checksums."""
SYNC = 0.2
"""Seconds of finished trials that a power cut may take."""


def number(value: float) -> float | str:
    """A number that strict JSON can hold: "nan", "inf" and "-inf" are strings, for ``float``."""
    value = float(value)
    return value if math.isfinite(value) else str(value)


def numbers(values: Sequence[Any]) -> list[Any]:
    """``number`` over nested sequences."""
    return [numbers(v) if isinstance(v, list | tuple) else number(v) for v in values]


def to_line(record: Record) -> bytes:
    """A record as its line: strict JSON whose last member, ``check``, is a CRC-32 of the rest."""
    told = json.dumps(record, allow_nan=False).encode()
    return told[:-1] + b', "check": "%08x"}\n' % zlib.crc32(told)


def from_line(line: bytes) -> Record | None:
    """The record of a line, or None if it is not what was written."""
    told, separator, check = line.rpartition(b', "check": "')
    told += b"}"
    if not separator or check != b'%08x"}\n' % zlib.crc32(told):
        return None
    record: Record = json.loads(told)
    return record


class Journal:
    """A run's ``trials.jsonl``, open for writing; no other process writes it meanwhile.

    ``records`` are those that it held when it was opened. Raises ``UserError`` if another
    process has it open, or if a line that is not the last is damaged.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / TRIALS
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._written = self._synced = 0
        self._synced_at = time.monotonic()
        try:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UserError(
                    f"another process is carrying out the run in {folder}: "
                    "wait for its end, or name another folder"
                ) from error
            content = path.read_bytes()
            self.records, whole = _records(content, path)
            if whole < len(content):
                with (folder / TORN).open("ab") as torn:
                    torn.write(content[whole:] + b"\n")
                os.ftruncate(self._file, whole)
            self._size = whole
        except BaseException:
            os.close(self._file)
            raise

    def append(self, record: Record) -> None:
        """Write one record, as one line; raises ``OSError`` if the disk takes none of it."""
        line = to_line(record)
        try:
            left = memoryview(line)
            while left:  # a disk that is filling up takes a part
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self._written += 1
        self.sync()

    def sync(self, now: bool = False) -> None:
        """Force what was written to the disk, if that is due or to be done ``now``."""
        if self._synced == self._written:
            self._synced_at = time.monotonic()
        elif now or time.monotonic() - self._synced_at >= SYNC / 2:
            os.fsync(self._file)
            self._synced, self._synced_at = self._written, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.sync(now=True)
        finally:
            os.close(self._file)


def read(folder: Path, old: bool = False) -> tuple[dict[str, Any], list[Record]]:
    """A run's ``run.json`` and its records; ``UserError`` where there is no run of ours.

    ``old`` is whether one of an ``OLD`` schema will do.
    """
    run = read_run(folder, old)
    path, schema = folder / TRIALS, run["schema"]
    try:
        records, _ = _records(path.read_bytes(), path, schema) if path.exists() else ([], 0)
    except OSError as error:
        raise UserError(f"the run in {folder} can't be read: {error}") from error
    return run, records


def read_run(folder: Path, old: bool = False) -> dict[str, Any]:
    """A run's ``run.json``, read as ``read`` does."""
    if not (folder / RUN).is_file():
        raise UserError(f"there is no run in {folder} (no {RUN}): name a folder that `run` made")
    try:
        run: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the run in {folder} can't be read: {error}") from error
    if not (old and run.get("schema") in OLD):
        _check_schema(run, folder / RUN, SCHEMA)
    return run


def write_run(folder: Path, run: dict[str, Any]) -> None:
    """Write ``run.json`` whole or not at all."""
    replace_file(folder / RUN, (json.dumps(run, indent=1) + "\n").encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write beside ``path`` and move into place, so that no half-written file is ever found."""
    beside = path.with_name(path.name + PART)
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def being_written(folder: Path) -> bool:
    """Whether a process has the run's journal open for writing."""
    try:
        file = os.open(folder / TRIALS, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(file)


def _records(content: bytes, path: Path, schema: int = SCHEMA) -> tuple[list[Record], int]:
    """The records in a journal, and how many of its bytes they are: the rest is torn."""
    records, whole = [], 0
    lines = content.splitlines(keepends=True)
    for index, line in enumerate(lines):
        record = from_line(line) if schema > 1 else _unchecked(line)
        if record is None:
            if index < len(lines) - 1:
                raise UserError(
                    f"line {index + 1} of {path} is damaged: it is not what was written. "
                    "Delete that line and run again with the same --out: its trial is done anew"
                )
            break
        _check_schema(record, path, schema)
        records.append(record)
        whole += len(line)
    return records, whole


def _unchecked(line: bytes) -> Record | None:
    try:
        record: Record = json.loads(line)
    except ValueError:
        return None
    return record


def _check_schema(content: dict[str, Any], path: Path, schema: int) -> None:
    if content.get("schema") != schema:
        raise UserError(
            f"{path} has schema {content.get('schema')}, where {schema} is needed (only report, "
            f"judge and status take {' and '.join(map(str, OLD))} too): use the version of "
            "mixturebench that made the run"
        )
