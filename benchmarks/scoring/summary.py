"""The summary of a run: rates, costs and median scores of each fitter and start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.runner.status import FOUND, SUCCESS, Status
from benchmarks.scoring.statistics import clustered_interval

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("scenario", "fitter", "start")


def summarise(trials: pd.DataFrame, by: tuple[str, ...] = KEYS) -> pd.DataFrame:
    """One row of ``summary_row`` for each (scenario, fitter, start), best first in a scenario.

    The best has the highest rate, then the lowest ERT in seconds. Scenarios stay in their order.
    Without "scenario" in ``by`` each row is over all scenarios.
    """
    import pandas as pd

    rows = [
        {**dict(zip(by, key, strict=True)), **summary_row(group)}
        for key, group in supported(trials).groupby(list(by), sort=False)
    ]
    # Without rows, the columns and types of one.
    example = {**dict.fromkeys(by, ""), **summary_row(trials)}
    table = pd.DataFrame(rows or [example]).iloc[: len(rows)]
    table = table.sort_values(["rate", "ert_seconds"], ascending=[False, True], kind="stable")
    if "scenario" in by:
        place = {name: index for index, name in enumerate(trials["scenario"].unique())}
        table = table.sort_values("scenario", key=lambda s: s.map(place), kind="stable")
    return table.reset_index(drop=True)


def supported(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of methods that apply to the model: others are in no rate and no test."""
    return trials[trials["status"] != Status.UNSUPPORTED]


def summary_row(group: pd.DataFrame) -> dict[str, Any]:
    """The summary's columns, computed from a group of trials.

    Every planned restart counts in the rates. Scores are medians over admissible fits, seconds
    and passes medians over all trials that ran. ``ert_*`` is the expected running time to one
    success (Hansen et al. 2010, COCO): ``spent_*``, over failures, starts and setup too, per
    success; infinite without success. ``report/columns.py`` describes the columns shown.
    """
    restarts = len(group)
    converged = int(group["status"].isin(SUCCESS).sum())
    found = group["status"].isin(FOUND)
    low, high = rate_interval(group)
    setup = setup_seconds(group)
    spent_seconds = group["seconds"].sum() + group["start_seconds"].sum() + setup.sum()
    spent_passes = group["passes"].sum() + group["start_passes"].sum()
    claimed = group["claimed"].eq(True)  # null is no claim
    others = group["status"][~found].value_counts()
    return {
        "scenarios": int(group["scenario"].nunique()),
        "restarts": restarts,
        "converged": converged,
        "rate": converged / restarts,
        "rate_low": low,
        "rate_high": high,
        "found": int(found.sum()),
        "nll": group["nll"].median(),
        "excess": group["excess"].median(),
        "worst_relative_error": group["worst_relative_error"].median(),
        "hellinger": group["hellinger"].median(),
        "seconds": group["seconds"].median(),
        "setup_seconds": float(setup.mean()),
        "passes": group["passes"].median(),
        "spent_seconds": spent_seconds,
        "spent_passes": spent_passes,
        "ert_seconds": spent_seconds / converged if converged else np.inf,
        "ert_passes": spent_passes / converged if converged else np.inf,
        "information_error": group["information_error"].median(),
        "claims": int(claimed.sum()),
        "false_claims": int((claimed & ~found).sum()),
        "others": ", ".join(f"{count} {status}" for status, count in others.items()),
    }


def rate_interval(group: pd.DataFrame) -> tuple[float, float]:
    """A 95 % interval of the convergence rate: ``clustered_interval`` of data sets by scenario."""
    success = group["status"].isin(SUCCESS)
    data_sets = success.groupby([group["scenario"], group["replicate"]]).agg(["sum", "size"])
    scenarios = data_sets.index.get_level_values("scenario")
    return clustered_interval(data_sets["sum"], data_sets["size"], list(scenarios))


def setup_seconds(group: pd.DataFrame) -> pd.Series:
    """Seconds of setup on each data set.

    A worker reports its setup with each of its trials, and a cell may have needed several
    workers: so the distinct values are summed.
    """
    by_data_set = group.groupby(["scenario", "replicate"])["setup_seconds"]
    return by_data_set.agg(lambda seconds: seconds.dropna().unique().sum())
