"""What a user of scipy writes in ten lines: minimise the negative log likelihood of a density."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Fit, Fitter, Mixture, Observe, Sample, Start


@dataclass(frozen=True)
class ScipyUser(Fitter):
    """``scipy.optimize.minimize``: L-BFGS-B, with the gradient by finite differences."""

    name = "scipy_user"
    libraries = ("scipy.optimize",)

    max_iterations: Annotated[int, Field(ge=1)] = 15_000
    """Steps of the minimiser after which to stop."""

    def fit_one(self, sample: Sample, start: Start, seed: int, observe: Observe) -> Fit:
        """Minimise from the coordinates of ``start``."""
        from scipy.optimize import minimize

        before, initial = dict(sample.passes), start.mixture.within(sample.family)

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
            options={"maxiter": self.max_iterations},
        )
        return Fit(
            mixture(result.x),
            bool(result.success),
            int(result.nit),
            sample.passes_since(before),
            str(result.message),
        )
