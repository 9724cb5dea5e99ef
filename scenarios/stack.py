"""Several mixtures of one family and K, for the kernels that take them all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture, coordinates_of, from_coordinates

Index = NDArray[np.intp] | NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Stack:
    """B mixtures: ``weights`` (B, K) and usual ``parameters`` (B, K, d)."""

    family: Family
    weights: Array
    parameters: Array

    @classmethod
    def of(cls, mixtures: Sequence[Mixture], family: Family | None = None) -> Stack:
        """At least one mixture, all with the same K, as of ``family``'s anchor if it is given."""
        return cls(
            family or mixtures[0].family,
            np.stack([mixture.weights for mixture in mixtures]),
            np.stack([mixture.parameters for mixture in mixtures]),
        )

    @classmethod
    def from_coordinates(cls, family: Family, components: int, coordinates: Array) -> Stack:
        """The inverse of ``coordinates``, from (B, p)."""
        return cls(family, *from_coordinates(family, components, coordinates))

    def __len__(self) -> int:
        """B."""
        return len(self.weights)

    def __getitem__(self, index: int) -> Mixture:
        """One of them."""
        return Mixture(self.family, self.weights[index], self.parameters[index])

    def __iter__(self) -> Iterator[Mixture]:
        """All of them."""
        return (self[index] for index in range(len(self)))

    @property
    def components(self) -> int:
        """K."""
        return self.weights.shape[1]

    def take(self, index: Index) -> Stack:
        """Some of them."""
        return Stack(self.family, self.weights[index], self.parameters[index])

    def put(self, index: Index, others: Stack) -> None:
        """Have ``others`` in the places that ``index`` names."""
        self.weights[index], self.parameters[index] = others.weights, others.parameters

    def valid(self) -> NDArray[np.bool_]:
        """Which of them are mixtures, (B,), as ``Mixture.valid`` has it."""
        if self.family.valid(self.parameters) and (self.weights >= 0.0).all():
            return np.asarray(np.abs(self.weights.sum(axis=1) - 1.0) < 1e-6)
        return np.array([mixture.valid() for mixture in self])

    def coordinates(self) -> Array:
        """The unconstrained coordinates (B, p), as ``Mixture.coordinates`` has them."""
        return coordinates_of(self.family, self.weights, self.parameters)
