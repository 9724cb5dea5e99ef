"""Tables on sampled posteriors: coverage of their intervals, and how well they were sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.runner.status import FOUND
from benchmarks.scoring.statistics import wilson

if TYPE_CHECKING:
    import pandas as pd

METHOD = ["scenario", "fitter"]
LEVELS = {"covered_50": 0.5, "covered_90": 0.9}
"""Nominal level of the intervals behind each column of the scored table."""


def coverage_table(trials: pd.DataFrame) -> pd.DataFrame:
    """How often posterior intervals covered the truth, for each (scenario, fitter).

    One row for each nominal ``level`` and ``parameter`` (an index): the number of
    ``data_sets`` (with the first restart of each), of how many the interval ``covered`` the
    truth, and Wilson's interval of that rate, ``low`` to ``high``.
    """
    import pandas as pd

    rows = []
    scored = trials[trials["covered_50"].notna()].drop_duplicates([*METHOD, "replicate"])
    for (scenario, fitter), group in scored.groupby(METHOD, sort=False):
        for column, level in LEVELS.items():
            covered = np.array(group[column].tolist(), dtype=bool).sum(axis=0)
            for parameter, count in enumerate(covered.tolist()):
                key = (scenario, fitter, level, parameter)
                rows.append((*key, count, len(group), *wilson(count, len(group))))
    names = [*METHOD, "level", "parameter", "covered", "data_sets", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def posterior_summary(trials: pd.DataFrame) -> pd.DataFrame:
    """Diagnostics of sampling, a row for each (scenario, fitter) that samples a posterior.

    Columns: the number of ``trials``, of those ``healthy`` and of those healthy and not found
    (``healthy_elsewhere``), the largest ``r_hat``, the median ``ess`` and ``ess_tail``, ESS per
    processor second without and with a cold setup for each trial, the sum of
    ``divergences``, the median ``predictive_kl`` beside the ``plug_in_kl`` of the references'
    maximum likelihood, and how many of ``values`` true values the 50 % and 90 % intervals covered
    (correlated within a data set).
    """
    import pandas as pd

    rows = []
    sampled = trials[trials["ess"].notna()]
    for (scenario, fitter), group in sampled.groupby(METHOD, sort=False):
        coverage = coverage_table(group)
        setup = group["cold_setup_cpu_seconds"].sum()
        by_level = {level: coverage[coverage["level"] == level] for level in LEVELS.values()}
        ess, seconds = group["ess"], group["cpu_seconds"].sum()
        rated = group["outside_rates"] == ""
        healthy, found = group["healthy"].eq(True), group["status"].isin(FOUND)
        rows.append(
            {
                "scenario": scenario,
                "fitter": fitter,
                "trials": len(group),
                "healthy": int(healthy.sum()),
                "healthy_elsewhere": int((healthy & ~found & rated).sum()),
                "r_hat": group["r_hat"].max(),
                "ess": ess.median(),
                "ess_tail": group["ess_tail"].median(),
                "ess_per_second": ess.sum() / seconds,
                "ess_per_second_cold": ess.sum() / (seconds + setup),
                "divergences": int(group["divergences"].sum()),
                "predictive_kl": group["predictive_kl"].median(),
                "plug_in_kl": group["reference_kl"].median(),
                "covered_50": int(by_level[0.5]["covered"].sum()),
                "covered_90": int(by_level[0.9]["covered"].sum()),
                "values": int(by_level[0.5]["data_sets"].sum()),
            }
        )
    return pd.DataFrame(rows)
