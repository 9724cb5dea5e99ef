"""The beta distribution on (0, 1)."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from scenarios.families.base import Array, ExponentialFamily, Parameter
from scenarios.families.polygamma import digamma_and_trigamma, log_beta

SMALLEST_SLACK = 1e-15
"""Of 1 - exp(mean log x) - exp(mean log(1 - x)), which is 0 where all mass is on one point."""


class Beta(ExponentialFamily):
    """Beta(α, β): T = (log x, log(1 - x)), η = (α - 1, β - 1), A = log B(α, β), h = 0.

    At exactly 0 or 1 the density is 0 or infinite: such observations are outside the
    support. Johnson, Kotz & Balakrishnan (1995), *Continuous univariate distributions* 2,
    chapter 25.
    """

    name = "beta"
    code = 1
    parameters = (Parameter("alpha"), Parameter("beta"))
    example = ((3.0, 20.0), (20.0, 3.0))
    expressions = {
        "scipy": "stats.beta({alpha}, {beta})",
        "torch": "Beta(t({alpha}), t({beta}))",
        "pymc": "pm.Beta.dist(alpha={alpha}, beta={beta})",
    }
    support = (0.0, 1.0)

    def statistics(self, x: Array) -> Array:
        """(log x, log(1 - x))."""
        return np.stack([np.log(x), np.log1p(-x)], axis=1)

    def link_of(self, x: Array, statistics: Array) -> Array:
        """The logit, log x - log(1 - x)."""
        return np.asarray(statistics[:, 0] - statistics[:, 1])

    def log_base(self, x: Array) -> Array:
        """Zero."""
        return np.zeros(x.shape)

    def natural(self, parameters: Array) -> Array:
        """(α - 1, β - 1)."""
        return np.asarray(parameters - 1.0)

    def log_partition(self, eta: Array) -> Array:
        """log B(α, β)."""
        return np.asarray(special.betaln(eta[:, 0] + 1.0, eta[:, 1] + 1.0))

    def mean_statistics(self, eta: Array) -> Array:
        """ψ(α) - ψ(α + β), ψ(β) - ψ(α + β)."""
        shapes = eta + 1.0
        return np.asarray(special.psi(shapes) - special.psi(shapes.sum(axis=1))[:, None])

    def covariance_statistics(self, eta: Array) -> Array:
        """diag(ψ′(α), ψ′(β)) - ψ′(α + β)."""
        shapes = eta + 1.0
        single = special.zeta(2.0, shapes)  # the trigamma function
        shared = special.zeta(2.0, shapes.sum(axis=1))
        return single[:, :, None] * np.eye(2) - shared[:, None, None]

    def natural_derivatives(self, parameters: Array) -> tuple[Array, Array]:
        """η + 1 = exp(free): every derivative is the parameter itself."""
        return (
            parameters[:, :, None] * np.eye(2),
            parameters[:, :, None, None] * (np.eye(2)[:, :, None] * np.eye(2)[:, None, :]),
        )

    def maximise(self, mean_statistics: Array, initial: Array | None = None) -> Array:
        """Newton's method on ∇A = mean T in log α, log β.

        Without ``initial`` it starts from Johnson, Kotz & Balakrishnan's equation 25.30, by the
        geometric means of x and 1 - x. Steps are capped, which keeps them inside the domain.
        """
        geometric = np.exp(mean_statistics)
        slack = 1.0 - geometric.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            cold = 0.5 + geometric / (2.0 * slack[:, None])
            logs = np.log(cold if initial is None else initial)
            for _ in range(50):
                shapes = np.exp(logs)
                gap = self.mean_statistics(shapes - 1.0) - mean_statistics
                step = _newton_step(shapes, gap)
                logs = logs - np.clip(step, -2.0, 2.0)
                if not (np.abs(step) > 1e-10).any():
                    break
        return np.where((slack > SMALLEST_SLACK)[:, None], np.exp(logs), np.nan)

    def quantile(self, q: Array, parameters: Array) -> Array:
        """The inverse of the regularised incomplete beta function."""
        return np.asarray(special.betaincinv(parameters[:, :1], parameters[:, 1:], q))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """numpy's beta sampler."""
        return generator.beta(parameters[0], parameters[1], size=size)

    def moment_estimate(self, x: Array) -> Array:
        """α + β = m(1 - m)/v - 1, kept within [0.1, 10⁶]; α = m(α + β)."""
        mean = float(np.clip(x.mean(), 1e-6, 1.0 - 1e-6))
        variance = max(float(x.var()), 1e-12)
        total = float(np.clip(mean * (1.0 - mean) / variance - 1.0, 0.1, 1e6))
        return np.array([mean * total, (1.0 - mean) * total])


