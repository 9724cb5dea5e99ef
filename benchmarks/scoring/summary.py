"""The summary of a run: rates, costs and scores of each fitter and start."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.runner.status import FOUND, SCORED, SUCCESS, Status
from benchmarks.scoring.score import CONVERGED_EXCESS, is_one_optimum
from benchmarks.scoring.statistics import clustered_interval, ratio_of_means

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("scenario", "fitter", "start")
THRESHOLDS = (1.0, 0.1, 0.01, 1e-4)
"""Excesses up to which fits that found the optimum are counted."""
JUST_OUTSIDE = 2.0
"""The factor by which the excess of a fit that is just outside a threshold may exceed it."""
NO_TRUTH = "no truth"
QUANTILES = ("nll", "excess", "worst_relative_error", "hellinger")
"""Scores whose medians count a failure as infinite."""


def summarise(trials: pd.DataFrame, by: tuple[str, ...] = KEYS) -> pd.DataFrame:
    """One row of ``summary_row`` for each group of trials, in the order of the overall ranking.

    That order is by the rate over all scenarios, then by ``cost_ratio``: the geometric mean, over
    scenarios, of the ERT in seconds ÷ that of the best method there. It is a lower bound, and
    ``cost_is_bound`` true, where the method has no success on a scenario on which another has.
    Scenarios stay in their order. Without "scenario" in ``by`` each row is over all scenarios, and
    has no ERT, which cannot be added over scenarios.
    """
    import pandas as pd

    method = [name for name in by if name != "scenario"]
    applied, keys = supported(trials), ["scenario", *method]
    rows = [
        {**dict(zip(keys, key, strict=True)), **summary_row(group)}
        for key, group in applied.groupby(keys, sort=False)
    ]
    # Without rows, the columns and types of one.
    example = {**dict.fromkeys(keys, ""), **summary_row(trials)}
    table = pd.DataFrame(rows or [example]).iloc[: len(rows)]
    if not method:
        return table
    ranking = _ranking(table, method)
    if "scenario" not in by:
        return _over_scenarios(applied, table, ranking, method)
    return in_order(table, trials["scenario"].unique(), ranking.index, method)


def in_order(
    table: pd.DataFrame, scenarios: Iterable[str], ranking: Iterable[tuple[str, ...]],
    method: list[str],
) -> pd.DataFrame:  # fmt: skip
    """The rows by scenario, and on each by method; a method that is not in the ranking is last."""
    ranks = {key: place for place, key in enumerate(ranking)}
    first = {name: place for place, name in enumerate(scenarios)}
    columns = [table[name] for name in method]
    places = [
        (first[scenario], ranks.get(key, len(ranks)))
        for scenario, key in zip(table["scenario"], zip(*columns, strict=True), strict=True)
    ]
    return table.iloc[sorted(range(len(places)), key=places.__getitem__)].reset_index(drop=True)


def _over_scenarios(
    applied: pd.DataFrame, table: pd.DataFrame, ranking: pd.DataFrame, method: list[str]
) -> pd.DataFrame:
    """A row for each method, in the order of the ``ranking``; ``table`` has those by scenario."""
    import pandas as pd

    groups = dict(iter(applied.groupby(method, sort=False)))
    unknown = dict.fromkeys(COSTS, np.nan) if table["scenario"].nunique() > 1 else {}
    rows = [
        {**dict(zip(method, key, strict=True)), **summary_row(groups[key]), **unknown, **costs}
        for key, costs in zip(ranking.index, ranking.to_dict("records"), strict=True)
    ]
    columns = [name for name in table.columns if name != "scenario"]
    return pd.DataFrame(rows, columns=[*columns, *ranking])


def _ranking(table: pd.DataFrame, method: list[str]) -> pd.DataFrame:
    """``cost_ratio`` and ``cost_is_bound`` of each method (index), the best first."""
    best = table.groupby("scenario")["ert_seconds"].transform("min")
    failed = ~np.isfinite(table["ert_seconds"])
    # Without success the ERT is more than all that was spent.
    costs = table["ert_seconds"].where(~failed, table["spent_seconds"]) / best
    usable = np.isfinite(best) & (table["restarts"] > 0)
    ratios = np.log(costs.where(usable & (costs > 0.0)))
    frame = table[method].assign(
        ratio=ratios, bound=failed & usable, converged=table["converged"],
        restarts=table["restarts"],
    )  # fmt: skip
    groups = frame.groupby(method, sort=False)
    sums = groups[["converged", "restarts"]].sum()
    ranking = sums.assign(
        rate=sums["converged"] / sums["restarts"].where(sums["restarts"] > 0),
        cost_ratio=np.exp(groups["ratio"].mean()),
        cost_is_bound=groups["bound"].any(),
    )
    ranking = ranking.sort_values(["rate", "cost_ratio"], ascending=[False, True], kind="stable")
    ranking.index = [key if isinstance(key, tuple) else (key,) for key in ranking.index]
    return ranking[["cost_ratio", "cost_is_bound"]]


def supported(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials of methods that apply to the model: others are in no rate and no test."""
    return trials[trials["status"] != Status.UNSUPPORTED]


