"""Gamma functions of one positive number, of arithmetic and logarithms alone, to be compiled.

Tests hold them to scipy's.
"""

from __future__ import annotations

import math

LARGE = 10.0
"""From here on the asymptotic series are exact to rounding."""
HALF_LOG_2PI = 0.9189385332046728


def digamma_and_trigamma(x: float) -> tuple[float, float]:
    """ψ(x) and ψ′(x): recurrence up to ``LARGE``, then *DLMF* 5.11.2 and its derivative."""
    first, second = 0.0, 0.0
    while x < LARGE:
        inverse = 1.0 / x
        first -= inverse
        second += inverse * inverse
        x += 1.0
    r = 1.0 / x
    q = r * r
    p = 1 / 132 - q * (691 / 32760 - q * (1 / 12 - q * 3617 / 8160))
    p = 1 / 12 - q * (1 / 120 - q * (1 / 252 - q * (1 / 240 - q * p)))
    first += math.log(x) - 0.5 * r - q * p
    p = 5 / 66 - q * (691 / 2730 - q * (7 / 6 - q * 3617 / 510))
    p = 1 / 6 - q * (1 / 30 - q * (1 / 42 - q * (1 / 30 - q * p)))
    second += r + 0.5 * q + r * q * p
    return first, second


def stirling_remainder(x: float) -> float:
    """log Γ(x) - (x - ½) log x + x - ½ log 2π for x ≥ ``LARGE`` (*DLMF* 5.11.1)."""
    r = 1.0 / x
    q = r * r
    p = 1 / 1680 - q * (1 / 1188 - q * (691 / 360360 - q * (1 / 156 - q * 3617 / 122400)))
    return r * (1 / 12 - q * (1 / 360 - q * (1 / 1260 - q * p)))


def log_beta(a: float, b: float) -> float:
    """log B(a, b), without the cancellation of three large log gammas."""
    small, large = min(a, b), max(a, b)
    total = a + b
    if large < LARGE:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(total)
    shared = stirling_remainder(large) - stirling_remainder(total)
    ratio = math.log1p(small / large)
    if small < LARGE:
        rest = small - (large - 0.5) * ratio - small * math.log(total)
        return math.lgamma(small) + shared + rest
    rest = (small - 0.5) * math.log(small / total) - large * ratio - 0.5 * math.log(large)
    return stirling_remainder(small) + shared + rest + HALF_LOG_2PI
