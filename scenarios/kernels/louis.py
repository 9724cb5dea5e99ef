"""Log likelihoods of B mixtures with gradients and Hessians in coordinates: one pass each.

By Louis (1982, *JRSS B* 44:226), with responsibilities r and the gradients g of log wₖf,
∇²ℓ = Σ (Σₖ rₖ ∇gₖ + Σₖ‹ₗ rₖrₗ (gₖ - gₗ)(gₖ - gₗ)ᵀ), where all gₖ are linear in (1, T - c) for any
centre c. The sums are about means E T of components: so none cancels, however narrow a component
is and however far from 0 its statistics are.
"""

from __future__ import annotations

import numpy as np

from scenarios.kernels.by_family import moments, natural_slopes
from scenarios.kernels.jit import kernel, part
from scenarios.kernels.mixtures import densities, total_mass
from scenarios.kernels.sums import add_sums


@part()
def component_terms(code, anchor, parameters):
    """``moments`` (B, K, 5), ``natural_slopes`` (B, K, 10) and centres of pairs (B, pairs, 2).

    A pair's centre is the mean of the component whose density is the steeper in T.
    """
    size, components = parameters.shape[:2]
    terms, slopes = np.empty((size, components, 5)), np.empty((size, components, 10))
    pivots = np.empty((size, components * (components - 1) // 2, 2))
    steep = np.empty(components)
    for b in range(size):
        for k in range(components):
            first, second = parameters[b, k, 0], parameters[b, k, 1]
            write(moments(code, first, second, anchor), terms[b, k])
            write(natural_slopes(code, first, second, anchor), slopes[b, k])
            s = slopes[b, k]
            steep[k] = s[0] * s[0] + s[1] * s[1] + s[2] * s[2] + s[3] * s[3]
        at = 0
        for k in range(components):
            for other in range(k + 1, components):
                steeper = k if steep[k] >= steep[other] else other
                pivots[b, at, 0], pivots[b, at, 1] = terms[b, steeper, 0], terms[b, steeper, 1]
                at += 1
    return terms, slopes, pivots


@part()
def write(values, target):
    """Write numbers into an array."""
    for i in range(len(values)):
        target[i] = values[i]


@part()
def centres_of_singles(terms, pivots):
    """What the sums of single components are about, (B, K, 2): their means, or the only pivot."""
    size, components = terms.shape[:2]
    about = np.empty((size, components, 2))
    for b in range(size):
        for k in range(components):
            for i in range(2):
                about[b, k, i] = pivots[b, 0, i] if components == 2 else terms[b, k, i]
    return about


@part()
def residual(single, term, about):
    """Σ r (T - E T) of a component, (2,), from its sums about ``about``."""
    mass = single[0]
    return single[1] - mass * (term[0] - about[0]), single[2] - mass * (term[1] - about[1])


@part()
def fill_gradient(weights, singles, terms, slopes, about, gradient):
    """Write one mixture's gradient (p,); ``singles`` (K, 3) are about ``about`` (K, 2)."""
    components, total = len(weights), total_mass(singles)
    for k in range(components):
        r0, r1 = residual(singles[k], terms[k], about[k])
        at, s = components - 1 + 2 * k, slopes[k]
        gradient[at], gradient[at + 1] = s[0] * r0 + s[2] * r1, s[1] * r0 + s[3] * r1
        if k < components - 1:
            gradient[k] = singles[k, 0] - total * weights[k]


@part()
def add_own_terms(weights, singles, terms, slopes, about, hessian):
    """Add what one mixture's Hessian (p, p) has of single components."""
    components, total = len(weights), total_mass(singles)
    for k in range(components):
        mass, at, s, t = singles[k, 0], components - 1 + 2 * k, slopes[k], terms[k]
        r0, r1 = residual(singles[k], t, about[k])
        for i in range(2):
            for j in range(2):
                along0, along1 = t[2] * s[j] + t[3] * s[2 + j], t[3] * s[j] + t[4] * s[2 + j]
                bend = r0 * s[4 + i + j] + r1 * s[7 + i + j]
                hessian[at + i, at + j] += bend - mass * (s[i] * along0 + s[2 + i] * along1)
        if k < components - 1:
            hessian[k, k] -= total * weights[k]
            for j in range(components - 1):
                hessian[k, j] += total * weights[k] * weights[j]


@part()
def fill_difference(components, k, other, terms, slopes, pivot, difference):
    """Write gₖ - gₗ into ``difference`` (p, 3), as a linear map of (1, T - pivot); l is ``other``.

    The log-odds' part of a gradient is 1 at the own weight; what all components share cancels.
    """
    difference[:] = 0.0
    for sign, which in ((1.0, k), (-1.0, other)):
        s, at = slopes[which], components - 1 + 2 * which
        d0, d1 = pivot[0] - terms[which, 0], pivot[1] - terms[which, 1]
        for i in range(2):
            difference[at + i, 0] = sign * (s[i] * d0 + s[2 + i] * d1)
            difference[at + i, 1] = sign * s[i]
            difference[at + i, 2] = sign * s[2 + i]
        if which < components - 1:
            difference[which, 0] = sign


@part()
def add_pair(sums, difference, hessian):
    """Add Σ rₖrₗ (gₖ - gₗ)(gₖ - gₗ)ᵀ to a Hessian (p, p) from a pair's ``sums`` (6,)."""
    p = len(hessian)
    for i in range(p):
        d0, d1, d2 = difference[i, 0], difference[i, 1], difference[i, 2]
        along0 = d0 * sums[0] + d1 * sums[1] + d2 * sums[2]
        along1 = d0 * sums[1] + d1 * sums[3] + d2 * sums[4]
        along2 = d0 * sums[2] + d1 * sums[4] + d2 * sums[5]
        for j in range(p):
            hessian[i, j] += (
                along0 * difference[j, 0] + along1 * difference[j, 1] + along2 * difference[j, 2]
            )


@part()
def derivatives(code, anchor, rows, counts, weights, parameters):
    """Log likelihoods (B,) less Σ h, gradients (B, p) and Hessians (B, p, p)."""
    size, components = weights.shape
    p, pairs = 3 * components - 1, components * (components - 1) // 2
    eta, constants = densities(code, anchor, weights, parameters)
    terms, slopes, pivots = component_terms(code, anchor, parameters)
    about = centres_of_singles(terms, pivots)
    values, singles = np.zeros(size), np.zeros((size, components, 3))
    products = np.zeros((size, pairs, 6))
    add_sums(rows, counts, eta, constants, about, pivots, values, singles, products)
    gradients, hessians = np.zeros((size, p)), np.zeros((size, p, p))
    difference = np.empty((p, 3))
    for b in range(size):
        of_one = (weights[b], singles[b], terms[b], slopes[b], about[b])
        fill_gradient(*of_one, gradients[b])
        add_own_terms(*of_one, hessians[b])
        at = 0
        for k in range(components):
            for other in range(k + 1, components):
                fill_difference(
                    components, k, other, terms[b], slopes[b], pivots[b, at], difference
                )
                add_pair(products[b, at], difference, hessians[b])
                at += 1
    return values, gradients, hessians


@kernel("i8, {anchor}, f8[:,::1], {counts}, f8[:,::1], f8[:,:,::1]")
def gradients(code, anchor, rows, counts, weights, parameters):
    """Log likelihoods (B,) less Σ h, and gradients (B, p)."""
    size, components = weights.shape
    eta, constants = densities(code, anchor, weights, parameters)
    terms, slopes, pivots = component_terms(code, anchor, parameters)
    about = centres_of_singles(terms, pivots)
    values, singles = np.zeros(size), np.zeros((size, components, 3))
    add_sums(rows, counts, eta, constants, about, None, values, singles, None)
    gradients = np.zeros((size, 3 * components - 1))
    for b in range(size):
        fill_gradient(weights[b], singles[b], terms[b], slopes[b], about[b], gradients[b])
    return values, gradients


@kernel("i8, {anchor}, f8[:,::1], {counts}, f8[:,::1], f8[:,:,::1]")
def hessians(code, anchor, rows, counts, weights, parameters):
    """``derivatives``, for Python."""
    return derivatives(code, anchor, rows, counts, weights, parameters)
