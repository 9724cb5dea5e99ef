"""Cells of an exponential family's components, and bounds that hold over a whole cell.

A cell is a rectangle of place u and log precision t. In the natural parameters, lines of constant
u are rays through one point and those of constant t are parallel, so that a cell is a trapezoid:
the convex hull of its four corners.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy import special

from benchmarks.reference.admissible import LEVELS, Region
from benchmarks.reference.gamma_functions import UNDERFLOW, bend, logit_quantile
from scenarios.families import Array, ExponentialFamily

Booleans = NDArray[np.bool_]
CHEBYSHEV = float(np.sqrt(0.32)) ** -1
"""Half of a 16–84 % range is at most this many standard deviations: there is 0.32 outside."""
NORMAL = float(special.ndtri(LEVELS[1]))
"""The same of a normal distribution, exactly."""


class Cells(ABC):
    """The components of one family in (u, t), on the link's scale y.

    There a component's density is at most √(κ/2π) exp(-κ Q(y)), with a precision κ and a
    distance Q of u from y: both are below.
    """

    def __init__(self, region: Region) -> None:
        family = region.family
        assert isinstance(family, ExponentialFamily)
        self.family, self.region = family, region
        self.least = region.min_spread * region.spread
        self.least_link = region.min_spread * region.link_spread

    @abstractmethod
    def usual(self, u: Array, t: Array) -> Array:
        """Usual parameters (m, d)."""

    @abstractmethod
    def distance(self, u: Array, y: Array) -> Array:
        """Q(y) of components at u: 0 at y = u; it grows with y's distance from u, and with u's."""

    @abstractmethod
    def stretch(self, x: Array) -> Array:
        """dx/dy (n,)."""

    def least_widths(self, x: Array) -> Array:
        """About the width of the narrowest admissible component at x (n,), in y."""
        return np.minimum(self.least_link, self.least / self.stretch(x))

    @abstractmethod
    def slopes(self, x: Array) -> Array:
        """dT/dy, (n, d)."""

    @abstractmethod
    def top(self, low: float, high: float) -> float:
        """A t above which components are inadmissible, wherever u is from ``low`` to ``high``."""

    @abstractmethod
    def largest_spreads(self, cells: Array) -> tuple[Array, Array]:
        """Upper bounds (m,) of the spreads, in x and by the link, in cells (m, 4)."""

    def precision(self, u: Array, t: Array) -> Array:
        """κ (m,), which grows with t."""
        return np.exp(t)

    def least_precision(self, cells: Array) -> Array:
        """The least κ in cells (m, 4)."""
        return np.minimum(*(self.precision(cells[:, j], cells[:, 2]) for j in (0, 1)))

    def largest_precision(self, cells: Array) -> Array:
        """The largest κ in cells (m, 4): low u, high u, low t, high t."""
        return self.precision(np.clip(0.0, cells[:, 0], cells[:, 1]), cells[:, 3])

    def lowest(self, precision: float) -> float:
        """A t below which κ is nowhere above ``precision``."""
        return float(np.log(precision))

    def admissible(self, u: Array, t: Array) -> Booleans:
        """Which components are admissible, (m,)."""
        return self.region.relative_spreads(self.usual(u, t)) >= self.region.min_spread

    def inadmissible(self, cells: Array) -> Booleans:
        """Which cells (m, 4) hold no admissible component, (m,)."""
        with np.errstate(all="ignore"):
            spread, link_spread = self.largest_spreads(cells)
        return (spread < self.least) & (link_spread < self.least_link)

    @abstractmethod
    def divergence(self, centre: Array, corners: Array) -> Array:
        """A(η') - A(η) - ∇A(η)·(η' - η) from centres (m, 2) to corners (m, k, 2), shape (m, k).

        It is the Kullback–Leibler divergence of the corner from the centre, here without
        differences of large numbers.
        """


class NormalCells(Cells):
    """u = μ, t = -2 log σ; κ = σ⁻², Q = (y - u)²/2."""

    def usual(self, u: Array, t: Array) -> Array:
        """(μ, σ)."""
        return np.stack([u, np.exp(-0.5 * t)], axis=1)

    def stretch(self, x: Array) -> Array:
        """One."""
        return np.ones(x.shape)

    def slopes(self, x: Array) -> Array:
        """(1, 2z) ÷ the family's scale."""
        z = self.family.statistics(x)[:, 0]
        return np.stack([np.ones(x.shape), 2.0 * z], axis=1) / self.family.scale

    def distance(self, u: Array, y: Array) -> Array:
        """(y - u)²/2."""
        return 0.5 * (y - u) ** 2

    def divergence(self, centre: Array, corners: Array) -> Array:
        """½ (σ'⁻² (μ' - μ)² + ρ - 1 - log ρ), ρ = σ²/σ'²."""
        place, log_ratio = np.moveaxis(corners - centre[:, None], 2, 0)
        square = np.exp(corners[..., 1]) * place**2
        return np.asarray(0.5 * (square + np.expm1(log_ratio) - log_ratio))

    def top(self, low: float, high: float) -> float:
        """The least σ is proportional to the least spread."""
        return -2.0 * float(np.log(self.least / NORMAL))

    def largest_spreads(self, cells: Array) -> tuple[Array, Array]:
        """Both are in proportion to the largest σ."""
        spread = NORMAL * np.exp(-0.5 * cells[:, 2])
        return spread, spread


