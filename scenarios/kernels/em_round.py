"""Rounds of EM for B restarts at once: an accelerated step that is due, then two EM steps.

The rules are those of ``fitters.em``, which decides between rounds what Python has to see: whether
a restart has converged, and Newton's step in the place of an extrapolation.
"""

from __future__ import annotations

import math

import numpy as np

from scenarios.kernels.jit import kernel, part
from scenarios.kernels.mixtures import (
    coordinates,
    copy,
    em_steps,
    from_coordinates,
    take,
    valid,
    where,
)

RUNNING, EXHAUSTED, OUTSIDE = 0, 1, 2
"""The states of a restart after a round: E-steps are left; none is left; an M-step left the
domain."""


@part()
def accept_points(code, anchor, rows, counts, weights, parameters, points, leaping, previous):
    """Move restarts that leap to their points (B, p) and an EM step on, if no likelihood falls.

    Returns the indices of those that leapt, and which of these moved.
    """
    index = where(leaping)
    moved = np.zeros(index.size, dtype=np.bool_)
    if index.size == 0:
        return index, moved
    targets = np.empty((index.size, points.shape[1]))
    for j in range(index.size):
        for i in range(points.shape[1]):
            targets[j, i] = points[index[j], i]
    trial_weights, trial = from_coordinates(code, anchor, targets)
    values, next_weights, following = em_steps(code, anchor, rows, counts, trial_weights, trial)
    valid_trial = valid(code, trial_weights, trial)
    valid_next = valid(code, next_weights, following)
    for j in range(index.size):
        b = index[j]
        moved[j] = valid_trial[j] and valid_next[j] and values[j] >= previous[b]
        if moved[j]:
            copy(next_weights[j], following[j], weights[b], parameters[b])
    return index, moved


@part()
def extrapolated(x0, x1, x2, longest, target):
    """SQUAREM's step length; its point is written into ``target`` (p,), NaN for EM's own step."""
    squares, bends = 0.0, 0.0
    for i in range(x0.size):
        first, second = x1[i] - x0[i], x2[i] - x1[i]
        squares += first * first
        bends += (second - first) * (second - first)
    length = min(math.sqrt(squares) / math.sqrt(bends), longest)
    for i in range(x0.size):
        first, bend = x1[i] - x0[i], (x2[i] - x1[i]) - (x1[i] - x0[i])
        point = x0[i] + 2.0 * length * first + length * length * bend
        target[i] = point if length > 1.0 else math.nan
    return length


@part()
def nats_left(x0, x1, x2, gain):
    """Nats left if the gains go on to shrink geometrically, as squares of the steps do."""
    before, after = 0.0, 0.0
    for i in range(x0.size):
        before += (x1[i] - x0[i]) ** 2
        after += (x2[i] - x1[i]) ** 2
    shrink = min(after / max(before, 1e-300), 1.0)
    return gain * shrink / max(1.0 - shrink, 1e-12)


@kernel(
    "i8, {anchor}, f8[:,::1], {counts}, f8[:,::1], f8[:,:,::1], f8[:,::1], "
    "b1[::1], b1[::1], b1[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], f8[::1], "
    "i8[::1], i8[::1], "
    "UniTuple(f8, 5)"
)
def em_round(
    code, anchor, rows, counts, weights, parameters, points, leaping, by_newton, due, value, gain,
    remaining, length, max_length, radius, check_below, e_steps, state, rules,
):  # fmt: skip
    """Make the step that is due and two EM steps of each running restart, in place.

    A restart that leaps goes to ``points``, if that is no loss against ``value``; its longest
    extrapolation ``max_length``, or ``radius`` where the point is Newton's, is adapted. Then
    ``value`` is the log likelihood after one EM step, ``gain`` that step's gain, ``remaining`` the
    gain that EM steps predict, and ``points`` and ``length`` the next extrapolation's. A restart
    leaps on unless it has stalled; a decision is ``due`` where it has, where ``remaining`` is small
    or where Newton's step is to be made. ``rules`` are those of ``fitters.em_round.Rules``.
    """
    max_steps, tolerance, rounding, newton_after, accelerate = rules
    index, moved = accept_points(
        code, anchor, rows, counts, weights, parameters, points, leaping, value
    )
    for j in range(index.size):
        b = index[j]
        e_steps[b] += 1
        max_length[b] = np.inf if moved[j] else max(length[b] / 16.0, 2.0)
        if by_newton[b]:
            radius[b] *= 2.0 if moved[j] else 0.25
    running = np.empty(len(state), dtype=np.bool_)
    for b in range(len(state)):
        leaping[b] = due[b] = False
        if state[b] == RUNNING and e_steps[b] >= max_steps:
            state[b] = EXHAUSTED
        running[b] = state[b] == RUNNING
    index = where(running)
    if index.size == 0:
        return
    weights0, parameters0 = take(index, weights, parameters)
    value0, weights1, parameters1 = em_steps(code, anchor, rows, counts, weights0, parameters0)
    value1, weights2, parameters2 = em_steps(code, anchor, rows, counts, weights1, parameters1)
    valid1, valid2 = valid(code, weights1, parameters1), valid(code, weights2, parameters2)
    x0 = coordinates(code, anchor, weights0, parameters0)
    x1 = coordinates(code, anchor, weights1, parameters1)
    x2 = coordinates(code, anchor, weights2, parameters2)
    for j in range(index.size):
        b = index[j]
        e_steps[b] += 2
        if not (valid1[j] and valid2[j]):
            state[b] = OUTSIDE
            continue
        copy(weights2[j], parameters2[j], weights[b], parameters[b])
        value[b], gain[b] = value1[j], value1[j] - value0[j]
        remaining[b] = nats_left(x0[j], x1[j], x2[j], gain[b])
        length[b] = extrapolated(x0[j], x1[j], x2[j], max_length[b], points[b])
        stalled = abs(gain[b]) < rounding * abs(value[b])
        by_newton[b] = e_steps[b] >= newton_after
        due[b] = stalled or by_newton[b] or remaining[b] < min(tolerance, check_below[b])
        leaping[b] = accelerate > 0.0 and not stalled and math.isfinite(points[b].sum())
