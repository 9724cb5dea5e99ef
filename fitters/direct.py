"""Direct maximum likelihood with scipy's general-purpose minimisers."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

USES_HESSIAN = ("trust-exact", "trust-ncg", "Newton-CG")


@dataclass(frozen=True)
class Direct(Fitter):
    """``scipy.optimize.minimize`` on the mean negative log likelihood in free coordinates.

    With the exact gradient and Hessian for exponential families (trust-region Newton:
    Moré & Sorensen 1983, *SIAM J. Sci. Stat. Comput.* 4:553). Other families get the exact
    mixture gradient over numeric component scores, and L-BFGS-B in place of Newton.
    """

    name = "direct"

    method: Literal["auto", "trust-exact", "trust-ncg", "Newton-CG", "BFGS", "L-BFGS-B", "CG"] = (
        "auto"
    )
    """``auto``: trust-exact where the family has an exact Hessian, L-BFGS-B elsewhere."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-6
    """Largest component of the mean gradient at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 1000

    def supports(self, family: Family, components: int) -> str | None:
        """Any family, except by a Hessian that it doesn't have."""
        if self.method in USES_HESSIAN and not isinstance(family, ExponentialFamily):
            return (
                f"{self.method} needs an exact Hessian, which {family.name} has not (it is no "
                "exponential family): use method=auto or L-BFGS-B"
            )
        return None

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import scipy's optimisers; the statistics are in the sample."""
        import scipy.optimize  # noqa: F401

        method = self.method
        if method == "auto":
            method = "trust-exact" if isinstance(family, ExponentialFamily) else "L-BFGS-B"
        return _PreparedDirect(self, method, sample)


@plain_dataclass(frozen=True)
class _PreparedDirect(Prepared):
    fitter: Direct
    method: str
    sample: Sample

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        from scipy.optimize import minimize

        before = self.sample.evaluations
        objective = _Objective(self.sample, start.mixture, self.method in USES_HESSIAN)

        def callback(coordinates: Array) -> None:
            observe(lambda: objective.mixture(coordinates))

        stop = "maxiter" if self.method != "L-BFGS-B" else "maxfun"
        options: dict[str, Any] = {
            "gtol": self.fitter.tolerance,
            stop: self.fitter.max_iterations,
        }
        if self.method == "Newton-CG":
            options["xtol"] = options.pop("gtol")
        if self.method == "L-BFGS-B":
            options |= {"ftol": 1e-15, "maxiter": self.fitter.max_iterations}
        observe(lambda: start.mixture)
        result = minimize(
            objective.value,
            start.mixture.coordinates(),
            method=self.method,
            jac=objective.gradient,
            hess=objective.hessian if self.method in USES_HESSIAN else None,
            callback=callback,
            options=options,
        )
        return Fit(
            objective.mixture(result.x),
            bool(result.success),
            int(result.nit),
            self.sample.evaluations - before,
            str(result.message),
        )


class _Objective:
    """Mean negative log likelihood at the last point asked for, so that scipy's separate
    calls for value, gradient and Hessian there are one pass."""

    def __init__(self, sample: Sample, start: Mixture, with_hessian: bool) -> None:
        self.sample, self.start, self.with_hessian = sample, start, with_hessian
        self.at: Array | None = None

    def mixture(self, coordinates: Array) -> Mixture:
        """The mixture at these coordinates."""
        return Mixture.from_coordinates(self.start.family, self.start.components, coordinates)

    def value(self, coordinates: Array) -> float:
        """-ℓ/n; infinite where it can't be evaluated, which a trust region steps back from."""
        self._visit(coordinates)
        return -self.latest[0] / self.sample.size if np.isfinite(self.latest[0]) else np.inf

    def gradient(self, coordinates: Array) -> Array:
        """-∇ℓ/n, shape (p,)."""
        self._visit(coordinates)
        return -self.latest[1] / self.sample.size

    def hessian(self, coordinates: Array) -> Array:
        """-∇²ℓ/n, shape (p, p)."""
        self._visit(coordinates)
        return -self.latest[2] / self.sample.size

    def _visit(self, coordinates: Array) -> None:
        if self.at is not None and np.array_equal(self.at, coordinates):
            return
        mixture = self.mixture(coordinates)
        with np.errstate(all="ignore"):
            if self.with_hessian:
                self.latest = self.sample.hessian(mixture)
            else:
                self.latest = (*self.sample.gradient(mixture), np.empty((0, 0)))
        self.at = np.array(coordinates)
