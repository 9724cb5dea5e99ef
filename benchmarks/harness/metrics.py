"""Aggregates: pure functions from the table of judged trials to tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

GOOD = ("converged",)
CLOSE = ("converged", "basin")
KEYS = ("scenario", "fitter", "start")


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate (Wilson 1927, *JASA* 22:209), by scipy."""
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def rate_interval(group: pd.DataFrame) -> tuple[float, float]:
    """A 95 % interval of the share that converged.

    Wilson's within one data set. Over several, whose restarts are not independent, the
    percentile bootstrap by data set; Wilson's again where all data sets agree, since a
    bootstrap of equal values has no width.
    """
    from scipy.stats import bootstrap

    good = group["status"].isin(GOOD)
    rates = good.groupby([group["scenario"], group["data_set"]]).mean().to_numpy()
    if len(rates) < 2 or np.ptp(rates) == 0.0:
        return wilson(int(good.sum()), len(group))
    interval = bootstrap(
        (rates,), np.mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(0)
    ).confidence_interval
    return float(interval.low), float(interval.high)


def summarise(trials: pd.DataFrame, by: tuple[str, ...] = KEYS) -> pd.DataFrame:
    """One row for each (scenario, fitter, start), best first within a scenario.

    Every planned restart stays in the denominator. Errors and NLL are medians over the
    fits that were admissible; seconds and passes are medians over all that ran; setup is
    the mean over cells, where it is spent once. ``ert_*`` is the expected running time to
    one success (Hansen et al. 2010, COCO): all that was spent, on failures, starts and
    setup too, over the successes; infinite where there are none, of which ``spent_*`` is
    the lower bound. ``false_claims`` are those of the ``claims`` to have converged that were
    not close. Best is the highest rate, then the least ERT in seconds.
    Without "scenario" in ``by`` the rows are over all scenarios.
    """
    import pandas as pd

    rows = []
    for key, group in trials.groupby(list(by), sort=False):
        count = len(group)
        converged = int(group["status"].isin(GOOD).sum())
        low, high = rate_interval(group)
        setup = setup_of(group)
        claimed = group["claimed"].eq(True)  # null is no claim
        spent = group["seconds"].sum() + group["start_seconds"].sum() + setup.sum()
        passes = group["evaluations"].sum() + group["start_evaluations"].sum()
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "restarts": count,
                "converged": converged,
                "rate": converged / count,
                "rate_low": low,
                "rate_high": high,
                "close": int(group["status"].isin(CLOSE).sum()),
                "nll": group["nll"].median(),
                "excess": group["excess"].median(),
                "parameter_error": group["worst_relative_error"].median(),
                "hellinger": group["hellinger"].median(),
                "seconds": group["seconds"].median(),
                "setup_seconds": float(setup.mean()),
                "evaluations": group["evaluations"].median(),
                "spent_seconds": spent,
                "spent_evaluations": passes,
                "ert_seconds": spent / converged if converged else np.inf,
                "ert_evaluations": passes / converged if converged else np.inf,
                "information_error": group["information_error"].median(),
                "claims": int(claimed.sum()),
                "false_claims": int((claimed & ~group["status"].isin(CLOSE)).sum()),
                "others": _others(group["status"]),
            }
        )
    table = pd.DataFrame(rows)
    table = table.sort_values(["rate", "ert_seconds"], ascending=[False, True], kind="stable")
    if "scenario" in by:  # scenarios stay in the order run
        place = {name: index for index, name in enumerate(trials["scenario"].unique())}
        table = table.sort_values("scenario", key=lambda s: s.map(place), kind="stable")
    return table.reset_index(drop=True)


def setup_of(group: pd.DataFrame) -> pd.Series:
    """Seconds of setup of each data set: a worker tells each of its trials the same, and a
    cell may have needed several workers."""
    told = group.groupby(["scenario", "data_set"])["setup_seconds"]
    return told.agg(lambda seconds: seconds.dropna().unique().sum())


