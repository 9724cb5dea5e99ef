"""What a run's figures say, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness.metrics import duration

if TYPE_CHECKING:
    import pandas as pd


def verdict(overall: pd.DataFrame, scenarios: int) -> list[str]:
    """One sentence or a few, made of the ranking over all scenarios, best first.

    Names of fitters stand between backticks, as in Markdown.
    """
    rows = list(overall.itertuples())
    if not rows:
        return []
    best, rest = rows[0], rows[1:]
    if best.converged == 0:
        told = [f"No method reached the optimum in any of its restarts{_where(scenarios)}."]
        near = max(rows, key=lambda row: row.close / row.restarts)
        if near.close:
            told.append(f"{_name(near)} came closest: near it in {_of(near.close, near.restarts)}.")
        return told
    told = [
        f"{_name(best)} reached the optimum in {best.rate:.0%} {_interval(best)} of "
        f"{best.restarts} restarts{_where(scenarios)}, at {duration(best.seconds)} each."
    ]
    alike = [row for row in rest if row.rate == best.rate]
    if alike:
        told.append(f"So did {_listed([_alike(row, best) for row in alike])}.")
    short = [row for row in rest if row not in alike]
    if short:
        told.append(_shortfall(short[-1]))
    liar = max(rows, key=lambda row: row.false_claims)
    if liar.false_claims and not (short and liar is short[-1]):
        told.append(
            f"{_name(liar)} said it had converged when it was not even close in "
            f"{_of(liar.false_claims, liar.claims)} claims."
        )
    return told


def _alike(row: Any, best: Any) -> str:
    """One that converged as often as the best, and at what cost."""
    name = f"`{row.fitter}`" if row.start == best.start else _name(row)
    count = "" if row.restarts == best.restarts else f" ({row.converged} of {row.restarts})"
    return f"{name}{count} at {duration(row.seconds)}"


def _listed(told: list[str]) -> str:
    return " and ".join([*([", ".join(told[:-1])] if told[1:] else []), told[-1]])


def _shortfall(row: Any) -> str:
    """The last in the ranking, and what it says of its failures."""
    told = f"{_name(row)} converged in {row.rate:.0%} {_interval(row)}"
    if row.close > row.converged:
        told += f" and came close in {row.close / row.restarts:.0%}"
    failed = row.restarts - row.close
    if not failed:
        return told + "."
    rest = f"of the other {failed} ({row.others}) it"
    if row.false_claims:
        return f"{told}; {rest} called {row.false_claims} converged all the same."
    if not row.claims:
        return f"{told}; {rest} says nothing."
    return f"{told}; {rest} claimed none."


def _name(row: Any) -> str:
    return f"`{row.fitter}` from {row.start} starts"


def _where(scenarios: int) -> str:
    return f" on {scenarios} scenarios" if scenarios > 1 else ""


def _interval(row: Any) -> str:
    return f"[{100 * row.rate_low:.0f}–{100 * row.rate_high:.0f}]"


def _of(count: int, total: int) -> str:
    return f"{count} of {total}"
