"""Tables of scored trials over all scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.report.columns import CLAIMS, FAILURES, PAIRS, POSTERIORS, THRESHOLD_TABLE
from benchmarks.report.series import series_of
from benchmarks.report.tables import Table
from benchmarks.runner.status import FOUND, SCORED, SUCCESS
from benchmarks.scoring.comparisons import claim_confusion, pairwise_comparisons
from benchmarks.scoring.posterior import posterior_summary
from benchmarks.scoring.summary import counted, rate_interval, thresholds

if TYPE_CHECKING:
    import pandas as pd


NAMES = {"pairs": ("first", "second"), "starts": ()}
"""The columns that name fitters, of tables in which it is not ``fitter``."""


class OverallTable(NamedTuple):
    """A table with the id of its heading, and a sentence on how to read it."""

    anchor: str
    text: str
    table: Table


def overall_tables(trials: pd.DataFrame) -> list[OverallTable]:
    """Return the tables over all scenarios that have rows."""
    entries = [
        ("thresholds", "Whether a rate depends on the excess at which it is counted.",
         "Fits by excess", THRESHOLD_TABLE, thresholds(trials)),
        ("pairs", "Which converged more often from the same starts on the same data.",
         "Every two fitters, on the trials that both had", PAIRS,
         pairwise_comparisons(trials, "fitter")),
        ("starts", "The same for start policies, with the same fitter on the same data.",
         "Every two start policies, on the trials that both had", PAIRS,
         pairwise_comparisons(trials, "start")),
        ("claims", "What methods claim of the fits that they return, and what these are. A claim "
         "of convergence is one of stationarity; a posterior mean makes none.",
         "Claims and fits", CLAIMS, claim_confusion(trials)),
        ("posteriors", "How the chains mixed, and whether the posterior intervals hold the truth "
         "as often as they should.", "Sampling of posteriors", POSTERIORS,
         posterior_summary(trials)),
        ("failures", "Every trial that returned no admissible fit, by cause.",
         "Failures and their causes", FAILURES, failures(trials)),
    ]  # fmt: skip
    return [
        OverallTable(anchor, text, Table.of(label, columns, frame, NAMES.get(anchor, ("fitter",))))
        for anchor, text, label, columns, frame in entries
        if len(frame)
    ]


def failures(trials: pd.DataFrame) -> pd.DataFrame:
    """Count the trials without an admissible fit, most frequent first.

    Messages that differ only in numbers are one cause; ``message`` is the first of them.
    """
    failed = trials[~trials["status"].isin(SCORED)]
    cause = failed["message"].str.replace(r"\d[\d.e+-]*", "#", regex=True).rename("cause")
    grouped = failed.groupby(["scenario", "fitter", "status", cause], sort=False)["message"]
    table = grouped.agg(size="size", message="first").reset_index()
    return table.sort_values("size", ascending=False, kind="stable")


class MapCell(NamedTuple):
    """How often a method converged on one scenario."""

    text: str
    low: float
    """The lower limit of the rate's interval, by which the cell is shaded."""
    hover: str


class MapRow(NamedTuple):
    """A fitter and start, and a cell for each scenario; None where no rate is."""

    fitter: str
    cells: list[MapCell | None]


def convergence_map(trials: pd.DataFrame) -> tuple[list[str], dict[str, MapRow]]:
    """Return the scenarios, and by label a row for each fitter and start."""
    scenarios = trials["scenario"].unique().tolist()
    lines = {}
    for series in series_of(trials):
        rows = series.rows(counted(trials))
        groups = [rows[rows["scenario"] == name] for name in scenarios]
        cells = [_map_cell(group) if len(group) else None for group in groups]
        lines[series.label] = MapRow(series.fitter, cells)
    return scenarios, lines


def _map_cell(group: pd.DataFrame) -> MapCell:
    converged, found = (int(group["status"].isin(s).sum()) for s in (SUCCESS, FOUND))
    low, high = rate_interval(group)
    hover = (
        f"converged {converged} of {len(group)}, {converged / len(group):.0%} "
        f"[{100 * low:.0f}–{100 * high:.0f}]; found {found}"
    )
    return MapCell(f"{converged}/{len(group)}", low, hover)
