"""Variants that change nothing: how often the gate cries wolf over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from benchmarks.gate import ALPHA
from benchmarks.gate.pairs import Pairs, paired_row, table_of
from benchmarks.gate.verdict import compare
from benchmarks.harness.judgement import judge_data_set, reference_of
from benchmarks.harness.plan import PROFILES, Cell, Shape
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import Reference
from benchmarks.harness.seeds import derive
from benchmarks.harness.trial import Bench
from fitters.base import Prepared
from fitters.starts import Start, policy
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import load

VARIANTS = {
    "rows permuted": "the same data in another order",
    "components relabelled": "every start with its labels exchanged",
    "starts jittered": "every coordinate of every start moved by 1e-6 of itself",
    "another seed": "the fitter's own seed changed",
    "other starts": "disjoint blocks of starts, paired as they come",
}

_KEPT: dict[Shape, Prepared | None] = {}
"""What was prepared for a shape, as a worker keeps it: a model takes longer to compile than to
sample, and what was compiled is never freed."""


@dataclass(frozen=True)
class Trial:
    """One comparison of a fitter with a neutral variant of itself."""

    variant: str
    fitters: tuple[str, ...]
    restarts: int
    number: int
    """Which block of starts: two comparisons share none."""


@dataclass(frozen=True)
class Outcome:
    """What the gate said of one."""

    variant: str
    word: str
    verdicts: int
    regressed: int
    pairs: int
    discordant: int
    """Pairs of which one side converged and the other did not."""


def outcomes(
    variants: tuple[str, ...], fitters: tuple[str, ...], restarts: int, count: int, workers: int
) -> Iterator[Outcome]:
    """``count`` comparisons for each variant, on the data sets of the profile ``check``."""
    trials = [Trial(v, fitters, restarts, number) for number in range(count) for v in variants]
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_outcome, trials)


def _outcome(trial: Trial) -> Outcome:
    rows: list[dict[str, Any]] = []
    for name in PROFILES["check"].scenarios:
        for data_set in range(PROFILES["check"].data_sets):
            rows += _pairs(trial, name, data_set)
    table = table_of(rows)
    comparison = compare(Pairs(table, {}, False, []), ALPHA)
    words = Counter(v.word for v in comparison.verdicts if not v.advisory)
    differ = (table["base_status"] == "converged") != (table["new_status"] == "converged")
    return Outcome(
        trial.variant, comparison.word, sum(words.values()), words["regressed"], len(table),
        int(differ.sum()),
    )  # fmt: skip


@cache
def _problem(name: str, data_set: int) -> tuple[Problem, Reference]:
    problem = Problem.of(load(name), data_set, 0)
    return problem, reference_of(problem)


def _pairs(trial: Trial, name: str, data_set: int) -> list[dict[str, Any]]:
    problem, reference = _problem(name, data_set)
    scenario, x = problem.scenario, problem.observations
    first = 2 * trial.number * trial.restarts
    restarts = tuple(range(first, first + trial.restarts))
    generator = np.random.default_rng([trial.number, data_set, len(x)])
    records = []
    for spec in trial.fitters:
        cell = Cell(scenario, data_set, spec, 0, tuple(("quantile", r) for r in restarts))
        for changed in (False, True):
            sample = Sample.of(x, scenario.family)  # each side prepares its own
            starts = [_start(sample, cell, r) for r in restarts]
            seeds = list(restarts)
            if changed and trial.variant == "rows permuted":
                sample = Sample.of(generator.permutation(x), scenario.family)
            elif changed and trial.variant == "another seed":
                seeds = [seed + 1_000_003 for seed in seeds]
            elif changed and trial.variant == "other starts":
                starts = [_start(sample, cell, r + trial.restarts) for r in restarts]
            elif changed:
                starts = [_moved(start, trial.variant, generator) for start in starts]
            records += _records(cell, sample, starts, seeds)
    judged, _ = judge_data_set(records, problem, reference)
    step = trial.restarts
    told = []
    for low in range(0, len(judged), 2 * step):
        base, new = judged[low : low + step], judged[low + step : low + 2 * step]
        told += [paired_row(*two) for two in zip(base, new, strict=True)]
    return told


def _records(
    cell: Cell, sample: Sample, starts: list[Start], seeds: list[int]
) -> list[dict[str, Any]]:
    bench = Bench(cell, sample)
    bench.prepare(_KEPT.get(cell.shape))
    _KEPT[cell.shape] = bench.prepared
    facts = []
    for low in range(0, len(starts), bench.batch):
        part = slice(low, low + bench.batch)
        facts += bench.fits(starts[part], seeds[part])
    return [{**cell.record(*trial), **fact} for trial, fact in zip(cell.trials, facts, strict=True)]


def _start(sample: Sample, cell: Cell, restart: int) -> Start:
    """As a run has it: a seed of its own on every data set, or all sets would have one luck."""
    seed = derive("start", cell.seed, cell.scenario.digest(), cell.data_set, restart)
    return Start.of(policy("quantile"), sample, cell.scenario.components, seed)


def _moved(start: Start, variant: str, generator: np.random.Generator) -> Start:
    mixture = start.mixture
    if variant == "components relabelled":
        return replace(
            start, mixture=mixture.permuted(generator.permutation(mixture.components).tolist())
        )
    point = mixture.coordinates()
    point = point * (1.0 + 1e-6 * generator.normal(size=point.size))
    return replace(
        start, mixture=Mixture.from_coordinates(mixture.family, mixture.components, point)
    )
