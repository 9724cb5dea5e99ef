"""One round of EM for B restarts: the accelerated step that is due, then two EM steps.

``advance`` is one call of a compiled function for the families that it knows, and ``numpy_round``
for every other exponential family; both do the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fitters.base import Array, Sample
from scenarios.families import ExponentialFamily
from scenarios.mixture import Index, MixtureBatch

Mask = NDArray[np.bool_]

RUNNING, EXHAUSTED, OUTSIDE, CONVERGED, STALLED = range(5)
"""States of a restart: E-steps are left; none is left; an M-step left the domain; a quadratic model
predicts less than the tolerance; the likelihood no longer moves, away from a maximum."""
FIRST_RADIUS = 1.0
"""Length of the longest first Newton step, in coordinates of order one."""


class Rules(NamedTuple):
    """The rules of rounds, as numbers."""

    max_steps: float
    """E-steps after which a restart takes no more."""
    tolerance: float
    """Nats left at which to stop."""
    rounding: float
    """Relative change of the log likelihood that is rounding."""
    newton_after: float
    """E-steps after which accelerated steps are Newton's."""
    accelerate: float
    """1: an accelerated step after every two EM steps; 0: none."""


@dataclass(eq=False)
class Restarts:
    """State of B independent restarts that run as a batch: arrays (B,) but for the first three."""

    weights: Array
    """(B, K), as are ``parameters`` (B, K, d)."""
    parameters: Array
    points: Array
    """Where the next accelerated step goes, in coordinates (B, p)."""
    leaping: Mask
    """Whether an accelerated step is due."""
    by_newton: Mask
    """Whether that step is Newton's."""
    due: Mask
    """Whether a decision is due: convergence is to be checked, or Newton's step to be made."""
    value: Array = field(init=False)
    """Log likelihood after one of the last two EM steps, less Σ h."""
    gain: Array = field(init=False)
    """Nats gained by the first of the two."""
    remaining: Array = field(init=False)
    """Nats left if the gains go on to shrink geometrically, as squares of steps do."""
    length: Array = field(init=False)
    """SQUAREM's step length."""
    max_length: Array = field(init=False)
    """The longest extrapolation; a rejected one shortens it."""
    radius: Array = field(init=False)
    """The longest Newton step; a rejected one shortens it."""
    check_below: Array = field(init=False)
    """Estimated nats left below which the next convergence check is due."""
    e_steps: NDArray[np.int64] = field(init=False)
    state: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.weights)
        self.value, self.gain, self.remaining = np.zeros((3, size))
        self.length, self.max_length, self.check_below = np.full((3, size), np.inf)
        self.radius = np.full(size, FIRST_RADIUS)
        self.e_steps, self.state = np.zeros((2, size), dtype=np.int64)

    @classmethod
    def at(cls, starts: MixtureBatch) -> Restarts:
        """Begin at a batch of mixtures, which stay as they are."""
        size, components = starts.weights.shape
        p = components - 1 + starts.parameters[0].size
        weights, parameters = (
            np.array(a, dtype=np.float64, order="C") for a in (starts.weights, starts.parameters)
        )
        masks = np.zeros((3, size), dtype=bool)
        return cls(weights, parameters, np.full((size, p), np.nan), *masks)

    def stalled(self, index: Index, rounding: float) -> Mask:
        """Whether the likelihood changed by rounding alone, (b,)."""
        return np.asarray(np.abs(self.gain[index]) < rounding * np.abs(self.value[index]))


def advance(sample: Sample, restarts: Restarts, rules: Rules) -> None:
    """Advance all running restarts by a round."""
    rows = sample.compiled_rows
    function = None if rows is None else rows.function("em_round")
    if rows is None or function is None:
        numpy_round(sample, restarts, rules)
        return
    before = int(restarts.e_steps.sum())
    arrays = [getattr(restarts, each.name) for each in fields(restarts)]
    function(rows.code, rows.anchor, rows.rows, rows.counts, *arrays, tuple(rules))
    steps = int(restarts.e_steps.sum()) - before
    sample.count(steps * sample.pass_share, "expectation")


