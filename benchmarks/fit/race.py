"""Which families and numbers of components are worth their time, where a user names neither.

All families climb from a few starts, first with one component, then with two, and so on. A family
that can hardly become the best by BIC gets no more components, and only candidates that may be
chosen get as many starts as were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.fit.ladder import Ladder
from benchmarks.fit.search import Candidate
from benchmarks.reference.newton import Ascent
from benchmarks.report.tables import joined
from scenarios.families import Array
from scenarios.mixture import Mixture
from scenarios.model import Model

FAR_BEHIND = 10.0
"""A difference of BIC that is very strong evidence (Kass & Raftery 1995, *JASA* 90:773)."""
LOST_ON_SKETCH = 2e-5
"""Nats per observation by which few rows in place of all may change a difference of BIC."""
NEAR, NEAR_EACH, MOST_COMPLETED = 20.0, 0.05, 8
"""A difference of BIC, and more for each observation, up to which a few starts may have missed an
optimum that is chosen; and the candidates that get all starts at most."""
MOST_REPEATED = 3
"""How often the best candidate gets as many starts again."""
LIMIT, LIMITED = "student_t", "normal"
"""The family that costs most, and the family that it becomes in a limit."""
STARTING_DF = (3.0, 10.0, 40.0)
"""Degrees of freedom with which Student's t starts at the normal's optimum."""
SCORE_VARIANCE = 1.5
"""Of (u⁴ - 2u² - 1)/4, u standard normal, given the score by log σ: (56 - 8²/2)/16."""

Progress = Callable[[str], object]
Counts = dict[str, list[int]]


@dataclass(eq=False)
class Race:
    """The ladders of all families, and those that go on."""

    ladders: list[Ladder]
    components: range
    progress: Progress
    behind: Counts = field(default_factory=dict, init=False)
    """By family, the numbers of components not tried because BIC was far behind or rose."""
    light: Counts = field(default_factory=dict, init=False)
    """The same, because no tails call for it."""
    coarse: Counts = field(default_factory=dict, init=False)
    """By family, the numbers of components that few rows of the data showed to be far behind."""

    def run(self) -> list[Candidate]:
        """The candidates, fitted to all the data."""
        for components in range(1, self.components[-1] + 1):
            for ladder in self._running(components):
                self._begin(ladder, components)
        self._complete()
        return self._polished()

    @property
    def best(self) -> float:
        """The lowest BIC so far, of the numbers of components that may be chosen."""
        return min((bic for _, _, bic in self._places()), default=float("inf"))

    def dropped(self) -> list[str]:
        """One sentence on all that was not tried, or nothing."""
        reasons = [
            (
                self.behind,
                "BIC was far behind, or rose twice",
            ),
            (self.light, "the normal components leave no heavy tails"),
            (self.coarse, "far behind on a sketch of the data"),
        ]
        parts = [f"{listed(names)} ({reason})" for names, reason in reasons if names]
        return [f"Dropped early: {'; '.join(parts)}"] if parts else []

    def _running(self, components: int) -> list[Ladder]:
        """The ladders that get so many components."""
        running, last = [], self.components[-1]
        for ladder in self.ladders:
            name = ladder.family.name
            if name in self.behind or ladder.x.size <= Model(ladder.family, components).dimension:
                continue
            if components > 2 and self._is_behind(ladder, components - 1):
                self.behind[name] = list(range(components, last + 1))
            else:
                running.append(ladder)
        return running

    def _is_behind(self, ladder: Ladder, components: int) -> bool:
        """Whether one component more can hardly make the family the best by BIC.

        It hardly can where BIC rose twice in a row, and, unless the family leads, where it would
        be ``FAR_BEHIND`` even if it fell once more as much as it last fell: a further component
        seldom gains more than the one before.
        """
        bics = [ladder.bic(count) for count in range(1, components + 1)]
        tried = [bic for bic in bics if np.isfinite(bic)]
        if len(tried) >= 3 and tried[-1] > tried[-2] > tried[-3]:
            return True
        if not np.isfinite(bics[-2:]).all():  # all were spikes: nothing says how much it falls
            return ladder.family.name == LIMIT
        if min(tried) == self._lowest():
            return False
        fall = max(0.0, tried[-2] - tried[-1]) if len(tried) > 1 else 0.0
        return tried[-1] - fall > self._lowest() + FAR_BEHIND

    def _lowest(self) -> float:
        """The lowest BIC of all, whether it may be chosen or not."""
        return min(
            (ladder.bic(count) for ladder in self.ladders for count in ladder.rungs),
            default=float("inf"),
        )

    def _begin(self, ladder: Ladder, components: int) -> None:
        starts: list[Mixture] = []
        normal = next((each for each in self.ladders if each.family.name == LIMITED), None)
        if ladder.family.name == LIMIT and normal is not None and components in normal.rungs:
            optima = normal.rungs[components].admissible
            if optima:
                starts = _with_tails(ladder, optima[0].ascent)
            if components > 1 and optima and not self._calls_for_tails(ladder, optima[0].ascent):
                self.light.setdefault(LIMIT, []).append(components)
                return
        self.progress(f"fitting {components} × {ladder.family.name}")
        ladder.begin(components, starts)
        if not ladder.rungs[components].admissible:
            ladder.complete(components)
        ladder.release()

    def _calls_for_tails(self, ladder: Ladder, ascent: Ascent) -> bool:
        """Whether Student's t may be better than the normal's optimum, or is ahead already.

        By the score test along 1/ν: t's log density changes by (u⁴ - 2u² - 1)/(4ν). Half of what
        BIC takes for the parameters ν must be predicted.
        """
        components = ascent.mixture.components
        if ladder.bic(components - 1) < self._lowest() + FAR_BEHIND:
            return True
        needed = 0.5 * components * float(np.log(ladder.x.size))
        return tail_gain(ladder.view.rows[:, 0], ladder.view.counts, ascent.mixture) > 0.5 * needed

    def _places(self) -> list[tuple[Ladder, int, float]]:
        """Each candidate that has begun, with its BIC on the rows that are searched."""
        return [
            (ladder, count, ladder.bic(count))
            for ladder in self.ladders
            for count in self.components
            if count in ladder.rungs
        ]

    def _best_of(self, ladder: Ladder) -> float:
        """The lowest BIC of one family, of the numbers of components that may be chosen."""
        return min((ladder.bic(count) for count in self.components), default=float("inf"))

    def _complete(self) -> None:
        """Give all starts to those that may be chosen, the best first.

        The best of all gets more, as long as few of its starts reach its best optimum.
        """
        done: set[tuple[str, int]] = set()
        margin = NEAR + NEAR_EACH * self.ladders[0].x.size
        while len(done) < MOST_COMPLETED:
            near = [
                (bic, ladder, count)
                for ladder, count, bic in self._places()
                if count > 1
                and bic < self.best + margin
                and (ladder.family.name, count) not in done
            ]
            if not near:
                break
            _, ladder, count = min(near, key=lambda place: place[0])
            self.progress(f"more starts for {count} × {ladder.family.name}")
            ladder.complete(count)
            done.add((ladder.family.name, count))
        ladder, count, _ = min(self._places(), key=lambda place: place[2])
        for _ in range(MOST_REPEATED):
            if not ladder.is_rare(count):
                break
            self.progress(f"more starts for {count} × {ladder.family.name}")
            ladder.repeat(count)

    def _polished(self) -> list[Candidate]:
        """The candidates on all the data.

        Where few rows were searched, those are all numbers of components of the leading family,
        the best of each other family, and those that are not far behind.
        """
        candidates: list[tuple[Candidate, Ladder]] = []
        leading = min(self.ladders, key=self._best_of)
        for ladder in self.ladders:
            margin = FAR_BEHIND + LOST_ON_SKETCH * ladder.x.size
            lowest = self._best_of(ladder)
            for count in self.components:
                bic = ladder.bic(count)
                if count not in ladder.rungs:
                    continue
                shown = ladder.exact or ladder is leading or bic == lowest
                if not shown and bic > self.best + margin:
                    self.coarse.setdefault(ladder.family.name, []).append(count)
                    continue
                self.progress(f"comparing {count} × {ladder.family.name}")
                candidates.append((ladder.candidate(count), ladder))
            ladder.release()
        if candidates:
            place = min(range(len(candidates)), key=lambda index: candidates[index][0].bic)
            chosen, ladder = candidates[place]
            candidates[place] = ladder.candidate(chosen.components, thorough=True), ladder
        return [candidate for candidate, _ in candidates]


def _with_tails(ladder: Ladder, ascent: Ascent) -> list[Mixture]:
    """The normal mixture with ``STARTING_DF`` degrees of freedom in all components."""
    normal = ascent.mixture
    starts = []
    for df in STARTING_DF:
        column = np.full((normal.components, 1), df)
        rows = np.hstack([column, normal.parameters])
        starts.append(Mixture(ladder.view.family, normal.weights, rows))
    return starts


def tail_gain(x: Array, counts: Array, mixture: Mixture) -> float:
    """Nats that tails heavier than a normal mixture's are predicted to gain, Σ S²/2I.

    ``x`` (n,) stand for ``counts`` (n,) observations. S is a component's score by 1/ν, at ν = ∞,
    and I its information; lighter tails gain nothing.
    """
    shares = mixture.responsibilities(x) * counts
    u = (x - mixture.parameters[:, :1]) / mixture.parameters[:, 1:]
    score = (shares * (u**4 - 2.0 * u**2 - 1.0)).sum(axis=1) / 4.0
    information = SCORE_VARIANCE * shares.sum(axis=1)
    return float((np.maximum(score, 0.0) ** 2 / (2.0 * information)).sum())


def listed(names: Counts) -> str:
    """The names with their numbers: "3 and 4 × gamma, 2 × beta"."""
    return ", ".join(f"{_numbers(counts)} × {name}" for name, counts in names.items())


def _numbers(counts: Sequence[int]) -> str:
    if len(counts) > 2 and counts[-1] - counts[0] == len(counts) - 1:
        return f"{counts[0]} to {counts[-1]}"
    return joined([str(count) for count in counts])
