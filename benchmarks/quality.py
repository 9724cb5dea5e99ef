"""asv suite: how well a commit's fitters fit, by the scores of the working tree.

The fits are the commit's own, on data that it draws itself. Their records are scored in a second
process, in which ``scenarios`` and ``fitters`` are the working tree's too: a commit whose
densities are wrong must not change the reference.

Figures are lower-is-better, above a positive minimum, since asv compares by ratio, and at most
``WORST``, which is also the figure of a point whose fits all failed.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.under_test import FITTERS, SEED, START, commit_skip_reason, point_skip_reason

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("overlapping", "unequal", "nested")
GRID = {"gradient": (1, 4), "direct": (3, 10), "newton": (3, 10), "em": (3, 10), "mcmc": (1, 1)}
"""(data sets, restarts) of each fitter: a few minutes in all."""
WORST = 1e6
MIN_FAILURES, MIN_EXCESS, MIN_ERROR, MIN_PASSES = 1.0, 1e-3, 1e-2, 1.0
"""Smallest figures that are distinguished; for excess, a tenth of the limit of convergence."""

Record = dict[str, Any]
Row = dict[str, Any]
Pair = tuple[str, str]
"""(fitter, scenario)."""
Scored = dict[Pair, list[Row] | str]
"""The scored rows of each pair, or why there are none."""
FIGURES = ("status", "excess", "information_error", "passes", "start_passes")


def failures_per_100(rows: list[Row]) -> float:
    """Fits of 100 that did not converge, for any reason, in [1, 100]."""
    failed = sum(row["status"] != "converged" for row in rows)
    return _clipped(MIN_FAILURES, 100.0 * failed / len(rows))


def excess(rows: list[Row]) -> float:
    """Median excess over the reference, in [0.001, WORST]; a fit without one counts as WORST."""
    return median(_clipped(MIN_EXCESS, row["excess"]) for row in rows)


def information_error(rows: list[Row]) -> float:
    """Median squared error in the Fisher metric per parameter, in [0.01, WORST]."""
    return median(_clipped(MIN_ERROR, row["information_error"]) for row in rows)


def passes(rows: list[Row]) -> float:
    """Expected passes to one success, in [1, WORST]: those of all fits and starts ÷ successes.

    The passes of a single fit would favour a fitter that stops early.
    """
    converged = sum(row["status"] == "converged" for row in rows)
    counts = [max(row[name], 0.0) for row in rows for name in ("passes", "start_passes")]
    # A fit that never ran has no count and took no pass.
    total = sum(count for count in counts if not math.isnan(count))
    return _clipped(MIN_PASSES, total / converged if converged else WORST)


def _clipped(minimum: float, figure: float) -> float:
    """``figure`` clipped to [minimum, WORST]; NaN becomes WORST."""
    return WORST if math.isnan(figure) else float(min(max(figure, minimum), WORST))


def tracked(figure: Callable[[list[Row]], float], unit: str) -> Callable[..., float]:
    """A method of ``Quality`` that asv tracks: ``figure`` of the point's rows."""

    def track(self: Quality, scored: Scored, fitter: str, scenario_name: str) -> float:
        return figure(self.rows)

    vars(track).update(unit=unit, version="1")
    return track


class Quality:
    """The same starts on the same data sets for every commit, from quantile starts."""

    params = (list(FITTERS), list(SCENARIOS))
    param_names = ("fitter", "scenario")
    timeout = 120

    def setup_cache(self) -> Scored:
        """Measure the whole grid once, and score it.

        A fitter that hangs or ends the interpreter costs the commit its figures, and asv says so.
        """
        pairs = list(product(FITTERS, SCENARIOS))
        reason = commit_skip_reason("benchmarks.runner.trial")
        if reason:
            return dict.fromkeys(pairs, reason)
        measured = {pair: measure_pair(*pair) for pair in pairs}
        records = [r for result in measured.values() if not isinstance(result, str) for r in result]
        scored = score_in_working_tree(records) if records else {}
        return {
            pair: result if isinstance(result, str) else scored[pair]
            for pair, result in measured.items()
        }

    vars(setup_cache)["timeout"] = 1800

    def setup(self, scored: Scored, fitter: str, scenario_name: str) -> None:
        """Take the rows of this point, or skip it with the reason why there are none."""
        rows = scored[fitter, scenario_name]
        if isinstance(rows, str):
            raise NotImplementedError(rows)
        self.rows = rows

    track_failures_per_100 = tracked(failures_per_100, "of 100 fits")
    track_excess = tracked(excess, "excess")
    track_information_error = tracked(information_error, "of the Cramér-Rao bound")
    track_passes = tracked(passes, "passes")


def measure_pair(fitter: str, scenario_name: str) -> list[Record] | str:
    """The records of one (fitter, scenario) by the commit's code, or why it has none."""
    from benchmarks.runner.datasets import draw_sample
    from benchmarks.runner.plan import Cell
    from benchmarks.runner.trial import CellRunner
    from scenarios.errors import UserError
    from scenarios.scenario import load

    reason = point_skip_reason(fitter, scenario_name)
    if reason:
        return reason
    # In this process, since a run's workers would import the working tree's packages.
    data_sets, restarts = GRID[fitter]
    trials = tuple((START, restart) for restart in range(restarts))
    records: list[Record] = []
    try:
        scenario, prepared = load(scenario_name), None
        for replicate in range(data_sets):
            sample = draw_sample(scenario, replicate, SEED)
            runner = CellRunner(Cell(scenario, replicate, fitter, SEED, trials), sample)
            runner.prepare(prepared)
            prepared = runner.prepared
            for trial in trials:  # one by one, since a batch shares its time
                records += runner.run([trial])
    except UserError as error:
        return f"not in this commit: {error}"
    return records


def score_in_working_tree(records: list[Record]) -> Scored:
    """``score`` in a process whose packages are all the working tree's."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.quality"],
        input=json.dumps(records),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {(fitter, name): rows for fitter, name, rows in json.loads(done.stdout)}


def score(records: list[Record]) -> list[tuple[str, str, Any]]:
    """(fitter, scenario, rows) of each pair; in place of rows, why they can't be scored."""
    from benchmarks.scoring.data_set import DataSet
    from benchmarks.scoring.scored_run import score_data_set
    from scenarios.data_summary import same_data, summarise_data
    from scenarios.scenario import load

    scored: dict[Pair, list[Row]] = {}
    skipped: dict[str, str] = {}
    for name, replicate in dict.fromkeys((r["scenario"], r["replicate"]) for r in records):
        group = [r for r in records if (r["scenario"], r["replicate"]) == (name, replicate)]
        data_set = DataSet.of(load(name), replicate, SEED)
        summary = summarise_data(data_set.observations)
        if not all(same_data(summary, record["data"]) for record in group):
            skipped[name] = f"this commit draws other data of {name!r}: skipped"
            continue
        rows, _ = score_data_set(group, data_set)
        for row in rows:
            figures = {figure: row[figure] for figure in FIGURES}
            scored.setdefault((row["fitter"], name), []).append(figures)
    pairs = dict.fromkeys((r["fitter"], r["scenario"]) for r in records)
    return [(fitter, name, skipped.get(name, scored.get((fitter, name)))) for fitter, name in pairs]


if __name__ == "__main__":
    json.dump(score(json.load(sys.stdin)), sys.stdout)
