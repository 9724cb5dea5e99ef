"""Tables of scored trials over all scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.report.columns import CLAIMS, FAILURES, PAIRS, POSTERIORS
from benchmarks.report.series import series_of
from benchmarks.report.tables import Table
from benchmarks.runner.status import SCORED, SUCCESS
from benchmarks.scoring.comparisons import claim_confusion, pairwise_comparisons
from benchmarks.scoring.posterior import posterior_summary
from benchmarks.scoring.summary import supported

if TYPE_CHECKING:
    import pandas as pd


class OverallTable(NamedTuple):
    """A table with the id of its heading, and a sentence on how to read it."""

    anchor: str
    text: str
    table: Table


def overall_tables(trials: pd.DataFrame) -> list[OverallTable]:
    """Return the tables over all scenarios that have rows."""
    entries = [
        ("pairs", "How often one converged where the other did not, from the same start on the "
         "same data.", "Every two fitters, on the trials that both had", PAIRS,
         pairwise_comparisons(trials, "fitter")),
        ("starts", "The same for start policies, with the same fitter on the same data.",
         "Every two start policies, on the trials that both had", PAIRS,
         pairwise_comparisons(trials, "start")),
        ("claims", "The convergence that methods reported, against the status of the fits that "
         "they returned: wrongly converged is a failure that nobody would notice.",
         "Claims against status", CLAIMS, claim_confusion(trials)),
        ("posteriors", "How the chains mixed, and whether the posterior intervals hold the truth "
         "as often as they should.", "Sampling of posteriors", POSTERIORS,
         posterior_summary(trials)),
        ("failures", "Every trial that returned no admissible fit, by cause.",
         "Failures and their causes", FAILURES, failures(trials)),
    ]  # fmt: skip
    return [
        OverallTable(anchor, text, Table.of(label, columns, frame))
        for anchor, text, label, columns, frame in entries
        if len(frame)
    ]


def failures(trials: pd.DataFrame) -> pd.DataFrame:
    """Count the trials without an admissible fit, most frequent first.

    Messages that differ only in numbers are one cause; ``first`` is the first of them.
    """
    failed = trials[~trials["status"].isin(SCORED)]
    cause = failed["message"].str.replace(r"\d[\d.e+-]*", "#", regex=True).rename("cause")
    grouped = failed.groupby(["scenario", "fitter", "status", cause], sort=False)["message"]
    table = grouped.agg(["size", "first"]).reset_index()
    return table.sort_values("size", ascending=False, kind="stable")


def convergence_map(trials: pd.DataFrame) -> tuple[list[str], dict[str, list[tuple[int, int]]]]:
    """Return the scenarios, and by fitter and start the counts (converged, planned) on each."""
    scenarios = trials["scenario"].unique().tolist()
    counts = {}
    for series in series_of(trials):
        rows = series.rows(supported(trials))
        groups = [rows.loc[rows["scenario"] == name, "status"] for name in scenarios]
        counts[series.label] = [(int(s.isin(SUCCESS).sum()), len(s)) for s in groups]
    return scenarios, counts
