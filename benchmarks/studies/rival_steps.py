"""Steps of EM for many mixtures at once, whose components stay admissible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from benchmarks.studies.rival_limits import Flags, Limits
from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.families.normal import Normal
from scenarios.mixture import MixtureBatch
from scenarios.sample import Sample

TOGETHER = 1 << 15
"""Densities that are computed at once."""
LONGEST = 2.0
"""Largest change of a logarithm in a step."""


def em(view: Sample, batch: MixtureBatch, limits: Limits) -> tuple[Array, MixtureBatch, Flags]:
    """Log likelihoods (B,), the mixtures a step of EM further, and which a limit held. B passes."""
    family, (size, components) = view.family, batch.weights.shape
    with np.errstate(all="ignore"):
        if isinstance(family, ExponentialFamily):
            value, mass, totals = view.expectations(batch, "rival")
            means = (totals / mass[..., None]).reshape(size * components, -1)
            rows = _maximised(family, means, batch.parameters.reshape(means.shape))
            rows = rows.reshape(batch.parameters.shape)
        else:
            value, mass, rows = _numeric_step(view, batch)
        weights = weights_of(mass, view.size)
        rows, held = kept(view, batch.parameters, rows, weights * view.size, limits)
    return value, MixtureBatch(family, weights, rows), held


def _maximised(family: ExponentialFamily, means: Array, rows: Array) -> Array:
    """Components (K, d) of mean statistics: exact where that is a formula, or a step towards it.

    The step is Fisher's scoring in free coordinates.
    """
    if isinstance(family, Normal):
        return family.maximise(means)
    eta = family.natural(rows)
    jacobian, _ = family.natural_derivatives(rows)
    gap = means - family.mean_statistics(eta)
    slope = jacobian.swapaxes(1, 2)
    information = slope @ family.covariance_statistics(eta) @ jacobian
    (a, b), (_, c) = information.transpose(1, 2, 0)
    first, second = (slope @ gap[..., None])[..., 0].T
    determinant = a * c - b * b
    step = np.stack([c * first - b * second, a * second - b * first], axis=1)
    step = np.clip(step / determinant[:, None], -LONGEST, LONGEST)
    return family.usual(family.free(rows) + step)


def weights_of(mass: Array, size: int) -> Array:
    """Weights (B, K) from expected counts; none is zero, whose log-odds are infinite."""
    weights = np.maximum(np.nan_to_num(mass), 1e-3)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def kept(
    view: Sample, old: Array, new: Array, expected: Array, limits: Limits
) -> tuple[Array, Flags]:
    """Components (B, K, d) on the way from ``old`` to ``new``: as far as they stay inside limits.

    And which mixtures (B,) have a component that is not all the way there. ``expected`` (B, K) are
    the components' observations.
    """
    family, d = view.family, old.shape[-1]
    before, after = old.reshape(-1, d), new.reshape(-1, d)
    held_by = expected.ravel()
    result = after.copy()
    bad: Flags = ~limits.inside(after, held_by)
    held: Flags = np.asarray(bad.reshape(old.shape[:2]).any(axis=1))
    for part in (0.5, 0.2, 0.05):
        if not bad.any():
            break
        start, end = family.free(before[bad]), family.free(after[bad])
        moved = family.usual(start + part * np.nan_to_num(end - start))
        fine = limits.inside(moved, held_by[bad])
        index = np.flatnonzero(bad)
        result[index[fine]] = moved[fine]
        bad[index[fine]] = False
    result[bad] = before[bad]
    return result.reshape(old.shape), held


@dataclass(frozen=True, eq=False)
class Ends:
    """Mixtures after cycles of accelerated EM, with their log likelihoods (B,)."""

    values: Array
    mixtures: MixtureBatch
    gains: Array
    """Of the last cycle (B,)."""
    held: Flags
    """Which a limit kept from going on (B,)."""


def squared(view: Sample, batch: MixtureBatch, limits: Limits, cycles: int) -> Ends:
    """The ends of cycles of accelerated EM. 2 B passes each.

    Each extrapolates two steps of EM (SQUAREM: Varadhan & Roland 2008, *Scand. J. Stat.* 35:335),
    and falls back on them where that lowers the likelihood.
    """
    value, first, held = em(view, batch, limits)
    gain = np.full(value.shape, np.inf)
    for _ in range(cycles):
        last = value
        once, second, held = em(view, first, limits)
        far = _extrapolated(view, (batch, first, second), limits)
        value, after, held_too = em(view, far, limits)
        worse = ~(value >= once)
        for moved in (far, after):
            moved.weights[worse], moved.parameters[worse] = (
                second.weights[worse], second.parameters[worse],
            )  # fmt: skip
        value = np.where(worse, once, value)
        held |= held_too
        gain = value - last
        batch, first = far, after
    return Ends(value, first, gain, held)


def _extrapolated(
    view: Sample, path: tuple[MixtureBatch, MixtureBatch, MixtureBatch], limits: Limits
) -> MixtureBatch:
    """Mixtures ahead of three in a row, as far as they stay admissible."""
    points = [mixtures.coordinates() for mixtures in path]
    step, bend = points[1] - points[0], points[2] - 2.0 * points[1] + points[0]
    norms = np.linalg.norm(step, axis=1), np.linalg.norm(bend, axis=1)
    length = np.clip(norms[0] / np.maximum(norms[1], 1e-300), 1.0, 50.0)[:, None]
    ahead = points[0] + 2.0 * length * step + length**2 * bend
    ahead = np.where(np.isfinite(ahead), ahead, points[2])
    ahead = points[2] + np.clip(ahead - points[2], -LONGEST, LONGEST)
    far = MixtureBatch.from_coordinates(view.family, path[2].components, ahead)
    weights = weights_of(far.weights * view.size, view.size)
    rows, _ = kept(view, path[2].parameters, far.parameters, weights * view.size, limits)
    return MixtureBatch(view.family, weights, rows)


def _numeric_step(view: Sample, batch: MixtureBatch) -> tuple[Array, Array, Array]:
    """Log likelihoods (B,), expected counts (B, K) and parameters (B, K, d) after a step."""
    x = view.observations
    step = {"weibull": _weibull, "student_t": _student}[view.family.name]
    value, mass = np.empty(len(batch)), np.empty(batch.weights.shape)
    rows = np.empty(batch.parameters.shape)
    together = max(1, TOGETHER // (x.size * batch.components))
    for low in range(0, len(batch), together):
        part = slice(low, low + together)
        value[part], mass[part], rows[part] = step(x, batch.weights[part], batch.parameters[part])
    view.count(float(len(batch)), "rival")
    return value, mass, rows


def _shares(joint: Array) -> tuple[Array, Array]:
    """Log likelihoods (B,) and responsibilities (B, K, n), which take the place of ``joint``."""
    largest = joint.max(axis=1)
    joint -= largest[:, None]
    np.exp(joint, out=joint)
    total = joint.sum(axis=1)
    joint /= total[:, None]
    return (largest + np.log(total)).sum(axis=1), joint


def _weibull(x: Array, weights: Array, rows: Array) -> tuple[Array, Array, Array]:
    """A Newton step in (log shape, log scale) on the expected log likelihood."""
    shape, scale = rows[..., 0], rows[..., 1]
    logs = np.log(x)
    z = shape[..., None] * (logs - np.log(scale)[..., None])
    power = np.exp(np.minimum(z, 50.0))
    joint = z - power + (np.log(weights) + np.log(shape))[..., None]
    value, share = _shares(joint)
    mass = share.sum(axis=2)
    first, drawn = np.einsum("bkn,bkn->bk", share, z), share * power
    e0, along = drawn.sum(axis=2), drawn * z
    e1, e2 = along.sum(axis=2), np.einsum("bkn,bkn->bk", along, z)
    gradient = mass + first - e1, -shape * (mass - e0)
    a = np.minimum(first - e1 - e2, -0.5 * (mass + e2))
    b, c = -shape * (mass - e0 - e1), -(shape**2) * e0
    b = np.clip(b, -0.95 * np.sqrt(a * c), 0.95 * np.sqrt(a * c))
    determinant = a * c - b * b
    steps = np.stack(
        [b * gradient[1] - c * gradient[0], b * gradient[0] - a * gradient[1]], axis=-1
    )
    limit = np.stack([np.ones(shape.shape), 2.0 / shape], axis=-1)
    step = np.clip(steps / determinant[..., None], -limit, limit)
    return value - float(logs.sum()), mass, rows * np.exp(step)


def _student(x: Array, weights: Array, rows: Array) -> tuple[Array, Array, Array]:
    """A step of EM with expanded parameters (Kent, Tyler & Vardi 1994), also in the df."""
    df, loc, scale = (rows[..., j, None] for j in range(3))
    deviation = (x - loc) / scale
    square = deviation * deviation
    tails = np.log1p(square / df)
    constant = -special.betaln(0.5, 0.5 * df) - 0.5 * np.log(df) - np.log(scale)
    value, share = _shares(constant + np.log(weights)[..., None] - 0.5 * (df + 1.0) * tails)
    mass = share.sum(axis=2)
    pull = share * ((df + 1.0) / (df + square))
    total = pull.sum(axis=2)
    middle = (pull @ x) / total
    shift = (middle - rows[..., 1]) / rows[..., 2]
    variance = np.einsum("bkn,bkn->bk", pull, square) / total - shift**2
    old = rows[..., 0]
    mean_log = np.log((old + 1.0) / old) - np.einsum("bkn,bkn->bk", share, tails) / mass
    known = 1.0 + mean_log - total / mass
    known += special.psi(0.5 * (old + 1.0)) - np.log(0.5 * (old + 1.0))
    degrees = old
    for _ in range(3):  # Newton's method in log df on known + log(df/2) - ψ(df/2) = 0
        half = 0.5 * degrees
        gap = known + np.log(half) - special.psi(half)
        slope = 1.0 - half * special.zeta(2.0, half)
        degrees = np.clip(degrees * np.exp(np.clip(-gap / slope, -1.0, 1.0)), 0.2, 1e4)
    return value, mass, np.stack([degrees, middle, rows[..., 2] * np.sqrt(variance)], axis=-1)
