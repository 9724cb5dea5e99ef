"""What a user of scipy writes in ten lines."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.starts import Start
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample


@dataclass(frozen=True)
class ScipyUser(Fitter):
    """``scipy.optimize.minimize`` on the density alone: L-BFGS-B, gradient by differences."""

    name = "scipy_user"

    max_iterations: Annotated[int, Field(ge=1)] = 15_000

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import the minimiser."""
        import scipy.optimize  # noqa: F401

        return _PreparedScipyUser(self, sample)


@plain_dataclass(frozen=True)
class _PreparedScipyUser(Prepared):
    fitter: ScipyUser
    sample: Sample

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        from scipy.optimize import minimize

        sample, before = self.sample, self.sample.evaluations
        begin = start.mixture.within(sample.family)

        def at(point: Array) -> Mixture:
            return Mixture.from_coordinates(sample.family, begin.components, point)

        def loss(point: Array) -> float:
            sample.count()
            with np.errstate(all="ignore"):
                value = -float(np.mean(at(point).log_density(sample.observations)))
            return value if np.isfinite(value) else 1e300

        result = minimize(
            loss,
            begin.coordinates(),
            method="L-BFGS-B",
            callback=lambda point: observe(lambda: at(point)),
            options={"maxiter": self.fitter.max_iterations},
        )
        passes = sample.evaluations - before
        return Fit(at(result.x), bool(result.success), int(result.nit), passes, str(result.message))
