"""The gamma distribution on (0, ∞)."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from scenarios.families.base import Array, ExponentialFamily, Parameter
from scenarios.families.polygamma import digamma_and_trigamma

SMALLEST_GAP = 1e-15
"""Of log(mean x) - mean log x, which is 0 where all mass is on one point."""


class Gamma(ExponentialFamily):
    """Gamma(shape a, rate b): T = (log x, x), η = (a - 1, -b), A = log Γ(a) - a log b, h = 0.

    The shape's likelihood equation is solved as in Minka (2002), *Estimating a gamma
    distribution*.
    """

    name = "gamma"
    code = 2
    parameters = (Parameter("shape"), Parameter("rate"))
    support = (0.0, np.inf)
    example = ((4.0, 4.0), (40.0, 4.0))
    expressions = {
        "scipy": "stats.gamma({shape}, scale=1 / np.array({rate}))",
        "torch": "Gamma(t({shape}), t({rate}))",
        "pymc": "pm.Gamma.dist(alpha={shape}, beta={rate})",
    }

    def statistics(self, x: Array) -> Array:
        """(log x, x)."""
        return np.stack([np.log(x), x], axis=1)

    def link_of(self, x: Array, statistics: Array) -> Array:
        """The logarithm of x."""
        return np.asarray(statistics[:, 0])

    def log_base(self, x: Array) -> Array:
        """Zero."""
        return np.zeros(x.shape)

    def natural(self, parameters: Array) -> Array:
        """(a - 1, -b)."""
        return np.stack([parameters[:, 0] - 1.0, -parameters[:, 1]], axis=1)

    def log_partition(self, eta: Array) -> Array:
        """log Γ(a) - a log b."""
        shape = eta[:, 0] + 1.0
        return np.asarray(special.gammaln(shape) - shape * np.log(-eta[:, 1]))

    def mean_statistics(self, eta: Array) -> Array:
        """(ψ(a) - log b, a/b)."""
        shape, rate = eta[:, 0] + 1.0, -eta[:, 1]
        return np.stack([special.psi(shape) - np.log(rate), shape / rate], axis=1)

    def covariance_statistics(self, eta: Array) -> Array:
        """Var log x = ψ′(a), Cov = 1/b, Var x = a/b²."""
        shape, rate = eta[:, 0] + 1.0, -eta[:, 1]
        trigamma, cross, square = special.zeta(2.0, shape), 1.0 / rate, shape / rate**2
        return np.stack([trigamma, cross, cross, square], axis=1).reshape(-1, 2, 2)

    def natural_derivatives(self, parameters: Array) -> tuple[Array, Array]:
        """η₁ + 1 and -η₂ are exp(free): every derivative is ± the parameter itself."""
        signed = parameters * np.array([1.0, -1.0])
        return (
            signed[:, :, None] * np.eye(2),
            signed[:, :, None, None] * (np.eye(2)[:, :, None] * np.eye(2)[:, None, :]),
        )

    def maximise(self, mean_statistics: Array, initial: Array | None = None) -> Array:
        """Newton's method on log a - ψ(a) = log(mean x) - mean log x, in log a; b = a/mean x."""
        mean_log, mean = mean_statistics.T
        gap = np.log(mean) - mean_log
        # Rounding can make it, and so the shape, negative: zeta would then take very long.
        gap = np.where(gap > SMALLEST_GAP, gap, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            shape = (3.0 - gap + np.sqrt((gap - 3.0) ** 2 + 24.0 * gap)) / (12.0 * gap)
            for _ in range(50):
                value = np.log(shape) - special.psi(shape) - gap
                slope = 1.0 - shape * special.zeta(2.0, shape)
                step = np.clip(value / slope, -2.0, 2.0)
                shape = shape * np.exp(-step)
                if not (np.abs(step) > 1e-12).any():
                    break
        return np.stack([shape, shape / mean], axis=1)

    def quantile(self, q: Array, parameters: Array) -> Array:
        """The inverse of the regularised lower incomplete gamma function, ÷ rate."""
        return np.asarray(special.gammaincinv(parameters[:, :1], q) / parameters[:, 1:])

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's gamma sampler, whose scale is 1/rate."""
        return generator.gamma(parameters[0], 1.0 / parameters[1], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """a = m²/v, kept within [0.01, 10⁶]; b = a/m."""
        mean = float(x.mean())
        variance = max(float(x.var()), 1e-300)
        shape = float(np.clip(mean**2 / variance, 0.01, 1e6))
        return np.array([shape, shape / mean])


# The same of one component, as functions of numbers, which ``scenarios.kernels`` compiles.


def natural_terms(
    shape: float, rate: float, centre: float, scale: float
) -> tuple[float, float, float]:
    """η₁, η₂ and A."""
    return shape - 1.0, -rate, math.lgamma(shape) - shape * math.log(rate)


def maximum(
    mean_log: float, mean: float, shape: float, rate: float, centre: float, scale: float
) -> tuple[float, float]:
    """The M-step, as ``Gamma.maximise``, from ``shape``; NaN where it has no solution."""
    gap = math.log(mean) - mean_log
    if not gap > SMALLEST_GAP:
        return math.nan, math.nan
    for _ in range(50):
        digamma, trigamma = digamma_and_trigamma(shape)
        step = (math.log(shape) - digamma - gap) / (1.0 - shape * trigamma)
        shape *= math.exp(-min(max(step, -2.0), 2.0))
        if not abs(step) > 1e-12:
            break
    return shape, shape / mean


def moments(
    shape: float, rate: float, centre: float, scale: float
) -> tuple[float, float, float, float, float]:
    """E T, and the entries xx, xy and yy of Cov T."""
    digamma, trigamma = digamma_and_trigamma(shape)
    mean = shape / rate
    return digamma - math.log(rate), mean, trigamma, 1.0 / rate, mean / rate


def natural_slopes(
    shape: float, rate: float, centre: float, scale: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """∂η/∂free by rows, then the entries aa, ab and bb of ∂²η₁/∂free² and ∂²η₂/∂free²."""
    return shape, 0.0, 0.0, -rate, shape, 0.0, 0.0, 0.0, 0.0, -rate
