"""Closer looks at judged trials: pure functions from tables to tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.metrics import CLOSE, wilson
from benchmarks.harness.plan import TRIAL, Key, key_of

if TYPE_CHECKING:
    import pandas as pd

TARGETS = tuple(10.0**power for power in range(2, -5, -1))
"""The ladder of excess targets, from far to tight."""
ONE_OPTIMUM = 0.05
"""Landings nearer than this in total nats are at one optimum."""


def basins(trials: pd.DataFrame, sizes: dict[tuple[str, int], int]) -> pd.DataFrame:
    """Which optimum, how often, from which start policy.

    One row for each (scenario, data set, optimum, start): the optimum's ``rank`` (0 is the
    best) and ``nll``, the trials that the yardstick's own ascent carried there, ``times``,
    and all trials ``of`` that start. ``sizes`` are the observations of each data set.
    """
    import pandas as pd

    rows = []
    for (scenario, data_set), group in trials.groupby(["scenario", "data_set"], sort=False):
        landed = group[group["optimum"].notna()].sort_values("optimum")
        gaps = landed["optimum"].diff().fillna(0.0) * sizes[scenario, data_set]
        ranks = (gaps > ONE_OPTIMUM).cumsum()
        planned = group.groupby("start", sort=False).size()
        for (rank, start), members in landed.groupby([ranks, "start"]):
            rows.append(
                {
                    "scenario": scenario,
                    "data_set": data_set,
                    "rank": int(rank),
                    "nll": float(landed.loc[ranks == rank, "optimum"].median()),
                    "start": start,
                    "times": len(members),
                    "of": int(planned[start]),
                }
            )
    columns = ["scenario", "data_set", "rank", "nll", "start", "times", "of"]
    return pd.DataFrame(rows, columns=columns)


def honesty(trials: pd.DataFrame) -> pd.DataFrame:
    """What each fitter claimed against what was so, over the trials that returned a fit.

    Columns: ``right`` (claimed converged and close to the optimum), ``false`` (claimed and
    not close: silent failure), ``modest`` (no success claimed, yet close), ``admitted``
    (no success claimed, not close), ``silent`` (no claim at all), and ``returned``.
    """
    import pandas as pd

    rows = []
    returned = trials[trials["weights"].notna()]
    for fitter, group in returned.groupby("fitter", sort=False):
        close = group["status"].isin(CLOSE)
        claims = group["claimed"].map({True: "yes", False: "no"}).fillna("none")
        rows.append(
            {
                "fitter": fitter,
                "right": int(((claims == "yes") & close).sum()),
                "false": int(((claims == "yes") & ~close).sum()),
                "modest": int(((claims == "no") & close).sum()),
                "admitted": int(((claims == "no") & ~close).sum()),
                "silent": int((claims == "none").sum()),
                "returned": len(group),
            }
        )
    return pd.DataFrame(rows)


def times_to_target(
    traces: Mapping[Key, list[tuple[float, float, float]]],
    trials: pd.DataFrame,
    problems: dict[tuple[str, int], tuple[int, int]],
) -> pd.DataFrame:
    """When each trial's trace first came within each excess target.

    One row for each (trial, target): ``seconds`` and ``evaluations``, infinite where the
    target was never reached, as for a trial that failed. ``traces`` hold (seconds, passes,
    NLL) of each trial's iterates, by its key; ``problems`` n and p of each data set.
    """
    import pandas as pd

    rows = []
    for row in trials.to_dict("records"):
        where = key_of(row)
        n, parameters = problems[row["scenario"], row["data_set"]]
        points = list(traces.get(where, []))
        if np.isfinite(row["nll"]):
            points.append((float(row["seconds"]), float(row["evaluations"]), float(row["nll"])))
        elif row["status"] != "":  # what ended inadmissible never arrived anywhere
            points = []
        for target in TARGETS:
            most = row["reference_nll"] + target * parameters / (2.0 * n)
            hit = next(((s, e) for s, e, nll in points if nll <= most), (np.inf, np.inf))
            told = dict(zip(TRIAL, where, strict=True))
            rows.append({**told, "target": target, "seconds": hit[0], "evaluations": hit[1]})
    return pd.DataFrame(rows)


def ecdf(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted finite values, and the share of *all* values at or below each of them."""
    finite = np.sort(values[np.isfinite(values)])
    return finite, np.arange(1, finite.size + 1) / max(values.size, 1)


def spread_of(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Median and quartiles of a metric for each (scenario, fitter, start).

    ``low`` and ``high`` are a 95 % bootstrap interval of the median over data sets (of
    their medians), null for fewer than three data sets.
    """
    import pandas as pd
    from scipy.stats import bootstrap

    rows = []
    for key, group in trials.groupby(["scenario", "fitter", "start"], sort=False):
        values = group[metric].dropna()
        row: dict[str, Any] = dict(zip(("scenario", "fitter", "start"), key, strict=True))
        row |= {"count": len(values), "median": values.median()}
        row |= {"q25": values.quantile(0.25), "q75": values.quantile(0.75)}
        row |= {"low": np.nan, "high": np.nan}
        medians = values.groupby(group["data_set"]).median().to_numpy()
        if len(medians) >= 3 and np.ptp(medians) > 0.0:
            interval = bootstrap(
                (medians,), np.median, method="percentile", rng=np.random.default_rng(0)
            ).confidence_interval
            row |= {"low": float(interval.low), "high": float(interval.high)}
        rows.append(row)
    return pd.DataFrame(rows)


def coverage(trials: pd.DataFrame) -> pd.DataFrame:
    """How often posterior intervals held the truth, for each (scenario, fitter).

    A row for each parameter of the mixture and nominal level: ``held`` of ``data_sets``
    (the first restart of each), with Wilson's interval, which should hold the level.
    """
    import pandas as pd

    rows = []
    told = trials[trials["covered_50"].notna()]
    told = told.drop_duplicates(["scenario", "fitter", "data_set"])
    for (scenario, fitter), group in told.groupby(["scenario", "fitter"], sort=False):
        for level, column in ((0.5, "covered_50"), (0.9, "covered_90")):
            table = np.array(group[column].tolist(), dtype=bool)
            for index, held in enumerate(table.sum(axis=0)):
                low, high = wilson(int(held), len(table))
                rows.append(
                    {"scenario": scenario, "fitter": fitter, "level": level, "parameter": index,
                     "held": int(held), "data_sets": len(table), "low": low, "high": high}
                )  # fmt: skip
    return pd.DataFrame(rows)
