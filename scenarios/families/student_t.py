"""Student's t distribution with location and scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from scenarios.families.base import Array, Family, Parameter, RealLine

if TYPE_CHECKING:
    import torch


class StudentT(RealLine, Family):
    """t(df ν, location μ, scale σ).

    No exponential family: the observations can't be summarised by fixed statistics, since
    each is weighed by a function of all three parameters.
    """

    name = "student_t"
    parameters = (Parameter("df"), Parameter("loc", "location"), Parameter("scale", "scale"))

    def log_density(self, x: Array, parameters: Array) -> Array:
        """The logarithm of the density, shape (K, n)."""
        df, loc, scale = (parameters[:, j : j + 1] for j in range(3))
        constant = -special.betaln(0.5, 0.5 * df) - 0.5 * np.log(df) - np.log(scale)
        with np.errstate(over="ignore"):
            return np.asarray(constant - 0.5 * (df + 1.0) * np.log1p(((x - loc) / scale) ** 2 / df))

    def cdf(self, x: Array, parameters: Array) -> Array:
        """scipy's ``stdtr``."""
        df, loc, scale = (parameters[:, j : j + 1] for j in range(3))
        return np.asarray(special.stdtr(df, (x - loc) / scale))

    def quantile(self, q: Array, parameters: Array) -> Array:
        """scipy's ``stdtrit``."""
        df, loc, scale = (parameters[:, j : j + 1] for j in range(3))
        return np.asarray(loc + scale * special.stdtrit(df, q))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's standard t, moved and scaled."""
        return parameters[1] + parameters[2] * generator.standard_t(parameters[0], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """Median, and half the 16–84 % range for the scale; df 5, where tails are neither."""
        low, middle, high = np.quantile(x, [0.16, 0.5, 0.84])
        return np.array([5.0, middle, max(0.45 * float(high - low), 1e-6 * self.scale)])

    def torch_distribution(self, parameters: torch.Tensor) -> torch.distributions.Distribution:
        """``torch.distributions.StudentT``."""
        import torch

        return torch.distributions.StudentT(
            parameters[:, 0], parameters[:, 1], parameters[:, 2], validate_args=False
        )

    def pymc_distribution(self, parameters: list[Any]) -> Any:
        """``pymc.StudentT``."""
        import pymc

        return pymc.StudentT.dist(nu=parameters[0], mu=parameters[1], sigma=parameters[2])
