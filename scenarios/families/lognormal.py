"""The lognormal distribution on (0, ∞): a normal distribution of log x."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from scenarios.families.base import Array, HalfLine
from scenarios.families.normal import Normal

if TYPE_CHECKING:
    import torch


class LogNormal(HalfLine, Normal):
    """exp N(μ, σ²): T, A and η are the normal's at log x; h gains -log x."""

    name = "lognormal"

    def anchored(self, x: Array) -> Self:
        """Centre and scale of log x, where the locations live."""
        logs = np.log(x)
        return replace(self, centre=float(np.mean(logs)), scale=float(np.std(logs)) or 1.0)

    def statistics(self, x: Array) -> Array:
        """(z, z²) with z = (log x - centre) / scale."""
        return super().statistics(np.log(x))

    def log_base(self, x: Array) -> Array:
        """-log √(2π) - log scale - log x."""
        return np.asarray(super().log_base(x) - np.log(x))

    def cdf(self, x: Array, parameters: Array) -> Array:
        """Φ((log x - μ)/σ)."""
        return super().cdf(np.log(x), parameters)

    def quantile(self, q: Array, parameters: Array) -> Array:
        """exp(μ + σ Φ⁻¹(q))."""
        return np.exp(super().quantile(q, parameters))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's lognormal sampler."""
        return generator.lognormal(parameters[0], parameters[1], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """Mean and standard deviation of log x."""
        return super().moment_estimate(np.log(x))

    def torch_distribution(self, parameters: torch.Tensor) -> torch.distributions.Distribution:
        """``torch.distributions.LogNormal``."""
        import torch

        return torch.distributions.LogNormal(
            parameters[:, 0], parameters[:, 1], validate_args=False
        )

    def pymc_distribution(self, parameters: list[Any]) -> Any:
        """``pymc.LogNormal``."""
        import pymc

        return pymc.LogNormal.dist(mu=parameters[0], sigma=parameters[1])
