"""The journal of a run: one line of strict JSON for each trial, facts only.

Each line ends with a checksum, is written by one call, and is on the disk within
``SYNC_SECONDS``. If the writer is killed, at most the last line is incomplete; it is set aside
when the journal is opened again.
"""

from __future__ import annotations

import fcntl
import json
import lzma
import math
import os
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.files import replace_file
from benchmarks.runner import SCHEMA
from benchmarks.runner.plan import TRIAL, Record
from scenarios.errors import UserError

RUN = "run.json"
TRIALS = "trials.jsonl"
PACKED = "trials.jsonl.xz"
"""The journal of a run that is published, in place of ``TRIALS``."""
TORN = "trials.torn"
DATA_FILE = "data.npy"
"""A run's own file of observations, where they were given as an array."""
SYNC_SECONDS = 0.2
"""After a power cut, trials that ended at least so long before it are on the disk."""

RUN_FIELDS = ("schema", "contract", "plan")
RECORD_FIELDS = ("schema", *TRIAL, "outcome")
"""The fields that ``run.json`` and a record must have."""


def number(value: float) -> float | str:
    """Return ``value`` for strict JSON, in which "nan", "inf" and "-inf" are strings."""
    value = float(value)
    return value if math.isfinite(value) else str(value)


def numbers(values: Sequence[Any]) -> list[Any]:
    """Apply ``number`` to nested sequences."""
    return [numbers(v) if isinstance(v, list | tuple) else number(v) for v in values]


def to_line(record: Record) -> bytes:
    """Return a line of strict JSON whose last member, ``check``, is a CRC-32 of the rest."""
    content = json.dumps(record, allow_nan=False).encode()
    return content[:-1] + b', "check": "%08x"}\n' % zlib.crc32(content)


def from_line(line: bytes) -> Record | None:
    """Return the record of a line, or None if the checksum is wrong."""
    content, separator, check = line.rpartition(b', "check": "')
    content += b"}"
    if not separator or check != b'%08x"}\n' % zlib.crc32(content):
        return None
    record: Record = json.loads(content)
    return record


class Journal:
    """A run's ``trials.jsonl``, open for writing and locked against other writers.

    ``records`` are those that were in the file when it was opened. Raises ``UserError`` if
    another process has it open, if a line other than the last is damaged, or if it is packed.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / TRIALS
        if (folder / PACKED).exists():
            raise UserError(
                f"the run in {folder} is published, so that it is not extended: name another folder"
            )
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._unsynced = False
        self._synced_at = time.monotonic()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            content = path.read_bytes()
            self.records, self._size = _records(content, path)
            if self._size < len(content):
                with (folder / TORN).open("ab") as torn:
                    torn.write(content[self._size :] + b"\n")
                os.ftruncate(self._file, self._size)
        except BaseException as error:
            os.close(self._file)
            if isinstance(error, BlockingIOError):
                raise UserError(
                    f"another process writes the run in {folder}: wait for its end, or name "
                    "another folder"
                ) from error
            raise

    def append(self, record: Record) -> None:
        """Write one record as one line; raises ``OSError`` if the disk has no room for it."""
        line = to_line(record)
        try:
            rest = memoryview(line)
            while rest:  # a disk that is nearly full takes a part
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self._unsynced = True
        self.sync()

    def sync(self, now: bool = False) -> None:
        """Force written lines to the disk, if that is due or ``now`` is true."""
        if not self._unsynced:
            self._synced_at = time.monotonic()
        elif now or time.monotonic() - self._synced_at >= SYNC_SECONDS / 2:
            os.fsync(self._file)
            self._unsynced, self._synced_at = False, time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.sync(now=True)
        finally:
            os.close(self._file)


def read(folder: Path) -> tuple[dict[str, Any], list[Record]]:
    """Read a run's ``run.json`` and its records.

    ``run.json`` must have ``schema``, ``contract`` and ``plan``; ``begun``, ``versions`` and
    ``machine`` are "unknown" where they are missing. A record must have ``schema``, the fields
    of ``TRIAL`` and ``outcome``, and to be scored, if that is "returned", ``weights`` and
    ``parameters``. All other fields are optional, and unknown ones are ignored.

    Raises ``UserError`` where there is no run, or it can't be read.
    """
    run = read_run(folder)
    path, packed = folder / TRIALS, folder / PACKED
    try:
        if packed.exists():
            path, content = packed, lzma.decompress(packed.read_bytes())
        else:
            content = path.read_bytes() if path.exists() else b""
        records, _ = _records(content, path)
    except (OSError, lzma.LZMAError) as error:
        raise UserError(f"the run in {folder} can't be read: {error}") from error
    return run, records


def read_run(folder: Path) -> dict[str, Any]:
    """Read a run's ``run.json``, as ``read`` does."""
    if not (folder / RUN).is_file():
        raise UserError(f"there is no run in {folder} (no {RUN}): name a folder that `run` made")
    try:
        run: dict[str, Any] = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the run in {folder} can't be read: {error}") from error
    _check_fields(run, RUN_FIELDS, folder / RUN)
    if (folder / DATA_FILE).is_file():  # data that were given as an array
        for entry in run["plan"].get("scenarios", []):
            if entry["content"].get("data", {}).get("file") == DATA_FILE:
                entry["folder"] = str(folder.resolve())  # it may have been moved
    versions = {"mixturebench": "unknown", **run.get("versions", {})}
    machine = {"system": "unknown", "cores": "unknown", **run.get("machine", {})}
    return {"begun": "unknown", **run, "versions": versions, "machine": machine}


def write_run(folder: Path, run: dict[str, Any]) -> None:
    """Write ``run.json``."""
    replace_file(folder / RUN, (json.dumps(run, indent=1) + "\n").encode())


def forget_paths(run: dict[str, Any]) -> None:
    """Drop the paths of this machine, which drawn data do not need, from a ``run.json``."""
    for entry in run["plan"]["scenarios"]:
        entry["folder"] = "."


def write_packed(folder: Path, run: dict[str, Any], records: Iterable[Record]) -> None:
    """Write a whole run of drawn data, its journal packed."""
    forget_paths(run)
    replace_file(folder / PACKED, lzma.compress(b"".join(map(to_line, records))))
    write_run(folder, run)


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


def _records(content: bytes, path: Path) -> tuple[list[Record], int]:
    """Parse a journal; returns its records and their bytes, after which a torn line may follow."""
    records, whole = [], 0
    lines = content.splitlines(keepends=True)
    for index, line in enumerate(lines):
        record = from_line(line)
        if record is None:
            if index < len(lines) - 1:
                raise UserError(
                    f"line {index + 1} of {path} is damaged: its checksum is wrong. Delete that "
                    "line and run again with the same --out, which repeats its trial"
                )
            break
        _check_fields(record, RECORD_FIELDS, path)
        records.append(record)
        whole += len(line)
    return records, whole


def _check_fields(content: dict[str, Any], fields: Sequence[str], path: Path) -> None:
    """Raise ``UserError`` unless ``content`` has schema ``SCHEMA`` and ``fields``."""
    if content.get("schema") != SCHEMA:
        raise UserError(
            f"{path} has schema {content.get('schema')}, and this version of mixturebench reads "
            f"schema {SCHEMA}: run it again, or use the version that made it"
        )
    missing = [name for name in fields if name not in content]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}: it was not written by mixturebench")
