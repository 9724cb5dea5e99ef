"""Choose a family and a number of components for a user's data."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.fit.answer import Answer
from benchmarks.fit.by_fitters import search_by_fitters
from benchmarks.fit.ladder import Ladder, climbed
from benchmarks.fit.options import AUTO, Options
from benchmarks.fit.race import LIMIT, Race, listed
from benchmarks.fit.search import Candidate
from benchmarks.report.tables import joined
from scenarios.data_files import Data
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family, SupportError, families
from scenarios.model import Model
from scenarios.random_part import THINNED
from scenarios.sample import Sample

LARGEST = 1e100
"""Of a value's size and, inverted, of the range: squares are computed of both."""
Progress = Callable[[str], object]


def find_mixture(data: Data, options: Options, progress: Progress = lambda text: None) -> Answer:
    """Fit the families and numbers of components in ``options``, and choose by BIC.

    All are fitted where a family or fitters are named; otherwise those that can hardly be chosen
    are dropped early. ``progress`` is called with a line of text before each search. Raises
    ``UserError`` for data that can't be fitted.
    """
    began = time.perf_counter()
    if data.x.size < 2:
        found = "one value" if data.x.size else "no values"
        raise UserError(f"{data.name} holds {found}: a fit needs at least two")
    if data.x.min() == data.x.max():
        raise UserError(
            f"all {data.x.size:,} values of {data.name} are {data.x[0]:g}, so there is nothing to "
            "fit: check the column"
        )
    largest, reach = float(np.abs(data.x).max()), float(np.ptp(data.x))
    if largest > LARGEST or reach < 1.0 / LARGEST:
        raise UserError(
            f"{data.name} has values up to {largest:g} over a range of {reach:g}: a fit takes "
            f"values up to {LARGEST:g} and a range from {1.0 / LARGEST:g} on; multiply by a power "
            "of ten"
        )
    tried, untried = _families(data, options)
    too_many = {
        family.name: counts
        for family in tried
        if (counts := [k for k in options.components if _dimension(family, k) >= data.x.size])
    }
    if all(len(too_many.get(family.name, ())) == len(options.components) for family in tried):
        fewest = min(_dimension(family, options.components[0]) for family in tried)
        raise UserError(
            f"{data.name} has {data.x.size} values, too few for any mixture asked for, which has "
            f"{fewest} parameters at least: give more data, or ask for fewer --components"
        )
    if too_many:
        untried.append(
            f"Not tried, because the {data.x.size} observations are no more than the parameters: "
            f"{listed(too_many)}"
        )
    candidates, dropped = _candidates(data, options, tried, progress)
    chosen = min(candidates, key=lambda candidate: candidate.bic)
    if chosen.best is None:
        failures = (failure for candidate in candidates for failure in candidate.failures)
        reason = next(failures, "no optimum was admissible")
        raise UserError(f"no mixture can be fitted to {data.name}: {reason}; try another --family")
    untried += dropped
    return Answer(data, options, chosen, candidates, untried, time.perf_counter() - began)


def _candidates(
    data: Data, options: Options, tried: list[Family], progress: Progress
) -> tuple[list[Candidate], list[str]]:
    """The candidates, and a sentence on those that were dropped."""
    if options.fitters:
        candidates = []
        for family in tried:
            sample = Sample.of(data.x, family)
            for components in options.components:
                if _dimension(family, components) < data.x.size:
                    progress(f"fitting {components} × {family.name}")
                    candidates.append(search_by_fitters(sample, components, options))
        return candidates, []
    if options.family != AUTO:
        sample = Sample.of(data.x, tried[0])
        return climbed(sample, options.components, options, progress), []
    race = Race([Ladder(each, data.x, options) for each in tried], options.components, progress)
    return race.run(), race.dropped()


def _families(data: Data, options: Options) -> tuple[list[Family], list[str]]:
    """The families to try, those that cost least first, and sentences on those left out."""
    if options.family != AUTO:
        family = families()[options.family]()
        family.check_support(data.x)
        return [family], []
    tried: list[Family] = []
    excluded: dict[tuple[float, float], list[str]] = {}
    slow: list[str] = []
    for name, cls in families().items():
        low, high = cls.support
        try:
            cls().check_support(data.x)
        except SupportError:
            excluded.setdefault((low, high), []).append(name)
            continue
        if data.x.size > THINNED and not issubclass(cls, ExponentialFamily) and not options.fitters:
            slow.append(name)
        else:
            tried.append(cls())
    tried.sort(key=lambda family: (not isinstance(family, ExponentialFamily), family.name == LIMIT))
    sentences = []
    if excluded:
        parts = []
        for (low, high), names in excluded.items():
            outside = int(data.x.size - ((data.x > low) & (data.x < high)).sum())
            parts.append(
                f"{joined(names)} ({outside:,} of {data.x.size:,} values are outside "
                f"({low:g}, {high:g}))"
            )
        sentences.append(f"The data exclude {' and '.join(parts)}")
    if slow:
        sentences.append(
            f"{joined(slow)} {'was' if len(slow) == 1 else 'were'} not tried, because no sketch of "
            f"{data.x.size:,} observations serves them (`--family {slow[0]}` tries it)"
        )
    return tried, sentences


def _dimension(family: Family, components: int) -> int:
    return Model(family, components).dimension
