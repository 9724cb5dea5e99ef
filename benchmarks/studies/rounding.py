"""Trials that change through rounding alone: fitters compared with neutral variants of themselves.

What another processor's rounding does to a fitter, these variants do as well.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.compare.changes import summarise_changes, with_changes
from benchmarks.compare.pairs import paired_table, scored_pairs
from benchmarks.runner.plan import Cell, Record
from benchmarks.runner.profiles import PROFILES
from benchmarks.runner.progress import say
from benchmarks.runner.seeds import derive
from benchmarks.runner.trial import CellRunner
from benchmarks.scoring.data_set import DataSet
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import load

if TYPE_CHECKING:
    import pandas as pd

PERMUTED = "rows permuted"
"""The same data in another order."""
VARIANTS = {PERMUTED: 0.0, "starts × (1 + 1e-12)": 1e-12, "starts × (1 + 1e-6)": 1e-6}
"""By how much of itself every coordinate of every start is changed."""


def rounding_changes(fitters: tuple[str, ...], data_sets: int) -> pd.DataFrame:
    """A row for each fitter and variant: trials, and how many changed, broke, and were mended."""
    import pandas as pd

    for spec in fitters:
        parse(spec)  # raises an error before the work begins
    rows = []
    for spec in fitters:
        for variant in VARIANTS:
            say(f"{spec}, {variant}")
            tables = [
                _pairs(spec, variant, name, replicate)
                for name in PROFILES["check"].scenarios
                for replicate in range(data_sets)
            ]
            table = with_changes(pd.concat(tables, ignore_index=True), {})
            found = summarise_changes(table)
            counts = {name: found[name] for name in ("changed", "broken", "mended")}
            rows.append({"fitter": spec, "variant": variant, "trials": len(table), **counts})
    say("")
    return pd.DataFrame(rows)


@cache
def _data_set(name: str, replicate: int) -> DataSet:
    return DataSet.of(load(name), replicate, 0)


def _pairs(spec: str, variant: str, name: str, replicate: int) -> pd.DataFrame:
    """The paired trials of one fitter on one data set, sound and varied."""
    data_set = _data_set(name, replicate)
    scenario, x = data_set.scenario, data_set.observations
    restarts = range(PROFILES["check"].restarts[""])
    generator = np.random.default_rng([replicate, len(x)])
    cell = Cell(scenario, replicate, spec, 0, tuple(("quantile", r) for r in restarts))
    sample = Sample.of(x, scenario.family)
    starts = [_start(sample, cell, restart) for restart in restarts]
    base = _records(cell, sample, starts)
    rows = generator.permutation(x) if variant == PERMUTED else x
    changed = [_changed(start, VARIANTS[variant], generator) for start in starts]
    new = _records(cell, Sample.of(rows, scenario.family), changed)
    scored, _ = scored_pairs(list(zip(base, new, strict=True)), scenario, replicate, 0)
    return paired_table(scored[: len(base)], scored[len(base) :])


def _records(cell: Cell, sample: Sample, starts: list[Start]) -> list[Record]:
    runner = CellRunner(cell, sample)
    runner.prepare(None)
    facts = []
    for low in range(0, len(starts), runner.batch):
        part = starts[low : low + runner.batch]
        facts += runner.fits(part, [0] * len(part))
    return [{**cell.record(*trial), **fact} for trial, fact in zip(cell.trials, facts, strict=True)]


def _start(sample: Sample, cell: Cell, restart: int) -> Start:
    """The start of a run's restart, whose seed depends on the data set."""
    seed = derive("start", cell.seed, cell.scenario.digest(), cell.replicate, restart)
    return Start.of(policy("quantile"), sample, cell.scenario.model, seed)


def _changed(start: Start, size: float, generator: np.random.Generator) -> Start:
    """A start with its coordinates changed a little, by shares of ``size``."""
    if size == 0.0:
        return start
    mixture = start.mixture
    point = mixture.coordinates()
    point = point * (1.0 + size * generator.normal(size=point.size))
    moved = Mixture.from_coordinates(mixture.family, mixture.components, point)
    return replace(start, mixture=moved)
