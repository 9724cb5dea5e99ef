"""A finite mixture of one family: K weights and K rows of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenarios.errors import UserError
from scenarios.families import Family, mixture_text
from scenarios.families import family as family_called
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

    ``Mixture(family, weights, parameters)`` takes arrays; ``Mixture("beta", weights, alpha=...,
    beta=...)`` takes names. A mixture may be invalid, since a fitter can return anything.
    """

    def __init__(
        self,
        family: Family | str,
        weights: ArrayLike,
        parameters: ArrayLike | None = None,
        **named: ArrayLike,
    ) -> None:
        """Raises ``UserError`` for parameters by name that make no mixture of the family."""
        if isinstance(family, str):
            family = family_called(family)
        by_name = parameters is None
        if by_name:
            weights = np.atleast_1d(np.asarray(weights, dtype=np.float64))
            parameters = _rows(family, len(weights), named)
        # The class is frozen; this is how dataclasses themselves set fields.
        for name, value in (("family", family), ("weights", weights), ("parameters", parameters)):
            object.__setattr__(self, name, value)
        if by_name and not self.valid():
            raise UserError(f"{self} is no mixture: {self._fault()}")

    def __repr__(self) -> str:
        return mixture_text(self.family, self.weights, self.parameters)

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

    def _fault(self) -> str:
        """What makes the mixture invalid, with the value."""
        if not (np.isfinite(self.weights).all() and (self.weights >= 0.0).all()):
            return f"its weights are {self.weights.tolist()}; give numbers that are not negative"
        if abs(self.weights.sum() - 1.0) >= 1e-6:
            return f"its weights sum to {self.weights.sum():.12g}; they must sum to 1"
        named = zip(self.family.parameters, self.parameters.T, strict=True)
        for parameter, column in named:
            if not np.isfinite(column).all():
                return f"its {parameter.name} is {column.tolist()}; give finite numbers"
            if parameter.kind != "location" and (column <= 0.0).any():
                return f"its {parameter.name} is {column.tolist()}; give positive numbers"
        return f"its parameters {self.parameters.tolist()} are outside the family's domain"

    def log_joint(self, x: Array) -> Array:
        """log wₖ + log f(x | θₖ), shape (K, n)."""
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        return self.family.log_density(x, self.parameters) + log_weights[:, None]

    def log_density(self, x: Array) -> Array:
        """log Σₖ wₖ f(x | θₖ), shape (n,)."""
        return np.asarray(np.logaddexp.reduce(self.log_joint(x), axis=0))

    def logpdf(self, x: ArrayLike) -> Array:
        """The log density at numbers of any shape, which the result has; -∞ off the support."""
        values = _numbers(x)
        low, high = self.family.support
        inside = (values > low) & (values < high)
        result = np.full(values.shape, -np.inf)
        result[inside] = self.log_density(values[inside])
        return result

    def pdf(self, x: ArrayLike) -> Array:
        """The density at numbers of any shape."""
        return np.exp(self.logpdf(x))

    def responsibilities(self, x: ArrayLike) -> Array:
        """P(component k | x) at numbers (n,), shape (K, n)."""
        joint = self.log_joint(_numbers(x))
        return np.exp(joint - np.logaddexp.reduce(joint, axis=0))

    def cdf(self, x: ArrayLike) -> Array:
        """P(X ≤ x) at numbers (n,), shape (n,)."""
        values = _numbers(x)
        return np.asarray(self.weights @ self.family.cdf(values, self.parameters))

    def sample(self, size: int, seed: int | np.random.Generator = 0) -> Array:
        """``size`` independent draws: a label each, then a value from its component."""
        generator = np.random.default_rng(seed)
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


def _numbers(x: ArrayLike) -> Array:
    """``x`` as numbers; ``UserError`` where it holds anything else, or a missing value."""
    try:
        values = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"the values are not all numbers: {error}") from error
    if np.isnan(values).any():
        count = int(np.isnan(values).sum())
        raise UserError(f"{count} of {values.size} values are missing (NaN): leave them out")
    return values


def _rows(family: Family, components: int, named: Mapping[str, ArrayLike]) -> Array:
    """The parameters (K, d) from one sequence of K values for each name."""
    names = family.parameter_names()
    if set(named) != set(names):
        missing, unknown = set(names) - set(named), sorted(set(named) - set(names))
        wrong = [f"{name} is missing" for name in names if name in missing]
        wrong += [f"{name} is none of them" for name in unknown]
        raise UserError(
            f"{family.name} components have the parameters {', '.join(names)}, and "
            f"{', '.join(wrong)}: give each by its name, with a value a component"
        )
    columns = [np.atleast_1d(np.asarray(named[name], dtype=np.float64)) for name in names]
    for name, column in zip(names, columns, strict=True):
        if column.shape != (components,):
            raise UserError(
                f"{name} has the shape {column.shape} and there are {components} weights: give a "
                "value a component"
            )
    return np.stack(columns, axis=1)


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

    def valid(self) -> NDArray[np.bool_]:
        """Which mixtures are valid, (B,)."""
        if self.family.valid(self.parameters) and (self.weights >= 0.0).all():
            return np.asarray(np.abs(self.weights.sum(axis=1) - 1.0) < 1e-6)
        return np.array([mixture.valid() for mixture in self])
