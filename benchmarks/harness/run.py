"""Carry a plan out into a folder, or go on where it was left."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import SCHEMA
from benchmarks.harness.data import check_data
from benchmarks.harness.journal import PART, RUN, Journal, read_run, write_run
from benchmarks.harness.plan import Cell, Key, Plan, Record, key_of
from benchmarks.harness.supervisor import Supervisor
from fitters import CONTRACT
from scenarios.errors import UserError

PACKAGES = (
    "mixturebench", "numpy", "scipy", "torch", "pytorch-lightning", "pymc", "nutpie", "arviz",
    "pandas",
)  # fmt: skip

Source = Callable[[Iterable[Cell]], Generator[Record | None, None, None]]
"""Carries cells out: yields records as they come, and None when a while has passed."""


class Run:
    """A plan in its folder, open for writing: what is done, and what is left to do."""

    def __init__(self, plan: Plan, folder: Path, journal: Journal) -> None:
        self.plan, self.folder, self._journal = plan, folder, journal
        self.done: dict[Key, Record] = {key_of(record): record for record in journal.records}
        self._digests: dict[tuple[str, int], str] = {}
        for record in journal.records:
            self._check_digest(record)

    def left(self, cells: Iterable[Cell] | None = None) -> list[Cell]:
        """What is left of ``cells``, by default the plan's: none of those that are complete."""
        chosen = self.plan.cells() if cells is None else cells
        undone = (cell.left(self.done) for cell in chosen)
        return [cell for cell in undone if cell.trials]

    def carry_out(
        self,
        source: Source,
        progress: Callable[[Record], None],
        cells: Iterable[Cell] | None = None,
    ) -> None:
        """Have ``source`` do what is left, or ``cells``, and journal every record as it comes.

        Raises ``UserError`` where the disk takes no more, where two machines draw different
        data, or where trials don't come back; what is on record by then stays.
        """
        cells = self.left(cells)
        expected = {key for cell in cells for key in cell.trial_keys()}
        with closing(source(cells)) as records:
            for record in records:
                if record is None:
                    self._write(None)
                    continue
                key = key_of(record)
                if key in self.done or key not in expected:
                    continue  # done again elsewhere: the first to come counts
                self._check_digest(record)
                self._write(record)
                self.done[key] = record
                progress(record)
        missing = len(expected - self.done.keys())
        if missing:
            raise UserError(f"{missing} trials were given up by where they were sent")

    def _write(self, record: Record | None) -> None:
        """Append a record, or see that the earlier ones reach the disk."""
        try:
            self._journal.sync() if record is None else self._journal.append(record)
        except OSError as error:
            raise UserError(
                f"{self.folder} can't be written to: {error.strerror}; make room there"
            ) from error

    def _check_digest(self, record: Record) -> None:
        """All trials on one data set must have met the same numbers."""
        digest, where = record.get("data_digest"), (record["scenario"], record["data_set"])
        if digest is not None and self._digests.setdefault(where, digest) != digest:
            raise UserError(
                f"scenario {where[0]!r}, data set {where[1]}: {record['host']} had other data "
                "than the rest of the run (digests differ): install the same versions everywhere"
            )


@contextmanager
def open_run(plan: Plan, folder: Path, facts: Mapping[str, Any] | None = None) -> Iterator[Run]:
    """Begin ``plan`` in a new or empty folder, or go on with it where it was left.

    ``facts`` go into the ``run.json`` of a run that begins.

    Raises ``UserError`` if the folder holds anything else, another plan, or can't be
    written; or if the data are unfit, or not those that the run began with.
    """
    held = _held(folder)
    if held is not None:
        _check_same(plan, held, folder)
    digests = check_data(plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if held is None:
            told = {"schema": SCHEMA, "plan": plan.content(), **provenance(), **(facts or {})}
            write_run(folder, told)
        journal = Journal(folder)
    except OSError as error:
        raise UserError(f"--out {folder} can't be written to: {error.strerror or error}") from error
    with journal:
        for record in journal.records:
            first = digests[record["scenario"]] if record["data_set"] == 0 else None
            if first is not None and record.get("data_digest", first) != first:
                raise UserError(
                    f"scenario {record['scenario']!r}: its data have changed since the run in "
                    f"{folder} began (digests differ): name another folder"
                )
        yield Run(plan, folder, journal)


def in_workers(plan: Plan, count: int) -> Source:
    """Carry cells out on this machine, in ``count`` workers at once."""

    def source(cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
        supervisor = Supervisor(plan.limits, count)
        try:
            yield from supervisor.run(cells)
        finally:
            supervisor.close()

    return source


def how_to_resume(folder: Path) -> str:
    """The command that goes on with a run."""
    return f"mixturebench run --out {folder}"


def provenance() -> dict[str, Any]:
    """When, on what and with which versions."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    return {"contract": CONTRACT, "begun": begun, "versions": versions, "machine": machine}


def note_session(folder: Path, began: float, workers: int, done: int) -> None:
    """Add to ``run.json`` how long this process was at it, with which versions."""
    run = read_run(folder)
    session = {
        **provenance(),
        "seconds": time.monotonic() - began,
        "workers": workers,
        "trials": done,
    }
    with suppress(OSError):  # a full disk has been told of already
        write_run(folder, {**run, "sessions": [*run.get("sessions", []), session]})


def _held(folder: Path) -> dict[str, Any] | None:
    """The run that a folder holds, None if it is new or empty; ``UserError`` for all else."""
    try:
        inside = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise UserError(f"--out {folder} can't be used: {error.strerror or error}") from error
    if RUN in inside:
        return read_run(folder)
    others = [name for name in inside if not name.endswith(PART)]  # a first write cut short
    if others:
        raise UserError(
            f"--out {folder} is not empty (it holds {others[0]}): name a new or an empty folder"
        )
    return None


def _check_same(plan: Plan, held: dict[str, Any], folder: Path) -> None:
    differing = differences(held["plan"], plan.content())
    if held["contract"] != CONTRACT:
        differing.append(f"contract {held['contract']}, not {CONTRACT}")
    if differing:
        raise UserError(
            f"--out {folder} holds a run of another plan ({'; '.join(differing)}): name another "
            f"folder, or go on with that run: {how_to_resume(folder)}"
        )


def differences(held: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """What a plan that is held has otherwise than the one asked for, in words."""
    told = []
    for name in ("seed", "data_sets"):
        if held[name] != asked[name]:
            told.append(f"{name} {held[name]}, not {asked[name]}")
    for name in ("fitters", "starts"):
        if held[name] != asked[name]:
            told.append(f"{name} {', '.join(held[name])}, not {', '.join(asked[name])}")
    for name in ("restarts", "limits"):
        for key in held[name].keys() & asked[name].keys():
            if held[name][key] != asked[name][key]:
                told.append(f"{name} {key} {held[name][key]}, not {asked[name][key]}")
    old, new = ({s["name"]: s["content"] for s in plan["scenarios"]} for plan in (held, asked))
    if list(old) != list(new):
        told.append(f"scenarios {', '.join(old)}, not {', '.join(new)}")
    told += [
        f"scenario {name} was another" for name in old if new.get(name, old[name]) != old[name]
    ]
    return told
