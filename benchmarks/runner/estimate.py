"""What a plan would run, and about how long it would take, by the times of earlier runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.runner.execution import available_cores
from benchmarks.runner.journal import RUN, read
from benchmarks.runner.plan import Cell, Plan, Record, key_of
from benchmarks.runner.progress import duration
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path("results")
MAX_RUNS = 20
"""Earlier runs that are read, the newest ones."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A plan's trials, and the seconds that those not on record would take."""

    folder: Path
    workers: int
    fitters: pd.DataFrame
    """A row for each fitter: restarts, trials, done, and seconds, NaN where unknown."""

    @property
    def left(self) -> int:
        """Trials that are not on record."""
        return int(self.fitters["trials"].sum() - self.fitters["done"].sum())

    @property
    def seconds(self) -> float:
        """Wall time of what is left by the known fitters, without references and scores.

        NaN where the time of no fitter is known.
        """
        return float(self.fitters["seconds"].sum(min_count=1)) / self.workers

    @property
    def unknown(self) -> list[str]:
        """The fitters that no earlier run has times of."""
        return self.fitters.loc[self.fitters["seconds"].isna(), "fitter"].tolist()

    def __repr__(self) -> str:
        """Trials, folder and time, and what the time leaves out."""
        to_run = self.fitters[self.fitters["trials"] > self.fitters["done"]]
        known = bool(to_run["seconds"].notna().any())
        time = f"about {duration(self.seconds)}" if known else "a time that no earlier run shows"
        lines = [f"{self.left} trials to run into {self.folder}: {time}, workers: {self.workers}"]
        if known and self.unknown:
            lines.append(f"Not counted, for want of an earlier run: {', '.join(self.unknown)}")
        if known:
            lines.append("Not counted: references and scores, seconds for each new data set")
        return "\n".join(lines)


def estimate(plan: Plan, folder: Path, workers: int | None) -> Estimate:
    """Estimate the time of a plan's remaining trials in ``folder``, which may not exist."""
    import pandas as pd

    records = read(folder)[1] if (folder / RUN).is_file() else []
    done = {key_of(record): record for record in records}
    times = _times([*records, *_earlier_records(folder)])
    rows = [
        (cell.fitter, len(cell.trials), left, _cell_seconds(cell, left, times))
        for cell in plan.cells()
        for left in [len(cell.remaining(done).trials)]
    ]
    cells = pd.DataFrame(rows, columns=["fitter", "trials", "left", "seconds"])
    groups = cells.groupby("fitter", sort=False, as_index=False)
    fitters = groups.agg({"trials": "sum", "left": "sum", "seconds": lambda s: s.sum(skipna=False)})
    fitters["done"] = fitters["trials"] - fitters.pop("left")
    fitters.insert(1, "restarts", fitters["fitter"].map(plan.restarts))
    return Estimate(folder, workers or available_cores(), fitters)


def _earlier_records(folder: Path) -> Iterator[Record]:
    """The records of the newest runs below ``results/``, other than that in ``folder``."""
    files = [*RESULTS.glob(f"*/{RUN}"), *RESULTS.glob(f"*/*/{RUN}")]
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[:MAX_RUNS]:
        if path.parent.resolve() != folder.resolve():
            with suppress(UserError):  # a run of another version, which can't be read
                yield from read(path.parent)[1]


def _times(records: Iterable[Record]) -> pd.DataFrame:
    """Median seconds by fitter and scenario: ``trial`` (start included), ``setup`` of a cell."""
    import pandas as pd

    rows = [
        (r["fitter"], r["scenario"], r["seconds"] + r.get("start_seconds", 0.0),
         r.get("setup_seconds", 0.0))
        for r in records
        if "seconds" in r
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["fitter", "scenario", "trial", "setup"])
    return table.groupby(["fitter", "scenario"]).median()


def _cell_seconds(cell: Cell, trials: int, times: pd.DataFrame) -> float:
    """Seconds of a cell's setup and trials: of its scenario, or else a median over scenarios."""
    if trials == 0:
        return 0.0
    if cell.fitter not in times.index.get_level_values("fitter"):
        return float("nan")
    known, name = times.loc[cell.fitter], cell.scenario.name
    row = known.loc[name] if name in known.index else known.median()
    return float(row["setup"] + trials * row["trial"])
