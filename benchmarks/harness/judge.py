"""The yardstick: figures recomputed from plain numbers with scipy's own densities.

Nothing here uses ``scenarios.mixture`` or a family's formulas: a wrong log-partition must
not move a fitter and its judge together. Only a family that scipy doesn't name here, a
plug-in's, is asked for its ``scipy`` distribution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp

from benchmarks.harness.laws import LOCATIONS, Array, laws

# A component narrower than this share of the sample's spread, while it is expected to hold
# fewer than FEW observations, sits on noise.
LONELY_FLOOR, FEW = 0.05, 10.0
MOST_PERMUTED = 6
BLOCK = 1 << 20
"""Observations whose densities are held at once."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A mixture as plain numbers: ``weights`` (K,), usual ``parameters`` (K, d)."""

    family: str
    weights: Array
    parameters: Array

    @classmethod
    def of(cls, family: str, weights: ArrayLike, parameters: ArrayLike) -> Judged:
        """From lists; the strings "nan" and "inf" are numbers too."""
        return cls(family, np.array(weights, dtype=float), np.array(parameters, dtype=float))

    @property
    def size(self) -> int:
        """The number of free parameters p."""
        return len(self.weights) - 1 + self.parameters.size

    @cached_property
    def components(self) -> list[Any]:
        """A scipy distribution with its parameters for each component."""
        known = laws()
        if self.family in known:
            return [known[self.family](*row) for row in self.parameters]
        from scenarios.families import family

        return [family(self.family).scipy_distribution(row) for row in self.parameters]

    @property
    def locations(self) -> tuple[int, ...]:
        """Indices of parameters that are locations."""
        if self.family in LOCATIONS or self.family in laws():
            return LOCATIONS.get(self.family, ())
        from scenarios.families import family

        return tuple(np.flatnonzero(~family(self.family).positive()).tolist())

    def problem(self) -> str | None:
        """Why this is no mixture; None where it is one."""
        if self.parameters.ndim != 2 or len(self.parameters) != len(self.weights):
            return f"shapes {self.weights.shape} and {self.parameters.shape} do not fit"
        if self.parameters.shape[1] != self._parameter_count():
            return f"{self.parameters.shape[1]} parameters a component are not {self.family}'s"
        if not (np.isfinite(self.weights).all() and np.isfinite(self.parameters).all()):
            return "a weight or parameter is not finite"
        if (self.weights < 0.0).any() or abs(self.weights.sum() - 1.0) > 1e-6:
            return f"weights {self.weights.tolist()} are no distribution"
        positive = [j for j in range(self.parameters.shape[1]) if j not in self.locations]
        if (self.parameters[:, positive] <= 0.0).any():
            return "a parameter that must be positive is not"
        return None

    def _parameter_count(self) -> int:
        if self.family in laws():
            return 3 if self.family == "student_t" else 2
        from scenarios.families import family

        return len(family(self.family).parameters)

    def log_density(self, x: Array) -> Array:
        """log Σ wₖ fₖ(x), shape (n,)."""
        with np.errstate(all="ignore"):
            terms = np.stack([c.logpdf(x) for c in self.components])
            terms += np.log(self.weights)[:, None]
            return np.asarray(np.logaddexp.reduce(terms, axis=0))

    def density(self, x: Array) -> Array:
        """Σ wₖ fₖ(x), shape (n,)."""
        return np.exp(self.log_density(x))

    @cached_property
    def _spreads(self) -> Array:
        return np.array([0.5 * float(np.diff(c.ppf([0.16, 0.84]))[0]) for c in self.components])

    def spreads(self) -> Array:
        """Half of each component's 16–84 % range, (K,)."""
        return self._spreads

    @cached_property
    def _ends(self) -> Array:
        """Quantiles of all components, far into the tails: where quadrature has its panels."""
        tail = 10.0 ** -np.arange(12.0, 0.0, -1.0)
        levels = np.concatenate([tail, [0.3, 0.5, 0.7], 1.0 - tail[::-1]])
        return np.concatenate([c.ppf(levels) for c in self.components])

    def places(self) -> Array:
        """(link of the median, log spread) of each component, (K, 2)."""
        link, _, _ = _link(self.components[0].support())
        with np.errstate(all="ignore"):
            middles = link(np.array([float(c.median()) for c in self.components]))
            return np.nan_to_num(np.stack([middles, np.log(self.spreads())], axis=1))

    def coordinates(self) -> Array:
        """Log-odds of the weights against the last, then log parameters (locations as are)."""
        values = self.parameters.copy()
        for j in range(values.shape[1]):
            if j not in self.locations:
                values[:, j] = np.log(values[:, j])
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.log(self.weights[:-1]) - np.log(self.weights[-1])
        return np.concatenate([odds, values.ravel()])

    def moved(self, index: int, by: float) -> Judged:
        """This mixture with one of its coordinates moved."""
        odds = np.append(np.log(self.weights[:-1]) - np.log(self.weights[-1]), 0.0)
        values = self.parameters.copy()
        if index < len(odds) - 1:
            odds[index] += by
        else:
            k, j = divmod(index - len(odds) + 1, values.shape[1])
            values[k, j] = values[k, j] + by if j in self.locations else values[k, j] * np.exp(by)
        weights = np.exp(odds - odds.max())
        return Judged(self.family, weights / weights.sum(), values)

    def permuted(self, order: tuple[int, ...] | list[int]) -> Judged:
        """The same mixture with its components in another order."""
        return Judged(self.family, self.weights[list(order)], self.parameters[list(order)])

    @cached_property
    def information(self) -> Array:
        """Fisher information of one observation in ``coordinates``, (p, p).

        Scores by central differences of the log density; the expectation by quadrature.
        """
        x, weight = quadrature(self)
        step = 1e-5
        scores = []
        for i in range(self.size):
            shift = step * (1.0 if i < len(self.weights) - 1 else self._unit(i))
            above, below = self.moved(i, shift), self.moved(i, -shift)
            scores.append((above.log_density(x) - below.log_density(x)) / (2.0 * shift))
        table = np.stack(scores)
        return np.asarray((table * (weight * self.density(x))) @ table.T)

    def _unit(self, index: int) -> float:
        """A location's step is in units of its component's spread."""
        k, j = divmod(index - len(self.weights) + 1, self.parameters.shape[1])
        return float(self.spreads()[k]) if j in self.locations else 1.0


