"""The page of an answer, and its tables, which the terminal shows too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from textwrap import fill

import numpy as np

from benchmarks.fit import code
from benchmarks.fit.answer import Answer
from benchmarks.fit.page_name import MARK, origin
from benchmarks.fit.words import evidence, group_rows, headline, rounded, with_error
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.estimates import usual_names
from benchmarks.report.tables import Column, Drawn, Row, Table
from benchmarks.report.template import render
from benchmarks.runner.progress import duration

NO_BREAK = "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}"
SHOWN_WARNINGS = 3
"""Warnings that are shown at once; the others are folded."""


def text(answer: Answer) -> str:
    """The answer for a terminal of 80 characters: the headline, tables and warnings."""
    groups = [group_table(answer), cut_table(answer)]
    tables = [estimate_table(answer), posterior_table(answer)]
    if len(answer.candidates) > 1:
        tables.append(candidate_table(answer))
    parts = [fill(" ".join(headline(answer)), 80)]
    parts += [table.text(80) for table in groups if table is not None]
    parts.append("\n".join(fill(sentence, 80) for sentence in evidence(answer)))
    parts += [table.text(80) for table in tables if table is not None]
    if answer.methods is not None:
        parts += [fill(" ".join(answer.methods.sentences), 80), answer.methods.shown.text(80)]
    left_out = [f"Left out: {answer.data.dropped}"] if answer.data.dropped else []
    sentences = [*answer.untried, *left_out]
    sentences += [f"Warning: {each}" for each in answer.warnings[:SHOWN_WARNINGS]]
    more = len(answer.warnings) - SHOWN_WARNINGS
    if more > 0:
        sentences.append(f"{more} more warning{'' if more == 1 else 's'} on the page")
    return "\n\n".join(parts) + "".join(f"\n{fill(f'{each}.', 80)}" for each in sentences)


def html(answer: Answer, warnings: Sequence[str], figures: Sequence[Drawn]) -> str:
    """Return the page's text."""
    return render(
        "fit.html",
        answer=answer,
        mark=MARK,
        origin=origin(answer.data),
        headline=headline(answer),
        evidence=evidence(answer),
        warnings=warnings[:SHOWN_WARNINGS],
        further=warnings[SHOWN_WARNINGS:],
        figures=figures,
        groups=group_table(answer, intervals=True),
        cuts=cut_table(answer),
        estimates=estimate_table(answer),
        posterior=posterior_table(answer),
        candidates=candidate_table(answer),
        optima=optimum_table(answer),
        code=code.lines(answer.mixture),
        versions=[f"{name} {version(name)}" for name in ("mixturebench", "numpy", "scipy")],
    )


def group_table(answer: Answer, intervals: bool = False) -> Table | None:
    """Share, mean, sd, median and central 68 % of each group, with standard errors or intervals.

    None for one component: the estimates have its figures.
    """
    import pandas as pd

    if answer.chosen.components == 1:
        return None
    kind = answer.options.by

    def quantity(name: str) -> Callable[[Row], str]:
        def cell(row: Row) -> str:
            value, error = row[name], row[f"{name} error"]
            if not intervals:
                return with_error(value, error)
            ends = (rounded(row[f"{name} {end}"], error) for end in ("low", "high"))
            # A line is broken before the bracket at most.
            known = f"{rounded(value, error)} [{NO_BREAK.join(ends)}]"
            return known if error > 0.0 else f"{value:.4g}"

        return cell

    def central(row: Row) -> str:
        ends = (rounded(row[f"{end} 68 %"], row[f"{end} 68 % error"]) for end in ("low", "high"))
        return " to ".join(ends)

    rows = pd.DataFrame(group_rows(answer.group_table))
    columns = [Column("group", kind)]
    if answer.chosen.components != answer.shown.count:
        columns.append(Column("components", "components"))
    columns += [Column(name, name, quantity(name)) for name in ("share", "mean", "sd", "median")]
    columns.append(Column("low 68 %", "central 68 %", central))
    errors = "95 % intervals" if intervals else "standard errors"
    return Table.of(f"The {kind}s, with {errors}", columns, rows)


def cut_table(answer: Answer) -> Table | None:
    """Where neighbouring groups are equally probable, and what is on the wrong side."""
    if answer.cuts.empty:
        return None

    def lost(name: str) -> Callable[[Row], str]:
        return lambda row: f"{row[name]:.1%}"

    columns = [
        Column("left", f"{answer.options.by}s", "{left} | {right}".format_map),
        Column("cut", "cut", lambda row: with_error(row["cut"], row["error"])),
        Column("where", "where", left=True),
        Column("left_lost", "left beyond", lost("left_lost")),
        Column("right_lost", "right before", lost("right_lost")),
        Column("misplaced", "of all", lost("misplaced")),
    ]
    return Table.of("Where to cut", columns, answer.cuts)


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
