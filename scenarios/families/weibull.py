"""The Weibull distribution on (0, ∞)."""

from __future__ import annotations

import numpy as np

from scenarios.families.base import Array, Family, Parameter

LARGEST_POWER = 1e130
"""The largest (x/c)ᵏ in derivatives. Such an observation has the density 0, and its share in the
derivatives of a mixture is 0; the square of an infinite power would make it NaN."""


class Weibull(Family):
    """Weibull(shape k, scale c): log f = log(k/c) + (k - 1) log(x/c) - (x/c)ᵏ.

    Not an exponential family: the power of x is a parameter, so no fixed statistics suffice.
    """

    name = "weibull"
    exact_derivatives = True
    parameters = (Parameter("shape"), Parameter("scale", "scale"))
    support = (0.0, np.inf)
    example = ((2.0, 1.0), (8.0, 6.0))
    expressions = {
        "scipy": "stats.weibull_min({shape}, scale={scale})",
        "torch": "Weibull(t({scale}), t({shape}))",
        "pymc": "pm.Weibull.dist(alpha={shape}, beta={scale})",
    }

    def log_density(self, x: Array, parameters: Array) -> Array:
        """The logarithm of the density, shape (K, n)."""
        shape, scale = parameters[:, :1], parameters[:, 1:]
        logs = shape * (np.log(x) - np.log(scale))  # log (x/c)ᵏ
        with np.errstate(over="ignore"):
            return np.asarray(np.log(shape) - np.log(x) + logs - np.exp(logs))

    def score(self, x: Array, parameters: Array) -> Array:
        """With t = k log(x/c): 1 + t(1 - eᵗ) for log k, and k(eᵗ - 1) for log c."""
        return self.derivatives(x, parameters)[1]

    def curvature(self, x: Array, parameters: Array) -> Array:
        """The second derivatives, shape (K, 2, 2, n)."""
        return self.derivatives(x, parameters)[2]

    def derivatives(self, x: Array, parameters: Array) -> tuple[Array, Array, Array]:
        """The log density and its derivatives by log k and log c, from one power.

        With t = k log(x/c), log f = log k - log x + t - eᵗ. A derivative by log k turns t into t,
        and by log c into -k: the gradient is (1 + t(1 - eᵗ), -k(1 - eᵗ)), and the second
        derivatives t(1 - eᵗ) - t²eᵗ, -k(1 - eᵗ) + k t eᵗ and -k²eᵗ.
        """
        shape, scale, logs = parameters[:, :1], parameters[:, 1:], np.log(x)
        t = shape * (logs - np.log(scale))
        with np.errstate(over="ignore"):
            power = np.exp(t)
        value = t - power
        value += np.log(shape) - logs
        np.minimum(power, LARGEST_POWER, out=power)
        rest, product = 1.0 - power, t * power
        first = np.empty((len(parameters), 2, len(x)))
        second = np.empty((len(parameters), 2, 2, len(x)))
        both = t * rest
        first[:, 0] = 1.0 + both
        first[:, 1] = -shape * rest
        second[:, 0, 0] = both - t * product
        second[:, 0, 1] = second[:, 1, 0] = first[:, 1] + shape * product
        second[:, 1, 1] = -(shape**2) * power
        return value, first, second

    def quantile(self, q: Array, parameters: Array) -> Array:
        """c (-log(1 - q))^(1/k)."""
        return np.asarray(parameters[:, 1:] * (-np.log1p(-q)) ** (1.0 / parameters[:, :1]))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's Weibull sampler, times the scale."""
        return parameters[1] * generator.weibull(parameters[0], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """From log x, which has mean log c - γ/k and standard deviation π/(k√6)."""
        logs = np.log(x)
        shape = float(np.clip(np.pi / (np.sqrt(6.0) * max(float(logs.std()), 1e-9)), 0.05, 1e3))
        return np.array([shape, np.exp(logs.mean() + np.euler_gamma / shape)])
