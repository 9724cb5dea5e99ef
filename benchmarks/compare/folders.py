"""Comparisons of two runs, or of two fitters of one run, by their folders."""

from __future__ import annotations

from pathlib import Path

from benchmarks.compare import ALPHA
from benchmarks.compare.accepted import accepted_trials
from benchmarks.compare.pairs import pair, pair_fitters
from benchmarks.compare.verdict import Comparison, compare
from benchmarks.runner.progress import say
from scenarios.errors import UserError


def compare_folders(
    base: Path, new: Path | None, alpha: float | None, fitters: tuple[str, str] | None
) -> Comparison:
    """Compare two runs, or two ``fitters`` of the run ``base``; ``UserError`` for both or none."""
    if fitters is not None and new is None:
        return compare_fitters(base, *fitters, alpha)
    if new is not None and fitters is None:
        return compare_runs(base, new, alpha)
    raise UserError("compare two runs, or two fitters of one run: give NEW, or --fitters A B")


def compare_runs(base: Path, new: Path, alpha: float | None = None) -> Comparison:
    """Compare two runs trial by trial; ``alpha`` is the probability of a false alarm.

    Raises ``UserError`` for an ``alpha`` out of range, and as ``pair`` and ``accepted_trials`` do.
    """
    level = _checked(alpha)
    pairs = pair(base, new, say)
    say("")
    return compare(pairs, level, accepted_trials(pairs.seed))


def compare_fitters(
    folder: Path, first: str, second: str, alpha: float | None = None
) -> Comparison:
    """Compare the trials of the ``second`` fitter of a run with those of the ``first``.

    Raises ``UserError`` for a fitter that the run does not have, and for an ``alpha`` out of range.
    """
    level = _checked(alpha)
    pairs = pair_fitters(folder, first, second, say)
    say("")
    return compare(pairs, level)


def _checked(alpha: float | None) -> float:
    """The probability of a false alarm; ``UserError`` if it is out of range."""
    alpha = ALPHA if alpha is None else alpha
    if not 0.0 < alpha < 0.5:
        raise UserError(f"--alpha {alpha:g}: it takes a number above 0 and below 0.5")
    return alpha
