"""Expectation–maximisation."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.sketching import Bins, seen
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

ROUNDING = 1e-14


@dataclass(frozen=True)
class EM(Fitter):
    """EM with exact M-steps: Dempster, Laird & Rubin (1977), *JRSS B* 39:1.

    Accelerated by squared extrapolation, SQUAREM: Varadhan & Roland (2008), *Scand. J.
    Statist.* 35:335, their third step length, in free coordinates; a step that would lose
    likelihood is not taken. Stops when the log likelihood still to be gained is below
    ``tolerance`` nats, as a quadratic model with the exact Hessian predicts it: a small
    step alone says nothing of what is left.
    """

    name = "em"

    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """Nats of total log likelihood predicted to be left at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 5000
    """E-steps."""
    accelerate: bool = True
    """Extrapolate; without, plain EM."""
    bins: Bins = 0
    """Look at a sketch of so many rows; 0: at all the data."""

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

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        before = self.sample.evaluations
        begin = start.mixture.within(self.sample.family)
        climb = _Climb(self.fitter, self.sample, begin, observe)
        converged, message = climb.run()
        passes = self.sample.evaluations - before
        return Fit(climb.mixture, converged, climb.iterations, passes, message)


class _Climb:
    """One restart's way uphill: ``mixture`` is where it stands."""

    def __init__(self, fitter: EM, sample: Sample, start: Mixture, observe: Observe) -> None:
        self.fitter, self.sample, self.observe = fitter, sample, observe
        self.mixture, self.iterations = start, 0
        self.longest = np.inf  # step length to try: much less after a failure, until one gains

    def run(self) -> tuple[bool, str]:
        """(claim, message) at the end."""
        next_look = np.inf
        while self.iterations < self.fitter.max_iterations:
            origin = self.mixture
            value, first = self._step(origin)
            self._show(origin)
            if not first.valid():
                return False, f"the M-step of iteration {self.iterations} left the domain"
            self.mixture = first
            value_first, second = self._step(first)
            self._show(first)
            if not second.valid():
                return False, f"the M-step of iteration {self.iterations} left the domain"
            self.mixture = second
            points = np.stack([m.coordinates() for m in (origin, first, second)])
            steps = np.diff(points, axis=0)
            gain = value_first - value
            # Gains shrink as the squares of steps do: what they add up to decides when to look.
            shrink = min(float(np.sum(steps[1] ** 2) / max(np.sum(steps[0] ** 2), 1e-300)), 1.0)
            left = gain * shrink / max(1.0 - shrink, 1e-12)
            stuck = abs(gain) < ROUNDING * abs(value)
            if stuck or left < min(self.fitter.tolerance, next_look):
                told = self._predicted_gain()
                if told < self.fitter.tolerance:
                    return True, f"about {told:.1e} nats left"
                if stuck:
                    return False, "it stands still, and not on a maximum"
                next_look = left / 4.0
            if self.fitter.accelerate:
                self._extrapolate(points, steps, value_first)
        return False, f"stopped after max_iterations={self.fitter.max_iterations}"

    def _step(self, mixture: Mixture) -> tuple[float, Mixture]:
        """Log likelihood at ``mixture``, and the mixture that the EM step leads to."""
        family = self.sample.family
        assert isinstance(family, ExponentialFamily)
        value, mass, totals = self.sample.expectation(mixture)
        self.iterations += 1
        with np.errstate(all="ignore"):
            parameters = family.maximise(totals / mass[:, None], near=mixture.parameters)
            return value, Mixture(family, mass / mass.sum(), parameters)

    def _extrapolate(self, points: Array, steps: Array, least: float) -> None:
        """Go on along the last two steps, if that gains; an EM step from there stabilises it."""
        bend = steps[1] - steps[0]
        with np.errstate(all="ignore"):
            length = float(np.linalg.norm(steps[0]) / np.linalg.norm(bend))
        if not length > 1.0:
            return
        length = min(length, self.longest)
        reached = points[0] + 2.0 * length * steps[0] + length**2 * bend
        candidate = Mixture.from_coordinates(self.sample.family, self.mixture.components, reached)
        if candidate.valid():
            value, beyond = self._step(candidate)
            if value >= least and beyond.valid():
                self._show(candidate)
                self.mixture, self.longest = beyond, np.inf
                return
        self.longest = max(length / 16.0, 2.0)

    def _predicted_gain(self) -> float:
        """½ gᵀ(-H)⁻¹g at the mixture in nats; infinite at a saddle. One pass."""
        _, gradient, hessian = self.sample.hessian(self.mixture)
        if not np.isfinite(hessian).all():
            return float("inf")
        curvature, vectors = np.linalg.eigh(-hessian)
        flat = 1e-10 * float(curvature[-1])
        if curvature[0] < -flat:
            return float("inf")
        held = curvature > flat  # along a ridge there is nothing to gain
        along = (vectors.T @ gradient)[held]
        return float(0.5 * np.sum(along**2 / curvature[held]))

    def _show(self, mixture: Mixture) -> None:
        self.observe(lambda: mixture)
