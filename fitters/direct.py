"""Direct maximum likelihood with scipy's general-purpose minimisers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Batch, Fit, Fitter, Observe, Prepared
from fitters.newton import climb, newton_steps
from fitters.sketching import Bins, seen, unsketchable
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.stack import Stack

USES_HESSIAN = ("trust-exact", "trust-ncg", "Newton-CG")
EXACT = 1e-6
"""Nats predicted to be left below which one more step leads to the data's own maximum."""
MOST_POLISHED = 10
FINE = 1 << 13
"""Rows of the sketch on which the top of a coarser one is first carried on: so near to the data's
that one step on all the data is left, where the coarse sketch's top is two away."""


@dataclass(frozen=True)
class Direct(Fitter):
    """``scipy.optimize.minimize`` on the mean negative log likelihood in free coordinates.

    With the exact gradient and Hessian for exponential families (trust-region Newton:
    Moré & Sorensen 1983, *SIAM J. Sci. Stat. Comput.* 4:553). Other families get the exact
    mixture gradient over numeric component scores, and L-BFGS-B in place of Newton. scipy
    takes one restart at a time; the method ``newton``, our own trust region, takes a batch.
    """

    name = "direct"

    method: Literal[
        "auto", "trust-exact", "trust-ncg", "Newton-CG", "BFGS", "L-BFGS-B", "CG", "newton"
    ] = "auto"
    """``auto``: trust-exact where the family has an exact Hessian, L-BFGS-B elsewhere; newton
    for a batch."""
    tolerance: Annotated[float, Field(gt=0)] = 1e-6
    """Largest component of the mean gradient at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 1000
    bins: Bins = 0
    """Climb on a sketch of so many rows, then take exact Newton steps on all the data until
    less than 1e-6 nats are predicted to be left; 0: climb on all the data."""
    batch: Batch = 1
    """Restarts that climb together: worth it on a sketch, where a pass is mostly overhead."""

    def supports(self, family: Family, components: int) -> str | None:
        """Any family, except by a Hessian that it doesn't have; batches by newton alone."""
        if self.batch > 1 and self.method not in ("auto", "newton"):
            return f"scipy's {self.method} takes one restart at a time: leave out batch"
        needs = self.batch > 1 or self.method in (*USES_HESSIAN, "newton")
        if needs and not isinstance(family, ExponentialFamily):
            what = "batch" if self.batch > 1 else self.method
            return (
                f"{what} needs an exact Hessian, which {family.name} has not (it is no "
                "exponential family): leave it out"
            )
        return unsketchable(family, self.bins)

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import scipy's optimisers; the statistics are in the sample."""
        import scipy.optimize  # noqa: F401

        method: str = self.method
        if method == "auto" and not isinstance(family, ExponentialFamily):
            method = "L-BFGS-B"
        elif method == "auto":
            method = "newton" if self.batch > 1 else "trust-exact"
        return _PreparedDirect(self, method, sample, seen(sample, self.bins))


@plain_dataclass(frozen=True)
class _PreparedDirect(Prepared):
    fitter: Direct
    method: str
    sample: Sample
    seen: Sample

    @property
    def batch(self) -> int:
        return self.fitter.batch

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        observe(lambda: start.mixture)
        return self._fitted([start], observe)[0]

    def fit_many(self, starts: Sequence[Start], seeds: Sequence[int]) -> list[Fit]:
        return self._fitted(starts, lambda copy: None)

    def _fitted(self, starts: Sequence[Start], observe: Observe) -> list[Fit]:
        begin = [start.mixture.within(self.sample.family) for start in starts]
        tops = self._tops(self.seen, begin, observe)
        if self.seen is self.sample:
            return tops
        return [self._carried_on(top, observe) for top in tops]

    def _tops(self, sample: Sample, starts: list[Mixture], observe: Observe) -> list[Fit]:
        """Where the method leads on ``sample``, from each start."""
        if self.method != "newton":
            return [self._minimised(sample, start, observe) for start in starts]
        ends, success, steps = climb(
            sample, Stack.of(starts), self.fitter.tolerance, self.fitter.max_iterations
        )
        each = len(sample.counts) / sample.size
        return [
            Fit(end, claim, count, (count + 1) * each, "" if claim else "It found no top.")
            for end, claim, count in zip(ends, success.tolist(), steps.tolist(), strict=True)
        ]

    def _minimised(self, sample: Sample, start: Mixture, observe: Observe) -> Fit:
        """Where scipy's minimiser leads."""
        from scipy.optimize import minimize

        before = sample.evaluations
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
        end, passes = objective.mixture(result.x), sample.evaluations - before
        return Fit(end, bool(result.success), int(result.nit), passes, str(result.message))

    def _carried_on(self, top: Fit, observe: Observe) -> Fit:
        """The top of the sketch carried on to the data's own."""
        before, near = self.sample.evaluations, top.mixture
        if len(self.seen.counts) < FINE <= self.sample.size // 32:
            near = self._polish(self.sample.sketch(FINE), near, observe)[0] or near
        polished, left = self._polish(self.sample, near, observe)
        passes = top.evaluations + self.sample.evaluations - before
        if polished is not None:
            told = f"{top.message} About {left:.1e} nats left on the data.".lstrip()
            return Fit(polished, True, top.iterations, passes, told)
        # The sketch led to no top of the data's: climb on those.
        (again,) = self._tops(self.sample, [top.mixture], observe)
        steps, passes = top.iterations + again.iterations, passes + again.evaluations
        return replace(again, iterations=steps, evaluations=passes)

    def _polish(
        self, sample: Sample, mixture: Mixture, observe: Observe
    ) -> tuple[Mixture | None, float]:
        """Newton's method on ``sample``: its maximum, and the nats predicted to be left.

        None where there is no maximum near by, or a step loses likelihood.
        """
        value = -np.inf
        for _ in range(MOST_POLISHED):
            if not mixture.valid():
                break
            reached, gradient, hessian = sample.hessian(mixture)
            observe(lambda at=mixture: at)  # type: ignore[misc]
            (step,), (left,) = newton_steps(gradient[None], hessian[None])
            if not (reached >= value and np.isfinite(left)):
                break
            value, point = reached, mixture.coordinates() + step
            mixture = Mixture.from_coordinates(mixture.family, mixture.components, point)
            if left < EXACT:  # the last step is too short to need a look at where it led
                return mixture, float(left)
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
