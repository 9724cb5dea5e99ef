"""asv suite: how well the fitters of a commit fit, by the yardstick of the working tree.

The fits are the commit's own, on data that it draws itself. What comes of them are records of
facts, and those are judged in a second process where ``scenarios`` and ``fitters`` are the
working tree's too: a commit whose densities are wrong must not move the reference with it.

Figures are lower-is-better and lie between a floor, so that asv's ratios have something to
stand on, and ``MOST``, which is also what a point reads whose fits all failed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.under_test import (
    FITTERS,
    SEED,
    START,
    described,
    not_measured,
    other_contract,
)

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ("overlapping", "unequal", "nested")
GRID = {"gradient": (1, 4), "direct": (3, 10), "em": (3, 10), "mcmc": (1, 1)}
"""(data sets, restarts) of each fitter: a few minutes in all."""
MOST = 1e6
LEAST_FAILURES, LEAST_EXCESS, LEAST_ERROR, LEAST_PASSES = 1.0, 1e-3, 1e-2, 1.0
"""Floors: the least that can be told from none, and a tenth of the judge's line for excess."""

Record = dict[str, Any]
Row = dict[str, Any]
Pair = tuple[str, str]
"""(fitter, scenario)."""
Judged = dict[Pair, list[Row] | str]
"""The rows of each pair, or why there are none."""
FIGURES = ("status", "excess", "information_error", "evaluations", "start_evaluations")


class Quality:
    """The same starts on the same data sets for every commit, from quantile starts."""

    params = (list(FITTERS), list(SCENARIOS))
    param_names = ("fitter", "scenario")
    timeout = 120

    @described(timeout=1800)
    def setup_cache(self) -> Judged:
        """Carry the grid out once, and judge it.

        A fitter that hangs or ends the interpreter costs the commit its figures, and asv says so.
        """
        pairs = list(product(FITTERS, SCENARIOS))
        other = other_contract("benchmarks.harness.trial")
        if other:
            return dict.fromkeys(pairs, other)
        done = {pair: carry_out(*pair) for pair in pairs}
        records = [record for told in done.values() if isinstance(told, list) for record in told]
        rows = judge_apart(records) if records else {}
        return {pair: told if isinstance(told, str) else rows[pair] for pair, told in done.items()}

    def setup(self, judged: Judged, fitter: str, scenario_name: str) -> None:
        """Take the rows of this point, or skip it by the reason why there are none."""
        told = judged[fitter, scenario_name]
        if isinstance(told, str):
            raise NotImplementedError(told)
        self.rows = told

    @described(unit="of 100 fits", version="1")
    def track_failures_per_100(self, judged: Judged, fitter: str, scenario_name: str) -> float:
        """Fits of 100 that did not converge, whatever became of them; at least 1."""
        return failures_per_100(self.rows)

    @described(unit="excess", version="1")
    def track_excess(self, judged: Judged, fitter: str, scenario_name: str) -> float:
        """Median of 2 (log likelihood short of the reference) / parameters; at least 0.001."""
        return excess(self.rows)

    @described(unit="of the Cramér-Rao bound", version="1")
    def track_information_error(self, judged: Judged, fitter: str, scenario_name: str) -> float:
        """Median squared error in the Fisher metric, per parameter; at least 0.01."""
        return information_error(self.rows)

    @described(unit="passes", version="1")
    def track_evaluations(self, judged: Judged, fitter: str, scenario_name: str) -> float:
        """Expected passes to one success; at least 1."""
        return evaluations(self.rows)


def failures_per_100(rows: list[Row]) -> float:
    """How many of 100 fits did not converge, in [1, 100]."""
    failed = sum(row["status"] != "converged" for row in rows)
    return _between(LEAST_FAILURES, 100.0 * failed / len(rows))


def excess(rows: list[Row]) -> float:
    """Median excess, in [0.001, MOST]; a fit that has none counts as MOST."""
    return median(_between(LEAST_EXCESS, row["excess"]) for row in rows)


