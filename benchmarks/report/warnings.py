"""All warnings of a report, each with what to do about it."""

from __future__ import annotations

from benchmarks.runner.plan import Plan
from benchmarks.scoring.score import ScoredRun


def warnings(scored: ScoredRun) -> list[str]:
    """Return sentences, without their full stops, on what limits the figures of a run."""
    messages = list(scored.notes)
    missing = Plan.of(scored.run["plan"]).size() - len(scored.trials)
    if missing:
        messages.append(
            f"{missing} of the planned trials are missing from every figure: continue the run by "
            "`mixturebench run --out` with its folder"
        )
    return messages