class LogNormalCells(NormalCells):
    """The normal's in log x."""

    def stretch(self, x: Array) -> Array:
        """x."""
        return x

    def top(self, low: float, high: float) -> float:
        """At the largest μ the spread exp(μ) sinh(c σ) in x allows the least σ."""
        in_x = float(np.arcsinh(self.least * np.exp(-high)))
        return -2.0 * float(np.log(min(self.least_link, in_x) / NORMAL))

    def largest_spreads(self, cells: Array) -> tuple[Array, Array]:
        """At the largest σ, and in x at the largest μ."""
        link = NORMAL * np.exp(-0.5 * cells[:, 2])
        return np.exp(cells[:, 1]) * np.sinh(link), link


class GammaCells(Cells):
    """u = log mean, t = log a; κ = a, Q = exp(y - u) - 1 - (y - u).

    The density of y = log x is aᵃ exp(-a)/Γ(a) exp(-a Q), and Γ(a) ≥ √(2π/a) (a/e)ᵃ.
    """

    def usual(self, u: Array, t: Array) -> Array:
        """(a, a/mean)."""
        return np.stack([np.exp(t), np.exp(t - u)], axis=1)

    def stretch(self, x: Array) -> Array:
        """x."""
        return x

    def slopes(self, x: Array) -> Array:
        """(1, x)."""
        return np.stack([np.ones(x.shape), x], axis=1)

    def distance(self, u: Array, y: Array) -> Array:
        """exp(y - u) - 1 - (y - u)."""
        return np.expm1(y - u) - (y - u)

    def divergence(self, centre: Array, corners: Array) -> Array:
        """a' (δ - 1 - log δ) + R(a') - R(a) - R'(a) (a' - a), δ the ratio of the means."""
        place = corners[..., 0] - centre[:, :1]
        mean = np.exp(corners[..., 1]) * (np.expm1(-place) + place)
        return np.asarray(mean + bend(centre[:, 1:], corners[..., 1]))

    def top(self, low: float, high: float) -> float:
        """By standard deviations: mean/√a in x, √ψ′(a) by the link; ψ′(a) < 1.5/a for a > 2."""
        by_x = CHEBYSHEV**2 * np.exp(2.0 * high) / self.least**2
        return float(np.log(max(by_x, 1.5 * (CHEBYSHEV / self.least_link) ** 2, 2.0)))

    def largest_spreads(self, cells: Array) -> tuple[Array, Array]:
        """The quantiles of log x rise with a and fall with b; their range falls with a.

        Saunders & Moran (1978), *J. Appl. Prob.* 15:426: the ratio of two quantiles falls with a.
        """
        _, high_u, low_t, high_t = cells.T
        narrow = self.family.quantile(LEVELS, self.usual(np.zeros(len(cells)), low_t))
        narrow = np.log(np.where(narrow > UNDERFLOW, narrow, [0.0, np.inf]))
        link = 0.5 * (narrow[:, 1] - narrow[:, 0])
        # largest a and least b of the cell
        most = np.stack([np.exp(high_t), np.exp(low_t - high_u)], axis=1)
        highest = self.family.quantile(LEVELS[1:], most)[:, 0]
        return 0.5 * highest * -np.expm1(-2.0 * link), link


