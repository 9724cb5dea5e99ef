"""Closer looks at judged trials: pure functions from tables to tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness.evidence import holm, mcnemar
from benchmarks.harness.metrics import CLOSE, GOOD, setup_of, wilson
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

TARGETS = tuple(10.0**power for power in range(2, -5, -1))
"""The ladder of excess targets, from far to tight."""
ONE_OPTIMUM = 0.05
"""Landings nearer than this in total nats are at one optimum."""


def basins(trials: pd.DataFrame) -> pd.DataFrame:
    """Which optimum, how often, from which start policy.

    One row for each (scenario, data set, optimum, start): the optimum's ``rank`` (0 is the
    best) and ``nll``, the trials that the yardstick's own ascent carried there, ``times``,
    and all trials ``of`` that start.
    """
    import pandas as pd

    rows = []
    for (scenario, data_set), group in trials.groupby(["scenario", "data_set"], sort=False):
        landed = group[group["optimum"].notna()].sort_values("optimum")
        gaps = landed["optimum"].diff().fillna(0.0) * landed["n"]
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


def arrivals(points: list[tuple[float, float, float]], row: Mapping[str, Any]) -> dict[str, Any]:
    """When a trial first came within each of ``TARGETS``, in two lists of their length.

    ``target_seconds`` and ``target_evaluations`` are infinite where it never did, as all of a
    trial that failed. ``points`` are (seconds, passes, NLL) of its iterates, ``row`` its
    figures. Neither start nor setup is in them.
    """
    reached = list(points)
    if np.isfinite(row["nll"]):
        reached.append((float(row["seconds"]), float(row["evaluations"]), float(row["nll"])))
    elif row["status"] != "":  # what ended inadmissible never arrived anywhere
        reached = []
    told = []
    for target in TARGETS:
        most = row["reference_nll"] + target * row["p"] / (2.0 * row["n"])
        told.append(next(((s, e) for s, e, nll in reached if nll <= most), (np.inf, np.inf)))
    seconds, passes = zip(*told, strict=True)
    return {"target_seconds": list(seconds), "target_evaluations": list(passes)}


def profile(group: pd.DataFrame, measure: str) -> tuple[Array, Array]:
    """Share of all (trial, target) pairs reached within each cost, finding the start included.

    ``measure`` is ``seconds`` or ``evaluations``. The data profile of Hansen et al. (2016,
    *COCO: performance assessment*): its height at the end is what is reached at all.
    """
    table = np.array(group[f"target_{measure}"].tolist(), dtype=np.float64)
    start = group[f"start_{measure}"].fillna(0.0).to_numpy()
    return ecdf((table + start[:, None]).ravel())


def ecdf(values: Array) -> tuple[Array, Array]:
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


def duels(trials: pd.DataFrame, by: str = "fitter") -> pd.DataFrame:
    """Every two fitters (or start policies) against each other, on the trials that both had.

    Trials are matched by scenario, data set, restart, and start (or fitter). ``wins``: the
    first reached the optimum and the second did not; ``losses`` the other way round;
    ``ties``: both or neither. ``p`` is the exact two-sided sign test's on wins and losses,
    ``p_holm`` adjusted for all rows. ``faster`` is the second's median time over the first's
    where both reached it.
    """
    import pandas as pd

    other = "start" if by == "fitter" else "fitter"
    keys = ["scenario", "data_set", "restart", other]
    rows = []
    for first, second in combinations(trials[by].unique(), 2):
        pair = trials[trials[by] == first].merge(trials[trials[by] == second], on=keys)
        if pair.empty:
            continue
        good = pair["status_x"].isin(GOOD), pair["status_y"].isin(GOOD)
        wins, losses = int((good[0] & ~good[1]).sum()), int((good[1] & ~good[0]).sum())
        both = pair[good[0] & good[1]]
        rows.append(
            {
                "first": first,
                "second": second,
                "wins": wins,
                "ties": len(pair) - wins - losses,
                "losses": losses,
                "p": min(1.0, 2.0 * mcnemar(max(wins, losses), min(wins, losses))),
                "faster": float((both["seconds_y"] / both["seconds_x"]).median()),
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].to_numpy())) if rows else table


def posteriors(trials: pd.DataFrame) -> pd.DataFrame:
    """How well the sampling of posteriors went, for each (scenario, fitter) that samples.

    The largest ``r_hat``, the median ``ess``, ESS a second without and with setup (once a
    cell), all ``divergences``, and how many of the true values the 50 % and 90 % intervals
    held, of how many (``held_50``, ``held_90``, ``values``; correlated within a data set).
    """
    import pandas as pd

    rows = []
    sampled = trials[trials["ess"].notna()]
    for (scenario, fitter), group in sampled.groupby(["scenario", "fitter"], sort=False):
        held = coverage(group)
        counted = {level: held[held["level"] == level] for level in (0.5, 0.9)} if len(held) else {}
        seconds = group["seconds"].sum()
        rows.append(
            {
                "scenario": scenario,
                "fitter": fitter,
                "trials": len(group),
                "r_hat": group["r_hat"].max(),
                "ess": group["ess"].median(),
                "ess_per_second": group["ess"].sum() / seconds,
                "ess_per_second_with_setup": group["ess"].sum() / (seconds + setup_of(group).sum()),
                "divergences": int(group["divergences"].sum()),
                "held_50": int(counted[0.5]["held"].sum()) if counted else 0,
                "held_90": int(counted[0.9]["held"].sum()) if counted else 0,
                "values": int(counted[0.5]["data_sets"].sum()) if counted else 0,
            }
        )
    return pd.DataFrame(rows)
