"""Student's t distribution with location and scale."""

from __future__ import annotations

import numpy as np
from scipy import special

from scenarios.families.base import Array, Family, Parameter


class StudentT(Family):
    """t(df ν, location μ, scale σ).

    Not an exponential family: each observation's weight in the likelihood equations depends on
    all three parameters, so no fixed statistics suffice.
    """

    name = "student_t"
    parameters = (Parameter("df"), Parameter("loc", "location"), Parameter("scale", "scale"))
    example = ((6.0, -3.0, 0.6), (6.0, 3.0, 0.8))
    limits = {"df": "normal"}
    expressions = {
        "scipy": "stats.t({df}, {loc}, {scale})",
        "torch": "StudentT(t({df}), t({loc}), t({scale}))",
        "pymc": "pm.StudentT.dist(nu={df}, mu={loc}, sigma={scale})",
    }

    def log_density(self, x: Array, parameters: Array) -> Array:
        """The logarithm of the density, shape (K, n)."""
        df, loc, scale = (parameters[:, j : j + 1] for j in range(3))
        constant = -special.betaln(0.5, 0.5 * df) - 0.5 * np.log(df) - np.log(scale)
        with np.errstate(over="ignore"):
            return np.asarray(constant - 0.5 * (df + 1.0) * np.log1p(((x - loc) / scale) ** 2 / df))

    def quantile(self, q: Array, parameters: Array) -> Array:
        """scipy's ``stdtrit``."""
        df, loc, scale = (parameters[:, j : j + 1] for j in range(3))
        return np.asarray(loc + scale * special.stdtrit(df, q))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's standard t, scaled and shifted."""
        return parameters[1] + parameters[2] * generator.standard_t(parameters[0], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """df 5 for tails neither heavy nor light; the median; 0.45 × the 16–84 % range."""
        low, middle, high = np.quantile(x, [0.16, 0.5, 0.84])
        return np.array([5.0, middle, max(0.45 * float(high - low), 1e-6 * self.scale)])
