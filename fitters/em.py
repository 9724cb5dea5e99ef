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
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Batch, Fit, Fitter, Model, Observe, Prepared, Sample, Start
from fitters.sketching import Bins, judged, view_of
from fitters.trust_region import safeguarded_steps
from scenarios.families import ExponentialFamily
from scenarios.mixture import Index, MixtureBatch

Mask = NDArray[np.bool_]

ROUNDING = 1e-14
"""Relative change of the log likelihood that is rounding: the restart no longer moves."""
NEWTON_AFTER = 30
"""E-steps after which the hybrid takes Newton steps."""
FIRST_RADIUS = 1.0
"""Length of the longest first Newton step, in coordinates of order one."""


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
        restarts = _Restarts(self.settings, self.sample, mixtures, observe)
        with np.errstate(all="ignore"):
            restarts.run()
        return [judged(fit, self.sample) for fit in restarts.fits()]


@plain_dataclass(frozen=True)
class _EMPath:
    """Two EM steps of b restarts."""

    index: Index
    """Which of all restarts these are, (b,)."""
    points: Array
    """Coordinates at the beginning, after one step and after two, (3, b, p)."""
    value: Array
    """Log likelihood after one step, (b,)."""
    gain: Array
    """Nats gained by the first step, (b,)."""

    @property
    def steps(self) -> Array:
        """The two steps, (2, b, p)."""
        return np.diff(self.points, axis=0)

    @property
    def stalled(self) -> Mask:
        """Whether the likelihood changed by rounding alone, (b,)."""
        return np.asarray(np.abs(self.gain) < ROUNDING * np.abs(self.value))

    @property
    def remaining(self) -> Array:
        """Nats left if the gains go on to shrink geometrically, as squares of steps do, (b,)."""
        squares = np.sum(self.steps**2, axis=2)
        shrink = np.minimum(squares[1] / np.maximum(squares[0], 1e-300), 1.0)
        return np.asarray(self.gain * shrink / np.maximum(1.0 - shrink, 1e-12))


