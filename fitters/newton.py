"""Newton's method with the exact Hessian, for many restarts at once.

Each step maximises a quadratic model of the log likelihood within a trust region. On a sketch
(``bins``) a step costs microseconds, and restarts run as a batch. The maximum on the sketch is
then polished by Newton steps on all the data; one is usually enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Batch, Fit, Fitter, Mixture, Model, Observe, Prepared, Sample, Start
from fitters.newton_round import Restarts
from fitters.sketching import Bins, sketch_unsupported_reason, view_of
from fitters.trust_region import safeguarded_steps
from scenarios.mixture import MixtureBatch

POLISHED = 1e-6
"""Nats predicted to be left below which polishing ends with the step just computed."""
MAX_POLISH_STEPS = 10
MANY = 1 << 18
"""Observations from which steps on the cells of the sketch's grid save one on all the data."""


@dataclass(frozen=True)
class Newton(Fitter):
    """Trust-region Newton with the exact Hessian of the mixture (Louis 1982, *JRSS B* 44:226).

    The trust region's problem is solved exactly (Moré & Sorensen 1983, *SIAM J. Sci. Stat.
    Comput.* 4:553); radii follow Nocedal & Wright (2006), *Numerical Optimization*, algorithm
    4.1. Families with exact derivatives only.
    """

    name = "newton"
    kernels = ("newton_round", "hessians")

    tolerance: Annotated[float, Field(gt=0)] = 1e-6
    """Largest component of the mean gradient at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 1000
    """Steps after which to stop; a rejected step counts too."""
    bins: Bins = 0
    """Fit a sketch of so many rows, then polish on all the data until less than 1e-6 nats are
    predicted to be left; 0: fit all the data."""
    batch: Batch = 1
    """Restarts that run together: worth it on a sketch, where a pass is mostly overhead."""

    def supports(self, model: Model) -> str | None:
        """Families with exact derivatives, as all here have; a sketch, if exponential."""
        if not model.family.exact_derivatives:
            return (
                f"{model.family.name} has no formulas for its derivatives, so it has no exact "
                "Hessian: use direct, gradient or mcmc"
            )
        return sketch_unsupported_reason(model, self.bins)

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Sketch the sample if ``bins`` is set; the statistics are in the sample."""
        return _PreparedNewton(self, sample, view_of(sample, self.bins))


@plain_dataclass(frozen=True)
class _PreparedNewton(Prepared):
    settings: Newton
    sample: Sample
    view: Sample
    """The sketch, or the sample itself."""

    @property
    def batch(self) -> int:
        return self.settings.batch

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        observe(lambda: start.mixture)
        return self.fit_many([start], [seed], observe)[0]

    def fit_many(
        self, starts: Sequence[Start], seeds: Sequence[int], observe: Observe = lambda copy: None
    ) -> list[Fit]:
        fits = self._ascend(self.view, [start.mixture for start in starts], observe)
        if self.view is self.sample:
            return fits
        return [self._finish_on_data(fit, observe) for fit in fits]

    def _ascend(self, sample: Sample, starts: Sequence[Mixture], observe: Observe) -> list[Fit]:
        """Fit ``sample``, the sketch or all the data, from each start."""
        tolerance, limit = self.settings.tolerance, self.settings.max_iterations
        batch = MixtureBatch.of(starts, self.sample.family)
        mixtures, converged, steps = newton_ascent(sample, batch, tolerance, limit, observe)
        fits, pass_size = [], sample.pass_share
        for mixture, claimed, count in zip(mixtures, converged, steps, strict=True):
            message = "" if claimed else f"stopped at a mean gradient above tolerance={tolerance:g}"
            passes = {"hessian": float(count + 1) * pass_size}
            fits.append(Fit(mixture, bool(claimed), int(count), passes, message))
        return fits

    def _finish_on_data(self, fit: Fit, observe: Observe) -> Fit:
        """Polish the sketch's maximum on all the data, or go on from it where that fails."""
        before, mixture = dict(self.sample.passes), fit.mixture
        if self.sample.size >= MANY and (fine := self.view.finer) is not None:
            mixture = _polish(fine, mixture, observe)[0] or mixture
        polished, gain_left = _polish(self.sample, mixture, observe)
        passes = _added(fit.passes, self.sample.passes_since(before))
        if polished is not None:
            notes = [fit.message, f"about {gain_left:.1e} nats left on the data"]
            return Fit(polished, True, fit.iterations, passes, "; ".join(filter(None, notes)))
        (again,) = self._ascend(self.sample, [fit.mixture], observe)
        iterations = fit.iterations + again.iterations
        return replace(again, iterations=iterations, passes=_added(passes, again.passes))


def newton_ascent(
    sample: Sample,
    starts: MixtureBatch,
    tolerance: float,
    max_steps: int,
    observe: Observe = lambda copy: None,
) -> tuple[MixtureBatch, NDArray[np.bool_], NDArray[np.int_]]:
    """Trust-region Newton from each of B starts on -ℓ/n.

    Returns the final mixtures, whether no component of the mean gradient exceeds ``tolerance``
    there (B,), and the numbers of steps (B,). Each restart makes one Hessian pass more than
    steps. ``observe`` is called with the first restart after each step.
    """
    restarts, first = Restarts.at(sample, starts), np.array([0])
    for _ in range(max_steps):
        if restarts.advance(tolerance) == 0:
            break
        observe(lambda: restarts.mixtures(first)[0])  # a copy: the arrays change in place
    everything = np.arange(len(starts))
    converged = restarts.largest_gradients() <= tolerance
    return restarts.mixtures(everything), converged, restarts.steps


def _polish(sample: Sample, mixture: Mixture, observe: Observe) -> tuple[Mixture | None, float]:
    """Newton's method on ``sample`` from next to its maximum: (maximum, nats predicted to be left).

    The mixture is None where no maximum is near, or a step loses likelihood.
    """
    previous = -np.inf
    for _ in range(MAX_POLISH_STEPS):
        if not mixture.valid():
            break
        value, gradient, hessian = sample.hessian(mixture)
        observe(lambda at=mixture: at)  # type: ignore[misc]
        (step,), (gain_left,) = safeguarded_steps(gradient[None], hessian[None])
        if not (value >= previous and np.isfinite(gain_left)):
            break
        previous, point = value, mixture.coordinates() + step
        mixture = Mixture.from_coordinates(mixture.family, mixture.components, point)
        if gain_left < POLISHED:  # the step is so short that its end needs no evaluation
            return mixture, float(gain_left)
    return None, np.inf


def _added(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """The sum of two counts of passes by kernel."""
    return {k: first.get(k, 0.0) + second.get(k, 0.0) for k in {**first, **second}}
