"""What a fitter sees: observations as weighted rows of sufficient statistics.

The sample owns the kernels that pass over the data, and counts the passes, so that work
means the same thing for every fitter that uses them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture


@dataclass(eq=False)
class Sample:
    """Observations of one family, as ``rows`` with ``counts``.

    ``rows`` (r, d) hold T(x) for an exponential family, in column-major order so that
    each statistic is contiguous, and x itself (r, 1) otherwise; ``counts`` (r,) say how
    many observations a row stands for; ``log_base`` is Σ h(x), which no parameter moves.
    ``evaluations`` counts passes: density rows evaluated ÷ n.

    ``family`` is anchored at the data, and the kernels' derivatives are in its free
    coordinates, whatever anchor a mixture given to them has.
    """

    family: Family
    observations: Array
    rows: Array
    counts: Array
    log_base: float
    evaluations: float = 0.0

    @classmethod
    def of(cls, observations: Array, family: Family) -> Sample:
        """The exact sample: a row for each observation.

        Raises ``UserError`` for no observations, and ``SupportError`` for observations
        outside the family's support.
        """
        x = np.ascontiguousarray(observations, dtype=np.float64).ravel()
        if x.size == 0:
            raise UserError("there are no observations to fit: give at least one")
        family.check_support(x)
        anchored = family.anchored(x)
        if isinstance(anchored, ExponentialFamily):
            rows = np.asfortranarray(anchored.statistics(x))
            log_base = float(anchored.log_base(x).sum())
        else:
            rows, log_base = x[:, None], 0.0
        return cls(anchored, x, rows, np.ones(x.size), log_base)

    @property
    def size(self) -> int:
        """The number of observations n, not of rows."""
        return int(self.observations.size)

    def digest(self) -> str:
        """SHA-256 of the observations' bytes: equal digests, equal data."""
        return hashlib.sha256(self.observations.tobytes()).hexdigest()

    def count(self, passes: float = 1.0) -> None:
        """Enter passes made by other code than this sample's kernels."""
        self.evaluations += passes

    def log_likelihood(self, mixture: Mixture) -> float:
        """Σ log density in nats: one pass."""
        _, log_densities = self._responsibilities(mixture)
        return float(self.counts @ log_densities) + self.log_base

    def expectation(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """The E-step: (log likelihood, expected counts (K,), Σ responsibility·row (K, d)).

        One pass.
        """
        responsibilities, log_densities = self._responsibilities(mixture)
        responsibilities *= self.counts
        return (
            float(self.counts @ log_densities) + self.log_base,
            responsibilities.sum(axis=1),
            responsibilities @ self.rows,
        )

    def gradient(self, mixture: Mixture) -> tuple[float, Array]:
        """Log likelihood and its gradient (p,) in coordinates.

        One pass for an exponential family; otherwise the component scores are numeric,
        and each of their differences counts as a pass too.
        """
        family, weights = self.family, mixture.weights
        if isinstance(family, ExponentialFamily):
            value, mass, totals = self.expectation(mixture)
            jacobian, _ = family.natural_derivatives(mixture.parameters)
            mean = family.mean_statistics(family.natural(mixture.parameters))
            free = np.einsum("kja,kj->ka", jacobian, totals - mass[:, None] * mean)
        else:
            responsibilities, log_densities = self._responsibilities(mixture)
            value = float(self.counts @ log_densities) + self.log_base
            responsibilities *= self.counts
            mass = responsibilities.sum(axis=1)
            scores = family.score(self.rows[:, 0], mixture.parameters)
            self.count(family.score_cost() * len(self.rows) / self.size)
            free = np.einsum("kn,kdn->kd", responsibilities, scores)
        odds = mass[:-1] - mass.sum() * weights[:-1]
        return value, np.concatenate([odds, free.ravel()])

    def hessian(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """Log likelihood, gradient (p,) and exact Hessian (p, p) in coordinates: one pass.

        With r the responsibilities and g the gradients of log wₖf, per observation,
        ∇²ℓ = Σₖ rₖ(gₖgₖᵀ + ∇gₖ) - (Σₖ rₖgₖ)(Σₖ rₖgₖ)ᵀ (Louis 1982, *JRSS B* 44:226). As
        every g is linear in u = (1, T), all of it follows from Σ rₖ u uᵀ and Σ rₖrₗ u uᵀ.
        Exponential families only.
        """
        family = self.family
        if not isinstance(family, ExponentialFamily):
            raise TypeError(f"{family.name} is no exponential family: there is no exact Hessian")
        weights, components = mixture.weights, mixture.components
        responsibilities, log_densities = self._responsibilities(mixture)
        value = float(self.counts @ log_densities) + self.log_base
        u = np.concatenate([np.ones((1, len(self.rows))), self.rows.T])
        width = len(u)
        products = (responsibilities[:, None, :] * u).reshape(components * width, -1)
        weighted = products * self.counts
        single = (weighted @ u.T).reshape(components, width, width)  # Σ rₖ u uᵀ
        pairs = weighted @ products.T  # Σ rₖrₗ u uᵀ, in blocks

        # Each component's own gradient as a linear map of u: free coordinates from T - E T,
        # the log-odds from 1.
        jacobian, curvature = family.natural_derivatives(mixture.parameters)
        eta = family.natural(mixture.parameters)
        mean = family.mean_statistics(eta)
        covariance = family.covariance_statistics(eta)
        d = eta.shape[1]
        p = components - 1 + components * d
        mass = single[:, 0, 0]
        maps = np.zeros((components, p, width))
        for k in range(components):
            free = slice(components - 1 + k * d, components - 1 + (k + 1) * d)
            maps[k, free, 0] = -jacobian[k].T @ mean[k]
            maps[k, free, 1:] = jacobian[k].T
            maps[k, : components - 1, 0] -= weights[:-1]
            if k < components - 1:
                maps[k, k, 0] += 1.0
        gradient = np.einsum("kpu,ku->p", maps, single[:, 0, :])
        stacked = maps.transpose(1, 0, 2).reshape(p, -1)
        hessian = np.einsum("kpu,kuv,kqv->pq", maps, single, maps) - stacked @ pairs @ stacked.T
        odds = np.diag(weights[:-1]) - np.outer(weights[:-1], weights[:-1])
        hessian[: components - 1, : components - 1] -= mass.sum() * odds
        for k in range(components):
            free = slice(components - 1 + k * d, components - 1 + (k + 1) * d)
            residual = single[k, 0, 1:] - mass[k] * mean[k]
            hessian[free, free] += np.einsum("j,jab->ab", residual, curvature[k])
            hessian[free, free] -= mass[k] * (jacobian[k].T @ covariance[k] @ jacobian[k])
        return value, gradient, hessian

    def _responsibilities(self, mixture: Mixture) -> tuple[Array, Array]:
        """P(component | row), (K, r), and log densities without h, (r,): one pass."""
        family = self.family
        with np.errstate(divide="ignore"):
            constants = np.log(mixture.weights)
        if isinstance(family, ExponentialFamily):
            eta = family.natural(mixture.parameters)
            joint = eta @ self.rows.T
            joint += (constants - family.log_partition(eta))[:, None]
        else:
            joint = family.log_density(self.rows[:, 0], mixture.parameters)
            joint += constants[:, None]
        self.count(len(self.rows) / self.size)
        top = joint.max(axis=0)
        joint -= top
        np.exp(joint, out=joint)
        total = joint.sum(axis=0)
        joint /= total
        return joint, top + np.log(total)
