"""The columns of results: heading, format and meaning of each stand here alone.

A new column of ``scoring.summary.summarise`` is one entry of ``COMPARISON``: terminal,
Markdown, page and glossary then show it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.report.tables import Column, Row
from benchmarks.runner.progress import duration
from benchmarks.scoring.summary import THRESHOLDS


def _cost(name: str, spent: str, text: Callable[[float], str]) -> Callable[[Row], str]:
    """The format of a cost to one success: after > it is all that was spent, without success."""

    def form(row: Row) -> str:
        if not row["restarts"] or math.isnan(row[name]):
            return "–"
        return text(row[name]) if math.isfinite(row[name]) else f"> {text(row[spent])}"

    return form


def _median(name: str, text: Callable[[float], str]) -> Callable[[Row], str]:
    """The format of a median that counts failures as infinite, which it may be itself."""

    def form(row: Row) -> str:
        if math.isnan(row[name]) or (math.isinf(row[name]) and math.isnan(row[f"{name}_worst"])):
            return "–"
        if math.isinf(row[name]):
            return f"> {text(row[f'{name}_worst'])} ({row[f'{name}_finite']})"
        return text(row[name])

    return form


def _count(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]}/{row['restarts']}" if row["restarts"] else "–"


def _rate(count: str, rate: str) -> Callable[[Row], str]:
    def form(row: Row) -> str:
        if not row["restarts"]:
            return "–"
        low, high = (100.0 * row[f"{rate}_{end}"] for end in ("low", "high"))
        return f"{row[rate]:.0%} [{low:.0f}–{high:.0f}], {row[count]}/{row['restarts']}"

    return form


def _excess(value: float) -> str:
    return f"{value if abs(value) >= 1e-8 else 0.0:.2g}"


def _passes(value: float) -> str:
    return format(value, ",.0f" if value >= 10 else ".2g")


def _information(row: Row) -> str:
    if math.isnan(row["information_ratio"]):
        return "–"
    if math.isnan(row["information_low"]):
        return f"{row['information_ratio']:.3f}"
    ends = f"{row['information_low']:.3f}–{row['information_high']:.3f}"
    return f"{row['information_ratio']:.3f} [{ends}]"


def _ratio_to_best(row: Row) -> str:
    if math.isnan(row["cost_ratio"]):
        return "–"
    return f"{'> ' if row['cost_is_bound'] else ''}{times(row['cost_ratio'])}"


def times(ratio: float) -> str:
    """A ratio, to three digits."""
    return f"× {ratio:,.0f}" if ratio >= 100.0 else f"× {ratio:.3g}"


def _threshold(index: int) -> Callable[[Row], str]:
    def form(row: Row) -> str:
        outside = row[f"outside_{index}"]
        return f"{row[f'within_{index}']}/{row['restarts']}" + (f" (+{outside})" if outside else "")

    return form


FITTER = Column(
    "fitter", "fitter", meaning="The method and its settings. Other settings are another row.",
    left=True,
)  # fmt: skip
SCENARIO = Column("scenario", "scenario", left=True, meaning="The data: a true mixture, or a file.")
START = Column(
    "start", "start", left=True,
    meaning="The start policy of the restarts. Every method gets the same starts on the same data.",
)  # fmt: skip

COMPARISON = (
    FITTER,
    START,
    Column("found", "found [95 %]", _rate("found", "found_rate"),
           "Restarts whose fit leads to the reference optimum, within 0.05 nats, and is within the "
           "statistical noise of it (excess ≤ 1), of all that were planned. Failures count among "
           "all. The rule is the same for every method. The interval is Korn and Graubard's by "
           "data set, with scenarios as strata, and Wilson's where a scenario has one data set: it "
           "then holds for these data alone, and the heading says so."),
    Column("converged", "converged [95 %]", _rate("converged", "rate"),
           "Restarts that found the optimum with an excess of at most 0.01."),
    Column("nll", "NLL", _median("nll", "{:.5f}".format), overall=False,
           meaning="The mean of −log f over the data, recomputed with scipy's densities in double "
           "precision, median. A failure counts as infinite in this and in all medians of scores: "
           "> x (k/n): it is infinite, k of n values are finite, and x is the worst of them."),
    Column("excess", "excess", _median("excess", _excess),
           "2·(log likelihood below the best known)/(number of parameters), median. 0 is the "
           "optimum, and 0.01 inflates the expected squared error by 1 %."),
    Column("worst_relative_error", "worst param.", _median("worst_relative_error", "{:.1%}".format),
           overall=False,
           meaning="The largest relative error of a weight or parameter after labels are aligned, "
           "median. Left out where the truth is not identifiable at this sample size."),
    Column("information_ratio", "inf. error ÷ reference's", _information,
           "The squared error in the Fisher metric ÷ the number of parameters: its mean over the "
           "fits that found the optimum ÷ the mean of the references on the same data, with an "
           "interval by data set. 1: no less exact than maximum likelihood."),
    Column("mean_reference_error", "reference's", ".3g",
           "The mean information error of those references. Its expectation is 1 in large samples, "
           "the Cramér–Rao bound."),
    Column("hellinger", "Hellinger", _median("hellinger", "{:.4f}".format), overall=False,
           meaning="The Hellinger distance between fitted and true density, 0 to 1, median. It "
           "needs no labels and no parameters."),
    Column("seconds", "time", lambda row: duration(row["seconds"]), overall=False,
           meaning="Wall time of one restart, median, without setup and without finding the "
           "start."),
    Column("setup_seconds", "setup", lambda row: duration(row["setup_seconds"]), overall=False,
           meaning="Wall time of a cold preparation of the method, as of compiling a model; "
           "imports are not in it."),
    Column("passes", "passes", lambda row: _passes(row["passes"]), overall=False,
           meaning="Density passes ÷ n, in E-steps, median. A pass with gradient is 1, one of the "
           "likelihood alone 0.6, one with Hessian 1 + p/2. Machine-independent unit of work."),
    Column("ert", "ERT", _cost("ert_seconds", "spent_seconds", duration), overall=False,
           meaning="Expected running time to one converged fit: all time spent on restarts, their "
           "failures and starts, ÷ the restarts that converged. After > it is all time spent, with "
           "no success."),
    Column("ert_found", "ERT (found)", _cost("ert_found_seconds", "spent_seconds", duration),
           overall=False, meaning="The same to one fit that found the optimum."),
    Column("ert_passes", "ERT in passes", _cost("ert_passes", "spent_passes", _passes),
           overall=False, meaning="The same as ERT, in passes."),
    Column("first_answer", "first answer", _cost("first_answer", "spent_seconds", duration),
           overall=False,
           meaning="Setup and ERT: the expected time until the first converged fit."),
    Column("cost_ratio", "ERT ÷ best", _ratio_to_best, scenario=False,
           meaning="ERT in seconds ÷ the best method's on the same scenario, geometric mean over "
           "scenarios. After > it is a lower bound: somewhere the method had no success."),
    Column("false_claims", "false claims",
           lambda row: f"{row['false_claims']}/{row['claims']}" if row["claims"] else "–",
           "Of the fits that claim convergence, those that are not stationary: more than an excess "
           "of 0.01 is left to gain from there."),
    Column("silent_failures", "silent failures",
           lambda row: f"{row['silent_failures']}/{row['claims']}" if row["claims"] else "–",
           "Of the fits that claim convergence, those that are stationary and have not found the "
           "optimum: failures that a user does not see."),
    Column("others", "not found", left=True, fold=True,
           meaning="The other restarts by status; the statuses are explained below."),
)  # fmt: skip
NARROW = (
    Column("fitter", "fitter", left=True, fold=True),
    Column("start", "start", left=True),
    Column("found", "found", _count("found")),
    Column("converged", "converged, 95 %",
           lambda row: f"{row['converged']}/{row['restarts']} "
           f"[{100 * row['rate_low']:.0f}–{100 * row['rate_high']:.0f} %]"
           if row["restarts"] else "–"),
    Column("ert", "ERT", _cost("ert_seconds", "spent_seconds", duration), overall=False),
    Column("cost_ratio", "ERT ÷ best", _ratio_to_best, scenario=False),
    Column("others", "not found", left=True, fold=True),
)  # fmt: skip
"""The columns that fit a terminal of 80 characters; --wide shows all."""
OVERALL = tuple(column for column in COMPARISON if column.overall)
"""The columns of a comparison over several scenarios."""

PAIRS = (
    Column("first", "first", left=True, meaning="The first of two methods that are compared."),
    Column("second", "second", left=True, meaning="The other."),
    Column("unit", "compared by", left=True,
           meaning="Scenario where there are several, otherwise data set: restarts on one data set "
           "are no independent evidence."),
    Column("wins", "first wins", meaning="Units in which the first converged more often."),
    Column("ties", "ties", meaning="Units in which both converged equally often."),
    Column("losses", "second wins", meaning="Units in which the second converged more often."),
    Column("p_holm", "p (Holm)", ".2g",
           "The probability of so uneven a count if both won equally often: the exact sign test on "
           "the units without ties, adjusted for all rows of its table."),
    Column("faster", "second's time ÷ first's", "× {faster:.3g}".format_map,
           "Geometric mean over units of the median ratio, where both converged."),
)  # fmt: skip
CLAIMS = (
    FITTER,
    Column("claim", "claims convergence", left=True,
           meaning="What the method says of its fit: yes, no, or nothing (none)."),
    Column("at_optimum", "at the optimum",
           meaning="Stationary (an excess of 0.01 at most is left to gain) and found."),
    Column("elsewhere", "stationary elsewhere",
           meaning="Stationary and not found; a silent failure if convergence was claimed."),
    Column("moving", "not stationary",
           meaning="More is left to gain; a false claim if convergence was claimed."),
    Column("unjudged", "can't be judged", meaning="Returned, but no mixture that can be scored."),
    Column("returned", "fits returned", meaning="All fits of this row."),
)  # fmt: skip
THRESHOLD_TABLE = (
    FITTER,
    START,
    *(Column(f"within_{index}", f"excess ≤ {limit:g}", _threshold(index),
             "Fits that lead to the reference optimum with so small an excess, of all restarts; "
             "after + those just outside, within a factor of 2. A rate that changes much from one "
             "threshold to the next measures a stopping tolerance."
             if not index else "The same for this excess.")
      for index, limit in enumerate(THRESHOLDS)),
)  # fmt: skip
FAILURES = (
    Column("size", "trials", meaning="How many trials ended so."),
    SCENARIO,
    FITTER,
    Column("status", "status", left=True, meaning="How a trial ended; explained below."),
    Column("message", "message (the first)", left=True, fold=True,
           meaning="The first of the messages, which differ in numbers only."),
)  # fmt: skip
POSTERIORS = (
    SCENARIO,
    FITTER,
    Column("healthy", "healthy", "{healthy}/{trials}".format_map,
           "Runs with R̂ ≤ 1.05 and effective sample sizes, of bulk and tails, of at least 400. It "
           "has no part in the rates."),
    Column("healthy_elsewhere", "healthy, not found",
           meaning="Of these the runs that did not find the optimum: failures that diagnostics do "
           "not show."),
    Column("r_hat", "worst R̂", ".3f",
           "How far the chains disagree, by rank-normalised split R̂ on quantities that no "
           "labelling changes: 1 is agreement."),
    Column("ess", "median ESS", ",.0f",
           "The effective sample size: so many independent draws would be as precise, on "
           "quantities that no labelling changes."),
    Column("ess_tail", "median tail ESS", ",.0f", "The same for the tails."),
    Column("ess_per_second", "ESS/CPU s", ",.3g", "ESS ÷ processor seconds of sampling."),
    Column("ess_per_second_cold", "ESS/CPU s cold", ",.3g",
           "ESS ÷ processor seconds of sampling and of a cold setup."),
    Column("divergences", "divergences",
           meaning="Steps at which the sampler lost the energy that it should conserve. More than "
           "a few mean that it may have missed a part of the posterior."),
    Column("predictive_kl", "predictive KL", ".3g",
           "KL divergence from the true density to the posterior predictive density, in nats, "
           "median."),
    Column("plug_in_kl", "KL of max. likelihood", ".3g",
           "The same to the density of the reference, the maximum likelihood fit, on these data."),
    Column("covered_50", "50 % intervals cover",
           lambda row: f"{row['covered_50']}/{row['values']}" if row["values"] else "–",
           "True parameters inside the central 50 % posterior intervals, over parameters and data "
           "sets. Half are expected; counts within a data set are not independent."),
    Column("covered_90", "90 % intervals cover",
           lambda row: f"{row['covered_90']}/{row['values']}" if row["values"] else "–",
           "The same for 90 % intervals: nine tenths are expected."),
)  # fmt: skip
TARGETS = (
    Column("target", "excess ≤", "g", meaning="The target."),
    Column("reached", "reached", "{reached}/{trials}".format_map, "Trials that ever reached it."),
    Column(
        "median_passes",
        "median passes",
        ".4g",
        "The median cost, of all trials, until the target was reached; – if most did not.",
    ),
    Column("median_seconds", "median seconds", ".3g", "The same in seconds."),
)


def of_scenario(columns: Sequence[Column], data_sets: int) -> list[Column]:
    """Return the columns of a comparison on one scenario; headings say what intervals hold for."""
    given = "[95 %, these data]" if data_sets == 1 else "[95 %]"
    return [
        replace(column, heading=column.heading.replace("[95 %]", given))
        for column in columns
        if column.scenario
    ]


def comparison_columns(*names: str) -> list[Column]:
    """Return some of the comparison's columns, in its order."""
    return [column for column in COMPARISON if column.name in names]
