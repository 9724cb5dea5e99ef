"""Does a fitter repeat exactly? Run it again, with other seeds for its own randomness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from benchmarks.compare.pairs import are_identical
from benchmarks.runner.plan import Plan, Record, key_of
from benchmarks.runner.session import Backend


def measure_repeats(plan: Plan, records: Iterable[Record], backend: Backend) -> dict[str, bool]:
    """Whether each fitter, run again on the first data set of every scenario, gives the same.

    ``records`` are those of the first run; a fitter without any is left out. The starts are the
    same, and the seeds for what the method draws are not.
    """
    done = {key_of(record): record for record in records}
    repeats: dict[str, bool] = {}
    for cell in plan.cells():
        keys = [key for key in cell.trial_keys() if key in done]
        if cell.replicate > 0 or not keys or repeats.get(cell.fitter) is False:
            continue
        again = [record for record in backend.run([replace(cell, again=True)]) if record]
        same = [are_identical(r, done[key_of(r)]) for r in again if key_of(r) in done]
        repeats[cell.fitter] = all(same)
    return repeats
