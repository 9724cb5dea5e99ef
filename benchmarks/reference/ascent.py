"""The reference's own optimiser: from a mixture to the local maximum of its basin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scenarios.families import Array, ExponentialFamily, Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

MAX_STEP = 1.0
"""Length of a step in coordinates, which are of order one: a longer one may leave the basin."""
LIMIT, LARGE = 1e8, 100.0
"""The value that stands for a parameter which grows without bound, and from which one may do so."""
CLOSE = 0.1
"""Predicted gain in nats below which a quadratic model describes the likelihood."""


@dataclass(frozen=True, eq=False)
class Ascent:
    """The end of an ascent."""

    mixture: Mixture
    log_likelihood: float
    predicted_gain: float
    """½ gᵀ(-H)⁻¹g, the gain at the quadratic model's maximum, in nats; inf without one."""
    smallest_eigenvalue: float
    """Of -H/n in coordinates: positive at a strict maximum."""
    at_limit: bool = False
    """Whether a parameter is at ``LIMIT``, where its component is of another family."""


def ascend(sample: Sample, start: Mixture, tolerance: float = 1e-9, max_steps: int = 300) -> Ascent:
    """Increase the likelihood until the predicted gain is below ``tolerance`` nats.

    No step lowers the likelihood. Exponential families: EM steps, which rarely leave a basin,
    unless the maximum is close; then Newton's method with the exact Hessian, damped until the
    likelihood increases (Levenberg 1944). Others: L-BFGS with the mixture's gradient.
    """
    if not isinstance(sample.family, ExponentialFamily):
        return _ascend_numerically(sample, start, max_steps)
    mixture = start.within(sample.family)
    derivatives = sample.hessian(mixture) if np.isfinite(mixture.coordinates()).all() else None
    if derivatives is None or not _quadratic(sample, *derivatives[1:])[2] < CLOSE:
        for _ in range(10):
            mixture = _em_step(sample, mixture)
        if not np.isfinite(mixture.coordinates()).all():
            return Ascent(mixture, sample.log_likelihood(mixture), np.inf, -np.inf)
        derivatives = sample.hessian(mixture)
    value, gradient, hessian = derivatives
    point, damping = mixture.coordinates(), 0.0
    for _ in range(max_steps):
        eigenvalues, vectors, gain = _quadratic(sample, gradient, hessian)
        if gain < tolerance or not np.isfinite(eigenvalues).all():
            break
        along = (vectors.T @ gradient) / sample.size
        for _ in range(30):
            # A flat or rising direction gets a positive curvature.
            shift = damping
            if eigenvalues[0] < 1e-12:
                shift = max(damping, 1e-3 - 1.001 * float(eigenvalues[0]))
            step = vectors @ (along / (eigenvalues + shift))
            step *= min(1.0, MAX_STEP / max(float(np.linalg.norm(step)), 1e-300))
            candidate = Mixture.from_coordinates(sample.family, mixture.components, point + step)
            if candidate.valid() and sample.log_likelihood(candidate) > value:
                break
            damping = max(4.0 * damping, 1e-4)
        else:
            break
        damping = 0.0 if damping <= 1e-4 else damping / 8.0
        mixture, point = candidate, point + step
        value, gradient, hessian = sample.hessian(mixture)
    return _end(sample, mixture, value, gradient, hessian)


def _em_step(sample: Sample, mixture: Mixture) -> Mixture:
    """One EM step, or none where the M-step would leave the domain."""
    family = sample.family
    assert isinstance(family, ExponentialFamily)
    _, mass, totals = sample.expectation(mixture)
    with np.errstate(all="ignore"):
        parameters = family.maximise(totals / mass[:, None], initial=mixture.parameters)
        moved = Mixture(family, mass / mass.sum(), parameters)
    return moved if moved.valid() else mixture


