"""A finite mixture of one family: K weights and K rows of parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.families import Family
from scenarios.families.base import Array


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