def log_densities(family: str, weights: Array, parameters: Array, x: Array) -> Array:
    """Log densities (D, n) of D mixtures, ``weights`` (D, K) and ``parameters`` (D, K, d)."""
    known = laws().get(family)
    if known is None:
        rows = zip(weights, parameters, strict=True)
        return np.stack([Judged(family, w, p).log_density(x) for w, p in rows])
    terms = [
        known(*parameters[:, k, :, None].swapaxes(0, 1)).logpdf(x) for k in range(weights.shape[1])
    ]
    return np.asarray(logsumexp(np.stack(terms), axis=0, b=weights.T[:, :, None]))


def nll(mixture: Judged, x: Array) -> float:
    """Mean of -log f over the observations; NaN for what is no mixture."""
    if mixture.problem() is not None:
        return float("nan")
    parts = (x[low : low + BLOCK] for low in range(0, x.size, BLOCK))
    return -float(sum(mixture.log_density(part).sum() for part in parts)) / x.size


def spread(x: Array) -> float:
    """Half of the observations' 16–84 % range; of an evenly spaced part where there are many."""
    low, high = np.quantile(x[:: -(-x.size // BLOCK)], [0.16, 0.84])
    return 0.5 * float(high - low)


def spurious(mixture: Judged, x: Array, floor: float) -> str | None:
    """Why the mixture is inadmissible, before any likelihood of it is believed; or None.

    A mixture's likelihood is unbounded: a component may shrink onto a few observations.
    """
    own, whole = mixture.spreads(), spread(x)
    expected = mixture.weights * x.size
    for k in range(len(own)):
        if not own[k] >= floor * whole:
            return f"component {k + 1} has spread {own[k]:.2g}, below {floor:g} of the sample's"
        if not own[k] >= LONELY_FLOOR * whole and expected[k] < FEW:
            return (
                f"component {k + 1} has spread {own[k]:.2g}, below {LONELY_FLOOR:g} of the "
                f"sample's, and holds {expected[k]:.1f} observations"
            )
    return None


def divergences(truth: Judged, fitted: Judged) -> tuple[float, float]:
    """Hellinger distance √(½ ∫ (√f* - √f)² dx), and KL divergence ∫ f* log(f*/f) dx in nats.

    The one is between 0 and 1, the other infinite where f misses what f* has; by quadrature.
    """
    x, weight = quadrature(truth, fitted)
    theirs, ours = truth.log_density(x), fitted.log_density(x)
    gaps = np.exp(0.5 * theirs) - np.exp(0.5 * ours)
    with np.errstate(invalid="ignore"):
        terms = np.exp(theirs) * (theirs - ours)
    kl = float(weight @ np.where(np.isfinite(theirs), terms, 0.0))
    return float(np.sqrt(0.5 * (weight @ gaps**2))), kl


def alignment(mixture: Judged, truth: Judged, information: Array | None) -> tuple[int, ...]:
    """The order of ``mixture``'s labels that is nearest to ``truth``'s.

    In the Fisher metric at the truth where it is given and K is small, otherwise in (link
    of the median, log spread).
    """
    count = len(mixture.weights)
    if information is not None and count <= MOST_PERMUTED:
        orders = list(permutations(range(count)))
        gaps = np.stack([mixture.permuted(o).coordinates() for o in orders]) - truth.coordinates()
        with np.errstate(all="ignore"):
            distances = np.einsum("oi,ij,oj->o", gaps, information, gaps)
        if np.isfinite(distances).any():
            return orders[int(np.nanargmin(distances))]
    cost = ((truth.places()[:, None] - mixture.places()[None]) ** 2).sum(axis=2)
    return tuple(linear_sum_assignment(cost)[1].tolist())


def quadrature(*mixtures: Judged, order: int = 20) -> tuple[Array, Array]:
    """Nodes and weights for ∫ g(x) dx over the support, fine wherever a component has mass.

    Gauss–Legendre between quantiles of all components, on a scale that opens the support's
    ends (logit on an interval, log on a half-line).
    """
    low, high = mixtures[0].components[0].support()
    ends = np.concatenate([mixture._ends for mixture in mixtures])
    ends = ends[(ends > low) & (ends < high)]
    link, unlink, slope = _link((low, high))
    panels = np.unique(link(ends))
    nodes, weights = _legendre(order)
    middle, half = 0.5 * (panels[1:] + panels[:-1]), 0.5 * np.diff(panels)
    x = unlink((middle[:, None] + half[:, None] * nodes).ravel())
    mass = (half[:, None] * weights).ravel()
    inside = (x > low) & (x < high)
    return x[inside], mass[inside] / slope(x[inside])


@cache
def _legendre(order: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(order)


Scale = Callable[[Array], Array]


def _link(support: tuple[float, float]) -> tuple[Scale, Scale, Scale]:
    """Link, its inverse and its slope for a support."""
    from scipy.special import expit, logit

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
