"""A uniform distribution with soft edges: flat tops are no groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from benchmarks.fit.draws import Draws
from benchmarks.fit.models import Model
from scenarios.families.base import Array

SOFTNESS = (2e-3, 2.0)
"""Least and greatest standard deviation of the edges ÷ half the width."""
LEVELS = 4_001
"""Places at which the distribution function is computed, for quantiles."""


@dataclass(frozen=True, eq=False)
class SoftUniform(Model):
    """The sum of a uniform variable from ``low`` to ``high`` and a normal one with sd ``edge``."""

    low: float
    high: float
    edge: float

    @classmethod
    def of(cls, draws: Draws) -> SoftUniform | None:
        """The fit to one data set; None where none was found."""
        value, (low, high, edge) = _fit(draws, 0)
        if not np.isfinite(value):
            return None
        return cls("uniform with soft edges", 3, value, low, high, edge)

    def draw(self, generator: np.random.Generator, size: int) -> Array:
        """Draw both variables by numpy."""
        flat = generator.uniform(self.low, self.high, size)
        return flat + generator.normal(0.0, self.edge, size)

    def quantiles(self, levels: Array) -> Array:
        """Interpolate in the distribution function, the mean of Φ over the uniform variable."""
        x = np.linspace(self.low - 9.0 * self.edge, self.high + 9.0 * self.edge, LEVELS)
        below = _integral((x - self.low) / self.edge) - _integral((x - self.high) / self.edge)
        return np.interp(levels, self.edge * below / (self.high - self.low), x)

    def refit(self, draws: Draws, generator: np.random.Generator) -> Array:
        """Fit each data set."""
        return np.array([_fit(draws, index)[0] for index in range(len(draws))])


def _integral(z: Array) -> Array:
    """∫ Φ from -∞ to z, which is z Φ(z) + φ(z)."""
    return np.asarray(z * ndtr(z) + np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi))


def _fit(draws: Draws, index: int) -> tuple[float, tuple[float, float, float]]:
    """The largest log likelihood of a data set, with the ends and the edge; -∞ without one."""
    from scipy.optimize import minimize

    x = draws.x[index if len(draws.x) > 1 else 0]
    counts = np.ones(x.size) if draws.counts is None else draws.counts[index]
    mean = float((counts * x).sum() / draws.size)
    sd = float(np.sqrt((counts * (x - mean) ** 2).sum() / draws.size))
    y = (x - mean) / sd

    def loss(place: Array) -> tuple[float, Array]:
        value, gradient = _log_likelihood(y, counts, *place)
        return -value / draws.size, -gradient / draws.size

    bounds = [(None, None), (-5.0, 5.0), tuple(np.log(SOFTNESS))]
    start = np.array([0.0, 0.5 * np.log(3.0), np.log(0.2)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    middle, half, edge = found.x[0], np.exp(found.x[1]), np.exp(found.x[1] + found.x[2])
    value = -draws.size * (float(found.fun) + np.log(sd))
    low, high = mean + sd * (middle - half), mean + sd * (middle + half)
    return float(np.nan_to_num(value, nan=-np.inf)), (float(low), float(high), float(sd * edge))


def _log_likelihood(
    y: Array, counts: Array, middle: float, log_half: float, log_softness: float
) -> tuple[float, Array]:
    """The log likelihood and its gradient (3,) by the middle, log half width and log softness."""
    half = np.exp(log_half)
    edge = half * np.exp(log_softness)
    u, v = (y - middle + half) / edge, (y - middle - half) / edge
    # Φ(u) - Φ(v) is Φ(-v) - Φ(-u), which is exact where both are near 1.
    right = u + v > 0.0
    larger, smaller = np.where(right, -v, u), np.where(right, -u, v)
    top = log_ndtr(larger)
    each = top + np.log1p(-np.exp(log_ndtr(smaller) - top))
    value = (counts * each).sum() - counts.sum() * np.log(2.0 * half)
    at_u, at_v = (counts * np.exp(-0.5 * z**2 - each) / np.sqrt(2.0 * np.pi) for z in (u, v))
    by_middle = (at_v - at_u).sum() / edge
    by_half = ((at_u + at_v) / edge).sum() * half - counts.sum()
    by_edge = (at_v * v - at_u * u).sum()
    return float(value), np.array([by_middle, by_half + by_edge, by_edge])