def _newton_step(shapes: Array, gap: Array) -> Array:
    """Solve (∇²A · diag(shapes)) step = gap for each component, in closed form.

    ∇²A is diagonal plus a rank-one matrix, which Sherman–Morrison inverts.
    """
    single = special.zeta(2.0, shapes)
    shared = special.zeta(2.0, shapes.sum(axis=1))[:, None]
    ratio = gap / single
    correction = shared * ratio.sum(axis=1, keepdims=True)
    correction /= 1.0 - shared * (1.0 / single).sum(axis=1, keepdims=True)
    return np.asarray((ratio + correction / single) / shapes)


# The same of one component, as functions of numbers, which ``scenarios.kernels`` compiles.


def natural_terms(
    alpha: float, beta: float, centre: float, scale: float
) -> tuple[float, float, float]:
    """η₁, η₂ and A."""
    return alpha - 1.0, beta - 1.0, log_beta(alpha, beta)


def maximum(
    mean_log: float, mean_log1m: float, alpha: float, beta: float, centre: float, scale: float
) -> tuple[float, float]:
    """The M-step, as ``Beta.maximise``, from ``alpha`` and ``beta``; NaN without a solution."""
    if not 1.0 - math.exp(mean_log) - math.exp(mean_log1m) > SMALLEST_SLACK:
        return math.nan, math.nan
    for _ in range(50):
        psi_a, single_a = digamma_and_trigamma(alpha)
        psi_b, single_b = digamma_and_trigamma(beta)
        psi_sum, shared = digamma_and_trigamma(alpha + beta)
        ratio_a = (psi_a - psi_sum - mean_log) / single_a
        ratio_b = (psi_b - psi_sum - mean_log1m) / single_b
        correction = shared * (ratio_a + ratio_b)
        correction /= 1.0 - shared * (1.0 / single_a + 1.0 / single_b)
        step_a = (ratio_a + correction / single_a) / alpha
        step_b = (ratio_b + correction / single_b) / beta
        alpha *= math.exp(-min(max(step_a, -2.0), 2.0))
        beta *= math.exp(-min(max(step_b, -2.0), 2.0))
        if not (abs(step_a) > 1e-10 or abs(step_b) > 1e-10):
            break
    return alpha, beta


def moments(
    alpha: float, beta: float, centre: float, scale: float
) -> tuple[float, float, float, float, float]:
    """E T, and the entries xx, xy and yy of Cov T."""
    psi_a, single_a = digamma_and_trigamma(alpha)
    psi_b, single_b = digamma_and_trigamma(beta)
    psi_sum, shared = digamma_and_trigamma(alpha + beta)
    return psi_a - psi_sum, psi_b - psi_sum, single_a - shared, -shared, single_b - shared


def natural_slopes(
    alpha: float, beta: float, centre: float, scale: float
) -> tuple[float, float, float, float, float, float, float, float, float, float]:
    """∂η/∂free by rows, then the entries aa, ab and bb of ∂²η₁/∂free² and ∂²η₂/∂free²."""
    return alpha, 0.0, 0.0, beta, alpha, 0.0, 0.0, 0.0, 0.0, beta
