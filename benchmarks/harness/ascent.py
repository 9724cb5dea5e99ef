"""The yardstick's own way uphill: carry a mixture on to the optimum that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

LONGEST_STEP = 1.0
"""In coordinates of order one: long enough to be fast, short enough to stay in a basin."""
IN_SIGHT = 0.1
"""Nats predicted to be left below which a quadratic model is as good as the likelihood."""


@dataclass(frozen=True, eq=False)
class Summit:
    """Where an ascent ended."""

    mixture: Mixture
    log_likelihood: float
    predicted_gain: float
    """½ gᵀ(-H)⁻¹g, the nats that a quadratic model still sees above; inf where it has no top."""
    smallest_eigenvalue: float
    """Of -H/n, in coordinates: positive at a strict maximum."""
    steps: int


def ascend(sample: Sample, start: Mixture, enough: float = 1e-9, most: int = 300) -> Summit:
    """Climb until the predicted gain is below ``enough`` nats, never stepping down.

    Exponential families: EM steps first, which hardly leave a basin, unless the top is in
    sight already; then Newton's method with the exact Hessian, damped until the likelihood
    rises (Levenberg 1944). Others: L-BFGS on the mixture's gradient.
    """
    if not isinstance(sample.family, ExponentialFamily):
        return _ascend_numerically(sample, start, most)
    mixture = Mixture(sample.family, start.weights, start.parameters)
    point = mixture.coordinates()
    seen = sample.hessian(mixture) if np.isfinite(point).all() else None
    if seen is None or not _gain(*seen[1:], sample.size) < IN_SIGHT:
        for _ in range(10):
            mixture = _em_step(sample, mixture)
        point = mixture.coordinates()
        if not np.isfinite(point).all():
            return Summit(mixture, sample.log_likelihood(mixture), np.inf, -np.inf, 0)
        seen = sample.hessian(mixture)
    value, gradient, hessian = seen
    damping, step_count = 0.0, 0
    for step_count in range(1, most + 1):
        if not np.isfinite(hessian).all():
            return Summit(mixture, value, np.inf, -np.inf, step_count)
        eigenvalues, vectors = np.linalg.eigh(-hessian / sample.size)
        if _predicted_gain(gradient, eigenvalues, vectors, sample.size) < enough:
            break
        improved = False
        for _ in range(30):
            # A flat or rising direction gets a curvature of its own to step by.
            shift = damping
            if eigenvalues[0] < 1e-12:
                shift = max(damping, 1e-3 - 1.001 * float(eigenvalues[0]))
            along = (vectors.T @ gradient) / sample.size / (eigenvalues + shift)
            step = vectors @ along
            step *= min(1.0, LONGEST_STEP / max(float(np.linalg.norm(step)), 1e-300))
            candidate = Mixture.from_coordinates(sample.family, mixture.components, point + step)
            if candidate.valid() and sample.log_likelihood(candidate) > value:
                improved = True
                break
            damping = max(4.0 * damping, 1e-4)
        if not improved:
            break
        damping = 0.0 if damping <= 1e-4 else damping / 8.0
        mixture, point = candidate, point + step
        value, gradient, hessian = sample.hessian(mixture)
    return _summit(sample, mixture, value, gradient, hessian, step_count)


def _em_step(sample: Sample, mixture: Mixture) -> Mixture:
    """One EM step, or none where the M-step would leave the domain."""
    family = sample.family
    assert isinstance(family, ExponentialFamily)
    _, mass, totals = sample.expectation(mixture)
    with np.errstate(all="ignore"):
        parameters = family.maximise(totals / mass[:, None], near=mixture.parameters)
        moved = Mixture(family, mass / mass.sum(), parameters)
    return moved if moved.valid() else mixture


def _ascend_numerically(sample: Sample, start: Mixture, most: int) -> Summit:
    from scipy.optimize import minimize

    components = start.components

    def at(point: Array) -> Mixture:
        return Mixture.from_coordinates(sample.family, components, point)

    def objective(point: Array) -> tuple[float, Array]:
        with np.errstate(all="ignore"):
            value, gradient = sample.gradient(at(point))
        if not np.isfinite(value):
            return np.inf, np.zeros_like(point)
        return -value / sample.size, -gradient / sample.size

    begun = Mixture(sample.family, start.weights, start.parameters).coordinates()
    if not np.isfinite(begun).all():
        return Summit(start, sample.log_likelihood(start), np.inf, -np.inf, 0)
    options = {"maxiter": most, "gtol": 1e-9, "ftol": 1e-15}
    result = minimize(objective, begun, jac=True, method="L-BFGS-B", options=options)
    point = np.asarray(result.x)
    hessian = _numeric_hessian(sample, components, point)
    value, gradient = sample.gradient(at(point))
    return _summit(sample, at(point), value, gradient, hessian, int(result.nit))


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


def _summit(
    sample: Sample, mixture: Mixture, value: float, gradient: Array, hessian: Array, steps: int
) -> Summit:
    if not np.isfinite(hessian).all():
        return Summit(mixture, value, np.inf, -np.inf, steps)
    eigenvalues, vectors = np.linalg.eigh(-hessian / sample.size)
    gain = _predicted_gain(gradient, eigenvalues, vectors, sample.size)
    return Summit(mixture, value, gain, float(eigenvalues[0]), steps)


def _gain(gradient: Array, hessian: Array, n: int) -> float:
    if not np.isfinite(hessian).all():
        return float("inf")
    eigenvalues, vectors = np.linalg.eigh(-hessian / n)
    return _predicted_gain(gradient, eigenvalues, vectors, n)


def _predicted_gain(gradient: Array, eigenvalues: Array, vectors: Array, n: int) -> float:
    if not eigenvalues[0] > 0.0:
        return float("inf")
    along = vectors.T @ gradient
    return float(0.5 * np.sum(along**2 / eigenvalues) / n)
