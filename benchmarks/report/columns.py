"""The columns of results: heading, format and meaning of each stand here alone.

A new column of ``scoring.summary.summarise`` is one entry of ``COMPARISON``: terminal,
Markdown, page and glossary then show it.
"""

from __future__ import annotations

from benchmarks.report.tables import Column, Row
from benchmarks.runner.progress import duration


def _ert(row: Row) -> str:
    if row["converged"]:
        return duration(row["ert_seconds"])
    return f"> {duration(row['spent_seconds'])}"


FITTER = Column(
    "fitter", "fitter", meaning="The method and its settings. Other settings are another row.",
    left=True,
)  # fmt: skip
SCENARIO = Column("scenario", "scenario", left=True)

COMPARISON = (
    FITTER,
    Column("start", "start", left=True,
           meaning="The start policy of the restarts. Every method gets the same starts on the "
           "same data."),
    Column("converged", "converged", "{converged}/{restarts}".format_map,
           "Restarts that reached the optimum (excess ≤ 0.01), of all that were planned. Restarts "
           "that failed, crashed or timed out count among all."),
    Column("rate", "rate [95 %]", "{rate:.0%} [{rate_low:.0%}–{rate_high:.0%}]".format_map,
           "The share that converged. The interval is Korn and Graubard's by data set, "
           "with scenarios as strata, and Wilson's where a scenario has one data set: it then "
           "holds for these data alone."),
    Column("found", "found", "{found}/{restarts}".format_map,
           "Restarts within the statistical noise of the optimum (excess ≤ 1), those that "
           "converged included. More data of the same kind would not tell them from it."),
    Column("nll", "NLL", ".5f", overall=False,
           meaning="The mean of −log f over the data, recomputed with scipy's densities in double "
           "precision. Median over the restarts that returned an admissible fit."),
    Column("excess", "excess",
           lambda row: f"{row['excess'] if abs(row['excess']) >= 1e-8 else 0.0:.2g}",
           "2·(log likelihood below the best known)/(number of parameters), median. 0 is the "
           "optimum, and 0.01 inflates the expected squared error by 1 %."),
    Column("worst_relative_error", "worst param.", ".1%", overall=False,
           meaning="The largest relative error of a weight or parameter after labels are aligned, "
           "median. Left out where the truth is not identifiable at this sample size."),
    Column("information_error", "inf. error", ".3g",
           "The squared error in the Fisher metric ÷ the number of parameters, median. 1 is the "
           "Cramér–Rao bound: the average error that chance alone causes."),
    Column("hellinger", "Hellinger", ".4f", overall=False,
           meaning="The Hellinger distance between fitted and true density, 0 to 1, median. It "
           "needs no labels and no parameters."),
    Column("seconds", "time", lambda row: duration(row["seconds"]),
           "Wall time of one restart, median, without setup and without finding the start."),
    Column("setup_seconds", "setup", lambda row: duration(row["setup_seconds"]), overall=False,
           meaning="Wall time spent once for all restarts on a data set: imports, and compiling a "
           "model. The mean over data sets."),
    Column("passes", "passes",
           lambda row: format(row["passes"], ",.0f" if row["passes"] >= 10 else ".2g"),
           "Density passes ÷ n, median: an epoch, a leapfrog step or a line-search call is one "
           "each. Machine-independent unit of work."),
    Column("ert", "ERT", _ert,
           "Expected running time to one success: all time spent, on failures, starts and setup "
           "too, ÷ the restarts that converged. After > it is all time spent, with no success."),
    Column("claims", "false claims",
           lambda row: f"{row['false_claims']}/{row['claims']}" if row["claims"] else "–",
           "Of the restarts that reported convergence, those that did not find the optimum: "
           "failures that their user would not notice."),
    Column("others", "not found", left=True, fold=True,
           meaning="The other restarts by status; the statuses are explained below."),
)  # fmt: skip
NARROW = (
    Column("fitter", "fitter", left=True, fold=True),
    Column("start", "start", left=True),
    Column("converged", "converged [95 %]",
           lambda row: f"{row['converged']}/{row['restarts']} "
           f"[{100 * row['rate_low']:.0f}–{100 * row['rate_high']:.0f} %]"),
    Column("found", "found", "{found}/{restarts}".format_map),
    Column("seconds", "time", lambda row: duration(row["seconds"])),
    Column("others", "not found", left=True, fold=True),
)  # fmt: skip
"""The columns that fit a terminal of 80 characters; --wide shows all."""
OVERALL = tuple(column for column in COMPARISON if column.overall)
"""The columns of a comparison over several scenarios."""

PAIRS = (
    Column("first", "first", left=True),
    Column("second", "second", left=True),
    Column("wins", "first alone"),
    Column("ties", "both or neither"),
    Column("losses", "second alone"),
    Column("p_holm", "p (Holm)", ".2g",
           "The probability of so uneven a count if both reached the optimum equally often: the "
           "exact sign test on the trials that one alone got right, adjusted for all rows of its "
           "table."),
    Column("faster", "second's time ÷ first's", "× {faster:.3g}".format_map),
)  # fmt: skip
CLAIMS = (
    FITTER,
    Column("right", "rightly converged", meaning="Claimed convergence and found the optimum."),
    Column("false", "wrongly converged", meaning="Claimed convergence and did not find it."),
    Column("modest", "found, unclaimed", meaning="Found the optimum and claimed no convergence."),
    Column("admitted", "admitted failure", meaning="Did not find it and claimed no convergence."),
    Column("silent", "no claim", meaning="The method does not report whether it converged."),
    Column("returned", "fits returned"),
)
FAILURES = (
    Column("size", "trials"),
    SCENARIO,
    FITTER,
    Column("status", "status", left=True, meaning="How a trial ended; explained below."),
    Column("first", "message (the first)", left=True, fold=True),
)
POSTERIORS = (
    SCENARIO,
    FITTER,
    Column("trials", "trials"),
    Column("r_hat", "worst R̂", ".3f",
           "How far the chains disagree, by rank-normalised split R̂ on quantities that no "
           "labelling changes: 1 is agreement. A fit by MCMC counts as converged up to 1.01."),
    Column("ess", "median ESS", ",.0f",
           "The effective sample size: so many independent draws would be as precise, on "
           "quantities that no labelling changes."),
    Column("ess_per_second", "ESS/s", ",.3g", "ESS ÷ the seconds of sampling."),
    Column("ess_per_second_with_setup", "ESS/s with setup", ",.3g",
           "ESS ÷ the seconds of sampling and setup."),
    Column("divergences", "divergences",
           meaning="Steps at which the sampler lost the energy that it should conserve. More than "
           "a few mean that it may have missed a part of the posterior."),
    Column("covered_50", "50 % intervals cover",
           lambda row: f"{row['covered_50']}/{row['values']}" if row["values"] else "–",
           "True parameters inside the central 50 % posterior intervals, over parameters and data "
           "sets. Half are expected; counts within a data set are not independent."),
    Column("covered_90", "90 % intervals cover",
           lambda row: f"{row['covered_90']}/{row['values']}" if row["values"] else "–",
           "The same for 90 % intervals: nine tenths are expected."),
)  # fmt: skip
TARGETS = (
    Column("target", "excess ≤", "g"),
    Column("reached", "reached", "{reached}/{trials}".format_map),
    Column("passes", "median passes", ".4g"),
    Column("seconds", "median seconds", ".3g"),
)


def comparison_columns(*names: str) -> list[Column]:
    """Return some of the comparison's columns, in its order."""
    return [column for column in COMPARISON if column.name in names]
