"""The functions of the exponential families that are compiled, by a family's ``code``.

``anchor`` is (centre, scale) of the family. Its code is a number at run time, so that one compiled
function serves all families.
"""

from __future__ import annotations

import math

from numba.extending import register_jitable

from scenarios.families import beta, gamma, normal, polygamma
from scenarios.kernels.jit import part

NORMAL, BETA, GAMMA = normal.Normal.code, beta.Beta.code, gamma.Gamma.code

for function in (
    polygamma.digamma_and_trigamma, polygamma.stirling_remainder, polygamma.log_beta,
    *(getattr(module, name) for module in (normal, beta, gamma)
      for name in ("natural_terms", "maximum", "moments", "natural_slopes")),
):  # fmt: skip
    register_jitable(error_model="numpy")(function)


@part()
def natural_terms(code, a, b, anchor):
    """(η₁, η₂, A) at the usual parameters (a, b)."""
    if code == BETA:
        return beta.natural_terms(a, b, anchor[0], anchor[1])
    if code == GAMMA:
        return gamma.natural_terms(a, b, anchor[0], anchor[1])
    return normal.natural_terms(a, b, anchor[0], anchor[1])


@part()
def maximum(code, first, second, a, b, anchor):
    """The M-step: usual parameters with these mean statistics, from (a, b)."""
    if code == BETA:
        return beta.maximum(first, second, a, b, anchor[0], anchor[1])
    if code == GAMMA:
        return gamma.maximum(first, second, a, b, anchor[0], anchor[1])
    return normal.maximum(first, second, a, b, anchor[0], anchor[1])


@part()
def moments(code, a, b, anchor):
    """E T (2), and the entries xx, xy and yy of Cov T."""
    if code == BETA:
        return beta.moments(a, b, anchor[0], anchor[1])
    if code == GAMMA:
        return gamma.moments(a, b, anchor[0], anchor[1])
    return normal.moments(a, b, anchor[0], anchor[1])


@part()
def natural_slopes(code, a, b, anchor):
    """∂η/∂free by rows (4), then the entries aa, ab and bb of ∂²η₁/∂free² and ∂²η₂/∂free²."""
    if code == BETA:
        return beta.natural_slopes(a, b, anchor[0], anchor[1])
    if code == GAMMA:
        return gamma.natural_slopes(a, b, anchor[0], anchor[1])
    return normal.natural_slopes(a, b, anchor[0], anchor[1])


@part()
def to_free(code, a, b, anchor):
    """Free coordinates of usual parameters: all are positive but a normal's location."""
    return (a - anchor[0]) / anchor[1] if code == NORMAL else math.log(a), math.log(b)


@part()
def to_usual(code, a, b, anchor):
    """Usual parameters of free coordinates."""
    return anchor[0] + anchor[1] * a if code == NORMAL else math.exp(a), math.exp(b)


@part()
def in_domain(code, a, b):
    """Whether usual parameters are finite, and positive where they must be."""
    finite = math.isfinite(a) and math.isfinite(b)
    return finite and b > 0.0 and (code == NORMAL or a > 0.0)