def numpy_round(sample: Sample, restarts: Restarts, rules: Rules) -> None:
    """``advance`` for any exponential family."""
    _leap(sample, restarts)
    exhausted = (restarts.state == RUNNING) & (restarts.e_steps >= rules.max_steps)
    restarts.state[exhausted] = EXHAUSTED
    index = np.flatnonzero(restarts.state == RUNNING)
    if not index.size:
        return
    origin = _mixtures(sample, restarts, index)
    value, first = _em_step(sample, restarts, index, origin)
    value_first, second = _em_step(sample, restarts, index, first)
    valid = first.valid() & second.valid()
    restarts.state[index[~valid]] = OUTSIDE
    index = index[valid]
    _put(restarts, index, second.take(valid))
    x0, x1, x2 = (batch.take(valid).coordinates() for batch in (origin, first, second))
    restarts.value[index] = value_first[valid]
    restarts.gain[index] = (value_first - value)[valid]
    before, after = ((x1 - x0) ** 2).sum(axis=1), ((x2 - x1) ** 2).sum(axis=1)
    shrink = np.minimum(after / np.maximum(before, 1e-300), 1.0)
    restarts.remaining[index] = restarts.gain[index] * shrink / np.maximum(1.0 - shrink, 1e-12)
    _extrapolate(restarts, index, x0, x1 - x0, (x2 - x1) - (x1 - x0))
    stalled = restarts.stalled(index, rules.rounding)
    restarts.by_newton[index] = restarts.e_steps[index] >= rules.newton_after
    little = restarts.remaining[index] < np.minimum(rules.tolerance, restarts.check_below[index])
    restarts.due[index] = stalled | restarts.by_newton[index] | little
    finite = np.isfinite(restarts.points[index]).all(axis=1)
    restarts.leaping[index] = bool(rules.accelerate) & ~stalled & finite


def _leap(sample: Sample, restarts: Restarts) -> None:
    """Move restarts to their points, plus one EM step, where the likelihood does not fall."""
    index = np.flatnonzero(restarts.leaping)
    restarts.leaping[:] = restarts.due[:] = False
    if not index.size:
        return
    components = restarts.weights.shape[1]
    trial = MixtureBatch.from_coordinates(sample.family, components, restarts.points[index])
    value, stabilised = _em_step(sample, restarts, index, trial)
    accepted = (value >= restarts.value[index]) & trial.valid() & stabilised.valid()
    _put(restarts, index[accepted], stabilised.take(accepted))
    shorter = np.maximum(restarts.length[index] / 16.0, 2.0)
    restarts.max_length[index] = np.where(accepted, np.inf, shorter)
    factor = np.where(accepted, 2.0, 0.25)
    restarts.radius[index] *= np.where(restarts.by_newton[index], factor, 1.0)


def _extrapolate(restarts: Restarts, index: Index, origin: Array, step: Array, bend: Array) -> None:
    """Set SQUAREM's step lengths and points; NaN for lengths up to 1, which are EM's own."""
    length = np.linalg.norm(step, axis=1) / np.linalg.norm(bend, axis=1)
    length = np.minimum(length, restarts.max_length[index])
    restarts.length[index] = length
    longer = np.where(length > 1.0, length, np.nan)[:, None]
    restarts.points[index] = origin + 2.0 * longer * step + longer**2 * bend


def _em_step(
    sample: Sample, restarts: Restarts, index: Index, batch: MixtureBatch
) -> tuple[Array, MixtureBatch]:
    """Log likelihoods (b,) less Σ h at ``batch``, and the mixtures one EM step further."""
    family = sample.family
    assert isinstance(family, ExponentialFamily)
    value, mass, totals = sample.expectations(batch)
    restarts.e_steps[index] += 1
    means = (totals / mass[:, :, None]).reshape(-1, totals.shape[2])
    parameters = family.maximise(means, initial=batch.parameters.reshape(means.shape))
    weights = mass / mass.sum(axis=1, keepdims=True)
    following = MixtureBatch(family, weights, parameters.reshape(totals.shape))
    return value - sample.log_base, following


def _mixtures(sample: Sample, restarts: Restarts, index: Index) -> MixtureBatch:
    return MixtureBatch(sample.family, restarts.weights[index], restarts.parameters[index])


def _put(restarts: Restarts, index: Index, batch: MixtureBatch) -> None:
    restarts.weights[index], restarts.parameters[index] = batch.weights, batch.parameters