class _Restarts:
    """State of B independent restarts run as a batch. ``index`` (b,) selects restarts."""

    def __init__(
        self, settings: EM, sample: Sample, starts: MixtureBatch, observe: Observe
    ) -> None:
        self.settings, self.sample, self.observe = settings, sample, observe
        self.mixtures, size = starts, len(starts)
        self.outcomes: dict[int, tuple[bool, str]] = {}
        """(claim of convergence, message) of each restart that has stopped."""
        self.e_steps, self.hessians = np.zeros(size, dtype=int), np.zeros(size, dtype=int)
        self.check_below = np.full(size, np.inf)
        """Estimated nats left below which the next convergence check is due."""
        self.max_length, self.radius = np.full(size, np.inf), np.full(size, FIRST_RADIUS)
        """Longest extrapolation, and longest Newton step; a rejected one shortens them."""

    def run(self) -> None:
        """Iterate until every restart has stopped."""
        limit = self.settings.max_iterations
        while len(self.outcomes) < len(self.mixtures):
            running = np.array([i for i in range(len(self.mixtures)) if i not in self.outcomes])
            exhausted = self.e_steps[running] >= limit
            self._stop(running[exhausted], f"stopped after max_iterations={limit}")
            if not exhausted.all():
                self._round(running[~exhausted])

    def fits(self) -> list[Fit]:
        """Return one ``Fit`` per restart."""
        fits, pass_size = [], len(self.sample.counts) / self.sample.size
        for i, (claimed, message) in sorted(self.outcomes.items()):
            e_steps, hessians = int(self.e_steps[i]), int(self.hessians[i])
            passes = {"expectation": e_steps * pass_size, "hessian": hessians * pass_size}
            fits.append(Fit(self.mixtures[i], claimed, e_steps, passes, message))
        return fits

    def _round(self, index: Index) -> None:
        """Two EM steps, a convergence check where one is due, and an accelerated step."""
        path = self._two_em_steps(index)
        by_newton = self.settings.newton & (self.e_steps[path.index] >= NEWTON_AFTER)
        gain_left, newton_points = self._check_convergence(path, by_newton)
        converged = gain_left < self.settings.tolerance
        for i, gain in zip(path.index[converged], gain_left[converged], strict=True):
            self.outcomes[int(i)] = (True, f"about {gain:.1e} nats left")
        self._stop(path.index[path.stalled & ~converged], "stalled away from a maximum")
        if self.settings.accelerate:
            lengths, points = self._extrapolate(path)
            points = np.where(by_newton[:, None], newton_points, points)
            going = ~converged & ~path.stalled & np.isfinite(points).all(axis=1)
            if going.any():
                accepted = self._accept(path.index[going], points[going], path.value[going])
                shorter = np.maximum(lengths[going] / 16.0, 2.0)
                self.max_length[path.index[going]] = np.where(accepted, np.inf, shorter)
                factor = np.where(accepted, 2.0, 0.25)
                self.radius[path.index[going]] *= np.where(by_newton[going], factor, 1.0)

    def _two_em_steps(self, index: Index) -> _EMPath:
        """Take two EM steps; a restart whose M-step leaves the domain stops where it was."""
        origin = self.mixtures.take(index)
        value, first = self._em_step(index, origin)
        self.observe(lambda: origin[0])
        value_first, second = self._em_step(index, first)
        self.observe(lambda: first[0])
        valid = first.valid() & second.valid()
        self._stop(index[~valid], "an M-step left the domain")
        self.mixtures.put(index[valid], second.take(valid))
        points = np.stack([batch.take(valid).coordinates() for batch in (origin, first, second)])
        return _EMPath(index[valid], points, value_first[valid], (value_first - value)[valid])

    def _em_step(self, index: Index, batch: MixtureBatch) -> tuple[Array, MixtureBatch]:
        """Log likelihoods (b,) at ``batch``, and the mixtures one EM step further."""
        family = self.sample.family
        assert isinstance(family, ExponentialFamily)
        value, mass, totals = self.sample.expectations(batch)
        self.e_steps[index] += 1
        means = (totals / mass[:, :, None]).reshape(-1, totals.shape[2])
        parameters = family.maximise(means, initial=batch.parameters.reshape(means.shape))
        weights = mass / mass.sum(axis=1, keepdims=True)
        return value, MixtureBatch(family, weights, parameters.reshape(totals.shape))

    def _check_convergence(self, path: _EMPath, by_newton: Mask) -> tuple[Array, Array]:
        """Gains predicted by quadratic models (b,), and their Newton points (b, p).

        A check costs a Hessian: it is made where the EM steps predict less than the tolerance,
        where they stalled, and where the Newton point is needed. Elsewhere the gain is infinite.
        """
        index, remaining = path.index, path.remaining
        little = remaining < np.minimum(self.settings.tolerance, self.check_below[index])
        due = path.stalled | by_newton | little
        gain_left, points = np.full(len(index), np.inf), np.full(path.points.shape[1:], np.nan)
        if due.any():
            here = self.mixtures.take(index[due])
            _, gradients, hessians = self.sample.hessians(here)
            self.hessians[index[due]] += 1
            steps, gain_left[due] = safeguarded_steps(gradients, hessians, self.radius[index[due]])
            points[due] = here.coordinates() + steps
        self.check_below[index[due]] = remaining[due] / 4.0
        return gain_left, points

    def _extrapolate(self, path: _EMPath) -> tuple[Array, Array]:
        """SQUAREM's step lengths (b,) and points (b, p); NaN for lengths up to 1, EM's own."""
        first, second = path.steps
        bend = second - first
        length = np.linalg.norm(first, axis=1) / np.linalg.norm(bend, axis=1)
        length = np.minimum(length, self.max_length[path.index])
        longer = np.where(length > 1.0, length, np.nan)[:, None]
        return length, path.points[0] + 2.0 * longer * first + longer**2 * bend

    def _accept(self, index: Index, points: Array, previous: Array) -> Mask:
        """Move to the points, plus one EM step, where the likelihood is not below ``previous``.

        Returns which restarts moved, (b,).
        """
        trial = MixtureBatch.from_coordinates(self.sample.family, self.mixtures.components, points)
        value, stabilised = self._em_step(index, trial)
        accepted = (value >= previous) & trial.valid() & stabilised.valid()
        if accepted.any():
            self.observe(lambda: trial.take(accepted)[0])
        self.mixtures.put(index[accepted], stabilised.take(accepted))
        return np.asarray(accepted)

    def _stop(self, index: Index, message: str) -> None:
        self.outcomes |= dict.fromkeys(index.tolist(), (False, message))
