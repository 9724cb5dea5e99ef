"""Expectation–maximisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Batch, Fit, Fitter, Observe, Prepared
from fitters.newton import newton_steps
from fitters.sketching import Bins, seen
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.sample import Sample
from scenarios.stack import Index, Stack

ROUNDING = 1e-14
PATIENCE = 30
"""E-steps after which a restart that is still on its way leaps by Newton steps."""
FIRST_RADIUS = 1.0
"""The longest of them at first, in coordinates of order one."""


@dataclass(frozen=True)
class EM(Fitter):
    """EM with exact M-steps: Dempster, Laird & Rubin (1977), *JRSS B* 39:1.

    Accelerated by leaps, each after two EM steps, and not taken if it would lose likelihood:
    squared extrapolation, SQUAREM (Varadhan & Roland 2008, *Scand. J. Statist.* 35:335, their
    third step length, in free coordinates); and for restarts still on their way after 30
    E-steps, which creep along a ridge, Newton steps with the exact Hessian (much as Aitkin &
    Aitkin 1996, *Stat. Comput.* 6:127). Stops when the log likelihood still to be gained is
    below ``tolerance`` nats, as a quadratic model with the exact Hessian predicts it: a
    small step alone says nothing of what is left.
    """

    name = "em"

    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """Nats of total log likelihood predicted to be left at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 5000
    """E-steps."""
    accelerate: bool = True
    """Leap; without, plain EM."""
    bins: Bins = 0
    """Look at a sketch of so many rows; 0: at all the data."""
    batch: Batch = 1
    """Restarts that climb together: worth it on a sketch, where a pass is mostly overhead."""

    def supports(self, family: Family, components: int) -> str | None:
        """Exponential families, whose M-step is exact."""
        if isinstance(family, ExponentialFamily):
            return None
        return (
            f"{family.name} is no exponential family: weighted maximum likelihood has no fixed "
            "statistics, so there is no M-step; use gradient, direct or mcmc"
        )

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Sketch the sample, if it is to be; the statistics are in it."""
        return _PreparedEM(self, seen(sample, self.bins))


@dataclass(frozen=True, config={"arbitrary_types_allowed": True})
class _PreparedEM(Prepared):
    fitter: EM
    sample: Sample = field(repr=False)

    @property
    def batch(self) -> int:
        return self.fitter.batch

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        return self._climbed([start], observe)[0]

    def fit_many(self, starts: Sequence[Start], seeds: Sequence[int]) -> list[Fit]:
        return self._climbed(starts, lambda copy: None)

    def _climbed(self, starts: Sequence[Start], observe: Observe) -> list[Fit]:
        begin = Stack.of([start.mixture for start in starts], self.sample.family)
        climbs = _Climbs(self.fitter, self.sample, begin, observe)
        with np.errstate(all="ignore"):
            climbs.run()
        return climbs.fits()


class _Climbs:
    """The ways uphill of B restarts, which know nothing of each other.

    ``at`` is where each stands; ``which`` (b,), in the methods, are the restarts meant.
    """

    def __init__(self, fitter: EM, sample: Sample, starts: Stack, observe: Observe) -> None:
        self.fitter, self.sample, self.at, self.observe = fitter, sample, starts, observe
        size = len(starts)
        self.iterations, self.looks = np.zeros(size, dtype=int), np.zeros(size, dtype=int)
        # Leaps: the step length tried last, and the longest to try: much less after a failure.
        self.length, self.longest = np.full(size, np.inf), np.full(size, np.inf)
        self.radius = np.full(size, FIRST_RADIUS)
        self.next_look = np.full(size, np.inf)  # nats to be promised at most before another
        self.told: dict[int, tuple[bool, str]] = {}

    def run(self) -> None:
        """Climb until all have ended."""
        while len(self.told) < len(self.at):
            going = np.array([i for i in range(len(self.at)) if i not in self.told])
            most = self.fitter.max_iterations
            self._end(going[self.iterations[going] >= most], f"stopped after max_iterations={most}")
            going = going[self.iterations[going] < most]
            if going.size:
                self._round(going)

    def fits(self) -> list[Fit]:
        """What came of each."""
        passes = (self.iterations + self.looks) * len(self.sample.counts) / self.sample.size
        return [
            Fit(self.at[i], claim, int(self.iterations[i]), float(passes[i]), message)
            for i, (claim, message) in sorted(self.told.items())
        ]

    def _round(self, which: Index) -> None:
        """Two EM steps, a look at what is left if that seems little, and a leap."""
        origin = self.at.take(which)
        value, first = self._step(which, origin)
        self._show(origin)
        value_first, second = self._step(which, first)
        self._show(first)
        inside = first.valid() & second.valid()
        self._end(which[~inside], "an M-step left the domain")
        which = which[inside]
        self.at.put(which, second.take(inside))
        points = np.stack([s.take(inside).coordinates() for s in (origin, first, second)])
        steps, value_first = np.diff(points, axis=0), value_first[inside]
        gain = value_first - value[inside]
        # Gains shrink as the squares of steps do: what they add up to decides when to look.
        squares = np.sum(steps**2, axis=2)
        shrink = np.minimum(squares[1] / np.maximum(squares[0], 1e-300), 1.0)
        left = gain * shrink / np.maximum(1.0 - shrink, 1e-12)
        stuck = np.abs(gain) < ROUNDING * np.abs(value_first)
        slow = (self.iterations[which] >= PATIENCE) & self.fitter.accelerate
        look = stuck | slow | (left < np.minimum(self.fitter.tolerance, self.next_look[which]))
        gains, tops = np.full(len(which), np.inf), np.full(points.shape[1:], np.nan)
        if look.any():
            gains[look], tops[look] = self._models(which[look])
        self.next_look[which[look]] = left[look] / 4.0
        done = gains < self.fitter.tolerance
        for i in np.flatnonzero(done):
            self.told[int(which[i])] = (True, f"about {gains[i]:.1e} nats left")
        self._end(which[stuck & ~done], "it stands still, and not on a maximum")
        if self.fitter.accelerate:
            squared = self._squared(which, points[0], steps)
            reached = np.where(slow[:, None], tops, squared)
            on = ~done & ~stuck & np.isfinite(reached).all(axis=1)
            if on.any():
                self._leap(which[on], reached[on], value_first[on], slow[on])

    def _step(self, which: Index, stack: Stack) -> tuple[Array, Stack]:
        """Log likelihoods at ``stack``, and the mixtures that EM steps lead to."""
        family = self.sample.family
        assert isinstance(family, ExponentialFamily)
        value, mass, totals = self.sample.expectations(stack)
        self.iterations[which] += 1
        means = (totals / mass[:, :, None]).reshape(-1, totals.shape[2])
        parameters = family.maximise(means, near=stack.parameters.reshape(means.shape))
        weights = mass / mass.sum(axis=1, keepdims=True)
        return value, Stack(family, weights, parameters.reshape(totals.shape))

    def _squared(self, which: Index, origin: Array, steps: Array) -> Array:
        """Coordinates (b, p) far along the last two steps; NaN where that is no way ahead."""
        bend = steps[1] - steps[0]
        length = np.linalg.norm(steps[0], axis=1) / np.linalg.norm(bend, axis=1)
        self.length[which] = np.minimum(length, self.longest[which])
        length = np.where(length > 1.0, self.length[which], np.nan)[:, None]
        return np.asarray(origin + 2.0 * length * steps[0] + length**2 * bend)

    def _leap(self, which: Index, reached: Array, least: Array, slow: Index) -> None:
        """Be at ``reached``, and an EM step further, which stabilises it, if that gains."""
        leapt = Stack.from_coordinates(self.sample.family, self.at.components, reached)
        value, beyond = self._step(which, leapt)
        gained = (value >= least) & leapt.valid() & beyond.valid()
        if gained.any():
            self._show(leapt.take(gained))
        self.at.put(which[gained], beyond.take(gained))
        self.longest[which] = np.where(gained, np.inf, np.maximum(self.length[which] / 16.0, 2.0))
        self.radius[which] *= np.where(slow, np.where(gained, 2.0, 0.25), 1.0)

    def _models(self, which: Index) -> tuple[Array, Array]:
        """Nats that quadratic models still see above, and coordinates on the way to their tops."""
        self.looks[which] += 1
        here = self.at.take(which)
        _, gradients, hessians = self.sample.hessians(here)
        steps, gains = newton_steps(gradients, hessians, self.radius[which])
        return gains, here.coordinates() + steps

    def _show(self, stack: Stack) -> None:
        self.observe(lambda: stack[0])

    def _end(self, which: Index, why: str) -> None:
        for i in which:
            self.told[int(i)] = (False, why)
