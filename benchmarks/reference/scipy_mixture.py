"""Mixtures as plain numbers, evaluated by scipy's densities: the basis of every score.

Nothing here uses ``Mixture`` or a family's formulas: a wrong log-partition must not
change a fit and its score alike. A family gives its scipy distribution, its support, and the
number and kind of its parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from scenarios.families import Array, Family, family, mixture_text

IO_BLOCK = 1 << 20
"""Observations of a mapped file that are read at once."""
CACHE_BLOCK = 1 << 14
"""Densities computed at once, which stay in the processor's cache."""
LEGENDRE = np.polynomial.legendre.leggauss(20)
"""Nodes and weights on (−1, 1), the same for every panel of a quadrature."""
MAX_WEIGHT_ERROR = 1e-6
"""Largest distance of the sum of valid weights from 1."""
STEP = 1e-5
"""Of central differences in coordinates; in a location, relative to its component's spread."""


@dataclass(frozen=True, eq=False)
class ScipyMixture:
    """A mixture as plain numbers: ``weights`` (K,), usual ``parameters`` (K, d).

    Its *coordinates* (p,) are the log-odds of the weights against the last, then each component's
    parameters: a location unchanged, any other parameter as its logarithm.
    """

    family: str
    weights: Array
    parameters: Array

    @classmethod
    def of(cls, family: str, weights: ArrayLike, parameters: ArrayLike) -> ScipyMixture:
        """Make one from plain numbers, in which the strings "nan" and "inf" are numbers too.

        Weights whose sum is 1 to ``MAX_WEIGHT_ERROR`` are divided by it: a sum of 1 + 5e-7 would
        add 0.1 nats to the likelihood of 200,000 observations.
        """
        shares = np.array(weights, dtype=float)
        if shares.ndim == 1 and abs(shares.sum() - 1.0) <= MAX_WEIGHT_ERROR:
            shares = shares / shares.sum()
        return cls(family, shares, np.array(parameters, dtype=float))

    def __repr__(self) -> str:
        return mixture_text(self._family, self.weights, self.parameters)

    @property
    def size(self) -> int:
        """The number of free parameters p."""
        return len(self.weights) - 1 + self.parameters.size

    @cached_property
    def _family(self) -> Family:
        return family(self.family)

    @cached_property
    def _distribution(self) -> Any:
        return self._family.scipy_distribution(self.parameters)

    @property
    def locations(self) -> tuple[int, ...]:
        """The indices of the parameters that are locations."""
        return tuple(np.flatnonzero(~self._family.positive()).tolist())

    def invalid_reason(self) -> str | None:
        """Why the mixture is invalid; None where it is valid."""
        fits = self.weights.ndim == 1 and self.parameters.ndim == 2
        if not fits or len(self.parameters) != len(self.weights):
            return f"shapes {self.weights.shape} and {self.parameters.shape} do not fit"
        positive = self._family.positive()
        if self.parameters.shape[1] != len(positive):
            return f"{self.parameters.shape[1]} parameters a component are not {self.family}'s"
        if not (np.isfinite(self.weights).all() and np.isfinite(self.parameters).all()):
            return "a weight or parameter is not finite"
        if (self.weights < 0.0).any() or abs(self.weights.sum() - 1.0) > MAX_WEIGHT_ERROR:
            return f"weights {self.weights.tolist()} are no distribution"
        if (self.parameters[:, positive] <= 0.0).any():
            return "a parameter that must be positive is not"
        return None

    def component_log_densities(self, x: Array) -> Array:
        """log fₖ(x), shape (K, n)."""
        return np.asarray(self._distribution.logpdf(x))

    def log_density(self, x: Array) -> Array:
        """log Σ wₖ fₖ(x), shape (n,)."""
        with np.errstate(all="ignore"):
            terms = self.component_log_densities(x) + np.log(self.weights)[:, None]
            return np.asarray(np.logaddexp.reduce(terms, axis=0))

    def density(self, x: Array) -> Array:
        """Σ wₖ fₖ(x), shape (n,)."""
        return np.exp(self.log_density(x))

    def logpdf(self, x: ArrayLike) -> Array:
        """The log density at numbers of any shape, which the result has; -∞ off the support."""
        return self.log_density(np.ravel(x).astype(float)).reshape(np.shape(x))

    def pdf(self, x: ArrayLike) -> Array:
        """The density at numbers of any shape."""
        return np.exp(self.logpdf(x))

    def cdf(self, x: ArrayLike) -> Array:
        """P(X ≤ x) at numbers (n,), shape (n,)."""
        return np.asarray(self.weights @ self._distribution.cdf(np.asarray(x, dtype=float)))

    def responsibilities(self, x: ArrayLike) -> Array:
        """P(component k | x) at numbers (n,) inside the support, shape (K, n)."""
        values = np.asarray(x, dtype=float)
        with np.errstate(divide="ignore"):
            joint = self.component_log_densities(values) + np.log(self.weights)[:, None]
        return np.exp(joint - np.logaddexp.reduce(joint, axis=0))

    def sample(self, size: int, seed: int | np.random.Generator = 0) -> Array:
        """``size`` independent draws, by inversion."""
        generator = np.random.default_rng(seed)
        labels = generator.choice(len(self.weights), size=size, p=self.weights)
        levels = generator.uniform(size=size)
        return np.asarray(self.quantiles(levels)[labels, np.arange(size)])

    def quantiles(self, q: ArrayLike) -> Array:
        """Each component's quantiles at probabilities ``q`` (m,), shape (K, m)."""
        return np.asarray(self._distribution.ppf(np.asarray(q)))

    def medians(self) -> Array:
        """Each component's median, (K,)."""
        return self.quantiles([0.5])[:, 0]

    @cached_property
    def spreads(self) -> Array:
        """Half of each component's 16–84 % range, (K,)."""
        low, high = self.quantiles([0.16, 0.84]).T
        return 0.5 * (high - low)

    def places(self) -> Array:
        """(link of the median, log spread) of each component, (K, 2)."""
        link = link_of(self.family)
        with np.errstate(all="ignore"):
            return np.nan_to_num(np.stack([link(self.medians()), np.log(self.spreads)], axis=1))

    def coordinates(self) -> Array:
        """The coordinates (p,)."""
        positive = self._family.positive()
        values = self.parameters.copy()
        values[:, positive] = np.log(values[:, positive])
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.log(self.weights[:-1]) - np.log(self.weights[-1])
        return np.concatenate([odds, values.ravel()])

    def from_coordinates(self, points: Array) -> tuple[Array, Array]:
        """Weights (D, K) and parameters (D, K, d) at coordinates ``points`` (D, p)."""
        count, positive = len(self.weights), self._family.positive()
        odds = np.concatenate([points[:, : count - 1], np.zeros((len(points), 1))], axis=1)
        weights = np.exp(odds - odds.max(axis=1, keepdims=True))
        values = points[:, count - 1 :].reshape(len(points), count, -1).copy()
        values[..., positive] = np.exp(values[..., positive])
        return weights / weights.sum(axis=1, keepdims=True), values

    def permuted(self, order: tuple[int, ...] | list[int]) -> ScipyMixture:
        """The same mixture with its components in another order."""
        return ScipyMixture(self.family, self.weights[list(order)], self.parameters[list(order)])

    @cached_property
    def information(self) -> Array:
        """Fisher information of one observation in ``coordinates``, (p, p).

        Scores by central differences of the log density; the expectation by quadrature.
        """
        x, weight = quadrature(self)
        units = np.ones(self.parameters.shape)
        units[:, ~self._family.positive()] = self.spreads[:, None]
        steps = STEP * np.concatenate([np.ones(len(self.weights) - 1), units.ravel()])
        shifts = np.concatenate([np.diag(steps), -np.diag(steps)])
        moved = self.from_coordinates(self.coordinates() + shifts)
        above, below = np.split(log_densities(self.family, *moved, x), 2)
        scores = (above - below) / (2.0 * steps[:, None])
        return np.asarray((scores * (weight * self.density(x))) @ scores.T)


