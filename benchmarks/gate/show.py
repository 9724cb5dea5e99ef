"""A comparison for people: a terminal's table, Markdown for a pull request, JSON."""

from __future__ import annotations

import math
from dataclasses import asdict

from benchmarks.gate.verdict import Comparison, Verdict
from benchmarks.report.strict import to_json
from benchmarks.report.tables import folded, markdown_table

HEADINGS = ("fitter", "metric", "verdict", "change", "interval", "p", "could see", "pairs", "told")
SENTENCES = {
    "passed": "Passed: nothing became worse by as much as it must to be seen.",
    "regressed": "Regressed.",
    "inconclusive": "Inconclusive: nothing is shown to be worse, nor to be as good.",
    "measured nothing": "Measured nothing: there is a fitter with no pair of trials to compare.",
}


def sentence(comparison: Comparison) -> str:
    """The verdict in a sentence, with what regressed if something did."""
    worse = [v for v in comparison.verdicts if v.word == "regressed" and not v.advisory]
    if not worse:
        return SENTENCES[comparison.word]
    told = [
        f"{v.fitter}: {v.metric} in {100.0 * v.estimate:.1f} points fewer of the trials"
        if v.kind == "loss"
        else f"{v.fitter}: {v.metric} {_change(v)}"
        for v in worse
    ]
    where = [f"{text} ({_interval(v)})" for text, v in zip(told, worse, strict=True)]
    return f"Regressed: {'; '.join(where)}."


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """The table's cells, a row a verdict, as ``HEADINGS`` has them."""
    return [
        (
            verdict.fitter,
            verdict.metric,
            verdict.word + (" (advisory)" if verdict.advisory else ""),
            _change(verdict),
            _interval(verdict),
            f"{verdict.p_holm:.2g}" if verdict.pairs else "–",
            _amount(verdict.kind, verdict.detectable),
            f"{verdict.pairs} ({verdict.unequal} differ)",
            _told(verdict),
        )
        for verdict in comparison.verdicts
    ]


def notes(comparison: Comparison) -> list[str]:
    """What the reader must know besides, in sentences."""
    told = [
        f"{fitter}: {base} trials are in the base alone and {new} in the new run alone"
        for fitter, (base, new) in comparison.unpaired.items()
    ]
    if any(verdict.advisory for verdict in comparison.verdicts):
        told.append("times are advisory: the runs did not run by turns (run --against does)")
    return [*told, *comparison.notes]


def markdown(comparison: Comparison) -> str:
    """For a pull request: the verdict first, what isn't passed next, all of it folded away."""
    table = rows(comparison)
    pressing = [
        row
        for row, verdict in zip(table, comparison.verdicts, strict=True)
        if verdict.word != "passed" and not verdict.advisory
    ]
    parts = [f"**{sentence(comparison)}** (level {comparison.alpha:g}, Holm)"]
    if pressing:
        parts.append(markdown_table(HEADINGS, pressing))
    parts.append(folded(f"All {len(table)} verdicts", markdown_table(HEADINGS, table)))
    parts += [f"- {note}." for note in notes(comparison)]
    return "\n\n".join(parts) + "\n"


def as_json(comparison: Comparison) -> str:
    """Strict JSON: what isn't a finite number is null."""
    told = {"verdict": comparison.word, "exit_code": comparison.exit_code, **asdict(comparison)}
    del told["word"]
    return to_json(told)


def _change(verdict: Verdict) -> str:
    return _amount(verdict.kind, verdict.estimate) if verdict.pairs else "–"


def _interval(verdict: Verdict) -> str:
    if not verdict.pairs:
        return "–"
    if verdict.kind == "loss":
        return f"{100.0 * verdict.low:+.1f} to {100.0 * verdict.high:+.1f}"
    high = f"{verdict.high:.3g}" if math.isfinite(verdict.high) else "anything"
    return f"{verdict.low:.3g} to {high}"


def _amount(kind: str, value: float) -> str:
    if not math.isfinite(value):
        return "nothing" if value > 0 else "–"
    return f"{100.0 * value:+.1f} pts" if kind == "loss" else f"× {value:.3g}"


def _told(verdict: Verdict) -> str:
    if verdict.pairs and not verdict.unequal:
        return "all pairs equal"
    parts = [verdict.where] if verdict.word == "regressed" and verdict.where else []
    return "; ".join([*parts, *([f"needs {verdict.settle}"] if verdict.settle else [])])
