"""The page of an answer, and its tables, which the terminal shows too."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from benchmarks.fit import code
from benchmarks.fit.answer import Answer
from benchmarks.fit.summary_text import CAVEAT, headline
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.columns import duration
from benchmarks.report.estimates import usual_names
from benchmarks.report.tables import Column, Drawn, Row, Table
from benchmarks.report.template import render


def html(answer: Answer, warnings: Sequence[str], figures: Sequence[Drawn]) -> str:
    """Return the page's text."""
    return render(
        "fit.html",
        answer=answer,
        headline=headline(answer),
        warnings=warnings,
        figures=figures,
        estimates=estimate_table(answer),
        posterior=posterior_table(answer),
        candidates=candidate_table(answer),
        caveat=CAVEAT,
        optima=optimum_table(answer),
        code=code.lines(answer.mixture, answer.family.parameter_names()),
        versions=[f"{name} {version(name)}" for name in ("mixturebench", "numpy", "scipy")],
    )


def estimate_table(answer: Answer) -> Table:
    """Weights and parameters with standard errors and intervals."""

    def interval(row: Row) -> str:
        return f"{row['low']:.4g} to {row['high']:.4g}" if np.isfinite(row["low"]) else "–"

    columns = [
        Column("name", "parameter", left=True),
        Column("value", "estimate", ".5g"),
        Column("error", "standard error", ".3g"),
        Column("interval", "95 % interval", interval),
    ]
    return Table.of("The estimate", columns, answer.estimates)


def posterior_table(answer: Answer) -> Table | None:
    """The central 50 % and 90 % intervals of a sampled posterior; None if none was sampled.

    Components are in the order of their medians, as in the estimates.
    """
    import pandas as pd

    summary = answer.chosen.posterior
    if summary is None:
        return None
    ends = np.array(summary["quantiles"], dtype=float)  # (level, K, weight and parameters)
    middle = ends[1:3].mean(axis=0)
    medians = ScipyMixture(answer.chosen.family, middle[:, 0], middle[:, 1:]).medians()
    ends = ends[:, np.argsort(medians, kind="stable")]
    flat = np.concatenate([ends[:, :, 0], ends[:, :, 1:].reshape(len(ends), -1)], axis=1)
    frame = pd.DataFrame(flat.T.tolist(), columns=["5", "25", "75", "95"])
    frame["name"] = usual_names(answer.family, answer.chosen.components)
    columns = [
        Column("name", "parameter", left=True),
        Column("", "50 % interval", lambda row: f"{row['25']:.4g} to {row['75']:.4g}"),
        Column("", "90 % interval", lambda row: f"{row['5']:.4g} to {row['95']:.4g}"),
    ]
    r_hat = "–" if summary["r_hat"] is None else f"{float(summary['r_hat']):.3f}"
    ess = float(summary["ess"])
    label = f"The posterior (R̂ {r_hat}, effective sample size {ess:,.0f})"
    return Table.of(label, columns, frame)


def candidate_table(answer: Answer) -> Table:
    """Every family and number of components that was tried, best by BIC first."""
    frame = answer.comparison.sort_values("bic", kind="stable")
    frame[["bic", "icl"]] -= frame[["bic", "icl"]].min()

    def log_likelihood(row: Row) -> str:
        return f"{row['log_likelihood']:.3f}" if np.isfinite(row["bic"]) else "none admissible"

    columns = [
        Column("family", "family", left=True),
        Column("components", "components"),
        Column("parameters", "parameters"),
        Column("", "log likelihood", log_likelihood),
        Column("bic", "BIC − best", ".1f"),
        Column("icl", "ICL − best", ".1f"),
        Column("found_by", "found by"),
        Column("seconds", "time", lambda row: duration(row["seconds"])),
    ]
    return Table.of("Which family, and how many components", columns, frame)


def optimum_table(answer: Answer) -> Table:
    """The distinct optima of the chosen candidate, the greatest likelihood first."""
    columns = [
        Column("log_likelihood", "log likelihood", ".3f"),
        Column("found_by", "restarts"),
        Column("weights", "weights", left=True),
        Column("rejection_reason", "rejected because", left=True),
    ]
    return Table.of("The optima found", columns, answer.optima)
