"""The looks of a comparison that settles itself: how many data sets each takes.

A group-sequential design with shares of the level fixed beforehand: a false alarm at any look has
at most the probability alpha, by Bonferroni's inequality.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from benchmarks.runner.plan import Plan

DATA_SETS = {"": (24, 72, 216), "gradient": (12, 36, 108), "mcmc": (12, 36, 108)}
"""Data sets of each look over all scenarios together, by fitter name; ``""``: all others."""
SHARES = (1 / 7, 2 / 7, 4 / 7)
"""The share of alpha that each look may spend."""
Looks = Mapping[str, tuple[int, ...]]
"""Data sets of every scenario at each look, by fitter with its settings."""


def looks_of(fitters: Iterable[str], scenarios: int) -> Looks:
    """Return the looks of fitters on so many scenarios; fractions are rounded up."""
    sizes = {spec: DATA_SETS.get(spec.partition(":")[0], DATA_SETS[""]) for spec in fitters}
    return {spec: tuple(math.ceil(n / scenarios) for n in each) for spec, each in sizes.items()}


def plan_of(plan: Plan, replicates: Mapping[str, int]) -> Plan:
    """Return a plan with so many data sets of every scenario for each fitter."""
    return replace(plan, data_sets=max(replicates.values()), fewer_data_sets=dict(replicates))
