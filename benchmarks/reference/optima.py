"""Distinct optima of all the data: the ends of a search, polished, grouped and judged."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from benchmarks.reference.admissible import (
    AT_EDGE,
    RIDGE,
    STATIONARY,
    Region,
    rejection_reason,
)
from benchmarks.reference.ascent import ascend_all
from benchmarks.reference.certificate import SAME_OPTIMUM, Optimum
from benchmarks.reference.one_search import STATIONARY_ON_VIEW, End, Search
from scenarios.mixture import MixtureBatch
from scenarios.sample import Sample

POLISHED, POLISHED_OTHERS = 12, 4
"""Ends that are polished on all the data: admissible ones, and others that may become so."""
NEARLY_ADMISSIBLE = 0.9
"""Share of the smallest admissible spread from which polishing may make a component admissible."""
POLISHED_FEWER = 3
"""Ends with fewer components that are polished."""
LOST_ON_VIEW = 5.0
"""Nats by which the rows that are searched may change the difference of two optima, at most."""
SHOWN = 20
"""Optima that a certificate holds, of the admissible ones and of the others."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Found:
    """What one whole search found."""

    optima: list[Optimum]
    """With K components, the best first; those that may not be a reference have a reason."""
    fewer: Optimum | None
    """The best admissible one with fewer components."""
    ascents: int

    @property
    def best(self) -> Optimum | None:
        """The best admissible optimum, with K components or fewer."""
        allowed = [o for o in (*self.optima, self.fewer) if o and not o.rejection_reason]
        return max(allowed, key=lambda o: o.log_likelihood, default=None)


def whole_search(sample: Sample, components: int, min_spread: float, seed: int) -> Found:
    """Search once for the optima of K components, and of fewer."""
    search = Search.of(sample, min_spread, seed)
    *below, pool = search.run(components)
    optima = _polished(search, pool, POLISHED, POLISHED_OTHERS)
    fewer = None
    for simpler in reversed(below):
        allowed = [
            o for o in _polished(search, simpler, POLISHED_FEWER, 0) if not o.rejection_reason
        ]
        if allowed:
            fewer = allowed[0]
            break
    return Found(optima, fewer, search.ascents)


def _polished(search: Search, pool: list[End], most: int, others: int) -> list[Optimum]:
    """The distinct optima of a pool, the best first: the best few polished on all the data."""
    sample, region = search.sample, search.region
    near = [
        end
        for end in pool
        if not end.admissible and end.ascent.predicted_gain < 1e3 and _nearly(region, end)
    ]
    good = [end for end in pool if end.admissible]
    if search.view is not sample and good:
        lowest = good[0].ascent.log_likelihood - LOST_ON_VIEW
        good = [end for end in good if end.ascent.log_likelihood > lowest]
    chosen = good[:most] + near[:others]
    optima = []
    if chosen:
        batch = MixtureBatch.of([end.ascent.mixture for end in chosen], sample.family)
        for end, ascent in zip(chosen, ascend_all(sample, batch), strict=True):
            polished = End(ascent, True, end.recipe, end.times)
            optima.append(_optimum(sample, polished, region.min_spread, STATIONARY))
    kept = {id(end) for end in chosen}
    rest = [end for end in pool if id(end) not in kept]
    rest = [e for e in rest if e.admissible][:SHOWN] + [e for e in rest if not e.admissible][:SHOWN]
    optima += [_optimum(sample, end, region.min_spread, STATIONARY_ON_VIEW) for end in rest]
    return _shown(distinct(optima))


def _nearly(region: Region, end: End) -> bool:
    """Whether all components are admissible, or nearly so."""
    mixture = end.ascent.mixture
    expected = mixture.weights * region.size
    shares = region.relative_spreads(mixture.parameters, expected) / region.least(expected)
    return bool((shares >= NEARLY_ADMISSIBLE).all())


def _shown(optima: list[Optimum]) -> list[Optimum]:
    """The best ``SHOWN`` of the admissible optima and of the others, the best first."""
    kept: list[Optimum] = []
    for rejected in (False, True):
        kept += [o for o in optima if bool(o.rejection_reason) == rejected][:SHOWN]
    return sorted(kept, key=lambda o: -o.log_likelihood)


def distinct(optima: Iterable[Optimum]) -> list[Optimum]:
    """Optima without repetitions, the best first; the times that each was met are added."""
    groups = grouped(
        optima, lambda o: o.log_likelihood, SAME_OPTIMUM, lambda o: bool(o.rejection_reason)
    )
    return [group[0].met(sum(o.times for o in group)) for group in groups]


def _optimum(sample: Sample, end: End, min_spread: float, max_gain: float) -> Optimum:
    mixture = end.ascent.mixture
    reason = rejection_reason(sample, end.ascent, min_spread, max_gain)
    if reason == RIDGE and end.ascent.smallest_eigenvalue == -np.inf:
        reason = AT_EDGE
    return Optimum(
        end.ascent.log_likelihood,
        end.times,
        mixture.weights.tolist(),
        mixture.parameters.tolist(),
        reason,
        end.recipe,
    )


def grouped(
    items: Iterable[T],
    log_likelihood: Callable[[T], float],
    within: float,
    kind: Callable[[T], Hashable] = lambda item: None,
) -> list[list[T]]:
    """Group items of one kind by log likelihood, best first.

    Each is ``within`` nats of its group's best. An optimum that is admissible is of another kind
    than one that is not: otherwise the one may hide the other.
    """
    groups: list[list[T]] = []
    latest: dict[Hashable, list[T]] = {}
    for item in sorted(items, key=lambda item: -log_likelihood(item)):
        group = latest.get(kind(item))
        if group is not None and log_likelihood(group[0]) - log_likelihood(item) < within:
            group.append(item)
        else:
            latest[kind(item)] = group = [item]
            groups.append(group)
    return groups
