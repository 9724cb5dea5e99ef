"""The default search: the optima of one family with 1, 2, … components, each from those below.

All starts of one number of components climb as one batch, on few rows where the data are many. The
best ends are then polished on all the data (``polish``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from benchmarks.fit.options import Options
from benchmarks.fit.polish import MIN_SPREAD, polish
from benchmarks.fit.proposals import Proposals
from benchmarks.fit.search import Candidate
from benchmarks.reference.admissible import EMPTY, Region, sample_spreads
from benchmarks.reference.ascent import em_steps, log_likelihoods
from benchmarks.reference.certificate import SAME_OPTIMUM
from benchmarks.reference.newton import FLAT, Flags, newton_ascents
from benchmarks.reference.one_search import End, merged
from benchmarks.reference.view import ROWS, coarse
from scenarios.families import Array, ExponentialFamily, Family
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.model import Model
from scenarios.sample import Sample

FEW_STARTS = 8
"""Starts from which a family and number of components is judged; as many as are asked for go on
only from candidates that may be chosen."""
CHANGED = 2
"""Best optima that are changed into starts."""
MOST_MOVES = 3
"""Rounds in which components of the best optima are moved."""
RARELY_FOUND = 0.25
"""Share of the starts below which the best optimum is hard to find."""
SCREENED, FIRST_STEPS, ALIKE = 3, 5, 1e-3
"""Random mixtures for each of the few starts, EM steps after which the most likely are chosen, and
the nats by which these differ at least."""
WIDE_START, AT_EDGE = 3.0, 1.003
"""Spread ÷ the smallest admissible one, from which a component is wide, and inside the edge."""
EM_STEPS, NEWTON_STEPS, TOLERANCE = 10, 40, 1e-4
"""Steps from every start, and the predicted gain, in nats, at which its ascent ends."""
STATIONARY_ON_VIEW = 1e-2
"""Largest predicted gain, in nats, of an optimum of the rows that are searched."""
HOPELESS = 0.25
"""Share of the smallest admissible spread below which a component does not recover."""
STREAMED = 1 << 20
"""Observations from which a sketch is made without the rows of all of them, which need memory."""
POLISHED_FIRST, POLISHED, POLISHED_HIGHER = 2, 6, 3
"""Ends that are polished: the best that seem admissible, so many if those are not, and spikes."""


@dataclass(eq=False)
class Rung:
    """What the starts with one number of components led to."""

    ends: list[End] = field(default_factory=list)
    """Distinct ends on the rows that are searched, the greatest likelihood first."""
    restarts: int = 0
    seconds: float = 0.0

    @property
    def admissible(self) -> list[End]:
        """The ends that may be chosen."""
        return [end for end in self.ends if end.admissible]


@dataclass(eq=False)
class Ladder:
    """The search of one family on the observations ``x`` (n,)."""

    family: Family
    x: Array
    options: Options
    given: Sample | None = None
    """The sample, if it is made already."""
    rungs: dict[int, Rung] = field(default_factory=dict, init=False)

    @cached_property
    def sample(self) -> Sample:
        """All the data."""
        return self.given or Sample.of(self.x, self.family)

    @cached_property
    def view(self) -> Sample:
        """The rows that are searched: all the data, or about ``ROWS`` rows for them."""
        if self.x.size >= STREAMED and isinstance(self.family, ExponentialFamily):
            return Sample.stream([self.x], self.family, ROWS)
        return coarse(self.sample)

    @cached_property
    def exact(self) -> bool:
        """Whether the rows that are searched are all the data."""
        return self.view is self.sample

    def release(self) -> None:
        """Forget the rows of all the data, which are made anew if they are needed."""
        if self.x.size >= STREAMED:
            self.__dict__.pop("sample", None)

    def bic(self, components: int) -> float:
        """BIC of the best admissible end on the rows that are searched; infinite without one."""
        rung = self.rungs.get(components)
        if rung is None or not rung.admissible:
            return float("inf")
        fit = -2.0 * rung.admissible[0].ascent.log_likelihood
        return fit + Model(self.family, components).dimension * float(np.log(self.x.size))

    def begin(self, components: int, starts: Sequence[Mixture] = ()) -> None:
        """Climb from a few starts for K = ``components``, those given among them.

        The others are the best optima with one component fewer and one more, and windows of the
        sorted data. No component may become a spike.
        """
        began = time.perf_counter()
        rung = self.rungs.setdefault(components, Rung())
        if components == 1:
            starts = [*starts, self._proposals.drawn("quantile", 1, 0)]
        else:
            few = max(1, min(FEW_STARTS, self.options.restarts) - len(starts))
            many = self._proposals.grown(self._best(components - 1))
            many += self._proposals.random(components, SCREENED * few)
            starts = [*starts, *self._promising(many, few)]
        self._climb(rung, starts, self.region)
        rung.seconds += time.perf_counter() - began

    def complete(self, components: int) -> None:
        """Climb from more starts, until all that were asked for have been tried.

        They are quantile and k-means starts in turn. The components of half of them may become
        spikes: a warning says where they do. Then another component takes the place of each
        in the best optima, as long as that finds a better one; this is no restart, as it begins
        at what others found.
        """
        began = time.perf_counter()
        rung = self.rungs[components]
        if components > 1:
            draw = self._proposals.drawn
            count = self.options.restarts - rung.restarts
            starts = [draw(("quantile", "kmeans")[i % 2], components, i) for i in range(count)]
            self._climb(rung, starts[: count // 2], self.region)
            self._climb(rung, starts[count // 2 :], None)
            self._move(components)
        rung.seconds += time.perf_counter() - began

    def is_rare(self, components: int) -> bool:
        """Whether few starts reached the best optimum, so that there may be a better one."""
        rung = self.rungs[components]
        found = rung.admissible
        return components > 1 and bool(found) and found[0].times < RARELY_FOUND * rung.restarts

    def repeat(self, components: int) -> None:
        """Climb from as many starts again as were asked for."""
        began = time.perf_counter()
        rung = self.rungs[components]
        starts = self._proposals.random(components, self.options.restarts)
        self._climb(rung, starts, self.region)
        self._move(components)
        rung.seconds += time.perf_counter() - began

    def _move(self, components: int) -> None:
        """Move components of the best optima as long as that finds a better one."""
        for _ in range(MOST_MOVES if self.rungs[components].admissible else 0):
            before = self.bic(components)
            above = self._best(components + 1)[:1]
            moved = self._proposals.moved(self._best(components), above)
            climbing = self._promising(moved, FEW_STARTS)
            self._climb(self.rungs[components], climbing, self.region, times=0)
            if self.bic(components) > before - SAME_OPTIMUM:
                break

    def _best(self, components: int) -> list[Mixture]:
        """The best mixtures with so many components; admissible ones, if there are any."""
        rung = self.rungs.get(components, Rung())
        return [end.ascent.mixture for end in (rung.admissible or rung.ends)[:CHANGED]]

    def candidate(self, components: int, thorough: bool = False) -> Candidate:
        """Polish the best ends for K = ``components`` on all the data.

        A ``thorough`` polish also takes higher ends that are not admissible, and more of the
        others.
        """
        began = time.perf_counter()
        rung = self.rungs[components]
        admissible = rung.admissible
        ends = admissible[: POLISHED if thorough else POLISHED_FIRST]
        if thorough or not ends:
            higher = rung.ends[: POLISHED_HIGHER if thorough else 1]
            ends = [*ends, *(end for end in higher if end not in ends)]
        optima = polish(self.sample, self.view, ends)
        rest = [end for end in admissible[:POLISHED] if end not in ends]
        if rest and all(optimum.rejection_reason for optimum in optima):
            optima = polish(self.sample, self.view, [*ends, *rest])
        rung.seconds += time.perf_counter() - began
        sample = self.sample
        if self.x.size >= STREAMED and not thorough:  # the rows of several families need memory
            sample = replace(sample, stored_rows=None)
        return Candidate(sample, components, optima, rung.restarts, [], rung.seconds, None)

    @cached_property
    def _proposals(self) -> Proposals:
        return Proposals.of(self.view, self.region, self.x, self.options.seed)

    @cached_property
    def region(self) -> Region:
        """The admissible components."""
        spreads = sample_spreads(self.x, self.view.family.link)
        return Region(self.view.family, self.x.size, MIN_SPREAD, *spreads)

    def _promising(self, starts: list[Mixture], count: int) -> list[Mixture]:
        """The ``count`` most likely of ``starts`` after a few EM steps, no two of them alike.

        Two thirds have wide components alone, if there are so many: where observations are equal,
        narrow ones soon have the largest likelihoods, and none of them leads to a maximum.
        """
        if not starts:
            return []
        batch = MixtureBatch.of(starts, self.view.family)
        batch = batch.take(np.flatnonzero(batch.valid()))
        with np.errstate(all="ignore"):
            batch = em_steps(self.view, batch, FIRST_STEPS, self.region)
            values = log_likelihoods(self.view, batch)
            expected = batch.weights * self.x.size
            spreads = self.region.relative_spreads(batch.parameters, expected)
            narrowest = (spreads / self.region.least(expected)).min(axis=1)
        possible = np.isfinite(values) & self._alive(batch)
        chosen = _distinct(values, possible & (narrowest >= WIDE_START), count - count // 3)
        rest = possible & (narrowest >= AT_EDGE)
        rest[chosen] = False
        chosen += _distinct(values, rest, count - len(chosen))
        return [batch[index] for index in chosen]

    def _climb(
        self, rung: Rung, starts: Sequence[Mixture], region: Region | None, times: int = 1
    ) -> None:
        """Climb from all ``starts``, count each ``times``, and add the ends."""
        if not starts:
            return
        rung.restarts += times * len(starts)
        batch = MixtureBatch.of(starts, self.view.family)
        batch = batch.take(np.flatnonzero(batch.valid()))
        if not len(batch):
            return
        allowed = None if region is None else self._alive
        with np.errstate(all="ignore"):
            batch = em_steps(self.view, batch, EM_STEPS, region)
            found = newton_ascents(self.view, batch, TOLERANCE, NEWTON_STEPS, allowed)
        stationary = found.predicted_gains < STATIONARY_ON_VIEW
        stationary &= found.smallest_eigenvalues > -FLAT
        expected = found.mixtures.weights * self.x.size
        admissible = stationary & (expected >= EMPTY).all(axis=1)
        admissible &= self.region.inside(expected, found.mixtures.parameters).all(axis=1)
        index = np.flatnonzero(np.isfinite(found.log_likelihoods))
        ends = [End(found[int(i)], bool(admissible[i]), "", times) for i in index]
        merged(rung.ends, ends)

    def _alive(self, batch: MixtureBatch) -> Flags:
        """Which mixtures (B,) have no component that is a spike beyond repair, or empty."""
        expected = batch.weights * self.x.size
        spreads = self.region.relative_spreads(batch.parameters, expected)
        wide = (spreads > HOPELESS * MIN_SPREAD).all(axis=1)
        return np.asarray(wide & (expected > 1e-3).all(axis=1))


def climbed(
    sample: Sample,
    components: range,
    options: Options,
    progress: Callable[[str], object] = lambda text: None,
) -> list[Candidate]:
    """The candidates of the sample's family, each with all the starts that were asked for.

    Those with no more observations than parameters are left out.
    """
    ladder = Ladder(sample.family, sample.observations, options, sample)
    candidates = []
    for count in range(1, components[-1] + 1):
        if sample.size <= Model(sample.family, count).dimension:
            break
        progress(f"fitting {count} × {sample.family.name}")
        ladder.begin(count)
        if count in components:
            ladder.complete(count)
            candidates.append(ladder.candidate(count, thorough=True))
    return candidates


def _distinct(values: Array, allowed: Flags, count: int) -> list[int]:
    """The indices of the ``count`` largest of the ``allowed`` values that differ."""
    chosen: list[int] = []
    for index in np.argsort(-values):
        alike = bool(chosen) and values[chosen[-1]] - values[index] < ALIKE
        if allowed[index] and not alike and len(chosen) < count:
            chosen.append(int(index))
    return chosen
