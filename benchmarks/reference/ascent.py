"""The reference's own optimiser: from mixtures to the local maxima of their basins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import Region
from benchmarks.reference.newton import MAX_STEP, Ascent, Ascents, Flags, newton_ascents
from scenarios.families import Array, ExponentialFamily, Family
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample

LIMIT, LARGE = 1e8, 100.0
"""The value that stands for a parameter which grows without bound, and from which one may do so."""
EM_STEPS = 10
"""EM steps before Newton's method: they rarely leave a basin."""
Place = tuple[NDArray[np.intp], ...]
PARTS = (1.0, 0.5, 0.1)
"""Parts of an EM step that are tried while the component would leave the admissible ones."""
MIN_CURVATURE = 1e-3
"""Smallest curvature, per observation, of an M-step by Newton's method."""


def ascend(sample: Sample, start: Mixture, tolerance: float = 1e-9, max_steps: int = 300) -> Ascent:
    """Increase the likelihood until the predicted gain is below ``tolerance`` nats.

    No step lowers the likelihood. In an exponential family EM steps, unless the maximum is close;
    then Newton's method with the exact Hessian. Where a parameter grows without bound and the
    likelihood rises all the way, it ends at ``LIMIT``.
    """
    return ascend_all(sample, MixtureBatch.of([start], sample.family), tolerance, max_steps)[0]


def ascend_all(
    sample: Sample, starts: MixtureBatch, tolerance: float = 1e-9, max_steps: int = 300
) -> list[Ascent]:
    """``ascend`` from each of B mixtures."""
    approach = None
    if isinstance(sample.family, ExponentialFamily):
        approach = partial(em_steps, sample, count=EM_STEPS)
    ends = newton_ascents(sample, starts, tolerance, max_steps, approach=approach)
    limiting = _limiting(sample.family, starts.components)
    if not limiting.any():
        return [ends[index] for index in range(len(ends))]
    return [_at_limit(sample, ends[index], limiting, tolerance) for index in range(len(ends))]


def em_steps(
    sample: Sample, batch: MixtureBatch, count: int, region: Region | None = None
) -> MixtureBatch:
    """EM steps of B mixtures.

    The M-step of a family without exponential form is one step of Newton's method (Lange 1995,
    *JRSS B* 57:425). A component that would leave the domain, or the ``region`` of admissible
    components, goes part of its way or stays (generalised EM: Dempster, Laird & Rubin 1977,
    *JRSS B* 39:1).
    """
    weights, rows = batch.weights, batch.parameters
    for _ in range(count):
        with np.errstate(all="ignore"):
            mass, part_way = _m_step(sample, MixtureBatch(sample.family, weights, rows))
            rows = _inside(sample.family, rows, mass, part_way, region)
            total = mass.sum(axis=1, keepdims=True)  # NaN or infinite where a mass is
            weights = np.where(np.isfinite(total), mass / total, weights)
    return MixtureBatch(sample.family, weights, rows)


def _m_step(sample: Sample, batch: MixtureBatch) -> tuple[Array, Callable[[Place, float], Array]]:
    """Expected counts (B, K), and a function of components and a part of the way to their M-step.

    It returns the parameters (m, d) there.
    """
    family, rows = sample.family, batch.parameters
    if isinstance(family, ExponentialFamily):
        _, mass, totals = sample.expectations(batch)
        means = totals / mass[:, :, None]

        def part_way(at: Place, part: float) -> Array:
            old = 0.0 if part == 1.0 else family.mean_statistics(family.natural(rows[at]))
            return family.maximise(old + part * (means[at] - old), initial=rows[at])

        return mass, part_way
    _, mass, slopes, bends = sample.component_derivatives(batch)
    finite = np.isfinite(bends.sum(axis=(2, 3)) + slopes.sum(axis=2))
    values, vectors = np.linalg.eigh(np.where(finite[:, :, None, None], -bends, 0.0))
    values = np.maximum(np.abs(values), MIN_CURVATURE * mass[:, :, None])
    along = (vectors.swapaxes(2, 3) @ slopes[..., None])[..., 0] / values
    steps = (vectors @ along[..., None])[..., 0]
    length = np.linalg.norm(steps, axis=2, keepdims=True)
    steps = np.where(length > MAX_STEP, steps * (MAX_STEP / length), steps)
    free = family.free(rows)
    return mass, lambda at, part: family.usual(free[at] + part * steps[at])


def _inside(
    family: Family,
    rows: Array,
    mass: Array,
    part_way: Callable[[Place, float], Array],
    region: Region | None,
) -> Array:
    """New parameters (B, K, d): the whole way to the M-step, or a part of it, or unchanged."""
    new, left = rows.copy(), np.nonzero(mass > 0.0)
    for part in PARTS if region is not None else PARTS[:1]:
        moved = part_way(left, part)
        positive = moved[:, family.positive()] > 0.0
        fine = np.asarray(np.isfinite(moved).all(axis=1) & positive.all(axis=1))
        if region is not None:
            fine &= region.inside(mass[left], np.where(fine[:, None], moved, rows[left]))
        new[left[0][fine], left[1][fine]] = moved[fine]
        left = (left[0][~fine], left[1][~fine])
        if not left[0].size:
            break
    return new


def log_likelihoods(sample: Sample, batch: MixtureBatch) -> Array:
    """The log likelihoods (B,) of mixtures, NaN or infinite for invalid ones."""
    with np.errstate(all="ignore"):
        return sample.log_likelihoods(batch)


def _limiting(family: Family, components: int) -> Flags:
    """Which coordinates (p,) are of parameters that grow without bound in a limit family."""
    each = [name in family.limits for name in family.parameter_names()]
    return np.array([False] * (components - 1) + each * components)


def _at_limit(sample: Sample, end: Ascent, limiting: Flags, tolerance: float) -> Ascent:
    """The end of an ascent, or the better one at the limit of parameters that have grown large.

    They are at their limit only if the likelihood rises all the way there, along each of them.
    Along the logarithm s of such a parameter the likelihood is L - c exp(-s), so that its
    derivative is what is left to gain; the other coordinates have a quadratic model.
    """
    family, count = sample.family, end.mixture.components
    point = end.mixture.within(family).coordinates()
    ends = limiting & (point > np.log(LARGE))
    if not ends.any():
        return end

    def at(points: Array, held: Flags | None, tolerance: float) -> Ascents:
        batch = MixtureBatch.from_coordinates(family, count, points[None])
        return newton_ascents(sample, batch, tolerance, 300, held=held)

    fixed = at(np.where(ends, np.log(LIMIT), point), ends[None], tolerance)[0]
    far = fixed.mixture.coordinates()
    lower = [np.where(place, np.log(LARGE), far) for place in np.diag(ends)[ends]]
    inside = MixtureBatch.from_coordinates(family, count, np.stack(lower))
    values = [sample.log_likelihood(mixture) for mixture in inside]
    if fixed.log_likelihood < max(values):
        again = at(lower[int(np.argmax(values))], None, tolerance)[0]
        return again if again.log_likelihood > end.log_likelihood else end
    _, gradient = sample.gradient(fixed.mixture)
    left = float(np.abs(gradient[ends]).sum())
    return replace(fixed, predicted_gain=fixed.predicted_gain + left, at_limit=True)


def observed_information(sample: Sample, mixture: Mixture) -> Array:
    """-∇² log likelihood in coordinates (p, p)."""
    return -sample.hessian(mixture)[2]
