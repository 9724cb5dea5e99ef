"""A comparison as text for a terminal, as Markdown for a pull request, and as JSON."""

from __future__ import annotations

import math
from textwrap import fill

from pydantic_core import to_json

from benchmarks.compare.verdict import Comparison
from benchmarks.report.tables import TEXT_WIDTH, Column, Row, Table, folded, text_width
from scenarios.registry import choose

SENTENCES = {
    "passed": "Passed: no regression of the size that this comparison must detect.",
    "inconclusive": "Inconclusive: neither a regression nor its absence is shown; the details say "
    "what is needed.",
    "measured nothing": "Measured nothing: at least one fitter has no pair of trials to compare.",
}


def _change(row: Row) -> str:
    return _amount(row["kind"], row["estimate"]) if row["pairs"] else "–"


def _interval(row: Row) -> str:
    if not row["pairs"]:
        return "–"
    if not row["unequal"] and not math.isfinite(row["high"]):
        return "all equal"
    if row["kind"] == "loss":
        return f"{100.0 * row['low']:+.1f} to {100.0 * row['high']:+.1f}"
    high = f"{row['high']:.3g}" if math.isfinite(row["high"]) else "anything"
    return f"{row['low']:.3g} to {high}"


def _amount(kind: str, value: float) -> str:
    if not math.isfinite(value):
        return "nothing"
    return f"{100.0 * value:+.1f} pts" if kind == "loss" else f"× {value:.3g}"


COLUMNS = (
    Column("fitter", "fitter", left=True),
    Column("metric", "metric", left=True),
    Column("verdict", "verdict", left=True,
           form=lambda row: row["verdict"] + (" (advisory)" if row["advisory"] else "")),
    Column("change", "change", _change),
    Column("interval", "interval", _interval, left=True),
    Column("p", "p", lambda row: f"{row['p_holm']:.2g}" if row["pairs"] else "–"),
    Column("detectable", "min. detectable",
           lambda row: _amount(row["kind"], row["min_detectable"])),
    Column("pairs", "pairs", "{pairs} ({unequal} differ)".format_map, left=True),
    Column("details", "details", left=True, fold=True),
)  # fmt: skip


def sentence(comparison: Comparison) -> str:
    """Return the verdict in a sentence, with each regression."""
    if comparison.verdict != "regressed":
        return SENTENCES[comparison.verdict]
    table = comparison.table
    regressed = table[(table["verdict"] == "regressed") & ~table["advisory"]]
    changes = []
    for row in regressed.to_dict("records"):
        loss = f"fell by {100.0 * row['estimate']:.1f} points"
        change = loss if row["kind"] == "loss" else _change(row)
        changes.append(f"{row['fitter']}: {row['metric']} {change} ({_interval(row)})")
    return f"Regressed: {'; '.join(changes)}."


NARROW = ("metric", "verdict", "change", "interval", "details")
"""The columns that fit a terminal of 80 characters, in a table for each fitter."""


def text(comparison: Comparison, width: int = TEXT_WIDTH, wide: bool = False) -> str:
    """Return the tables, the notes, and the verdict last; ``wide`` is one table of every column."""
    if wide:
        table = Table.of("", COLUMNS, comparison.table).text(max(width, 150))
    else:
        columns = [column for column in COLUMNS if column.name in NARROW]
        groups = comparison.table.groupby("fitter", sort=False)
        tables = [Table.of(str(fitter), columns, rows) for fitter, rows in groups]
        table = "\n\n".join(each.text(width) for each in tables) + "\n"
    notes = [fill(f"Note: {note}.", width) for note in comparison.notes]
    return "\n".join([table, *notes]) + f"\n\n{fill(sentence(comparison), width)}"


def markdown(comparison: Comparison) -> str:
    """Return the verdict, the table of what did not pass, and the whole table folded."""
    table = comparison.table
    not_passed = table[(table["verdict"] != "passed") & ~table["advisory"]]
    parts = [f"**{sentence(comparison)}** (level {comparison.alpha:g}, Holm)"]
    if len(not_passed):
        parts.append(Table.of("", COLUMNS, not_passed).markdown())
    whole = Table.of("", COLUMNS, table).markdown()
    parts.append(folded(f"All {len(table)} verdicts", whole))
    parts += [f"- {note}." for note in comparison.notes]
    return "\n\n".join(parts) + "\n"


def as_json(comparison: Comparison) -> str:
    """Return strict JSON, in which numbers that are not finite are null."""
    content = {
        "verdict": comparison.verdict,
        "exit_code": comparison.exit_code,
        "alpha": comparison.alpha,
        "verdicts": comparison.table.to_dict("records"),
        "unpaired": comparison.unpaired,
        "notes": comparison.notes,
    }
    return to_json(content, indent=1, inf_nan_mode="null").decode()


FORMATS = {"text": text, "markdown": markdown, "json": as_json}


def rendered(comparison: Comparison, form: str, wide: bool) -> str:
    """Return a comparison in one of ``FORMATS``; a terminal's text may be wide."""
    if choose("format", form, FORMATS) == "text":
        return text(comparison, text_width(), wide)
    return FORMATS[form](comparison)