def _ascend_numerically(sample: Sample, start: Mixture, max_steps: int) -> Ascent:
    from scipy.optimize import minimize

    def at(point: Array) -> Mixture:
        return Mixture.from_coordinates(sample.family, start.components, point)

    def objective(point: Array) -> tuple[float, Array]:
        with np.errstate(all="ignore"):
            value, gradient = sample.gradient(at(point))
        if not np.isfinite(value):
            return np.inf, np.zeros_like(point)
        return -value / sample.size, -gradient / sample.size

    def minimum(initial: Array, bounds: list[tuple[float, float]]) -> Array:
        options = {"maxiter": max_steps, "gtol": 1e-9, "ftol": 1e-15}
        result = minimize(
            objective, initial, jac=True, method="L-BFGS-B", options=options, bounds=bounds
        )
        return np.asarray(result.x)

    initial = start.within(sample.family).coordinates()
    if not np.isfinite(initial).all():
        return Ascent(start, sample.log_likelihood(start), np.inf, -np.inf)
    free = [(-np.inf, np.inf)] * initial.size
    point = minimum(initial, free)
    limiting = _limiting(sample.family, start.components)
    ends = limiting & (point > np.log(LARGE))
    if ends.any():
        fixed = np.where(ends, np.log(LIMIT), point)
        held = [(c, c) if end else free[0] for c, end in zip(fixed, ends, strict=True)]
        fixed = minimum(fixed, held)
        # They are ends only if the likelihood rises all the way there, along each of them.
        lower = [np.where(place, np.log(LARGE), fixed) for place in np.diag(ends)[ends]]
        inside = max(lower, key=lambda each: sample.log_likelihood(at(each)))
        if sample.log_likelihood(at(fixed)) >= sample.log_likelihood(at(inside)):
            point = fixed
        else:
            point = minimum(inside, free)
    value, gradient = sample.gradient(at(point))
    hessian = _numeric_hessian(sample, start.components, point)
    held_at_end = limiting & (point == np.log(LIMIT))
    return _end_on_boundary(sample, at(point), value, gradient, hessian, held_at_end)


def _limiting(family: Family, components: int) -> NDArray[np.bool_]:
    """Which coordinates (p,) are of parameters that grow without bound in a limit family."""
    each = [name in family.limits for name in family.parameter_names()]
    return np.array([False] * (components - 1) + each * components)


def _end_on_boundary(
    sample: Sample,
    mixture: Mixture,
    value: float,
    gradient: Array,
    hessian: Array,
    ends: NDArray[np.bool_],
) -> Ascent:
    """The end of an ascent some of whose coordinates (p,) are at their limit.

    Along the logarithm s of such a parameter the likelihood is L - c exp(-s), so that its
    derivative is what is left to gain; the other coordinates have a quadratic model.
    """
    inside = _end(sample, mixture, value, gradient[~ends], hessian[np.ix_(~ends, ~ends)])
    left = float(np.abs(gradient[ends]).sum())
    return replace(inside, predicted_gain=inside.predicted_gain + left, at_limit=bool(ends.any()))


def observed_information(sample: Sample, mixture: Mixture) -> Array:
    """-∇² log likelihood in coordinates (p, p): exact, or by differences of the gradient."""
    if isinstance(sample.family, ExponentialFamily):
        return -sample.hessian(mixture)[2]
    point = mixture.within(sample.family).coordinates()
    return -_numeric_hessian(sample, mixture.components, point)


def _numeric_hessian(sample: Sample, components: int, point: Array) -> Array:
    """∇² log likelihood at coordinates ``point`` by central differences of the gradient."""

    def gradient(at: Array) -> Array:
        return sample.gradient(Mixture.from_coordinates(sample.family, components, at))[1]

    step = 1e-4
    hessian = np.stack(
        [gradient(point + shift) - gradient(point - shift) for shift in step * np.eye(point.size)]
    ) / (2.0 * step)
    return np.asarray(0.5 * (hessian + hessian.T))


def _end(sample: Sample, mixture: Mixture, value: float, gradient: Array, hessian: Array) -> Ascent:
    eigenvalues, _, gain = _quadratic(sample, gradient, hessian)
    return Ascent(mixture, value, gain, float(eigenvalues[0]))


def _quadratic(sample: Sample, gradient: Array, hessian: Array) -> tuple[Array, Array, float]:
    """Eigenvalues (p,), ascending, and eigenvectors (p, p) of -H/n, and the predicted gain."""
    if not np.isfinite(hessian).all():
        return np.full(len(hessian), -np.inf), np.eye(len(hessian)), float("inf")
    eigenvalues, vectors = np.linalg.eigh(-hessian / sample.size)
    if not eigenvalues[0] > 0.0:
        return eigenvalues, vectors, float("inf")
    along = vectors.T @ gradient
    return eigenvalues, vectors, float(0.5 * np.sum(along**2 / eigenvalues) / sample.size)