def _others(statuses: pd.Series) -> str:
    """What became of those that are not close, counted by status."""
    counts = statuses[~statuses.isin(CLOSE)].value_counts()
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def display(row: Any) -> dict[str, str]:
    """A summary row as people read it: one home for the formats of terminal and page."""
    return {
        "fitter": row.fitter,
        "start": row.start,
        "converged": f"{row.converged}/{row.restarts}",
        "rate": f"{row.rate:.0%} [{row.rate_low:.0%}–{row.rate_high:.0%}]",
        "close": f"{row.close}/{row.restarts}",
        "nll": _number(row.nll, ".5f"),
        "excess": _number(0.0 if abs(row.excess) < 1e-8 else row.excess, ".2g"),
        "parameter_error": _number(row.parameter_error, ".1%"),
        "information_error": _number(row.information_error, ".3g"),
        "hellinger": _number(row.hellinger, ".4f"),
        "seconds": duration(row.seconds),
        "setup": duration(row.setup_seconds),
        "passes": _number(row.evaluations, ",.0f" if row.evaluations >= 10 else ".2g"),
        "cost": duration(row.ert_seconds) if row.converged else f"> {duration(row.spent_seconds)}",
        "claims": f"{row.false_claims}/{row.claims}" if row.claims else "–",
        "others": row.others,
    }


# Heading and meaning of each displayed column, in order.
COLUMNS = {
    "fitter": ("fitter", "The method and its settings. Another setting is another row."),
    "start": (
        "start",
        "Where its restarts begin. Every method meets the same starts, on the same data.",
    ),
    "converged": (
        "converged",
        "Restarts that reached the optimum (excess ≤ 0.01), of all that were planned. Those "
        "that failed, crashed or timed out stay among all.",
    ),
    "rate": (
        "rate [95 %]",
        "The share that converged. The interval is Wilson's within one data set, and a bootstrap "
        "by data set over several.",
    ),
    "close": (
        "close",
        "Restarts that came within the statistical noise of the optimum: excess ≤ 1. More data "
        "of the same kind would not tell them from it, but they are not tight.",
    ),
    "nll": (
        "NLL",
        "The mean of −log f over the data, recomputed with scipy's densities in double precision. "
        "Here it is the median over restarts that ended admissible.",
    ),
    "excess": (
        "excess",
        "2·(log likelihood short of the best known)/(number of parameters), median. 0 is the "
        "optimum, and 0.01 inflates the expected squared error by 1 %.",
    ),
    "parameter_error": (
        "worst param.",
        "The largest relative error of a weight or parameter after labels are aligned, median. "
        "Left out where the truth can't be told at this sample size.",
    ),
    "information_error": (
        "inf. error",
        "The squared error in the Fisher metric, a parameter, median. 1 is the Cramér–Rao bound: "
        "what chance alone leaves on average.",
    ),
    "hellinger": (
        "Hellinger",
        "The distance of the fitted density from the true one, 0 to 1, median. It needs no labels "
        "and no parameters.",
    ),
    "seconds": (
        "time",
        "Wall time of one restart, median. Setup and finding the start are apart.",
    ),
    "setup": (
        "setup",
        "Wall time spent once for all restarts on a data set: imports, and compiling a model. "
        "The mean over data sets.",
    ),
    "passes": (
        "passes",
        "Density evaluations ÷ n, median: an epoch, a leapfrog step or a line-search call is one "
        "each. Work in a unit that knows no machine.",
    ),
    "cost": (
        "ERT",
        "Expected time to one success: all that was spent, on failures, starts and setup too, over "
        "the restarts that converged. After > it is all that was spent, with no success.",
    ),
    "claims": (
        "false claims",
        "Of the restarts that said they had converged, those that were not even close. Each is a "
        "failure that its user would not have seen.",
    ),
    "others": (
        "not close",
        "What became of the other restarts. “Local” is another optimum, “unfinished” stopped on "
        "the way, “spurious” shrank a component onto a few points.",
    ),
}  # fmt: skip


# Those that mean something over scenarios of different size and truth.
OVERALL = (
    "fitter",
    "start",
    "converged",
    "rate",
    "close",
    "excess",
    "information_error",
    "seconds",
    "passes",
    "cost",
    "claims",
    "others",
)


def duration(seconds: float) -> str:
    """Seconds in a unit that needs few digits."""
    if not np.isfinite(seconds):
        return "–"
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _number(value: float, form: str) -> str:
    return format(value, form) if np.isfinite(value) else "–"
