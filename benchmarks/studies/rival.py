"""A search for the best mixture that shares no recipe with the reference's, and costs far more.

Random starts, and then moves from the best mixtures found: a component goes anywhere with any
width, one is split where two are merged, all are shaken, and two mixtures are crossed (split and
merge: Ueda et al. 2000, *Neural Computation* 12:2109). Many short runs of EM precede few long ones
(Biernacki, Celeux & Govaert 2003, *Comput. Stat. Data Anal.* 41:561).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import rejection_reason
from benchmarks.reference.ascent import ascend
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.studies.rival_limits import Flags, Limits
from benchmarks.studies.rival_moves import Drawer, batch_of
from benchmarks.studies.rival_steps import em, squared
from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

SKETCH_ROWS = 1000
ROWS, FEWEST = 60_000, 48
"""Rows × mixtures of a round, and the least number of mixtures."""
ROUND = ((10, 0.4), (20, 0.15))
"""Steps of EM, and the share of the mixtures that remain afterwards, in a round."""
CYCLES = 12
"""Cycles of accelerated EM for the mixtures that remain at a round's end."""
CONVERGED = 1e-3
"""Gain of a cycle, in nats, below which a mixture is near an optimum."""
MAX_PENDING = 0.1
"""Mixtures that go on in the next round, relative to all of a round."""
POPULATION = 12
SAME = 0.02
"""Nats below which two optima are one."""
FRESH = 0.25
"""Share of a round's mixtures that are starts, once there are mixtures to move from."""
POLISH = 0.1
"""Share of the budget left for ascents on all the data."""
TIMES = 10.0
"""The budget relative to the passes of the reference."""
LEAST, MOST, WORK = 2_000.0, 200_000.0, 1e9
"""The least and the largest budget, and the most densities, passes × observations × components."""
DEARER = {"student_t": 3.0, "weibull": 3.0}
"""What a density costs in other families than exponential ones, relative to those."""


@dataclass(frozen=True, eq=False)
class Found:
    """The best admissible optimum of a search; ``weights`` are None without one."""

    weights: list[float] | None
    parameters: list[list[float]] | None
    log_likelihood: float
    """By scipy; -∞ without an optimum."""
    passes: float
    rejected: int
    """The number of ends that were refused."""
    rejection_reason: str
    """Why the best of them was; empty without one."""


@dataclass(eq=False)
class Budget:
    """Passes over a sample that a search may still make."""

    sample: Sample
    total: float

    def __post_init__(self) -> None:
        self.before = sum(self.sample.passes.values())

    @property
    def used(self) -> float:
        """The passes made."""
        return sum(self.sample.passes.values()) - self.before

    def left(self, reserve: float = 0.0) -> float:
        """The passes that remain, but for a share of all held in reserve."""
        return self.total * (1.0 - reserve) - self.used


def budget_for(passes: float, size: int, components: int, family: str) -> tuple[float, bool]:
    """The budget for a reference that took so many passes, and whether it is capped."""
    dearer = DEARER.get(family, 1.0)
    wanted = max(TIMES * passes, LEAST * dearer)
    most = max(LEAST * dearer, min(MOST, WORK / (size * components)) / dearer)
    return min(wanted, most), wanted > most


def search(sample: Sample, components: int, min_spread: float, passes: float, seed: int) -> Found:
    """Search with a budget of passes.

    Only the last ascent may exceed it: the ascents' lengths are not known beforehand.
    """
    rival = _Search.of(sample, components, min_spread, Budget(sample, passes), seed)
    while rival.budget.left(POLISH) > rival.cost + rival.ascent:
        rival.round()
    return rival.found()


