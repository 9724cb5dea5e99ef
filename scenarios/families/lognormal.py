"""The lognormal distribution on (0, ∞): a normal distribution of log x."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np

from scenarios.families.base import Array
from scenarios.families.normal import Normal


class LogNormal(Normal):
    """exp N(μ, σ²): T, A and η are the normal's at log x; h gains -log x."""

    name = "lognormal"
    code = Normal.code
    support = (0.0, np.inf)
    example = ((-1.0, 0.3), (1.0, 0.4))
    expressions = {
        "scipy": "stats.lognorm({sigma}, scale=np.exp({mu}))",
        "torch": "LogNormal(t({mu}), t({sigma}))",
        "pymc": "pm.LogNormal.dist(mu={mu}, sigma={sigma})",
    }

    def anchored(self, x: Array) -> Self:
        """Centre and scale of log x, since μ is a location of log x."""
        logs = np.log(x)
        return replace(self, centre=float(np.mean(logs)), scale=float(np.std(logs)) or 1.0)

    def statistics(self, x: Array) -> Array:
        """(z, z²) with z = (log x - centre) / scale."""
        return super().statistics(np.log(x))

    def log_base(self, x: Array) -> Array:
        """-log √(2π) - log scale - log x."""
        return np.asarray(super().log_base(x) - np.log(x))

    def quantile(self, q: Array, parameters: Array) -> Array:
        """exp(μ + σ Φ⁻¹(q))."""
        return np.exp(super().quantile(q, parameters))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's lognormal sampler."""
        return generator.lognormal(parameters[0], parameters[1], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """Mean and standard deviation of log x."""
        return super().moment_estimate(np.log(x))
