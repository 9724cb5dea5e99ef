"""Direct maximum likelihood with scipy's general-purpose minimisers.

The mean negative log likelihood is an ordinary smooth function of unconstrained coordinates, so
any minimiser applies. scipy chooses the steps; the sample's kernels supply value, gradient and,
for a family with exact derivatives, the exact Hessian.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Fit, Fitter, Mixture, Model, Observe, Sample, Start

USES_HESSIAN = ("trust-exact", "trust-ncg", "Newton-CG")


@dataclass(frozen=True)
class Direct(Fitter):
    """``scipy.optimize.minimize`` on the mean negative log likelihood.

    With the exact gradient and Hessian for families with exact derivatives (``trust-exact``:
    Moré & Sorensen 1983, *SIAM J. Sci. Stat. Comput.* 4:553). Other families get the exact
    mixture gradient over numeric component scores, and L-BFGS-B.
    """

    name = "direct"
    libraries = ("scipy.optimize",)
    kernels = ("gradients", "hessians")

    method: Literal["auto", "trust-exact", "trust-ncg", "Newton-CG", "BFGS", "L-BFGS-B", "CG"] = (
        "auto"
    )
    """``auto``: trust-exact where the family has an exact Hessian, L-BFGS-B elsewhere."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-6
    """Largest component of the mean gradient at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 1000
    """Steps of the minimiser after which to stop."""

    def supports(self, model: Model) -> str | None:
        """Any family; methods that need a Hessian, those with exact derivatives only."""
        if self.method in USES_HESSIAN and not model.family.exact_derivatives:
            return (
                f"{self.method} needs an exact Hessian, which {model.family.name} lacks (it has no "
                "formulas for its derivatives): leave out method"
            )
        return None

    def fit_one(self, sample: Sample, start: Start, seed: int, observe: Observe) -> Fit:
        """Minimise from the coordinates of ``start``."""
        from scipy.optimize import minimize

        auto = "trust-exact" if sample.family.exact_derivatives else "L-BFGS-B"
        method = auto if self.method == "auto" else self.method
        observe(lambda: start.mixture)
        before = dict(sample.passes)
        objective = _Objective(sample, start.mixture, method in USES_HESSIAN)

        def callback(coordinates: Array) -> None:
            observe(lambda: objective.mixture(coordinates))

        result = minimize(
            lambda point: objective(point)[0],
            start.mixture.within(sample.family).coordinates(),
            method=method,
            jac=lambda point: objective(point)[1],
            hess=(lambda point: objective(point)[2]) if method in USES_HESSIAN else None,
            callback=callback,
            options=self._options(method),
        )
        return Fit(
            objective.mixture(result.x),
            bool(result.success),
            int(result.nit),
            sample.passes_since(before),
            str(result.message),
        )

    def _options(self, method: str) -> dict[str, Any]:
        """The settings under the names that scipy's method has for them."""
        tolerance, limit = self.tolerance, self.max_iterations
        if method == "L-BFGS-B":
            return {"gtol": tolerance, "ftol": 1e-15, "maxiter": limit, "maxfun": limit}
        return {"xtol" if method == "Newton-CG" else "gtol": tolerance, "maxiter": limit}


class _Objective:
    """-ℓ/n, its gradient (p,) and its Hessian (p, p) at a point.

    scipy asks for them in separate calls, which share one pass: the last result is stored.
    """

    def __init__(self, sample: Sample, start: Mixture, with_hessian: bool) -> None:
        self.sample, self.components = sample, start.components
        self.kernel: Callable[[Mixture], Any] = sample.hessian if with_hessian else sample.gradient
        self.point: Array | None = None

    def mixture(self, coordinates: Array) -> Mixture:
        """The mixture at these coordinates."""
        return Mixture.from_coordinates(self.sample.family, self.components, coordinates)

    def __call__(self, coordinates: Array) -> list[Any]:
        """Evaluate; -ℓ/n is infinite where it is not finite, so that the step is refused."""
        if self.point is None or not np.array_equal(self.point, coordinates):
            mixture = self.mixture(coordinates)
            with np.errstate(all="ignore"):
                self.result = [-part / self.sample.size for part in self.kernel(mixture)]
            if not np.isfinite(self.result[0]):
                self.result[0] = np.inf
            self.point = np.array(coordinates)
        return self.result
