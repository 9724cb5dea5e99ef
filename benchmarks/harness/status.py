"""What a run has done, what is left of it, what failed and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.journal import being_written, read
from benchmarks.harness.plan import Plan, Record, key_of

SUCCESSFUL = "returned"


@dataclass(frozen=True)
class FitterStatus:
    """How far one fitter has come."""

    fitter: str
    cells: int
    cells_done: int
    trials: int
    trials_done: int
    failures: Counter[str]
    """Failed trials, by outcome."""


@dataclass(frozen=True)
class Status:
    """How far a run has come."""

    running: bool
    begun: str
    trials: int
    trials_done: int
    fitters: list[FitterStatus]
    reasons: list[tuple[int, str, str, str, str]]
    """(how often, fitter, scenario, outcome, message) of what failed, most often first."""
    times: dict[str, float]
    """Seconds spent, by what they were spent on."""
    seconds: float | None
    """Seconds that all sessions took; None where one of them was cut off before it could say."""
    workers: int
    """How many workers were at it at once."""

    @property
    def finished(self) -> bool:
        """Whether every planned trial is on record."""
        return self.trials_done == self.trials


def status_of(folder: Path) -> Status:
    """Read a run's folder; ``UserError`` where there is no run."""
    run, records = read(folder, old=True)
    plan = Plan.of(run["plan"])
    done = {key_of(record): record for record in records}
    rows = []
    for fitter in plan.fitters:
        cells = [cell for cell in plan.cells() if cell.fitter == fitter]
        mine = [record for record in records if record["fitter"] == fitter]
        rows.append(
            FitterStatus(
                fitter,
                len(cells),
                sum(not cell.left(done).trials for cell in cells),
                sum(len(cell.trials) for cell in cells),
                len(mine),
                Counter(r["outcome"] for r in mine if r["outcome"] != SUCCESSFUL),
            )
        )
    sessions = run.get("sessions", [])
    told = sum(session["trials"] for session in sessions) == len(records)
    return Status(
        running=being_written(folder),
        begun=run["begun"],
        trials=plan.size(),
        trials_done=len(records),
        fitters=rows,
        reasons=_reasons(records),
        times=_times(records),
        seconds=sum(session["seconds"] for session in sessions) if told and sessions else None,
        # A cell keeps one worker busy: no more than there are cells can have worked.
        workers=min(
            max((session["workers"] for session in sessions), default=1),
            sum(row.cells for row in rows),
        ),
    )


def _reasons(records: list[Record]) -> list[tuple[int, str, str, str, str]]:
    counted = Counter(
        (r["fitter"], r["scenario"], r["outcome"], r["message"])
        for r in records
        if r["outcome"] != SUCCESSFUL
    )
    return [(count, *reason) for reason, count in counted.most_common()]


def _times(records: list[Record]) -> dict[str, float]:
    """Seconds inside fitters, in their starts, and in setup, which is paid once a cell."""
    setups = {
        (r["scenario"], r["data_set"], r["fitter"], r.get("setup_seconds", 0.0)) for r in records
    }
    return {
        "fits": sum(r.get("seconds", 0.0) for r in records),
        "starts": sum(r.get("start_seconds", 0.0) for r in records),
        "setup": sum(setup[-1] for setup in setups),
    }
