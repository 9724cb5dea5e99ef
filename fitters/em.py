"""Expectation–maximisation."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample


@dataclass(frozen=True)
class EM(Fitter):
    """EM with exact M-steps: Dempster, Laird & Rubin (1977), *JRSS B* 39:1.

    Stops when the log likelihood still to be gained, extrapolated from the last two gains
    as a geometric series (Aitken; Böhning et al. 1994, *Ann. Inst. Stat. Math.* 46:373),
    is below ``tolerance``: a small step alone says nothing of what is left.
    """

    name = "em"

    tolerance: Annotated[float, Field(gt=0)] = 1e-4
    """Nats of total log likelihood predicted to be left at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 5000

    def supports(self, family: Family, components: int) -> str | None:
        """Exponential families, whose M-step is exact."""
        if isinstance(family, ExponentialFamily):
            return None
        return (
            f"{family.name} is no exponential family: weighted maximum likelihood has no fixed "
            "statistics, so there is no M-step; use gradient, direct or mcmc"
        )

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Nothing to prepare: the statistics are in the sample."""
        return _PreparedEM(self, sample)


@dataclass(frozen=True, config={"arbitrary_types_allowed": True})
class _PreparedEM(Prepared):
    fitter: EM
    sample: Sample = field(repr=False)

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        family = self.sample.family
        assert isinstance(family, ExponentialFamily)
        before = self.sample.evaluations
        mixture, value, last_gain = start.mixture, -np.inf, np.inf
        converged, message, iteration = False, "", 0
        for iteration in range(1, self.fitter.max_iterations + 1):
            reached, mass, totals = self.sample.expectation(mixture)
            observe(lambda at=mixture: at)  # type: ignore[misc]
            gain, value = reached - value, reached
            ratio = gain / last_gain if np.isfinite(last_gain) and last_gain > 0.0 else 1.0
            left = gain * ratio / (1.0 - ratio) if ratio < 1.0 else np.inf
            # A gain of rounding size carries no ratio: nothing is left to see.
            if 0.0 <= left < self.fitter.tolerance or abs(gain) < 1e-14 * abs(value):
                converged, message = True, f"about {max(left, 0.0):.1e} nats left"
                break
            last_gain = gain
            with np.errstate(divide="ignore", invalid="ignore"):
                means = totals / mass[:, None]
            parameters = family.maximise(means, near=mixture.parameters)
            mixture = Mixture(family, mass / mass.sum(), parameters)
            if not mixture.valid():
                message = f"the M-step of iteration {iteration} left the domain"
                break
        else:
            message = f"stopped after max_iterations={self.fitter.max_iterations}"
        return Fit(mixture, converged, iteration, self.sample.evaluations - before, message)
