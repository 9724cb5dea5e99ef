"""A finite mixture of one family: K weights and K rows of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from scenarios.errors import UserError
from scenarios.families import Family
from scenarios.families.base import Array

# Every order of the labels is tried up to this many components; beyond, K! is too many.
MOST_PERMUTED = 6
# The Fisher metric is used for alignment while its condition number is below this.
WORST_CONDITION = 1e12


def log_sum_exp(terms: Array) -> Array:
    """log Σₖ exp(terms), over the first axis (K, n) → (n,); -inf where all terms are."""
    top = terms.max(axis=0)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(terms - top).sum(axis=0)))


def coordinates_of(family: Family, weights: Array, parameters: Array) -> Array:
    """Weights (..., K), parameters (..., K, d) → coordinates (..., p)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(weights[..., :-1]) - np.log(weights[..., -1:])
    free = family.free(parameters)
    return np.concatenate(
        [odds, free.reshape(*odds.shape[:-1], weights.shape[-1] * parameters.shape[-1])], axis=-1
    )


def from_coordinates(family: Family, components: int, coordinates: Array) -> tuple[Array, Array]:
    """The inverse of ``coordinates_of``: (weights, parameters)."""
    leading = coordinates.shape[:-1]
    odds = np.concatenate([coordinates[..., : components - 1], np.zeros((*leading, 1))], axis=-1)
    weights = np.exp(odds - odds.max(axis=-1, keepdims=True))
    free = coordinates[..., components - 1 :].reshape(*leading, components, len(family.parameters))
    return weights / weights.sum(axis=-1, keepdims=True), family.usual(free)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Σₖ wₖ f(x | θₖ), with ``weights`` (K,) and usual ``parameters`` (K, d).

    A mixture may be invalid (a fitter can return anything): ``valid`` tells, ``check``
    raises. Its *coordinates* (p,) are the K - 1 log-odds log(wₖ/w_K) followed by the free
    coordinates of each component in turn.
    """

    family: Family
    weights: Array
    parameters: Array

    @property
    def components(self) -> int:
        """K."""
        return len(self.weights)

    @property
    def dimension(self) -> int:
        """The number of free parameters, p = K - 1 + K d."""
        return self.components - 1 + self.parameters.size

    def valid(self) -> bool:
        """Whether weights are a distribution (to 1e-6) and parameters are in the domain."""
        return bool(
            self.parameters.shape == (len(self.weights), len(self.family.parameters))
            and np.isfinite(self.weights).all()
            and (self.weights >= 0.0).all()
            and abs(self.weights.sum() - 1.0) < 1e-6
            and self.family.valid(self.parameters)
        )

    def check(self) -> None:
        """Raise ``UserError`` unless ``valid``."""
        if not self.valid():
            raise UserError(
                f"not a mixture: weights {self.weights.tolist()}, parameters "
                f"{self.parameters.tolist()}; weights are non-negative and sum to 1, and "
                f"{self.family.name} parameters are finite (positive where they are scales)"
            )

    def log_joint(self, x: Array) -> Array:
        """log wₖ + log f(x | θₖ), shape (K, n)."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        return self.family.log_density(x, self.parameters) + log_weights[:, None]

    def log_density(self, x: Array) -> Array:
        """log Σₖ wₖ f(x | θₖ), shape (n,)."""
        return log_sum_exp(self.log_joint(x))

    def density(self, x: Array) -> Array:
        """Σₖ wₖ f(x | θₖ), shape (n,)."""
        return np.exp(self.log_density(x))

    def responsibilities(self, x: Array) -> Array:
        """P(component k | x), shape (K, n)."""
        joint = self.log_joint(x)
        return np.exp(joint - log_sum_exp(joint))

    def cdf(self, x: Array) -> Array:
        """P(X ≤ x), shape (n,)."""
        return np.asarray(self.weights @ self.family.cdf(x, self.parameters))

    def sample(self, generator: np.random.Generator, size: int) -> Array:
        """``size`` independent draws: a label each, then a value from its component."""
        labels = generator.choice(self.components, size=size, p=self.weights / self.weights.sum())
        x = np.empty(size)
        for k in range(self.components):
            mine = labels == k
            x[mine] = self.family.draw(generator, self.parameters[k], int(mine.sum()))
        return x

    def coordinates(self) -> Array:
        """The unconstrained coordinates (p,); infinite log-odds for a weight of zero."""
        return coordinates_of(self.family, self.weights, self.parameters)

    @classmethod
    def from_coordinates(cls, family: Family, components: int, coordinates: Array) -> Mixture:
        """The inverse of ``coordinates``."""
        return cls(family, *from_coordinates(family, components, coordinates))

    def within(self, family: Family) -> Mixture:
        """The same mixture, whose coordinates are those of ``family``'s anchor."""
        return Mixture(family, self.weights, self.parameters)

    def permuted(self, order: Array | tuple[int, ...] | list[int]) -> Mixture:
        """The same mixture with its components in another order."""
        index = np.asarray(order, dtype=np.intp)
        return Mixture(self.family, self.weights[index], self.parameters[index])

    def quadrature(self, order: int = 24) -> tuple[Array, Array]:
        """Nodes x (m,) and weights (m,) with Σ weight·g(x) ≈ ∫ g(x) dx over the support.

        Gauss–Legendre on panels of the link scale, where end-point singularities of the
        density are gone; panels end at quantiles of every component, so that none is
        missed however narrow. Mass beyond the outermost quantiles, 1e-13 a side, is left out.
        """
        tail = 10.0 ** -np.arange(13.0, 0.0, -1.0)
        levels = np.concatenate([tail, [0.3, 0.5, 0.7], 1.0 - tail[::-1]])
        ends = self.family.quantile(levels, self.parameters).ravel()
        low, high = self.family.support
        ends = ends[(ends > low) & (ends < high)]
        panels = np.unique(self.family.link(ends))
        nodes, weights = np.polynomial.legendre.leggauss(order)
        middle, half = 0.5 * (panels[1:] + panels[:-1]), 0.5 * np.diff(panels)
        y = (middle[:, None] + half[:, None] * nodes).ravel()
        x = self.family.unlink(y)
        inside = (x > low) & (x < high)
        x, mass = x[inside], (half[:, None] * weights).ravel()[inside]
        return x, mass / self.family.link_slope(x)

    def scores(self, x: Array) -> Array:
        """∂ log density / ∂ coordinates, shape (p, n)."""
        responsibilities = self.responsibilities(x)
        odds = responsibilities[:-1] - self.weights[:-1, None]
        components = responsibilities[:, None, :] * self.family.score(x, self.parameters)
        return np.concatenate([odds, components.reshape(-1, x.size)])

    def fisher_information(self) -> Array:
        """E[score scoreᵀ] of one observation, in coordinates (p, p), by quadrature."""
        x, weight = self.quadrature()
        scores = self.scores(x)
        return np.asarray((scores * (weight * self.density(x))) @ scores.T)

    def aligned_to(self, other: Mixture) -> Mixture:
        """This mixture with its labels in the order that is nearest to ``other``'s.

        Nearest in the Fisher metric at ``other``; where that is singular, or K too large
        to try every order, in (link of the median, log spread) of the components.
        """
        if self.components == 1:
            return self
        if self.components <= MOST_PERMUTED:
            information = other.fisher_information()
            if np.isfinite(information).all() and np.linalg.cond(information) < WORST_CONDITION:
                target = other.coordinates()
                orders = list(permutations(range(self.components)))
                gaps = np.stack([self.permuted(o).coordinates() - target for o in orders])
                distances = np.einsum("oi,ij,oj->o", gaps, information, gaps)
                if np.isfinite(distances).any():
                    return self.permuted(orders[int(np.nanargmin(distances))])
        from scipy.optimize import linear_sum_assignment

        cost = ((other._places()[:, None, :] - self._places()[None, :, :]) ** 2).sum(axis=2)
        return self.permuted(linear_sum_assignment(np.nan_to_num(cost, nan=1e300))[1])

    def _places(self) -> Array:
        """(link of the median, log spread) of each component, (K, 2)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = self.family.quantile(np.array([0.5]), self.parameters)[:, 0]
            spread = self.family.spread(self.parameters)
            return np.stack([self.family.link(middle), np.log(spread)], axis=1)
