"""The page of an answer, and its tables, which the terminal shows too."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from textwrap import fill

import numpy as np

from benchmarks.fit import code
from benchmarks.fit.answer import Answer
from benchmarks.fit.page_name import MARK, origin
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.estimates import usual_names
from benchmarks.report.tables import Column, Drawn, Row, Table
from benchmarks.report.template import render
from benchmarks.runner.progress import duration

NUMBERS = ("Zero", "One", "Two", "Three", "Four", "Five")


def headline(answer: Answer) -> str:
    """The number of components, the family and where the components lie, in a sentence or two."""
    chosen, mixture = answer.chosen, answer.mixture
    count = chosen.components
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    text = f"{number} {chosen.family.replace('_', ' ')} component{'s' if count > 1 else ''}"
    if len(answer.candidates) > 1:
        text += f" fit{'' if count > 1 else 's'} best by BIC"
    ranges = mixture.quantiles([0.16, 0.5, 0.84])
    text += ": " + ", ".join(
        f"{weight:.1%} around {middle:.4g} (two thirds within {low:.4g} to {high:.4g})"
        for weight, (low, middle, high) in zip(mixture.weights, ranges, strict=True)
    )
    others = [c for c in answer.candidates if c is not chosen and np.isfinite(c.bic)]
    if not others:
        return f"{text}."
    second = min(others, key=lambda candidate: candidate.bic)
    return (
        f"{text}. The second best is {second.components} × {second.family}, with a BIC higher by "
        f"{second.bic - chosen.bic:.1f}."
    )


def text(answer: Answer) -> str:
    """The answer for a terminal of 80 characters: headline, tables and warnings."""
    tables = [estimate_table(answer), posterior_table(answer)]
    if len(answer.candidates) > 1:
        tables.append(candidate_table(answer))
    left_out = [f"Left out: {answer.data.dropped}"] if answer.data.dropped else []
    sentences = [*answer.untried, *left_out, *(f"Warning: {each}" for each in answer.warnings)]
    parts = [fill(headline(answer), 80)]
    parts += [table.text(80) for table in tables if table is not None]
    if answer.methods is not None:
        parts += [fill(" ".join(answer.methods.sentences), 80), answer.methods.shown.text(80)]
    return "\n\n".join(parts) + "".join(f"\n{fill(f'{each}.', 80)}" for each in sentences)


def html(answer: Answer, warnings: Sequence[str], figures: Sequence[Drawn]) -> str:
    """Return the page's text."""
    return render(
        "fit.html",
        answer=answer,
        mark=MARK,
        origin=origin(answer.data),
        headline=headline(answer),
        warnings=warnings,
        figures=figures,
        estimates=estimate_table(answer),
        posterior=posterior_table(answer),
        candidates=candidate_table(answer),
        optima=optimum_table(answer),
        code=code.lines(answer.mixture),
        versions=[f"{name} {version(name)}" for name in ("mixturebench", "numpy", "scipy")],
    )


def estimate_table(answer: Answer) -> Table:
    """Weights and parameters with standard errors and intervals."""

    interval = "{low:.4g} to {high:.4g}".format_map
    columns = [
        Column("name", "parameter", left=True),
        Column("value", "estimate", ".5g"),
        Column("error", "standard error", ".3g"),
        Column("low", "95 % interval", interval),
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
    frame = pd.DataFrame(flat.T.tolist(), columns=["low_90", "low_50", "high_50", "high_90"])
    frame["name"] = usual_names(answer.family, answer.chosen.components)
    columns = [
        Column("name", "parameter", left=True),
        Column("low_50", "50 % interval", "{low_50:.4g} to {high_50:.4g}".format_map),
        Column("low_90", "90 % interval", "{low_90:.4g} to {high_90:.4g}".format_map),
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
        Column("components", "K"),
        Column("parameters", "p"),
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
