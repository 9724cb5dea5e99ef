"""Comparisons of fitters or start policies: pairs, claims, and the optima reached."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from benchmarks.runner.status import FOUND, SUCCESS
from benchmarks.scoring.statistics import holm, mcnemar_p
from benchmarks.scoring.summary import supported

if TYPE_CHECKING:
    import pandas as pd

ONE_OPTIMUM = 0.05
"""Optima within this many total nats of each other are one optimum."""


def pairwise_comparisons(trials: pd.DataFrame, by: str = "fitter") -> pd.DataFrame:
    """Every pair of fitters (or start policies) on the trials that both have.

    Trials are matched by scenario, data set, restart, and start (or fitter); those of methods that
    do not apply to the model are left out. ``wins`` counts those on which the first alone
    converged, ``losses`` the second alone, ``ties`` both or neither. ``p`` is from the exact
    two-sided sign test on wins and losses, ``p_holm`` is adjusted for all rows. ``faster`` is the
    median of the second's time over the first's, where both converged.
    """
    import pandas as pd

    other, trials = "start" if by == "fitter" else "fitter", supported(trials)
    keys = ["scenario", "replicate", "restart", other]
    rows = []
    for first, second in combinations(trials[by].unique(), 2):
        pairs = trials[trials[by] == first].merge(trials[trials[by] == second], on=keys)
        if pairs.empty:
            continue
        one, two = pairs["status_x"].isin(SUCCESS), pairs["status_y"].isin(SUCCESS)
        wins, losses = int((one & ~two).sum()), int((two & ~one).sum())
        p = min(1.0, 2.0 * mcnemar_p(max(wins, losses), min(wins, losses)))
        faster = (pairs["seconds_y"] / pairs["seconds_x"])[one & two].median()
        rows.append((first, second, wins, len(pairs) - wins - losses, losses, p, faster))
    names = ["first", "second", "wins", "ties", "losses", "p", "faster"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=float)))


def claim_confusion(trials: pd.DataFrame) -> pd.DataFrame:
    """Claimed convergence against status: counts by fitter, over trials that returned a fit.

    Columns: ``right`` (convergence claimed, optimum found), ``false`` (claimed, not found:
    silent failure), ``modest`` (denied, but found), ``admitted`` (denied, not found),
    ``silent`` (neither claimed nor denied), and ``returned`` (all).
    """
    import pandas as pd

    returned = trials[trials["weights"].notna()]
    found = returned["status"].isin(FOUND)
    claimed, denied = returned["claimed"].eq(True), returned["claimed"].eq(False)
    cases = {
        "right": claimed & found,
        "false": claimed & ~found,
        "modest": denied & found,
        "admitted": denied & ~found,
        "silent": ~(claimed | denied),
        "returned": returned["weights"].notna(),
    }
    return pd.DataFrame(cases).groupby(returned["fitter"], sort=False).sum().reset_index()


def optima_reached(trials: pd.DataFrame) -> pd.DataFrame:
    """How often the trials of each start policy, on one data set, led to each optimum.

    One row for each (optimum, start): the optimum's ``rank`` (0 is the best) and ``nll``, and
    the number of trials from which the reference's ascent reached it, ``times``.
    """
    reached = trials[trials["optimum"].notna()].sort_values("optimum")
    rank = (reached["optimum"].diff() * reached["n"] > ONE_OPTIMUM).cumsum().rename("rank")
    nll = reached.groupby(rank)["optimum"].transform("median").rename("nll")
    return reached.groupby([rank, nll, "start"]).size().reset_index(name="times")
