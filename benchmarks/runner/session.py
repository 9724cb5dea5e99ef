"""Run a plan and record its trials in a folder; a later session runs what is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from benchmarks.files import PART
from benchmarks.runner import SCHEMA
from benchmarks.runner.datasets import check_data
from benchmarks.runner.journal import DATA_FILE, RUN, Journal, read_run, write_run
from benchmarks.runner.plan import Cell, Key, Plan, Record, key_of
from benchmarks.runner.progress import note
from benchmarks.runner.provenance import code_text, provenance
from fitters import CONTRACT
from scenarios.data_summary import same_data
from scenarios.errors import UserError


class Backend(Protocol):
    """Runs cells, ``workers`` at once, on this machine or on a cluster."""

    workers: int

    def run(self, cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
        """Yield the cells' records as they arrive, and None now and then meanwhile."""


class RunSession:
    """A plan and its folder, open for writing; ``done`` has the records by trial.

    ``data`` has summaries of the data by scenario and replicate. Raises ``UserError`` if a
    record is of other data.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        journal: Journal,
        data: Mapping[tuple[str, int], dict[str, Any]] | None = None,
    ) -> None:
        self.plan, self.folder, self._journal = plan, folder, journal
        self.done: dict[Key, Record] = {key_of(record): record for record in journal.records}
        self._data: dict[tuple[str, int], dict[str, Any]] = dict(data or {})
        for record in journal.records:
            self._check_data(record)

    def remaining(self, cells: Iterable[Cell] | None = None) -> list[Cell]:
        """Return ``cells``, by default the plan's, without the trials that are on record."""
        chosen = self.plan.cells() if cells is None else cells
        remaining = (cell.remaining(self.done) for cell in chosen)
        return [cell for cell in remaining if cell.trials]

    def execute(
        self,
        backend: Backend,
        progress: Callable[[Record], object],
        cells: Iterable[Cell] | None = None,
    ) -> None:
        """Run the remaining trials of ``cells``, by default the plan's, and record each.

        Raises ``UserError`` if the disk is full, if two machines draw different data, or if
        the backend returns without some trials; the folder keeps the trials that are on record.
        """
        cells = self.remaining(cells)
        missing = {key for cell in cells for key in cell.trial_keys()}
        with closing(backend.run(cells)) as records:
            for record in records:
                if record is None:
                    self._write(None)
                    continue
                key = key_of(record)
                if key not in missing:
                    continue  # repeated on another node: the first record counts
                self._check_data(record)
                self._write(record)
                missing.remove(key)
                self.done[key] = record
                progress(record)
        if missing:
            raise UserError(f"{len(missing)} trials did not come back from where they were sent")

    def _write(self, record: Record | None) -> None:
        """Append a record, or force earlier ones to the disk if that is due."""
        try:
            self._journal.sync() if record is None else self._journal.append(record)
        except OSError as error:
            raise UserError(
                f"{self.folder} can't be written to: {error.strerror}; make room there"
            ) from error

    def _check_data(self, record: Record) -> None:
        """Raise ``UserError`` unless all trials on one data set had the same observations."""
        data, place = record.get("data"), (record["scenario"], record["replicate"])
        if data is not None and not same_data(self._data.setdefault(place, data), data):
            raise UserError(
                f"scenario {place[0]!r}, data set {place[1]}: {record.get('host', 'a machine')} "
                "had other data than the rest of the run: install the same versions everywhere, "
                "or name another folder if its data have changed"
            )


@contextmanager
def open_session(
    plan: Plan, folder: Path, facts: Mapping[str, Any] | None = None
) -> Iterator[RunSession]:
    """Open ``folder`` to run ``plan``: a new or empty folder, or one with a part of this plan.

    A larger plan than the stored one replaces it. ``facts`` are added to the ``run.json`` of a new
    run. Raises ``UserError`` if the folder holds anything else or can't be written, if the data
    can't be fitted or differ from the run's, or if the run's trials are of other code.
    """
    stored = _stored_run(folder)
    made_by = {**provenance(), **(facts or {})}
    if stored is not None:
        _check_extends(plan, stored, folder)
        _check_code(stored, made_by, folder)
    summaries = check_data(plan)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if stored is None:
            write_run(folder, {"schema": SCHEMA, "plan": plan.content(), **made_by})
        journal = Journal(folder)
        if stored is not None and stored["plan"] != plan.content():
            write_run(folder, {**stored, "plan": plan.content()})
    except OSError as error:
        raise UserError(f"--out {folder} can't be written to: {error.strerror or error}") from error
    if stored is not None and "code" not in stored:
        note(f"the code that made the run in {folder} is not on record: it may be another")
    with journal:
        yield RunSession(plan, folder, journal, {(name, 0): s for name, s in summaries.items()})


