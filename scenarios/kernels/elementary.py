"""Exponentials and logarithms that a compiler turns into vector instructions.

They have no branches, and bits in place of tables. Tests hold their errors to those of extended
precision.
"""

from __future__ import annotations

import numpy as np

from scenarios.kernels.jit import EXACT, part

BIG = 1.5 * 2.0**52
"""Adding it to a number rounds that to an integer, which the low bits then hold."""
LOWEST = -708.0
"""The smallest argument of ``exp_down`` whose exponential is not taken for 0."""
LOG2_E, LN2 = 1.4426950408889634, 0.6931471805599453
ROOT_HALF = 0.7071067811865476
ROOT_HALF_BITS, EXPONENT_BITS, BIG_BITS = 0x3FE6A09E667F3BCD, 52, 0x4338000000000000


@part(EXACT, inline=True)
def exp_down(x):
    """exp(x) for x ≤ 0, to 2e-16 + 4e-17 |x| of itself; 0 below ``LOWEST``; NaN for NaN.

    x = k log 2 + r, with a polynomial in |r| ≤ log(2) / 2 and k in the exponent's bits.
    """
    shifted = x * LOG2_E + BIG
    k = shifted - BIG
    r = x - k * LN2  # one rounding of log 2, whose error e^x makes small
    p = 2.5110049204818658e-08
    p = p * r + 2.763265472252779e-07
    p = p * r + 2.755724088722987e-06
    p = p * r + 2.4801485441561313e-05
    p = p * r + 0.00019841269890076403
    p = p * r + 0.0013888888952352863
    p = p * r + 0.008333333333319589
    p = p * r + 0.04166666666648795
    p = p * r + 0.1666666666666668
    p = p * r + 0.5000000000000019
    p = p * r + 1.0
    p = p * r + 1.0
    power = np.int64((np.float64(shifted).view(np.int64) + 1023) << EXPONENT_BITS)
    return 0.0 if x < LOWEST else p * power.view(np.float64)


@part(EXACT, inline=True)
def _log_of_mantissa(s):
    """2 artanh(s) = log((1 + s) / (1 - s)) for |s| ≤ 3 - √8."""
    q = s * s
    p = 0.074051956081573
    p = p * q + 0.07656231514787075
    p = p * q + 0.09091817056154376
    p = p * q + 0.1111109850600098
    p = p * q + 0.1428571438053016
    p = p * q + 0.19999999999650245
    p = p * q + 0.33333333333333826
    p = p * q + 1.0
    return 2.0 * s * p


@part(EXACT, inline=True)
def log_up(x):
    """log(x) for 1 ≤ x < 2⁵², to a few 1e-16; NaN for NaN."""
    bits = np.float64(x).view(np.int64)
    steps = (bits - ROOT_HALF_BITS) >> EXPONENT_BITS  # so that √½ ≤ x / 2**steps < √2
    mantissa = np.int64(bits - (steps << EXPONENT_BITS)).view(np.float64)
    exponent = np.int64(steps + BIG_BITS).view(np.float64) - BIG  # a conversion that vectorises
    logarithm = exponent * LN2 + _log_of_mantissa((mantissa - 1.0) / (mantissa + 1.0))
    return logarithm + (x - x)  # NaN has bits too, which would make 710


@part(EXACT, inline=True)
def log_and_share(ratio):
    """(log(1 + ratio), 1 / (1 + ratio)) for 0 ≤ ratio ≤ 1, with one division for both."""
    total = 1.0 + ratio
    mantissa = total * ROOT_HALF  # already between √½ and √2
    above = mantissa + 1.0
    both = 1.0 / (total * above)
    logarithm = 0.5 * LN2 + _log_of_mantissa((mantissa - 1.0) * (total * both))
    return logarithm, both * above
