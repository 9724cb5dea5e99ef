"""The false-alarm rate of comparisons: fitters against variants that are no worse."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare import ALPHA
from benchmarks.compare.pairs import Pairs, paired_table
from benchmarks.compare.verdict import compare
from benchmarks.runner.plan import Cell, Record, Shape
from benchmarks.runner.profiles import PROFILES
from benchmarks.runner.seeds import derive
from benchmarks.runner.status import SUCCESS
from benchmarks.runner.trial import CellRunner
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.scored_run import score_data_set
from fitters.base import Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.mixture import Mixture
from scenarios.registry import choose
from scenarios.sample import Sample
from scenarios.scenario import load

if TYPE_CHECKING:
    import pandas as pd

VARIANTS = (
    "rows permuted",  # the same data in another order
    "components relabelled",  # the labels of every start exchanged
    "starts jittered",  # every coordinate of every start changed by 1e-6 of its value
    "another seed",  # another seed of the fitter
    "other starts",  # disjoint blocks of starts, paired in their order
)
_PREPARED_CACHE: dict[Shape, Prepared | None] = {}
"""Prepared fitters by shape, as a worker stores them: compiling a model takes longer than
sampling, and compiled code is never freed."""


@dataclass(frozen=True)
class NeutralComparison:
    """One comparison of fitters with a neutral variant of themselves."""

    variant: str
    fitters: tuple[str, ...]
    restarts: int
    number: int
    """The index of its block of starts; blocks have no start in common."""


def false_alarms(
    count: int, fitters: tuple[str, ...], variants: tuple[str, ...], restarts: int, workers: int
) -> pd.DataFrame:
    """A row for each variant, and one for all: how often comparisons regressed or passed.

    ``count`` comparisons for each variant, on the data sets of the profile ``check``; no
    ``variants`` means all but another seed. ``discordant`` is the share of pairs in which one
    side alone converged; the interval of the rate is exact (Clopper & Pearson 1934).
    """
    import pandas as pd
    from rich.console import Console
    from rich.progress import track
    from scipy.stats import binomtest

    for spec in fitters:
        parse(spec)  # raises an error before the work begins
    chosen = [choose("variant", name, VARIANTS) for name in variants]
    chosen = chosen or [name for name in VARIANTS if name != "another seed"]
    comparisons = [
        NeutralComparison(name, fitters, restarts, i) for i in range(count) for name in chosen
    ]
    stderr = Console(stderr=True)
    with ProcessPoolExecutor(workers) as pool:
        outcomes = pool.map(_outcome, comparisons)
        quiet = not stderr.is_terminal
        table = pd.DataFrame(
            track(outcomes, "comparisons", len(comparisons), console=stderr, disable=quiet)
        )
    rows = []
    for name in (*chosen, "all"):
        group = table if name == "all" else table[table["variant"] == name]
        alarms = int((group["verdict"] == "regressed").sum())
        interval = binomtest(alarms, len(group)).proportion_ci(method="exact")
        rows.append(
            {
                "variant": name,
                "comparisons": len(group),
                "discordant": group["discordant"].sum() / group["pairs"].sum(),
                "false alarms": alarms,
                "95 % from": interval.low,
                "95 % to": interval.high,
                "passed": (group["verdict"] == "passed").mean(),
            }
        )
    return pd.DataFrame(rows)


def _outcome(comparison: NeutralComparison) -> dict[str, Any]:
    """The verdict of one comparison, its pairs, and those that are discordant."""
    import pandas as pd

    check = PROFILES["check"]
    table = pd.concat(
        [
            _pairs(comparison, name, replicate)
            for name in check.scenarios
            for replicate in range(check.data_sets)
        ],
        ignore_index=True,
    )
    base, new = (table[f"{side}_status"].isin(SUCCESS) for side in ("base", "new"))
    return {
        "variant": comparison.variant,
        "verdict": compare(Pairs(table, {}, False, []), ALPHA).verdict,
        "pairs": len(table),
        "discordant": int((base != new).sum()),
    }


@cache
def _data_set(name: str, replicate: int) -> DataSet:
    return DataSet.of(load(name), replicate, 0)


def _pairs(comparison: NeutralComparison, name: str, replicate: int) -> pd.DataFrame:
    """The paired table of one data set."""
    data_set = _data_set(name, replicate)
    scenario, x = data_set.scenario, data_set.observations
    first = 2 * comparison.number * comparison.restarts
    restarts = tuple(range(first, first + comparison.restarts))
    generator = np.random.default_rng([comparison.number, replicate, len(x)])
    base: list[Record] = []
    new: list[Record] = []
    for spec in comparison.fitters:
        cell = Cell(scenario, replicate, spec, 0, tuple(("quantile", r) for r in restarts))
        sample = Sample.of(x, scenario.family)
        starts = [_start(sample, cell, r) for r in restarts]
        base += _records(cell, sample, starts, list(restarts))
        sample, seeds = Sample.of(x, scenario.family), list(restarts)  # each side its own sample
        if comparison.variant == "rows permuted":
            sample = Sample.of(generator.permutation(x), scenario.family)
        elif comparison.variant == "another seed":
            seeds = [seed + 1_000_003 for seed in seeds]
        elif comparison.variant == "other starts":
            starts = [_start(sample, cell, r + comparison.restarts) for r in restarts]
        else:
            starts = [_changed(start, comparison.variant, generator) for start in starts]
        new += _records(cell, sample, starts, seeds)
    rows, _ = score_data_set(base + new, data_set)
    return paired_table(rows[: len(base)], rows[len(base) :])


def _records(cell: Cell, sample: Sample, starts: list[Start], seeds: list[int]) -> list[Record]:
    runner = CellRunner(cell, sample)
    runner.prepare(_PREPARED_CACHE.get(cell.shape))
    _PREPARED_CACHE[cell.shape] = runner.prepared
    facts = []
    for low in range(0, len(starts), runner.batch):
        part = slice(low, low + runner.batch)
        facts += runner.fits(starts[part], seeds[part])
    return [{**cell.record(*trial), **fact} for trial, fact in zip(cell.trials, facts, strict=True)]


def _start(sample: Sample, cell: Cell, restart: int) -> Start:
    """The start of a run's restart, whose seed depends on the data set.

    Starts of one seed on all data sets would be correlated.
    """
    seed = derive("start", cell.seed, cell.scenario.digest(), cell.replicate, restart)
    return Start.of(policy("quantile"), sample, cell.scenario.model, seed)


def _changed(start: Start, variant: str, generator: np.random.Generator) -> Start:
    """A start with its components relabelled, or with its coordinates jittered."""
    mixture = start.mixture
    if variant == "components relabelled":
        order = generator.permutation(mixture.components).tolist()
        return replace(start, mixture=mixture.permuted(order))
    point = mixture.coordinates()
    point = point * (1.0 + 1e-6 * generator.normal(size=point.size))
    moved = Mixture.from_coordinates(mixture.family, mixture.components, point)
    return replace(start, mixture=moved)
