"""Comparisons of fitters or start policies: pairs, claims, and the optima reached."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.runner.status import SUCCESS
from benchmarks.scoring.score import ONE_OPTIMUM
from benchmarks.scoring.statistics import holm, sign_test_p
from benchmarks.scoring.summary import counted, fit_cases

if TYPE_CHECKING:
    import pandas as pd


def pairwise_comparisons(trials: pd.DataFrame, by: str = "fitter") -> pd.DataFrame:
    """Every pair of fitters (or start policies) on the trials that both have.

    Trials are matched by scenario, data set, restart, and start (or fitter); those that no rate
    counts are left out. The ``unit`` of comparison is the scenario where there are several,
    otherwise the data set: restarts on one data set are no independent evidence. The first wins a
    unit, or loses it, if it converged in more, or fewer, of its trials there than the second;
    otherwise they tie. ``p`` is from the exact two-sided sign test on wins and losses, ``p_holm``
    is adjusted for all rows. ``faster`` is the geometric mean over units of the median of the
    second's time over the first's, where both converged.
    """
    import pandas as pd

    other, trials = "start" if by == "fitter" else "fitter", counted(trials)
    keys = ["scenario", "replicate", "restart", other]
    unit = "scenario" if trials["scenario"].nunique() > 1 else "data set"
    groups = ["scenario"] if unit == "scenario" else ["scenario", "replicate"]
    rows = []
    for first, second in combinations(trials[by].unique(), 2):
        pairs = trials[trials[by] == first].merge(trials[trials[by] == second], on=keys)
        if pairs.empty:
            continue
        one, two = pairs["status_x"].isin(SUCCESS), pairs["status_y"].isin(SUCCESS)
        units = [pairs[name] for name in groups]
        gaps = (one.astype(int) - two.astype(int)).groupby(units).sum()
        wins, losses = int((gaps > 0).sum()), int((gaps < 0).sum())
        speed = np.log((pairs["seconds_y"] / pairs["seconds_x"]).where(one & two))
        faster = float(np.exp(speed.groupby(units).median().mean()))
        ties, p = len(gaps) - wins - losses, sign_test_p(wins, losses)
        rows.append((first, second, unit, wins, ties, losses, p, faster))
    names = ["first", "second", "unit", "wins", "ties", "losses", "p", "faster"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=float)))


CLAIMS = ("yes", "no", "none")
"""What a fit claims: convergence, that it has not converged, or nothing."""


def claim_confusion(trials: pd.DataFrame) -> pd.DataFrame:
    """What fits claimed and what they are: counts by fitter and claim, of trials with a fit.

    A claim of convergence is one of stationarity. Columns: those of ``fit_cases``, and ``returned``
    (all). Claimed and moving is a false claim, claimed and elsewhere a silent failure.
    """
    returned = counted(trials)
    returned = returned[returned["weights"].notna()]
    claim = returned["claimed"].map({True: "yes", False: "no"}).fillna("none").rename("claim")
    cases = fit_cases(returned).assign(returned=True)
    table = cases.groupby([returned["fitter"], claim], sort=False).sum().reset_index()
    order = {name: place for place, name in enumerate(returned["fitter"].unique())}
    place = table["fitter"].map(order) * len(CLAIMS) + table["claim"].map(CLAIMS.index)
    return table.iloc[np.argsort(place.to_numpy(), kind="stable")].reset_index(drop=True)


def optima_reached(trials: pd.DataFrame) -> pd.DataFrame:
    """How often the trials of each start policy, on one data set, led to each optimum.

    One row for each (optimum, start): the optimum's ``rank`` (0 is the best) and ``nll``, and
    the number of trials from which the reference's ascent reached it, ``times``.
    """
    reached = trials[trials["optimum"].notna()].sort_values("optimum")
    rank = (reached["optimum"].diff() * reached["n"] > ONE_OPTIMUM).cumsum().rename("rank")
    nll = reached.groupby(rank)["optimum"].transform("median").rename("nll")
    return reached.groupby([rank, nll, "start"]).size().reset_index(name="times")
