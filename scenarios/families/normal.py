"""The normal distribution."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from scenarios.families.base import Array, ExponentialFamily, Parameter

LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))


class Normal(ExponentialFamily):
    """N(μ, σ²): T = (z, z²) with z = (x - centre) / scale, so that squares don't cancel.

    In z's units (m, s): η = (m/s², -1/(2s²)), A = m²/(2s²) + log s,
    h = -log √(2π) - log scale.
    """

    name = "normal"
    code = 0
    parameters = (Parameter("mu", "location"), Parameter("sigma", "scale"))
    example = ((-2.0, 0.5), (2.0, 0.7))
    expressions = {
        "scipy": "stats.norm({mu}, {sigma})",
        "torch": "Normal(t({mu}), t({sigma}))",
        "pymc": "pm.Normal.dist(mu={mu}, sigma={sigma})",
    }

    def statistics(self, x: Array) -> Array:
        """(z, z²)."""
        z = (x - self.centre) / self.scale
        return np.stack([z, z * z], axis=1)

    def log_base(self, x: Array) -> Array:
        """The constant -log √(2π) - log scale."""
        return np.full(x.shape, -LOG_ROOT_2PI - np.log(self.scale))

    def natural(self, parameters: Array) -> Array:
        """(m/s², -1/(2s²))."""
        mean = (parameters[:, 0] - self.centre) / self.scale
        precision = (self.scale / parameters[:, 1]) ** 2
        return np.stack([mean * precision, -0.5 * precision], axis=1)

    def log_partition(self, eta: Array) -> Array:
        """-η₁²/(4η₂) - ½ log(-2η₂)."""
        return np.asarray(-(eta[:, 0] ** 2) / (4.0 * eta[:, 1]) - 0.5 * np.log(-2.0 * eta[:, 1]))

    def mean_statistics(self, eta: Array) -> Array:
        """(m, m² + s²)."""
        variance = -0.5 / eta[:, 1]
        mean = eta[:, 0] * variance
        return np.stack([mean, mean**2 + variance], axis=1)

    def covariance_statistics(self, eta: Array) -> Array:
        """Var z = s², Cov(z, z²) = 2ms², Var z² = 4m²s² + 2s⁴."""
        variance = -0.5 / eta[:, 1]
        mean = eta[:, 0] * variance
        cross = 2.0 * mean * variance
        square = 4.0 * mean**2 * variance + 2.0 * variance**2
        return np.stack([variance, cross, cross, square], axis=1).reshape(-1, 2, 2)

    def natural_derivatives(self, parameters: Array) -> tuple[Array, Array]:
        """Of (m/s², -1/(2s²)) by (m, log s): log s differs from log σ by a constant."""
        eta = self.natural(parameters)
        precision = -2.0 * eta[:, 1]
        first = np.zeros((len(eta), 2, 2))
        first[:, 0, 0] = precision
        first[:, 0, 1] = -2.0 * eta[:, 0]
        first[:, 1, 1] = precision
        second = np.zeros((len(eta), 2, 2, 2))
        second[:, 0, 0, 1] = second[:, 0, 1, 0] = -2.0 * precision
        second[:, 0, 1, 1] = 4.0 * eta[:, 0]
        second[:, 1, 1, 1] = -2.0 * precision
        return first, second

    def maximise(self, mean_statistics: Array, initial: Array | None = None) -> Array:
        """μ and σ from the first two moments, in closed form."""
        mean, square = mean_statistics.T
        variance = square - mean**2
        deviation = np.sqrt(np.where(variance > 0.0, variance, np.nan))
        return np.stack([self.centre + self.scale * mean, self.scale * deviation], axis=1)

    def quantile(self, q: Array, parameters: Array) -> Array:
        """μ + σ Φ⁻¹(q)."""
        return np.asarray(parameters[:, :1] + parameters[:, 1:] * special.ndtri(q))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's normal sampler."""
        return generator.normal(parameters[0], parameters[1], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """Mean and standard deviation, the latter at least 10⁻⁶ of the scale."""
        return np.array([x.mean(), max(float(x.std()), 1e-6 * self.scale)])


# The same of one component, as functions of numbers, which ``scenarios.kernels`` compiles.


def natural_terms(
    mu: float, sigma: float, centre: float, scale: float
) -> tuple[float, float, float]:
    """η₁, η₂ and A."""
    mean, deviation = (mu - centre) / scale, sigma / scale
    precision = 1.0 / (deviation * deviation)
    return mean * precision, -0.5 * precision, 0.5 * mean * mean * precision + math.log(deviation)


def maximum(
    mean: float, square: float, mu: float, sigma: float, centre: float, scale: float
) -> tuple[float, float]:
    """The M-step: μ and σ from the mean statistics; σ is NaN without a variance."""
    variance = square - mean * mean
    deviation = math.sqrt(variance) if variance > 0.0 else math.nan
    return centre + scale * mean, scale * deviation


def moments(
    mu: float, sigma: float, centre: float, scale: float
) -> tuple[float, float, float, float, float]:
    """E T, and the entries xx, xy and yy of Cov T."""
    mean, deviation = (mu - centre) / scale, sigma / scale
    variance = deviation * deviation
    cross = 2.0 * mean * variance
    square = 4.0 * mean * mean * variance + 2.0 * variance * variance
    return mean, mean * mean + variance, variance, cross, square


def natural_slopes(
    mu: float, sigma: float, centre: float, scale: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """∂η/∂free by rows, then the entries aa, ab and bb of ∂²η₁/∂free² and ∂²η₂/∂free²."""
    mean, deviation = (mu - centre) / scale, sigma / scale
    precision = 1.0 / (deviation * deviation)
    first = mean * precision
    return (
        precision, -2.0 * first, 0.0, precision,
        0.0, -2.0 * precision, 4.0 * first, 0.0, 0.0, -2.0 * precision,
    )  # fmt: skip
