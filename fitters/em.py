"""Expectation–maximisation: plain, accelerated by SQUAREM, or finished by Newton steps.

EM alternates responsibilities (E-step) and weighted maximum likelihood (M-step, exact for an
exponential family), and never loses likelihood. SQUAREM extrapolates along two EM steps and
keeps the result only if the likelihood does not fall. The hybrid (``newton=true``) replaces the
extrapolation by a Newton step where EM is slow. All variants stop by one rule: a quadratic model
with the exact Hessian predicts that less than ``tolerance`` nats are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Batch, Fit, Fitter, Model, Observe, Prepared, Sample, Start
from fitters.em_round import (
    CONVERGED,
    EXHAUSTED,
    OUTSIDE,
    RUNNING,
    STALLED,
    Restarts,
    Rules,
    advance,
)
from fitters.sketching import Bins, judged, view_of
from fitters.trust_region import safeguarded_steps
from scenarios.mixture import Index, MixtureBatch

ROUNDING = 1e-14
"""Relative change of the log likelihood that is rounding: the restart no longer moves."""
NEWTON_AFTER = 30
"""E-steps after which the hybrid takes Newton steps."""


@dataclass(frozen=True)
class EM(Fitter):
    """EM with exact M-steps (Dempster, Laird & Rubin 1977, *JRSS B* 39:1), with SQUAREM.

    SQUAREM is squared extrapolation in free coordinates with the third step length of Varadhan
    & Roland (2008, *Scand. J. Statist.* 35:335); it is kept only if the likelihood does not
    fall. ``newton=true`` takes Newton steps with the exact Hessian in its place after 30
    E-steps (much as Aitkin & Aitkin 1996, *Stat. Comput.* 6:127). Stops when a quadratic model
    with the exact Hessian predicts that less than ``tolerance`` nats are left: a step can be
    small because EM is slow.
    """

    name = "em"
    kernels = ("em_round", "gradients", "hessians")

    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """Predicted nats of total log likelihood left at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 5000
    """E-steps after which to stop."""
    accelerate: bool = True
    """Extrapolate by SQUAREM after every two EM steps; false: plain EM."""
    newton: bool = False
    """The hybrid: Newton steps in place of the extrapolation after 30 E-steps."""
    bins: Bins = 0
    """Fit a sketch of so many rows; 0: fit all the data."""
    batch: Batch = 1
    """Restarts that run together: worth it on a sketch, where a pass is mostly overhead."""

    def supports(self, model: Model) -> str | None:
        """Exponential families, whose M-step is exact."""
        if self.newton and not self.accelerate:
            return "newton=true takes the place of the extrapolation: leave out accelerate=false"
        if model.exponential:
            return None
        return (
            f"{model.family.name} is no exponential family: weighted maximum likelihood has no "
            "fixed statistics, so there is no M-step; use gradient, direct or mcmc"
        )

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Sketch the sample if ``bins`` is set; the statistics are in the sample."""
        return _PreparedEM(self, view_of(sample, self.bins))


@plain_dataclass(frozen=True)
class _PreparedEM(Prepared):
    settings: EM
    sample: Sample

    @property
    def batch(self) -> int:
        return self.settings.batch

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        return self.fit_many([start], [seed], observe)[0]

    def fit_many(
        self, starts: Sequence[Start], seeds: Sequence[int], observe: Observe = lambda copy: None
    ) -> list[Fit]:
        mixtures = MixtureBatch.of([start.mixture for start in starts], self.sample.family)
        ascent = _Ascent(self.settings, self.sample, mixtures, observe)
        with np.errstate(all="ignore"):
            ascent.run()
        return [judged(fit, self.sample) for fit in ascent.fits()]


class _Ascent:
    """B independent restarts, and the decisions between their rounds."""

    def __init__(
        self, settings: EM, sample: Sample, starts: MixtureBatch, observe: Observe
    ) -> None:
        self.settings, self.sample, self.observe = settings, sample, observe
        newton_after = float(NEWTON_AFTER) if settings.newton else np.inf
        self.rules = Rules(
            float(settings.max_iterations), settings.tolerance, ROUNDING, newton_after,
            float(settings.accelerate),
        )  # fmt: skip
        self.restarts = Restarts.at(starts)
        self.gain_left = np.full(len(starts), np.inf)
        """Nats left by a quadratic model of each restart that has converged."""
        self.hessians = np.zeros(len(starts), dtype=int)

    def run(self) -> None:
        """Iterate until every restart has stopped."""
        restarts, first = self.restarts, np.array([0])
        self.observe(lambda: self.mixtures(first)[0])
        while (restarts.state == RUNNING).any():
            advance(self.sample, restarts, self.rules)
            self.observe(lambda: self.mixtures(first)[0])
            if restarts.due.any():
                self._decide(np.flatnonzero(restarts.due))

    def mixtures(self, index: Index) -> MixtureBatch:
        """The current mixtures of some restarts."""
        restarts = self.restarts
        return MixtureBatch(self.sample.family, restarts.weights[index], restarts.parameters[index])

    def fits(self) -> list[Fit]:
        """Return one ``Fit`` per restart."""
        fits, pass_size = [], self.sample.pass_share
        for i, state in enumerate(self.restarts.state):
            e_steps, hessians = int(self.restarts.e_steps[i]), int(self.hessians[i])
            passes = {"expectation": e_steps * pass_size, "hessian": hessians * pass_size}
            message = {
                CONVERGED: f"about {self.gain_left[i]:.1e} nats left",
                STALLED: "stalled away from a maximum",
                OUTSIDE: "an M-step left the domain",
                EXHAUSTED: f"stopped after max_iterations={self.settings.max_iterations}",
            }[int(state)]
            mixture = self.mixtures(np.array([i]))[0]
            fits.append(Fit(mixture, bool(state == CONVERGED), e_steps, passes, message))
        return fits

    def _decide(self, index: Index) -> None:
        """Stop restarts that have converged or stalled, and set the others' Newton points.

        A decision costs a Hessian: it is made where the EM steps predict less than the tolerance,
        where they stalled, and where Newton's point takes the place of SQUAREM's.
        """
        restarts, here = self.restarts, self.mixtures(index)
        _, gradients, hessians = self.sample.hessians(here)
        self.hessians[index] += 1
        steps, gain_left = safeguarded_steps(gradients, hessians, restarts.radius[index])
        restarts.check_below[index] = restarts.remaining[index] / 4.0
        self.gain_left[index] = gain_left
        restarts.state[index[restarts.stalled(index, ROUNDING)]] = STALLED
        restarts.state[index[gain_left < self.settings.tolerance]] = CONVERGED
        by_newton = restarts.by_newton[index]
        restarts.points[index[by_newton]] = (here.coordinates() + steps)[by_newton]
        finite = np.isfinite(restarts.points[index]).all(axis=1)
        going = restarts.state[index] == RUNNING
        restarts.leaping[index] = self.settings.accelerate & going & finite