def resume_command(folder: Path) -> str:
    """Return the command that resumes a run: with --against for a side of an interleaved one."""
    run = read_run(folder) if (folder / RUN).is_file() else {}
    against = run.get("against", [])
    if "interleaved_with" in run:
        return f"mixturebench run --against {against} --out {folder.parent}"
    options = "".join(f"--against {base} " for base in against)
    return f"mixturebench run {options}--out {folder}"


def note_session(folder: Path, began: float, workers: int, trials: int) -> None:
    """Add this session to ``run.json``: its provenance, seconds, workers and trials.

    ``began`` is a time of ``time.monotonic()``.
    """
    run, seconds = read_run(folder), time.monotonic() - began
    session = {**provenance(), "seconds": seconds, "workers": workers, "trials": trials}
    with suppress(OSError):  # a full disk has been reported already
        write_run(folder, {**run, "sessions": [*run.get("sessions", []), session]})


def _stored_run(folder: Path) -> dict[str, Any] | None:
    """Return the run in a folder, None if it is new or empty; otherwise raise ``UserError``."""
    try:
        files = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise UserError(f"--out {folder} can't be used: {error.strerror or error}") from error
    if RUN in files:
        return read_run(folder)
    # An interrupted first write, and data that were given as an array.
    others = [name for name in files if not name.endswith(PART) and name != DATA_FILE]
    if others:
        raise UserError(
            f"--out {folder} is not empty (it holds {others[0]}): name a new or an empty folder"
        )
    return None


def _check_extends(plan: Plan, stored: dict[str, Any], folder: Path) -> None:
    """Raise ``UserError`` unless every trial of the stored run is in ``plan``, as it was."""
    differences = plan_differences(Plan.of(stored["plan"]).content(), plan.content())
    if stored["contract"] != CONTRACT:
        differences.append(f"contract {stored['contract']}, not {CONTRACT}")
    if differences:
        raise UserError(
            f"--out {folder} holds a run of another plan ({'; '.join(differences)}): name another "
            f"folder, or resume that run: {resume_command(folder)}"
        )


def _check_code(stored: dict[str, Any], current: dict[str, Any], folder: Path) -> None:
    """Raise ``UserError`` unless the code that resumes a run is the code of its trials."""
    if "code" not in stored:
        return
    differences = []
    if stored["code"]["digest"] != current["code"]["digest"]:
        differences.append(f"{code_text(stored['code'])}, not {code_text(current['code'])}")
    old, new = stored.get("versions", {}), current["versions"]
    changed = [name for name in new if old.get(name, new[name]) != new[name]]
    differences += [f"{name} {old[name]}, not {new[name]}" for name in changed]
    if differences:
        raise UserError(
            f"the trials in {folder} were run by other code ({'; '.join(differences)}), and a run "
            "is of one code: name another folder with --out, or go back to that code"
        )


def plan_differences(stored: dict[str, Any], requested: dict[str, Any]) -> list[str]:
    """List what the requested plan's content changes or leaves out of the stored one's.

    More fitters, starts, scenarios, restarts or data sets are no difference.
    """
    differences = []

    def check(equal: bool, name: str, old: Any, new: Any) -> None:
        if not equal:
            differences.append(f"{name} {old}, not {new}")

    def counts(name: str) -> list[tuple[str, Any, Any]]:
        return [(k, v, requested[name][k]) for k, v in stored[name].items() if k in requested[name]]

    scenarios = [{s["name"]: s["content"] for s in p["scenarios"]} for p in (stored, requested)]
    lists = {"scenarios": [list(names) for names in scenarios]}
    lists |= {name: [stored[name], requested[name]] for name in ("fitters", "starts")}
    check(stored["seed"] == requested["seed"], "seed", stored["seed"], requested["seed"])
    for name in stored["fitters"]:
        old, new = (min(p["data_sets"], p["fewer_data_sets"].get(name, p["data_sets"]))
                    for p in (stored, requested))  # fmt: skip
        check(old <= new, f"data_sets {name}", old, new)
        few, more = (p.get("fewer_scenarios", {}).get(name) for p in (stored, requested))
        if more is not None:
            few = few or [s["name"] for s in stored["scenarios"]]
            words = (", ".join(sorted(names)) for names in (few, more))
            check(set(few) <= set(more), f"scenarios of {name}", *words)
    for name, (old, new) in lists.items():
        check(set(old) <= set(new), name, ", ".join(old), ", ".join(new))
    for key, old, new in counts("restarts"):
        check(old <= new, f"restarts {key}", old, new)
    for key, old, new in counts("limits"):
        check(old == new, f"limits {key}", old, new)
    for key, old, new in counts("own_fitters"):
        check(old["source"] == new["source"], f"fitter {key}", "of one source", "of another")
    changed = [k for k, content in scenarios[0].items() if scenarios[1].get(k, content) != content]
    return differences + [f"scenario {name} was another" for name in changed]
