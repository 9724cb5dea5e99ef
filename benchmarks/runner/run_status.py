"""The status of a run: what is done, what is left, what failed and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.runner.journal import being_written, read
from benchmarks.runner.plan import Plan, Record, key_of
from benchmarks.runner.progress import count_text
from benchmarks.runner.status import RETURNED

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class RunStatus:
    """The progress of a run."""

    running: bool
    begun: str
    trials: int
    trials_done: int
    fitters: pd.DataFrame
    """A row for each fitter: cells, cells_done, trials, trials_done, failures (as text)."""
    reasons: pd.DataFrame
    """A row for each cause of failure, most frequent first: count, fitter, scenario, outcome,
    message."""
    times: dict[str, float]
    """Seconds spent in fits, in their starts, and in setup."""
    seconds: float | None
    """Wall time of all sessions; None if one of them was killed before it could record it."""
    workers: int
    """The number of workers that ran at once."""

    def __repr__(self) -> str:
        """State and counts in a line, then a line for each cause of failure."""
        return "\n".join([self.headline, *self.causes])

    @property
    def headline(self) -> str:
        """State and counts."""
        return f"{self.state}, {self.trials_done} of {self.trials} trials, begun {self.begun}"

    @property
    def causes(self) -> list[str]:
        """A sentence for each row of ``reasons``."""
        return [
            f"{times} × {fitter} on {scenario}: {outcome}: {message}"
            for times, fitter, scenario, outcome, message in self.reasons.itertuples(index=False)
        ]

    @property
    def state(self) -> str:
        """``finished``, ``running`` or ``interrupted``."""
        if self.trials_done == self.trials:
            return "finished"
        return "running" if self.running else "interrupted"


def status_of(folder: Path) -> RunStatus:
    """Read the status of the run in ``folder``; ``UserError`` if there is none."""
    run, records = read(folder)
    plan = Plan.of(run["plan"])
    sessions = run.get("sessions", [])
    complete = sum(session["trials"] for session in sessions) == len(records)
    return RunStatus(
        running=being_written(folder),
        begun=run["begun"],
        trials=plan.size(),
        trials_done=len(records),
        fitters=_by_fitter(plan, records),
        reasons=_reasons(records),
        times=_times(records),
        seconds=sum(s["seconds"] for s in sessions) if complete and sessions else None,
        # A cell occupies one worker, so no more workers than cells can have run.
        workers=min(max((s["workers"] for s in sessions), default=1), len(list(plan.cells()))),
    )


def _by_fitter(plan: Plan, records: list[Record]) -> pd.DataFrame:
    import pandas as pd

    done = {key_of(record): record for record in records}
    cells = pd.DataFrame(
        [(c.fitter, len(c.trials), len(c.remaining(done).trials)) for c in plan.cells()],
        columns=["fitter", "trials", "trials_left"],
    )
    cells["trials_done"] = cells["trials"] - cells.pop("trials_left")
    cells["cells_done"] = cells["trials_done"] == cells["trials"]
    table = cells.assign(cells=1).groupby("fitter", sort=False, as_index=False).sum()
    failures = {name: Counter[str]() for name in plan.fitters}
    for record in records:
        if record["outcome"] != RETURNED:
            failures[record["fitter"]][record["outcome"]] += 1
    return table.assign(failures=[count_text(failures[name]) for name in table["fitter"]])


def _reasons(records: list[Record]) -> pd.DataFrame:
    import pandas as pd

    counts = Counter(
        (r["fitter"], r["scenario"], r["outcome"], r.get("message", ""))
        for r in records
        if r["outcome"] != RETURNED
    )
    rows = [(count, *reason) for reason, count in counts.most_common()]
    return pd.DataFrame(rows, columns=["count", "fitter", "scenario", "outcome", "message"])


def _times(records: list[Record]) -> dict[str, float]:
    """Return seconds in fits and starts over all trials, and in setup over cells and workers."""
    setups = {
        (r["scenario"], r["replicate"], r["fitter"], r.get("setup_seconds", 0.0)) for r in records
    }
    return {
        "fits": sum(r.get("seconds", 0.0) for r in records),
        "starts": sum(r.get("start_seconds", 0.0) for r in records),
        "setup": sum(seconds for *_, seconds in setups),
    }
