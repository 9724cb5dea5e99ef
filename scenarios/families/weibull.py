"""The Weibull distribution on (0, ∞)."""

from __future__ import annotations

import numpy as np

from scenarios.families.base import Array, Family, Parameter


class Weibull(Family):
    """Weibull(shape k, scale c): log f = log(k/c) + (k - 1) log(x/c) - (x/c)ᵏ.

    Not an exponential family: the power of x is a parameter, so no fixed statistics suffice.
    """

    name = "weibull"
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
