"""Student's t distribution with location and scale."""

from __future__ import annotations

import numpy as np
from scipy import special

from scenarios.families.base import Array, Family, Parameter

LARGE_DF = 30.0
"""df from which the series below has a relative error of at most 1e-14."""
SERIES = np.array([1 / 4, -1 / 8, 1 / 4, -17 / 16, 31 / 4, -691 / 8, 5461 / 4])
"""(4ʲ - 1) B₂ⱼ / 2j, j = 1, ..., 7, with the Bernoulli numbers B₂ⱼ."""


class StudentT(Family):
    """t(df ν, location μ, scale σ).

    Not an exponential family: each observation's weight in the likelihood equations depends on
    all three parameters, so no fixed statistics suffice.
    """

    name = "student_t"
    exact_derivatives = True
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
        with np.errstate(over="ignore"):
            tail = np.log1p(((x - loc) / scale) ** 2 / df)
        return _log_density(df, scale, tail)

    def score(self, x: Array, parameters: Array) -> Array:
        """The first derivatives, shape (K, 3, n)."""
        return self.derivatives(x, parameters)[1]

    def curvature(self, x: Array, parameters: Array) -> Array:
        """The second derivatives, shape (K, 3, 3, n)."""
        return self.derivatives(x, parameters)[2]

    def derivatives(self, x: Array, parameters: Array) -> tuple[Array, Array, Array]:
        """The log density and its derivatives by log ν, the location m and log σ.

        With u = (x - μ)/σ, l = log(1 + u²/ν), p = u²/(ν + u²) and h = u/(ν + u²),
        log f = C(ν) - log σ - (ν + 1) l/2. Let ' be the derivative by log ν. From l' = -p,
        p' = -p(1 - p), h' = -h(1 - p), ∂l/∂u = 2h, ∂p/∂u = 2h(1 - p) and
        ∂h/∂u = (1 - 2p)/(ν + u²), with r = 1 - p = ν/(ν + u²), e = νp - r and s = scale/σ,
        the gradient is (C' - νl/2 + (ν + 1)p/2, s(ν + 1)h, e), and the second derivatives

        - νν: C'' - νl/2 + νp - (ν + 1)pr/2; νm: s h e; νσ: p e;
        - mm: -s²(ν + 1)(1 - 2p)/(ν + u²); mσ: -2s(ν + 1)hr; σσ: -2(ν + 1)pr.
        """
        df, loc, scale = (parameters[:, j : j + 1] for j in range(3))
        unit, more = self.scale / scale, df + 1.0
        u = (x - loc) / scale
        square = u * u
        inverse = 1.0 / (df + square)
        with np.errstate(over="ignore"):
            tail = np.log1p(square / df)
        value = _log_density(df, scale, tail)
        constant = _log_df_derivatives(df)
        p, h, r = np.multiply(square, inverse, out=square), u * inverse, df * inverse
        product = p * r
        first = np.empty((len(parameters), 3, len(x)))
        second = np.empty((len(parameters), 3, 3, len(x)))
        tail *= -0.5 * df
        first[:, 0] = tail + 0.5 * more * p + constant[0]
        first[:, 1] = (unit * more) * h
        first[:, 2] = df * p - r
        second[:, 0, 0] = tail + df * p - (0.5 * more) * product + constant[1]
        second[:, 0, 1] = second[:, 1, 0] = unit * h * first[:, 2]
        second[:, 0, 2] = second[:, 2, 0] = p * first[:, 2]
        second[:, 1, 1] = (2.0 * p - 1.0) * inverse * (unit**2 * more)
        second[:, 1, 2] = second[:, 2, 1] = h * r * (-2.0 * unit * more)
        second[:, 2, 2] = (-2.0 * more) * product
        return value, first, second

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


def _log_density(df: Array, scale: Array, tail: Array) -> Array:
    """The log density (K, n) from ``tail``, log(1 + u²/ν)."""
    constant = -special.betaln(0.5, 0.5 * df) - 0.5 * np.log(df) - np.log(scale)
    return np.asarray(constant - 0.5 * (df + 1.0) * tail)


def _log_df_derivatives(df: Array) -> tuple[Array, Array]:
    """The first two derivatives by log ν of C = log Γ((ν + 1)/2) - log Γ(ν/2) - log(πν)/2.

    They tend to 0 as 1/4ν and -1/4ν, while ν ψ(ν/2) grows: from ``LARGE_DF`` they are computed by
    the series of C - C(∞), -Σⱼ (4ʲ - 1) B₂ⱼ / (2j(2j - 1) ν²ʲ⁻¹), the difference of Stirling's
    series (*DLMF* 5.11.8) at h = 1/2 and h = 0.
    """
    small, large = np.minimum(df, LARGE_DF), np.maximum(df, LARGE_DF)
    half, above = 0.5 * small, 0.5 * small + 0.5
    first = half * (special.psi(above) - special.psi(half)) - 0.5
    bend = half**2 * (special.zeta(2.0, above) - special.zeta(2.0, half))  # ζ(2, y) = ψ'(y)
    second = first + 0.5 + bend
    orders = 2.0 * np.arange(1, len(SERIES) + 1) - 1.0
    terms = SERIES * large[..., None] ** -orders
    series = terms.sum(axis=-1), -(orders * terms).sum(axis=-1)
    near = df < LARGE_DF
    return np.where(near, first, series[0]), np.where(near, second, series[1])
