"""Sentences on the figures of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.report.columns import times
from benchmarks.runner.progress import duration

if TYPE_CHECKING:
    import pandas as pd


def verdict(overall: pd.DataFrame, scenarios: int) -> list[str]:
    """Summarise the ranking over all scenarios, best first, in one sentence or a few.

    Names of fitters stand between backticks, as in Markdown.
    """
    if overall.empty:
        return ["No method applies to the models of this run: the table of failures says why."]
    if not overall["restarts"].any():
        return ["No data set of this run can tell methods apart: the notes say why."]
    best, *rest = rows = [row for row in overall.itertuples() if row.restarts]
    where = f" on {scenarios} scenarios" if scenarios > 1 else ""
    if best.scenarios < scenarios:
        where = f" on the {best.scenarios} of {scenarios} scenarios to which it applies"
    if best.converged == 0:
        sentences = [f"No method converged to the optimum in any of its restarts{where}."]
        row = max(rows, key=lambda row: row.found / row.restarts)
        if row.found:
            count = f"{row.found} of {row.restarts}"
            sentences.append(f"{_name(row)} found it most often within the noise: in {count}.")
        return sentences
    cost = f", at {_cost(best, best)}" if scenarios == 1 else ""
    sentences = [
        f"{_name(best)} converged to the optimum in {best.rate:.0%} {_interval(best)} of "
        f"{best.restarts} restarts{where}{cost}."
    ]
    equals = [row for row in rest if row.rate == best.rate]
    if equals:
        *names, last = (_equal(row, best) for row in equals)
        sentences.append(f"So did {', '.join(names)}{' and ' if names else ''}{last}.")
    worse = [row for row in rest if row.rate != best.rate]
    if worse:
        sentences.append(_shortfall(worst := worse[-1]))
        rows = [row for row in rows if row is not worst]
    return sentences + _claims(rows)


def _cost(row: Any, best: Any) -> str:
    """The ERT on one scenario; over several its ratio to the best method's."""
    if row.ert_seconds == row.ert_seconds:
        return f"{duration(row.ert_seconds)} a success"
    return f"{times(row.cost_ratio / best.cost_ratio)} the cost"


def _equal(row: Any, best: Any) -> str:
    """Name a method that converged as often as the best, with its cost."""
    name = f"`{row.fitter}`" if row.start == best.start else _name(row)
    count = "" if row.restarts == best.restarts else f" ({row.converged} of {row.restarts})"
    return f"{name}{count} at {_cost(row, best)}"


def _shortfall(row: Any) -> str:
    """Describe the last in the ranking, and what it claims of its other fits."""
    text = (
        f"{_name(row)} found the optimum in {row.found} of {row.restarts}, and converged in "
        f"{row.converged} {_interval(row)}"
    )
    if row.restarts == row.found:
        return f"{text}."
    text += f"; the others: {row.others}"
    if not row.claims:
        return f"{text}. It claimed convergence of none."
    return f"{text}. {_claimed('It', row)}"


def _claims(rows: list[Any]) -> list[str]:
    """A sentence on the method whose claims are wrong most often, if any are."""
    wrong = [row for row in rows if row.false_claims + row.silent_failures]
    if not wrong:
        return []
    row = max(wrong, key=lambda row: (row.false_claims + row.silent_failures) / row.claims)
    return [_claimed(_name(row), row)]


def _claimed(subject: str, row: Any) -> str:
    """Count a method's claims of convergence, and those that are wrong."""
    return (
        f"{subject} claimed convergence of {row.claims} fits: {row.false_claims} were not "
        f"stationary, and {row.silent_failures} stood at another optimum."
    )


def _name(row: Any) -> str:
    return f"`{row.fitter}` from {row.start} starts"


def _interval(row: Any) -> str:
    return f"[{100 * row.rate_low:.0f}–{100 * row.rate_high:.0f} %]"
