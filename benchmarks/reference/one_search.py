"""One whole search for the optima of K components: starts, insertions and moves from one seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import EMPTY, Region
from benchmarks.reference.ascent import em_steps, log_likelihoods
from benchmarks.reference.insertion import Candidates
from benchmarks.reference.newton import FLAT, Ascent, Flags, newton_ascents
from benchmarks.reference.starts import random_starts
from benchmarks.reference.view import coarse
from scenarios.families import Array, ExponentialFamily
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample

STARTS, STARTS_BELOW = 20, 10
"""Random starts for each component, of the mixtures sought and of those with fewer components."""
INSERTIONS = 80
"""Insertions that are tried from one optimum, over all its components."""
EXCHANGED = 8
"""Insertions after which a component is removed."""
MOST_STARTS = 400
"""Mixtures of one round from which ascents begin, at most."""
KEPT, FIRST_STEPS = 50, 5
"""So many of them go on after so many EM steps."""
EFFORT = 4
"""How many times as many of both in a family without exponential form, whose EM steps are poor."""
GOOD, REPAIRED = 4, 2
"""Optima that are changed in a round: the best admissible ones, and the best of the others."""
ROUNDS, PATIENCE = 8, 2
"""Rounds of moves at most, and those without a better optimum after which they end."""
EM_STEPS, NEWTON_STEPS, TOLERANCE = 10, 60, 1e-4
STATIONARY_ON_VIEW = 1e-2
"""Largest predicted gain, in nats, of a stationary point of the rows that are searched."""
SAME_END = 5e-3
"""Ends whose log likelihoods differ by less, in nats, are one."""
HOPELESS = 0.25
"""Share of the smallest admissible spread below which a component does not recover."""
EDGE = 1.003
"""Spread ÷ the smallest admissible one up to which a component is at the edge."""
WIDE = 3.0
"""The same from which a component is wide."""


RANDOM, INSERTED, MOVED = RECIPES = ("random starts", "insertion", "moves")
"""How mixtures from which ascents begin are made, in the order in which they are tried."""


@dataclass(eq=False)
class End:
    """A distinct end of ascents on the rows that are searched."""

    ascent: Ascent
    admissible: bool
    recipe: str
    """The recipe of ``RECIPES`` that led there first."""
    times: int = 1
    changed: bool = False
    """Whether moves have been tried from it."""


@dataclass(eq=False)
class Search:
    """What the ascents of one search share."""

    sample: Sample
    region: Region
    generator: np.random.Generator
    view: Sample
    """The rows that are searched."""
    ascents: int = field(default=0, init=False)

    @classmethod
    def of(cls, sample: Sample, min_spread: float, seed: int) -> Search:
        """Prepare a search, which depends on the ``seed`` and the data alone."""
        region = Region.of(sample, min_spread)
        return cls(sample, region, np.random.default_rng(seed), coarse(sample))

    @cached_property
    def _candidates(self) -> Candidates:
        return Candidates.of(self.view, self.sample.ordered, self.region, self.generator)

    def run(self, components: int) -> list[list[End]]:
        """The ends for 1, 2, …, ``components`` components, each the best first."""
        pools: list[list[End]] = []
        for count in range(1, components + 1):
            last = count == components
            pool = self._pool(count, STARTS if last else STARTS_BELOW)
            if pools:
                grown = [m for end in _best(pools[-1]) for m in self._grown(end.ascent.mixture)]
                merged(pool, self._climb(_batch(grown), INSERTED, KEPT))
                self._move(pool, ROUNDS if last else 1)
            pools.append(pool)
        for count in range(
            components - 1, 0, -1
        ):  # fewer components, where so many have no optimum
            if any(end.admissible for end in pools[count]):
                break
            merged(pools[count - 1], self._pool(count, STARTS))
            self._move(pools[count - 1], ROUNDS if count > 1 else 0)
        return pools

    def _pool(self, components: int, each: int) -> list[End]:
        """The ends from ``each`` random starts a component."""
        return merged([], self._climb(self._starts(components, each * components), RANDOM))

    def _starts(self, components: int, count: int) -> MixtureBatch:
        return random_starts(
            self.sample.ordered, components, count, self.region, self._candidates.parameters,
            self.generator,
        )  # fmt: skip

    def _grown(self, mixture: Mixture) -> Iterable[Mixture]:
        """The mixture with one component more, with its best weight and with more."""
        for insertion in self._candidates.best(mixture, INSERTIONS // (mixture.components + 1)):
            best = insertion.weight
            for weight in {best, min(0.5, max(0.1, 2.0 * best))}:
                yield with_component(mixture, insertion.parameters, weight)

    def _moved(self, mixture: Mixture) -> Iterable[Mixture]:
        """Another component in the place of each, inserted before it is removed or afterwards."""
        yield from self._exchanged(mixture)
        count = max(10, INSERTIONS // mixture.components)
        for k in range(mixture.components):
            rest = without_component(mixture, k)
            for insertion in self._candidates.best(rest, count):
                yield with_component(rest, insertion.parameters, insertion.weight)

    def _exchanged(self, mixture: Mixture) -> Iterable[Mixture]:
        """One component more, some EM steps, and each of them removed in turn."""
        insertions = self._candidates.best(mixture, EXCHANGED)
        if insertions:
            more = [with_component(mixture, i.parameters, i.weight) for i in insertions]
            for moved in em_steps(self.view, MixtureBatch.of(more), FIRST_STEPS, self.region):
                yield from (without_component(moved, k) for k in range(moved.components))

    def _move(self, pool: list[End], rounds: int) -> None:
        """Move components of the best ends until that has not paid for some rounds."""
        idle = 0
        for _ in range(rounds):
            fresh = [end for end in pool if not end.changed]
            chosen = _best(fresh)
            if not chosen or idle == PATIENCE:
                break
            before = _height(pool)
            moved: list[Mixture] = []
            for end in chosen:
                end.changed = True
                moved += self._moved(end.ascent.mixture)
            merged(pool, self._climb(_batch(moved), MOVED, KEPT))
            idle = 0 if _height(pool) > before + 1e-2 else idle + 1

    def _climb(self, batch: MixtureBatch | None, recipe: str, kept: int | None = None) -> list[End]:
        """The ends of ascents from a batch made by a recipe, of ``kept`` of them if given."""
        ends: list[End] = []
        if batch is not None:
            batch = batch.take(np.flatnonzero(batch.valid()))
        if batch is None or not len(batch):
            return ends
        if kept is not None:
            batch = self._promising(batch, kept)
        batch = em_steps(self.view, batch, EM_STEPS, self.region)
        batch = batch.take(np.flatnonzero(self._alive(batch)))
        if kept is not None and len(batch):  # held at the edge of what is admissible
            inside = self._inside(batch)
            values = log_likelihoods(self.view, batch)
            for index in np.flatnonzero(~inside & np.isfinite(values)):
                edge = Ascent(batch[int(index)], float(values[index]), np.inf, -np.inf)
                ends.append(End(edge, False, recipe))
            batch = batch.take(np.flatnonzero(inside))
        if not len(batch):
            return ends
        self.ascents += len(batch)
        found = newton_ascents(self.view, batch, TOLERANCE, NEWTON_STEPS, self._alive)
        maxima = (found.predicted_gains < STATIONARY_ON_VIEW) & (found.smallest_eigenvalues > -FLAT)
        weights, rows = found.mixtures.weights, found.mixtures.parameters
        expected = weights * self.region.size
        admissible = maxima & self.region.inside(expected, rows).all(axis=1)
        admissible &= (expected >= EMPTY).all(axis=1)
        for index in np.flatnonzero(np.isfinite(found.log_likelihoods)):
            ends.append(End(found[int(index)], bool(admissible[index]), recipe))
        return ends

    def _promising(self, batch: MixtureBatch, kept: int) -> MixtureBatch:
        """The most likely after a few steps: ``kept`` of those whose components are all wide, as
        many of those with a narrow one, and a quarter at the edge of admissibility.

        Where many observations are equal, narrow components soon have the largest likelihoods, and
        none of them leads to a maximum.
        """
        effort = 1 if isinstance(self.sample.family, ExponentialFamily) else EFFORT
        kept *= effort
        if len(batch) > effort * MOST_STARTS:
            batch = self._likeliest(batch, effort * MOST_STARTS // 2)
        return self._likeliest(em_steps(self.view, batch, FIRST_STEPS, self.region), kept)

    def _likeliest(self, batch: MixtureBatch, kept: int) -> MixtureBatch:
        """What ``_promising`` takes of a batch."""
        values = log_likelihoods(self.view, batch)
        values = np.where(np.isfinite(values) & self._alive(batch), values, -np.inf)
        inside, wide = self._inside(batch), self._inside(batch, WIDE)
        groups = ((wide, kept), (inside & ~wide, kept), (~inside, kept // 4))
        return batch.take(np.concatenate([_distinct(values, *group) for group in groups]))

    def _inside(self, batch: MixtureBatch, share: float = EDGE) -> Flags:
        """Which mixtures (B,) have only components of ``share`` × the smallest spread or more."""
        expected = batch.weights * self.region.size
        spreads = self.region.relative_spreads(batch.parameters, expected)
        return np.asarray((spreads >= share * self.region.least(expected)).all(axis=1))

    def _alive(self, batch: MixtureBatch) -> Flags:
        """Which mixtures (B,) have no component that is empty or a spike beyond repair."""
        expected = batch.weights * self.region.size
        spreads = self.region.relative_spreads(batch.parameters, expected)
        wide = (spreads > HOPELESS * self.region.min_spread).all(axis=1)
        return np.asarray(wide & (expected > 1e-3).all(axis=1))


def with_component(mixture: Mixture, parameters: Array, weight: float) -> Mixture:
    """The mixture with one component more, of this weight."""
    return Mixture(
        mixture.family,
        np.append(mixture.weights * (1.0 - weight), weight),
        np.vstack([mixture.parameters, parameters]),
    )


def without_component(mixture: Mixture, k: int) -> Mixture:
    """The mixture without component k."""
    weights, rows = np.delete(mixture.weights, k), np.delete(mixture.parameters, k, axis=0)
    return Mixture(mixture.family, weights / weights.sum(), rows)


def merged(pool: list[End], ends: list[End]) -> list[End]:
    """Add ``ends`` to a pool, the best first: those with one likelihood are one end.

    An admissible end and one that is not are never merged.
    """
    for end in ends:
        for other in pool:
            near = abs(other.ascent.log_likelihood - end.ascent.log_likelihood) < SAME_END
            if near and other.admissible == end.admissible:
                other.times += end.times
                if end.ascent.log_likelihood > other.ascent.log_likelihood:
                    other.ascent = end.ascent
                break
        else:
            pool.append(end)
    pool.sort(key=lambda end: -end.ascent.log_likelihood)
    return pool


def _best(pool: list[End]) -> list[End]:
    admissible = [end for end in pool if end.admissible]
    others = [end for end in pool if not end.admissible]
    return admissible[:GOOD] + others[:REPAIRED]


def _height(pool: list[End]) -> float:
    return max((end.ascent.log_likelihood for end in pool if end.admissible), default=-np.inf)


def _batch(mixtures: list[Mixture]) -> MixtureBatch | None:
    return MixtureBatch.of(mixtures) if mixtures else None


def _distinct(values: Array, allowed: Flags, count: int) -> NDArray[np.intp]:
    """The indices of the ``count`` largest finite ``values`` that differ from each other."""
    chosen: list[int] = []
    for index in np.argsort(-values):
        if len(chosen) == count or not np.isfinite(values[index]):
            break
        if allowed[index] and (not chosen or values[chosen[-1]] - values[index] > 1e-3):
            chosen.append(int(index))
    return np.array(chosen, dtype=np.intp)
