"""What a user of scipy writes in ten lines: minimise the negative log likelihood of a density."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Fit, Fitter, Mixture, Model, Observe, Prepared, Sample, Start


@dataclass(frozen=True)
class ScipyUser(Fitter):
    """``scipy.optimize.minimize``: L-BFGS-B, with the gradient by finite differences."""

    name = "scipy_user"

    max_iterations: Annotated[int, Field(ge=1)] = 15_000
    """Steps of the minimiser after which to stop."""

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Import the minimiser."""
        import scipy.optimize  # noqa: F401

        return _PreparedScipyUser(self, sample)


@plain_dataclass(frozen=True)
class _PreparedScipyUser(Prepared):
    settings: ScipyUser
    sample: Sample

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        from scipy.optimize import minimize

        sample, before = self.sample, dict(self.sample.passes)
        initial = start.mixture.within(sample.family)

        def mixture(point: Array) -> Mixture:
            return Mixture.from_coordinates(sample.family, initial.components, point)

        def loss(point: Array) -> float:
            sample.count(kernel="likelihood")
            with np.errstate(all="ignore"):
                value = -float(np.mean(mixture(point).log_density(sample.observations)))
            return value if np.isfinite(value) else 1e300

        result = minimize(
            loss,
            initial.coordinates(),
            method="L-BFGS-B",
            callback=lambda point: observe(lambda: mixture(point)),
            options={"maxiter": self.settings.max_iterations},
        )
        return Fit(
            mixture(result.x),
            bool(result.success),
            int(result.nit),
            sample.passes_since(before),
            str(result.message),
        )
