"""Sentences on the figures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.runner.progress import duration

if TYPE_CHECKING:
    import pandas as pd


def verdict(overall: pd.DataFrame, scenarios: int) -> list[str]:
    """Summarise the ranking over all scenarios, best first, in one sentence or a few.

    Names of fitters stand between backticks, as in Markdown.
    """
    if overall.empty:
        return ["No method applies to the models of this run: the table of failures says why."]
    best, *rest = rows = list(overall.itertuples())
    where = f" on {scenarios} scenarios" if scenarios > 1 else ""
    if best.scenarios < scenarios:
        where = f" on the {best.scenarios} of {scenarios} scenarios to which it applies"
    if best.converged == 0:
        sentences = [f"No method reached the optimum in any of its restarts{where}."]
        row = max(rows, key=lambda row: row.found / row.restarts)
        if row.found:
            count = f"{row.found} of {row.restarts}"
            sentences.append(f"{_name(row)} found it most often within the noise: in {count}.")
        return sentences
    sentences = [
        f"{_name(best)} reached the optimum in {best.rate:.0%} {_interval(best)} of "
        f"{best.restarts} restarts{where}, at {duration(best.seconds)} each."
    ]
    equals = [row for row in rest if row.rate == best.rate]
    if equals:
        *names, last = (_equal(row, best) for row in equals)
        sentences.append(f"So did {', '.join(names)}{' and ' if names else ''}{last}.")
    worse = [row for row in rest if row.rate != best.rate]
    if worse:
        sentences.append(_shortfall(worse[-1]))
    worst_claims = max(rows, key=lambda row: row.false_claims)
    if worst_claims.false_claims and not (worse and worst_claims is worse[-1]):
        sentences.append(
            f"{_name(worst_claims)} reported convergence without having found the optimum in "
            f"{worst_claims.false_claims} of {worst_claims.claims} claims."
        )
    return sentences


def _equal(row: Any, best: Any) -> str:
    """Name a method that converged as often as the best, with its time."""
    name = f"`{row.fitter}`" if row.start == best.start else _name(row)
    count = "" if row.restarts == best.restarts else f" ({row.converged} of {row.restarts})"
    return f"{name}{count} at {duration(row.seconds)}"


def _shortfall(row: Any) -> str:
    """Describe the last in the ranking, and whether it reports its failures."""
    text = f"{_name(row)} converged in {row.rate:.0%} {_interval(row)}"
    if row.found > row.converged:
        text += f" and found the optimum within the noise in {row.found / row.restarts:.0%}"
    failed = row.restarts - row.found
    if not failed:
        return f"{text}."
    text += f"; of the other {failed} ({row.others}) it"
    if row.false_claims:
        return f"{text} reported {row.false_claims} as converged."
    return f"{text} reported none as converged." if row.claims else f"{text} reports nothing."


def _name(row: Any) -> str:
    return f"`{row.fitter}` from {row.start} starts"


def _interval(row: Any) -> str:
    return f"[{100 * row.rate_low:.0f}–{100 * row.rate_high:.0f}]"
