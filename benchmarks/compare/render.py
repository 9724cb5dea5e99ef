"""A comparison as text for a terminal, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import math
from textwrap import fill
from typing import TYPE_CHECKING

from pydantic_core import to_json

from benchmarks.compare.accepted import trial_name
from benchmarks.compare.changes import TOLERATED_COST, WORSE_EXCESS, names_of
from benchmarks.compare.verdict import EXACT, Comparison
from benchmarks.report.tables import TEXT_WIDTH, Column, Row, Table, folded, text_width
from scenarios.registry import choose

if TYPE_CHECKING:
    import pandas as pd

SENTENCES = {
    "passed": "Passed: no trial broke that repeats exactly, and elsewhere no regression of the "
    "size that must be detected.",
    "inconclusive": "Inconclusive: neither a regression nor its absence is shown; the details say "
    "what is needed.",
    "measured nothing": "Measured nothing: at least one fitter has no pair of trials to compare.",
}


def _amount(row: Row, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{100.0 * value:+.1f} pts" if row["is_rate"] else f"× {math.exp(value):.3g}"


def _look(row: Row) -> str:
    look = row["look"]
    return "–" if look is None or math.isnan(look) else f"{look:.0f}"


def _broken(row: Row) -> str:
    if row["layer"] != EXACT or not row["pairs"]:
        return "–"
    return f"{row['broken']}, {row['accepted']} accepted" if row["accepted"] else str(row["broken"])


def _mended(row: Row) -> str:
    return str(row["mended"]) if row["layer"] == EXACT and row["pairs"] else "–"


FITTERS = (
    Column("fitter", "fitter", left=True, fold=True),
    Column("verdict", "verdict", left=True),
    Column("look", "look", _look),
    Column("data_sets", "data sets"),
    Column("pairs", "trials"),
    Column("changed", "changed"),
    Column("broken", "broke", _broken),
    Column("mended", "mended", _mended),
    Column("cost", "cost", lambda row: f"× {row['cost']:.3g}" if row["pairs"] else "–"),
)
LINES = (
    Column("fitter", "fitter", left=True, fold=True),
    Column("line", "line", left=True),
    Column("verdict", "verdict", left=True),
    Column("estimate", "change", lambda row: _amount(row, row["estimate"])),
    Column("high", "at most", lambda row: _amount(row, row["high"])),
    Column("p", "p", lambda row: f"{row['p_holm']:.2g}"),
    Column("data_sets", "data sets", "{data_sets} ({unequal} differ)".format_map, left=True),
    Column("details", "details", left=True, fold=True),
)
SHOWN_NAMES = {"information_error": "information error", "hellinger": "Hellinger distance"}


def sentence(comparison: Comparison) -> str:
    """Return the verdict in a sentence, with each regression."""
    if comparison.verdict != "regressed":
        return SENTENCES[comparison.verdict]
    changes = []
    for row in comparison.fitters.to_dict("records"):
        fitter, exact = row["fitter"], row["layer"] == EXACT
        lines = comparison.lines[comparison.lines["fitter"] == fitter]
        if exact and row["broken"]:
            changes.append(
                f"{fitter} broke {row['broken']} of {row['pairs']} trials and mended "
                f"{row['mended']}"
            )
        if exact and lines.empty and row["cost"] > TOLERATED_COST:
            changes.append(
                f"{fitter}: cost × {row['cost']:.3g}, and × {TOLERATED_COST:g} is tolerated"
            )
        changes += [
            f"{fitter}: {line['line']} {_fell(line)} (p = {line['p_holm']:.2g})"
            for line in lines[lines["verdict"] == "regressed"].to_dict("records")
        ]
    return f"Regressed: {'; '.join(changes)}."


def _fell(line: Row) -> str:
    if line["is_rate"]:
        return f"fell by {100.0 * line['estimate']:.1f} points"
    return _amount(line, line["estimate"])


VERBS = {"broken": "broke", "accepted": "broke, as accepted", "mended": "mended"}


def _exact_lines(comparison: Comparison) -> list[str]:
    """What broke and what was mended, by fitter, every trial named."""
    return [
        f"{fitter}: {len(names)} {verb}: {'; '.join(names)}"
        for fitter, changes in comparison.changes.groupby("fitter", sort=False)
        for change, verb in VERBS.items()
        if (names := names_of(changes, change))
    ]


def _shown(shown: pd.DataFrame) -> list[str]:
    """The figures that decide nothing, a sentence for each fitter that has some."""
    sentences = []
    for fitter, rows in shown.groupby("fitter", sort=False):
        known = [row for row in rows.to_dict("records") if math.isfinite(row["ratio"])]
        if known:
            ratios = ", ".join(f"{SHOWN_NAMES[r['figure']]} × {r['ratio']:.3g}" for r in known)
            sentences.append(f"{fitter}, shown only: {ratios} ({known[0]['trials']} trials)")
    return sentences


def text(comparison: Comparison, width: int = TEXT_WIDTH, wide: bool = False) -> str:
    """Return the exact layer, the lines, the notes, and the verdict last; ``wide``: one table."""
    width = max(width, 150) if wide else width
    columns = [c for c in FITTERS if wide or c.name not in ("look", "data_sets")]
    parts = [Table.of("", columns, comparison.fitters).text(width)]
    parts += [fill(line, width) for line in _exact_lines(comparison)]
    lines = comparison.lines
    if wide and len(lines):
        parts.append(Table.of("", LINES, lines).text(width))
    elif len(lines):
        columns = [column for column in LINES if column.name not in ("fitter", "p")]
        groups = lines.groupby("fitter", sort=False)
        parts += [Table.of(str(fitter), columns, rows).text(width) for fitter, rows in groups]
    parts += [fill(line, width) for line in _shown(comparison.shown)]
    notes = [*_undecided(comparison), *comparison.notes]
    parts.append("\n".join(fill(f"Note: {note}.", width) for note in notes))
    return "\n\n".join([*filter(None, parts), fill(sentence(comparison), width)])


def _undecided(comparison: Comparison) -> list[str]:
    """What is needed, of each fitter without lines that is not decided."""
    rows = comparison.fitters
    chosen = rows[rows["verdict"].isin(("inconclusive", "measured nothing")) & (rows["pairs"] == 0)]
    return [f"{row['fitter']}: {row['details']}" for row in chosen.to_dict("records")]


def markdown(comparison: Comparison) -> str:
    """Return the verdict, the exact layer, the lines that did not pass, and the rest folded."""
    lines = comparison.lines
    parts = [f"**{sentence(comparison)}** (level {comparison.alpha:g})"]
    parts.append(Table.of("", FITTERS, comparison.fitters).markdown())
    parts += [f"- {line}" for line in _exact_lines(comparison)]
    not_passed = lines[lines["verdict"] != "passed"]
    if len(not_passed):
        parts.append(Table.of("", LINES, not_passed).markdown())
    if len(lines):
        whole = Table.of("", LINES, lines).markdown()
        parts.append(folded(f"All {len(lines)} lines", whole))
    notes = [*_shown(comparison.shown), *_undecided(comparison), *comparison.notes]
    parts += [f"- {note}." for note in notes]
    return "\n\n".join(parts) + "\n"


def as_json(comparison: Comparison) -> str:
    """Return strict JSON, in which numbers that are not finite are null."""
    changes = [
        {
            "fitter": row["fitter"],
            "trial": trial_name(row),
            **{name: row[name] for name in ("change", "base_status", "new_status",
                                            "base_excess", "new_excess")},
        }
        for row in comparison.changes.to_dict("records")
    ]  # fmt: skip
    content = {
        "verdict": comparison.verdict,
        "exit_code": comparison.exit_code,
        "alpha": comparison.alpha,
        "seed": comparison.seed,
        "worse_excess": WORSE_EXCESS,
        "fitters": comparison.fitters.to_dict("records"),
        "changes": changes,
        "lines": comparison.lines.to_dict("records"),
        "shown": comparison.shown.to_dict("records"),
        "notes": comparison.notes,
    }
    return to_json(content, indent=1, inf_nan_mode="null").decode()


FORMATS = {"text": text, "markdown": markdown, "json": as_json}


def rendered(comparison: Comparison, form: str, wide: bool) -> str:
    """Return a comparison in one of ``FORMATS``; a terminal's text may be wide."""
    if choose("format", form, FORMATS) == "text":
        return text(comparison, text_width(), wide)
    return FORMATS[form](comparison)
