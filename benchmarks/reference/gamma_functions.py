"""What Stirling's formula leaves of the gamma function, and quantiles of a beta distribution."""

from __future__ import annotations

import numpy as np
from scipy import special

from scenarios.families import Array

UNDERFLOW = 1e-300
"""Quantiles below are rounded: nothing follows from them."""
LARGE = 30.0
"""From here the series have all digits."""


def bend(log_a: Array, log_b: Array) -> Array:
    """R(b) - R(a) - R'(a) (b - a), with log Γ(a) = a log a - a + ½ log 2π + R(a).

    R is Stirling's -½ log a + 1/(12a) - ...; each term of the sum is of the order of its size.
    """
    a, b = np.exp(log_a), np.exp(log_b)
    rest_a, slope = _rest(a)
    change = _rest(b)[0] - rest_a - 0.5 * (log_b - log_a)
    return np.asarray(change + slope * a * np.expm1(log_b - log_a))


def _rest(a: Array) -> tuple[Array, Array]:
    """R(a) + ½ log a, and -R'(a) = log a - ψ(a): by their series for large a."""
    large = np.maximum(a, LARGE)
    square = large**-2.0
    rest = (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0)) / large
    slope = 0.5 / large + square * (1.0 / 12.0 - square * (1.0 / 120.0 - square / 252.0))
    small = np.minimum(a, LARGE)
    log = np.log(small)
    exact = special.gammaln(small) - (small - 0.5) * log + small - 0.5 * np.log(2.0 * np.pi)
    return np.where(a < LARGE, exact, rest), np.where(a < LARGE, log - special.psi(small), slope)


def logit_quantile(level: float, alpha: Array, beta: Array) -> Array:
    """The quantile of logit x, infinite beyond ``UNDERFLOW``; either end may be very close."""
    below, above = (
        special.betaincinv(alpha, beta, level),
        special.betaincinv(beta, alpha, 1 - level),
    )
    below = np.where(below > UNDERFLOW, below, 0.0)
    above = np.where(above > UNDERFLOW, above, 0.0)
    return np.log(below) - np.log(above)