def information_error(rows: list[Row]) -> float:
    """Median squared error in the Fisher metric per parameter, in [0.01, MOST]."""
    return median(_between(LEAST_ERROR, row["information_error"]) for row in rows)


def evaluations(rows: list[Row]) -> float:
    """Passes of all fits, failures and starts too, over the fits that converged, in [1, MOST].

    The passes of a single fit would make a fitter look better that gives up early.
    """
    converged = sum(row["status"] == "converged" for row in rows)
    spent = [max(row[name], 0.0) for row in rows for name in ("evaluations", "start_evaluations")]
    # What never ran spent nothing: it has no count.
    total = sum(passes for passes in spent if not math.isnan(passes))
    return _between(LEAST_PASSES, total / converged if converged else MOST)


def _between(floor: float, figure: float) -> float:
    """``figure`` moved into [floor, MOST]; what is no number is as bad as can be."""
    return MOST if math.isnan(figure) else float(min(max(figure, floor), MOST))


def carry_out(fitter: str, scenario_name: str) -> list[Record] | str:
    """The records of one pair by the commit's code, or why it has none."""
    from benchmarks.harness.data import draw_sample
    from benchmarks.harness.plan import Cell
    from benchmarks.harness.trial import Bench
    from scenarios.errors import UserError
    from scenarios.scenario import load

    absent = not_measured(fitter, scenario_name)
    if absent:
        return absent
    # In this process: a run's workers find the working tree's packages before the commit's.
    data_sets, restarts = GRID[fitter]
    trials = tuple((START, restart) for restart in range(restarts))
    records: list[Record] = []
    try:
        scenario, prepared = load(scenario_name), None
        for data_set in range(data_sets):
            sample = draw_sample(scenario, data_set, SEED)
            bench = Bench(Cell(scenario, data_set, fitter, SEED, trials), sample)
            bench.prepare(prepared)
            prepared = bench.prepared
            # Sample.digest may itself be another there.
            drawn = {"data_digest": data_digest(sample.observations)}
            for trial in trials:  # one by one: not every commit knows of batches
                records += [record | drawn for record in bench.trials([trial])]
    except UserError as error:
        return f"not in this commit: {error}"
    return records


def data_digest(observations: Any) -> str:
    """SHA-256 of the observations' bytes."""
    return hashlib.sha256(observations.tobytes()).hexdigest()


def judge_apart(records: list[Record]) -> Judged:
    """``judge`` in a process of its own, all of whose packages are the working tree's."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.quality"],
        input=json.dumps(records),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {(fitter, name): told for fitter, name, told in json.loads(done.stdout)}


def judge(records: list[Record]) -> list[tuple[str, str, Any]]:
    """(fitter, scenario, rows) of each pair; in place of rows, why they can't be judged."""
    from benchmarks.harness.judgement import judge_data_set, reference_of
    from benchmarks.harness.problem import Problem
    from scenarios.scenario import load

    judged: dict[Pair, list[Row]] = {}
    unlike: dict[str, str] = {}
    for name, data_set in dict.fromkeys((r["scenario"], r["data_set"]) for r in records):
        mine = [r for r in records if (r["scenario"], r["data_set"]) == (name, data_set)]
        problem = Problem.of(load(name), data_set, SEED)
        if {record["data_digest"] for record in mine} != {data_digest(problem.observations)}:
            unlike[name] = f"this commit draws other data of {name!r}: digests differ, skipped"
            continue
        rows, _ = judge_data_set(mine, problem, reference_of(problem))
        for row in rows:
            kept = {figure: row[figure] for figure in FIGURES}
            judged.setdefault((row["fitter"], name), []).append(kept)
    pairs = dict.fromkeys((r["fitter"], r["scenario"]) for r in records)
    return [(fitter, name, unlike.get(name, judged.get((fitter, name)))) for fitter, name in pairs]


if __name__ == "__main__":
    json.dump(judge(json.load(sys.stdin)), sys.stdout)
