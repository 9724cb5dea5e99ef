"""The beta distribution on (0, 1)."""

from __future__ import annotations

import numpy as np
from scipy import special

from scenarios.families.base import Array, ExponentialFamily, Parameter


class Beta(ExponentialFamily):
    """Beta(α, β): T = (log x, log(1 - x)), η = (α - 1, β - 1), A = log B(α, β), h = 0.

    At exactly 0 or 1 the density is 0 or infinite: such observations are outside the
    support. Johnson, Kotz & Balakrishnan (1995), *Continuous univariate distributions* 2,
    chapter 25.
    """

    name = "beta"
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
        slack = 1.0 - geometric.sum(axis=1)  # > 0 unless all mass is on one point
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
        return np.where((slack > 1e-15)[:, None], np.exp(logs), np.nan)

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