@dataclass(eq=False)
class _Search:
    """The state of a search."""

    sample: Sample
    view: Sample
    """The sample, or a sketch of it."""
    min_spread: float
    budget: Budget
    limits: Limits
    drawer: Drawer
    count: int
    """The number of mixtures in a round."""
    best: list[tuple[float, Mixture]] = field(default_factory=list)
    """Admissible optima of the view, best first."""
    refused: list[tuple[float, str]] = field(default_factory=list)
    """Log likelihoods of mixtures whose ascents ended at no admissible optimum, and why."""
    pending: list[Mixture] = field(default_factory=list)
    """Mixtures that have still to converge."""
    ascent: float = 0.0
    """The passes of the longest ascent so far."""

    @classmethod
    def of(
        cls, sample: Sample, components: int, min_spread: float, budget: Budget, seed: int
    ) -> _Search:
        sketchable = isinstance(sample.family, ExponentialFamily)
        large = sample.size >= 2 * SKETCH_ROWS
        view = sample.sketch(SKETCH_ROWS) if sketchable and large else sample
        limits = Limits.of(sample, min_spread)
        drawer = Drawer.of(sample, components, min_spread, np.random.default_rng(seed))
        count = max(FEWEST, ROWS // len(view.counts))
        search = cls(sample, view, min_spread, budget, limits, drawer, count)
        rounds = budget.left(POLISH) / search.cost  # a small budget is one of small rounds
        return replace(search, count=max(8, int(count * min(1.0, 0.25 * rounds))))

    @property
    def cost(self) -> float:
        """The passes of a round, without its ascents."""
        share, each = 1.0, 0.0
        for steps, remaining in ROUND:
            each += share * steps
            share = remaining
        each += (share + MAX_PENDING) * (2 * CYCLES + 1)
        return each * self.count * len(self.view.counts) / self.sample.size

    def round(self) -> None:
        """Run a few steps of EM from many mixtures, and more from the best of them."""
        fresh = round(FRESH * self.count) if self.best else self.count
        mixtures = self.drawer.starts(fresh)
        if self.best:
            parents = [mixture for _, mixture in self.best]
            mixtures += self.drawer.moved(parents, self.count - fresh)
        batch = batch_of(mixtures, self.view.family)
        for steps, share in ROUND:
            for _ in range(steps):
                values, batch, held = em(self.view, batch, self.limits)
            batch = batch.take(_chosen(values, held, max(5, round(share * self.count))))
        batch = batch_of([*self.pending, *batch], self.view.family)
        ends = squared(self.view, batch, self.limits, CYCLES)
        free = np.isfinite(ends.values) & ~ends.held
        self.pending = []
        for index in np.argsort(-np.where(free, ends.values, -np.inf))[: free.sum()]:
            value, mixture = float(ends.values[index]), ends.mixtures[index]
            if abs(ends.gains[index]) < CONVERGED:
                self._offer(value, mixture)
            elif len(self.pending) < MAX_PENDING * self.count:
                self.pending.append(mixture)

    def _offer(self, value: float, mixture: Mixture) -> None:
        """Keep an optimum that is new and among the best, if it is an admissible one."""
        if any(abs(value - other) < SAME for other, _ in self.refused) or self._known(
            value, mixture
        ):
            return
        if len(self.best) >= POPULATION and value < self.best[-1][0]:
            return
        if self.budget.left(POLISH) < self.ascent:
            return
        end = self._ascended(self.view, mixture)
        reason = rejection_reason(self.view, end, self.min_spread)
        if reason:
            self.refused.append((value, reason))
            return
        if self._known(end.log_likelihood, end.mixture):
            return
        self.best.append((end.log_likelihood, end.mixture))
        self.best = sorted(self.best, key=lambda entry: -entry[0])[:POPULATION]

    def _known(self, value: float, mixture: Mixture) -> bool:
        """Whether an optimum is one of the best: nearly as high, and with the same weights."""
        weights = np.sort(mixture.weights)
        return any(
            abs(value - other) < SAME and np.abs(weights - np.sort(known.weights)).max() < 0.02
            for other, known in self.best
        )

    def _ascended(self, sample: Sample, mixture: Mixture) -> Any:
        before = self.budget.used
        with np.errstate(all="ignore"):
            end = ascend(sample, mixture)
        self.ascent = max(self.ascent, self.budget.used - before)
        return end

    def found(self) -> Found:
        """The best admissible end of ascents on all the data."""
        best = Found(None, None, -np.inf, 0.0, 0, "")
        for _, candidate in self.best:
            if best.weights is not None and self.budget.left() < self.ascent:
                break
            end = self._ascended(self.sample, candidate)
            if not (end.mixture.valid() and end.log_likelihood > best.log_likelihood):
                continue
            reason = rejection_reason(self.sample, end, self.min_spread)
            if reason:
                self.refused.append((end.log_likelihood, reason))
                continue
            weights, parameters = end.mixture.weights, end.mixture.parameters
            plain = ScipyMixture(self.sample.family.name, weights, parameters)
            value = -self.sample.size * mean_nll(plain, self.sample.observations)
            best = Found(weights.tolist(), parameters.tolist(), value, 0.0, 0, "")
        reason = max(self.refused, default=(0.0, ""))[1]
        return replace(
            best, passes=self.budget.used, rejected=len(self.refused), rejection_reason=reason
        )


def _chosen(values: Array, held: Flags, count: int) -> NDArray[np.intp]:
    """The indices of the best mixtures: of those that a limit held, a fifth at most."""
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf))
    free, others = order[~held[order]], order[held[order]]
    seats = max(count // 5, count - len(free))
    return np.concatenate([free[: count - seats], others[:seats]])