def counted(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that rates and tests count: of methods that apply, on data sets that can tell."""
    applied = supported(trials)
    return applied[applied["outside_rates"] == ""]


COSTS = (
    "spent_seconds", "spent_passes", "ert_seconds", "ert_passes", "ert_found_seconds",
    "ert_found_passes", "first_answer", "first_answer_found", "setup_seconds",
)  # fmt: skip


def summary_row(group: pd.DataFrame) -> dict[str, Any]:
    """The summary's columns, computed from the trials of one method that applies.

    Every planned restart counts in the rates, except on data sets ``outside_rates``; where all are
    outside, scores alone are summarised. ``ert_*`` is the expected running time to one success
    (Hansen et al. 2010, COCO): ``spent_*``, over failures and starts too, per success; infinite
    without success. ``first_answer`` has one setup besides. ``report/columns.py`` describes the
    columns shown.
    """
    rated = counted(group)
    judged = rated if len(rated) else group
    return {
        "scenarios": int(group["scenario"].nunique()),
        "data_sets": len(group[["scenario", "replicate"]].drop_duplicates()),
        "restarts": len(rated),
        **_rates(rated),
        **{key: value for name in QUANTILES for key, value in _median(judged, name).items()},
        "seconds": judged["seconds"].median(),
        "passes": judged["passes"].median(),
        **_costs(rated),
        **_information(rated),
        **_claims(rated),
    }


def _rates(rated: pd.DataFrame) -> dict[str, Any]:
    """Counts and rates of trials that converged and that found the optimum."""
    row: dict[str, Any] = {}
    for name, statuses in (("", SUCCESS), ("found_", FOUND)):
        success = rated["status"].isin(statuses)
        low, high = rate_interval(rated, statuses)
        count = int(success.sum())
        row["found" if name else "converged"] = count
        row[f"{name}rate"] = count / len(rated) if len(rated) else np.nan
        row |= {f"{name}rate_low": low, f"{name}rate_high": high}
    found = rated["status"].isin(FOUND)
    others = rated["status"][~found].value_counts()
    row["others"] = ", ".join(f"{count} {status}" for status, count in others.items())
    return row


def _median(judged: pd.DataFrame, name: str) -> dict[str, Any]:
    """The median of a score, in which a trial without one counts as infinite.

    ``{name}_worst`` is the largest finite value, ``{name}_finite`` the share of finite ones. Trials
    for which the score is not defined, because there is no truth to compare with, are left out.
    """
    reason = judged["no_error_because"]
    defined = {"hellinger": reason != NO_TRUTH, "worst_relative_error": reason == ""}
    values = judged[name] if name not in defined else judged.loc[defined[name], name]
    values = values.to_numpy(dtype=np.float64)
    finite = values[np.isfinite(values)]
    penalised = np.where(np.isfinite(values), values, np.inf)
    return {
        name: float(np.median(penalised)) if values.size else np.nan,
        f"{name}_worst": float(finite.max()) if finite.size else np.nan,
        f"{name}_finite": f"{finite.size}/{values.size}",
    }


def _costs(rated: pd.DataFrame) -> dict[str, float]:
    """The costs of one success: expected running times, and with setup."""
    setup = float(rated["cold_setup_seconds"].max()) if len(rated) else np.nan
    row = {"setup_seconds": setup}
    for measure in ("seconds", "passes"):
        spent = float(rated[measure].sum() + rated[f"start_{measure}"].sum())
        row[f"spent_{measure}"] = spent if len(rated) else np.nan
        for name, statuses in (("ert", SUCCESS), ("ert_found", FOUND)):
            successes = int(rated["status"].isin(statuses).sum())
            row[f"{name}_{measure}"] = spent / successes if successes else np.inf
    row["first_answer"] = setup + row["ert_seconds"]
    row["first_answer_found"] = setup + row["ert_found_seconds"]
    return row


def _information(rated: pd.DataFrame) -> dict[str, float]:
    """Mean information errors of fits that found the optimum, and of the references.

    The ratio of the two means is over the same data sets, with an interval by data set.
    """
    names = ["information_error", "reference_information_error"]
    found = rated[rated["status"].isin(FOUND)].dropna(subset=names)
    sums = found.groupby(["scenario", "replicate"], sort=False)[names].sum()
    ratio, low, high = ratio_of_means(*(sums[name].to_numpy() for name in names))
    own, reference = (found[name].mean() if len(found) else np.nan for name in names)
    return {
        "information_error": own,
        "mean_reference_error": reference,
        "information_ratio": ratio,
        "information_low": low,
        "information_high": high,
    }


def _claims(rated: pd.DataFrame) -> dict[str, int]:
    """Claims of convergence: false ones are not stationary, silent failures stand elsewhere."""
    claimed = rated["claimed"].eq(True) & rated["weights"].notna()  # null is no claim
    cases = fit_cases(rated[claimed])
    return {
        "claims": len(cases),
        "false_claims": int(cases["moving"].sum()),
        "silent_failures": int(cases["elsewhere"].sum()),
    }


def fit_cases(returned: pd.DataFrame) -> pd.DataFrame:
    """What fits are, a column of booleans each; exactly one is true for each fit.

    ``at_optimum``: found, and an excess of 0.01 at most is left to gain. ``elsewhere``: stationary
    at another mixture. ``moving``: not stationary. ``unjudged``: not scored, as an invalid one.
    """
    import pandas as pd

    gain, found = returned["gain_left"], returned["status"].isin(FOUND)
    stationary = gain <= CONVERGED_EXCESS
    cases = {
        "at_optimum": stationary & found,
        "elsewhere": stationary & ~found,
        "moving": gain > CONVERGED_EXCESS,
        "unjudged": gain.isna(),
    }
    return pd.DataFrame(cases)


def rate_interval(
    rated: pd.DataFrame, statuses: tuple[Status, ...] = SUCCESS
) -> tuple[float, float]:
    """A 95 % interval of a rate: ``clustered_interval`` of data sets by scenario."""
    if rated.empty:
        return np.nan, np.nan
    success = rated["status"].isin(statuses)
    data_sets = success.groupby([rated["scenario"], rated["replicate"]]).agg(["sum", "size"])
    scenarios = data_sets.index.get_level_values("scenario")
    return clustered_interval(data_sets["sum"], data_sets["size"], list(scenarios))


def thresholds(trials: pd.DataFrame) -> pd.DataFrame:
    """Fits of each method that lead to the reference optimum, by excess.

    One threshold measures a stopping tolerance. For each of ``THRESHOLDS`` two columns:
    ``within_i``, the fits with so small an excess, and ``outside_i``, those above it by a factor
    of ``JUST_OUTSIDE`` at most.
    """
    import pandas as pd

    rows = []
    for (fitter, start), group in counted(trials).groupby(["fitter", "start"], sort=False):
        there = is_one_optimum(group["optimum"], group["reference_nll"], group["n"])
        excess = group["excess"].where(group["status"].isin(SCORED) & there, np.inf)
        row: dict[str, Any] = {"fitter": fitter, "start": start, "restarts": len(group)}
        for index, limit in enumerate(THRESHOLDS):
            row[f"within_{index}"] = int((excess <= limit).sum())
            outside = (excess > limit) & (excess <= JUST_OUTSIDE * limit)
            row[f"outside_{index}"] = int(outside.sum())
        rows.append(row)
    return pd.DataFrame(rows)
