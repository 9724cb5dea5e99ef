"""A finite mixture of one family: K weights and K rows of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scenarios.families import Family
from scenarios.families.base import Array

Index = NDArray[np.intp] | NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Coordinates:
    """``weights`` (..., K) and usual ``parameters`` (..., K, d), and their coordinates (..., p).

    Coordinates are unconstrained: the K - 1 log-odds log(wₖ/w_K), then the free coordinates of
    each component in turn.
    """

    family: Family
    weights: Array
    parameters: Array

    @property
    def components(self) -> int:
        """K."""
        return self.weights.shape[-1]

    def coordinates(self) -> Array:
        """The coordinates (..., p); infinite log-odds for a weight of zero."""
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.log(self.weights[..., :-1]) - np.log(self.weights[..., -1:])
        size = self.components * self.parameters.shape[-1]
        free = self.family.free(self.parameters).reshape(*odds.shape[:-1], size)
        return np.concatenate([odds, free], axis=-1)

    @classmethod
    def from_coordinates(cls, family: Family, components: int, coordinates: Array) -> Self:
        """The inverse of ``coordinates``."""
        odds, free = np.split(coordinates, [components - 1], axis=-1)
        odds = np.concatenate([odds, np.zeros((*odds.shape[:-1], 1))], axis=-1)
        weights = np.exp(odds - odds.max(axis=-1, keepdims=True))
        free = free.reshape(*odds.shape, len(family.parameters))
        return cls(family, weights / weights.sum(axis=-1, keepdims=True), family.usual(free))


class Mixture(_Coordinates):
    """Σₖ wₖ f(x | θₖ), with ``weights`` (K,), usual ``parameters`` (K, d) and coordinates (p,).

    A mixture may be invalid, since a fitter can return anything.
    """

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
        return np.asarray(np.logaddexp.reduce(self.log_joint(x), axis=0))

    def responsibilities(self, x: Array) -> Array:
        """P(component k | x), shape (K, n)."""
        joint = self.log_joint(x)
        return np.exp(joint - np.logaddexp.reduce(joint, axis=0))

    def cdf(self, x: Array) -> Array:
        """P(X ≤ x), shape (n,)."""
        return np.asarray(self.weights @ self.family.cdf(x, self.parameters))

    def sample(self, generator: np.random.Generator, size: int) -> Array:
        """``size`` independent draws: a label each, then a value from its component."""
        labels = generator.choice(self.components, size=size, p=self.weights / self.weights.sum())
        x = np.empty(size)
        for k in range(self.components):
            drawn = labels == k
            x[drawn] = self.family.draw(generator, self.parameters[k], int(drawn.sum()))
        return x

    def within(self, family: Family) -> Mixture:
        """The same mixture of ``family``, whose centre and scale its coordinates then have."""
        return Mixture(family, self.weights, self.parameters)

    def permuted(self, order: Array | tuple[int, ...] | list[int]) -> Mixture:
        """The same mixture with its components in another order."""
        index = np.asarray(order, dtype=np.intp)
        return Mixture(self.family, self.weights[index], self.parameters[index])


class MixtureBatch(_Coordinates):
    """B mixtures: ``weights`` (B, K), usual ``parameters`` (B, K, d) and coordinates (B, p)."""

    @classmethod
    def of(cls, mixtures: Sequence[Mixture], family: Family | None = None) -> MixtureBatch:
        """Make a batch of at least one mixture, all with the same K, of ``family`` if given."""
        return cls(
            family or mixtures[0].family,
            np.stack([mixture.weights for mixture in mixtures]),
            np.stack([mixture.parameters for mixture in mixtures]),
        )

    def __len__(self) -> int:
        """B."""
        return len(self.weights)

    def __getitem__(self, index: int) -> Mixture:
        """One mixture."""
        return Mixture(self.family, self.weights[index], self.parameters[index])

    def __iter__(self) -> Iterator[Mixture]:
        """All mixtures."""
        return (self[index] for index in range(len(self)))

    def take(self, index: Index) -> MixtureBatch:
        """A batch of some of the mixtures."""
        return MixtureBatch(self.family, self.weights[index], self.parameters[index])

    def put(self, index: Index, others: MixtureBatch) -> None:
        """Replace the mixtures at ``index`` by ``others``."""
        self.weights[index], self.parameters[index] = others.weights, others.parameters

    def valid(self) -> NDArray[np.bool_]:
        """Which mixtures are valid, (B,)."""
        if self.family.valid(self.parameters) and (self.weights >= 0.0).all():
            return np.asarray(np.abs(self.weights.sum(axis=1) - 1.0) < 1e-6)
        return np.array([mixture.valid() for mixture in self])
