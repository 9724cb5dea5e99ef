"""What a plan would run, and about how long it would take, by the times of earlier runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.runner.execution import available_cores
from benchmarks.runner.journal import RUN, read
from benchmarks.runner.plan import Plan, Record, key_of
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
    """A row for each fitter: restarts, cells, trials, done, and seconds, NaN where unknown."""

    @property
    def seconds(self) -> float:
        """Wall time of what is left by the known fitters, without references and scores."""
        return float(self.fitters["seconds"].sum()) / self.workers

    @property
    def unknown(self) -> list[str]:
        """The fitters that no earlier run has times of."""
        return self.fitters.loc[self.fitters["seconds"].isna(), "fitter"].tolist()


def estimate(plan: Plan, folder: Path, workers: int | None) -> Estimate:
    """Estimate the time of a plan's remaining trials in ``folder``, which may not exist."""
    import pandas as pd

    records = read(folder)[1] if (folder / RUN).is_file() else []
    done = {key_of(record): record for record in records}
    times = _times([folder, *_earlier_runs()])
    rows = [
        {
            "fitter": fitter,
            "restarts": plan.restarts[fitter],
            "trials": sum(len(cell.trials) for cell in cells),
            "done": sum(len(cell.trials) - len(cell.remaining(done).trials) for cell in cells),
            "seconds": sum(_cell_seconds(plan, cell.scenario.name, fitter,
                                         len(cell.remaining(done).trials), times)
                           for cell in cells),
        }
        for fitter in plan.fitters
        for cells in [[cell for cell in plan.cells() if cell.fitter == fitter]]
    ]  # fmt: skip
    return Estimate(folder, workers or available_cores(), pd.DataFrame(rows))


def _earlier_runs() -> list[Path]:
    """The folders of complete records below ``results/``, the newest first."""
    files = [*RESULTS.glob(f"*/{RUN}"), *RESULTS.glob(f"*/*/{RUN}")]
    files.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in files[:MAX_RUNS]]


def _times(folders: list[Path]) -> pd.DataFrame:
    """Median seconds by fitter and scenario: ``trial`` (start included), ``setup`` of a cell."""
    import pandas as pd

    rows = []
    for folder in folders:
        try:
            records: list[Record] = read(folder)[1] if (folder / RUN).is_file() else []
        except UserError:  # a run of another version, which can't be read
            continue
        rows += [
            (r["fitter"], r["scenario"], r["seconds"] + r.get("start_seconds", 0.0),
             r.get("setup_seconds", 0.0))
            for r in records
            if "seconds" in r
        ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["fitter", "scenario", "trial", "setup"])
    return table.groupby(["fitter", "scenario"]).median()


def _cell_seconds(
    plan: Plan, scenario: str, fitter: str, trials: int, times: pd.DataFrame
) -> float:
    """Seconds of a cell's setup and trials: of this scenario, or else a median over scenarios."""
    if trials == 0:
        return 0.0
    if fitter not in times.index.get_level_values("fitter"):
        return float("nan")
    known = times.loc[fitter]
    row = known.loc[scenario] if scenario in known.index else known.median()
    return float(row["setup"] + trials * row["trial"])