class BetaCells(Cells):
    """u = logit mean r, t = log(α + β); κ = (α + β) r (1 - r) = αβ/(α + β).

    Q is the Kullback–Leibler divergence of (x, 1 - x) from (r, 1 - r), ÷ r (1 - r). It grows from
    x on both sides: for x < r, with δ = logit r - logit x and l = log((1 - x)/(1 - r)), the
    divergence is rδ - l, and Q's slope in r has the sign of r²δ + (1 - 2r) l, positive for r ≤ 1/2;
    above, both the divergence and 1/(r (1 - r)) grow. The other side is the mirror image.

    The density of y = logit x is r^α (1 - r)^β / B(α, β) exp(-κ Q). By Γ(a) = √(2π/a) (a/e)ᵃ
    exp(c(a)) with c positive and falling, the first factor is at most √(κ/2π).
    """

    def usual(self, u: Array, t: Array) -> Array:
        """(α, β)."""
        return np.stack([special.expit(u), special.expit(-u)], axis=1) * np.exp(t)[:, None]

    def distance(self, u: Array, y: Array) -> Array:
        """KL((r, 1 - r) | (x, 1 - x)) / (r (1 - r))."""
        r, s = special.expit(u), special.expit(-u)
        ends = special.log_expit(u), special.log_expit(-u)
        return (r * (ends[0] - special.log_expit(y)) + s * (ends[1] - special.log_expit(-y))) / (
            r * s
        )

    def divergence(self, centre: Array, corners: Array) -> Array:
        """ν' KL(r' | r), and the same differences of R(α) + R(β) - R(ν) as the gamma's of R."""
        (u, t), (new_u, new_t) = centre.T[:, :, None], np.moveaxis(corners, 2, 0)
        total = np.zeros(new_u.shape)
        for sign in (1.0, -1.0):
            log_share, new_log_share = special.log_expit(sign * u), special.log_expit(sign * new_u)
            total += np.exp(new_t + new_log_share) * (new_log_share - log_share)
            total += bend(t + log_share, new_t + new_log_share)
        return np.asarray(total - bend(t, new_t))

    def top(self, low: float, high: float) -> float:
        """By standard deviations: at most √(1/(4ν)) in x, and √(1.5/κ) by the link for κ > 2."""
        precision = max(1.5 * (CHEBYSHEV / self.least_link) ** 2, 2.0)
        end = max(abs(low), abs(high))
        by_link = np.log(precision) - special.log_expit(end) - special.log_expit(-end)
        return float(max(by_link, np.log(0.25 * (CHEBYSHEV / self.least) ** 2)))

    def stretch(self, x: Array) -> Array:
        """x (1 - x)."""
        return x * (1.0 - x)

    def slopes(self, x: Array) -> Array:
        """(1 - x, -x)."""
        return np.stack([1.0 - x, -x], axis=1)

    def precision(self, u: Array, t: Array) -> Array:
        """αβ/(α + β), which is largest where u is closest to 0."""
        return np.exp(t + special.log_expit(u) + special.log_expit(-u))

    def lowest(self, precision: float) -> float:
        """r (1 - r) ≤ 1/4."""
        return float(np.log(4.0 * precision))

    def largest_spreads(self, cells: Array) -> tuple[Array, Array]:
        """The quantiles of logit x rise with α and fall with β; their range falls with both.

        Saunders & Moran (1978): the ratio of two quantiles of x/(1 - x), an F distribution. A
        range of given length on the link's scale is longest in x where it is closest to 0.
        """
        low_u, high_u, low_t, high_t = cells.T
        least, most = np.exp(low_t), np.exp(high_t)
        alpha = least * special.expit(low_u), most * special.expit(high_u)
        beta = least * special.expit(-high_u), most * special.expit(-low_u)
        ends = [logit_quantile(level, alpha[0], beta[0]) for level in LEVELS]
        link = 0.5 * (ends[1] - ends[0])
        high = logit_quantile(LEVELS[1], alpha[1], beta[0]) - link
        low = logit_quantile(LEVELS[0], alpha[0], beta[1]) + link
        middle = np.where(high < 0.0, high, np.maximum(low, 0.0))
        return 0.5 * (special.expit(middle + link) - special.expit(middle - link)), link


CELLS: dict[str, type[Cells]] = {
    "normal": NormalCells, "lognormal": LogNormalCells, "gamma": GammaCells, "beta": BetaCells,
}  # fmt: skip
