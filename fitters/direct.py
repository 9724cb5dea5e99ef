"""Direct maximum likelihood with scipy's general-purpose minimisers."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.sketching import Bins, seen, unsketchable
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

USES_HESSIAN = ("trust-exact", "trust-ncg", "Newton-CG")
EXACT = 1e-6
"""Nats predicted to be left below which the maximum of a sketch counts as the data's own."""
MOST_POLISHED = 10


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
    bins: Bins = 0
    """Climb on a sketch of so many rows, then take exact Newton steps on all the data until
    less than 1e-6 nats are predicted to be left; 0: climb on all the data."""

    def supports(self, family: Family, components: int) -> str | None:
        """Any family, except by a Hessian that it doesn't have."""
        if self.method in USES_HESSIAN and not isinstance(family, ExponentialFamily):
            return (
                f"{self.method} needs an exact Hessian, which {family.name} has not (it is no "
                "exponential family): use method=auto or L-BFGS-B"
            )
        return unsketchable(family, self.bins)

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import scipy's optimisers; the statistics are in the sample."""
        import scipy.optimize  # noqa: F401

        method = self.method
        if method == "auto":
            method = "trust-exact" if isinstance(family, ExponentialFamily) else "L-BFGS-B"
        return _PreparedDirect(self, method, sample, seen(sample, self.bins))


@plain_dataclass(frozen=True)
class _PreparedDirect(Prepared):
    fitter: Direct
    method: str
    sample: Sample
    seen: Sample

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        before = self.sample.evaluations
        observe(lambda: start.mixture)
        begin = start.mixture.within(self.sample.family)
        mixture, success, steps, message = self._climb(self.seen, begin, observe)
        if self.seen is not self.sample:
            polished, left = self._polish(mixture, observe)
            if polished is None:  # the sketch led to no top of the data's: climb on those
                mixture, success, more, message = self._climb(self.sample, mixture, observe)
                steps += more
            else:
                mixture, success = polished, True
                message = f"{message} About {left:.1e} nats left on the data."
        passes = self.sample.evaluations - before
        return Fit(mixture, success, steps, passes, message)

    def _climb(
        self, sample: Sample, start: Mixture, observe: Observe
    ) -> tuple[Mixture, bool, int, str]:
        """scipy's minimiser on ``sample``: (mixture, success, iterations, message)."""
        from scipy.optimize import minimize

        objective = _Objective(sample, start, self.method in USES_HESSIAN)

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
        result = minimize(
            objective.value,
            start.coordinates(),
            method=self.method,
            jac=objective.gradient,
            hess=objective.hessian if self.method in USES_HESSIAN else None,
            callback=callback,
            options=options,
        )
        at_end = objective.mixture(result.x)
        return at_end, bool(result.success), int(result.nit), str(result.message)

    def _polish(self, mixture: Mixture, observe: Observe) -> tuple[Mixture | None, float]:
        """Newton's method on all the data: the maximum, and the nats predicted to be left.

        None where the data have no maximum near by, or a step loses likelihood.
        """
        value = -np.inf
        for _ in range(MOST_POLISHED):
            if not mixture.valid():
                break
            reached, gradient, hessian = self.sample.hessian(mixture)
            observe(lambda at=mixture: at)  # type: ignore[misc]
            if not (reached >= value and np.isfinite(hessian).all()):
                break
            curvature, vectors = np.linalg.eigh(-hessian)
            if not curvature[0] > 0.0:
                break
            step = vectors @ ((vectors.T @ gradient) / curvature)
            left = 0.5 * float(gradient @ step)
            if left < EXACT:
                return mixture, left
            value, point = reached, mixture.coordinates() + step
            mixture = Mixture.from_coordinates(mixture.family, mixture.components, point)
        return None, np.inf


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