def log_densities(name: str, weights: Array, parameters: Array, x: Array) -> Array:
    """Log densities (D, n) of D mixtures, ``weights`` (D, K) and ``parameters`` (D, K, d)."""
    rows = parameters.reshape(weights.size, -1)
    terms = np.asarray(family(name).scipy_distribution(rows).logpdf(x))
    with np.errstate(all="ignore"):
        terms = terms.reshape(*weights.shape, -1) + np.log(weights)[:, :, None]
        return np.asarray(np.logaddexp.reduce(terms, axis=1))


def mean_nll(mixture: ScipyMixture, x: Array) -> float:
    """Mean of -log f over the observations; NaN for an invalid mixture."""
    if mixture.invalid_reason() is not None:
        return float("nan")
    block = max(1, CACHE_BLOCK // len(mixture.weights))
    parts = (x[low : low + block] for low in range(0, x.size, block))
    return -float(sum(mixture.log_density(part).sum() for part in parts)) / x.size


def quadrature(*mixtures: ScipyMixture) -> tuple[Array, Array]:
    """Nodes and weights for ∫ g(x) dx over the support, fine wherever a component has mass.

    Gauss–Legendre between quantiles of all components, far into the tails, on a scale that opens
    the support's ends (logit on an interval, log on a half-line).
    """
    tail = 10.0 ** -np.arange(12.0, 0.0, -1.0)
    levels = np.concatenate([tail, [0.3, 0.5, 0.7], 1.0 - tail[::-1]])
    low, high = family(mixtures[0].family).support
    ends = np.concatenate([mixture.quantiles(levels).ravel() for mixture in mixtures])
    ends = ends[(ends > low) & (ends < high)]
    link, unlink, slope = _link((low, high))
    panels = np.unique(link(ends))
    nodes, weights = LEGENDRE
    middle, half = 0.5 * (panels[1:] + panels[:-1]), 0.5 * np.diff(panels)
    x = unlink((middle[:, None] + half[:, None] * nodes).ravel())
    mass = (half[:, None] * weights).ravel()
    inside = (x > low) & (x < high)
    return x[inside], mass[inside] / slope(x[inside])


Scale = Callable[[Array], Array]


def link_of(name: str) -> Scale:
    """The map of a family's support onto the real line."""
    return _link(family(name).support)[0]


def _link(support: tuple[float, float]) -> tuple[Scale, Scale, Scale]:
    """A link that maps a support onto the real line, its inverse, and its slope."""
    low, high = support
    if np.isfinite(low) and np.isfinite(high):
        width = high - low
        return (
            lambda x: logit((x - low) / width),
            lambda y: low + width * expit(y),
            lambda x: width / ((x - low) * (high - x)),
        )
    if np.isfinite(low):
        return (lambda x: np.log(x - low), lambda y: low + np.exp(y), lambda x: 1.0 / (x - low))
    return (lambda x: x, lambda y: y, np.ones_like)
