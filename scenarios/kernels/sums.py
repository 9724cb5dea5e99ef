"""Sums over rows T = (x, y) of the responsibilities of B mixtures, in one pass over the rows.

The rows are (2, n), each statistic contiguous; ``counts`` (n,), None where all are 1; ``eta``
(B, K, 2); ``constants`` (B, K) are log weight - log partition. A pass takes ``BLOCK`` rows at a
time, for all mixtures in turn, so that a mixture's sums depend neither on the others nor on where
the rows lie in memory.

For each mixture, ``value`` is Σ c log Σₖ exp(ηₖ·T + constantₖ), and with responsibilities r and
statistics about a centre, the sums of c rₖ (1, x, y) are in ``singles`` (K, 3), and those of
c rₖ rₗ (1, x, y, xx, xy, yy), k < l, in ``pairs`` (K (K - 1) / 2, 6). These are all that the
Hessian needs, since Σₖ rₖ gₖgₖᵀ - (Σₖ rₖgₖ)(Σₖ rₖgₖ)ᵀ = Σₖ‹ₗ rₖrₗ (gₖ - gₗ)(gₖ - gₗ)ᵀ for any g.
"""

from __future__ import annotations

import math

import numpy as np

from scenarios.kernels.elementary import exp_down, log_and_share, log_up
from scenarios.kernels.jit import SUMS, part

BLOCK, PAIR_BLOCK = 256, 896
"""Rows of a block, which stays in the fastest cache, and of one for two components."""
MOST_IN_PRODUCT = 15
"""Components up to which the product of a block's densities, each at most K, is finite; so is that
of ``PAIR_BLOCK`` numbers up to 2."""


@part(inline=True)
def add(target, terms):
    """Add numbers to the elements of an array."""
    for i in range(len(terms)):
        target[i] += terms[i]


@part(SUMS, inline=True)
def pair_block(x, y, counts, eta, constants, centre, value, singles, pairs):
    """Add a block's sums for two components, all in registers.

    One logarithm of a product replaces those of the rows where there are no counts. ``singles``
    and ``pairs`` may be None.
    """
    cx, cy = (0.0, 0.0) if centre is None else (centre[0], centre[1])
    a0, a1, b0, b1 = eta[0, 0], eta[0, 1], eta[1, 0], eta[1, 1]
    a, b = constants[0] + (a0 * cx + a1 * cy), constants[1] + (b0 * cx + b1 * cy)
    total, product = 0.0, 1.0
    m0, m1, x0, x1, y0, y1 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    q1, qx, qy, qxx, qxy, qyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(x.size):
        s, t = x[i] - cx, y[i] - cy
        first, second = a0 * s + a1 * t + a, b0 * s + b1 * t + b
        ratio = exp_down(-abs(first - second))
        largest = first if first > second else second
        if counts is None:
            total += largest
            product *= 1.0 + ratio
            share = 1.0 / (1.0 + ratio)
            larger = share
        else:
            logarithm, share = log_and_share(ratio)
            total += counts[i] * (largest + logarithm)
            larger = counts[i] * share
        if singles is not None:
            smaller = ratio * larger
            p = larger if first > second else smaller
            q = smaller if first > second else larger
            m0 += p
            m1 += q
            x0 += p * s
            x1 += q * s
            y0 += p * t
            y1 += q * t
            if pairs is not None:
                both = smaller * share
                u, v = both * s, both * t
                q1 += both
                qx += u
                qy += v
                qxx += u * s
                qxy += u * t
                qyy += v * t
    value[0] += total + math.log(product)
    if singles is not None:
        add(singles[0], (m0, x0, y0))
        add(singles[1], (m1, x1, y1))
    if pairs is not None:
        add(pairs[0], (q1, qx, qy, qxx, qxy, qyy))


@part(SUMS)
def log_totals(counts, largest, total, product_is_finite):
    """Σ c (largest + log total) over a block."""
    summed, product = 0.0, 1.0
    if counts is None and product_is_finite:
        for i in range(total.size):
            summed += largest[i]
            product *= total[i]
    elif counts is None:
        for i in range(total.size):
            summed += largest[i] + log_up(total[i])
    else:
        for i in range(total.size):
            summed += counts[i] * (largest[i] + log_up(total[i]))
    return summed + math.log(product)


@part(SUMS)
def joints_of_block(x, y, counts, eta, constants, value, work):
    """Fill ``work`` (K + 2, BLOCK) with densities relative to the largest, and add to ``value``.

    The last row but one then holds the inverse of the densities' sum. Loops over one component at
    a time vectorise.
    """
    components, size = len(eta), x.size
    largest, total = work[components][:size], work[components + 1][:size]
    for k in range(components):
        e0, e1, constant, joint = eta[k, 0], eta[k, 1], constants[k], work[k][:size]
        if k == 0:
            for i in range(size):
                joint[i] = largest[i] = e0 * x[i] + e1 * y[i] + constant
        else:
            for i in range(size):
                joint[i] = e0 * x[i] + e1 * y[i] + constant
                largest[i] = joint[i] if joint[i] > largest[i] else largest[i]
    for k in range(components):
        joint = work[k][:size]
        if k == 0:
            for i in range(size):
                joint[i] = total[i] = exp_down(joint[i] - largest[i])
        else:
            for i in range(size):
                joint[i] = exp_down(joint[i] - largest[i])
                total[i] += joint[i]
    value[0] += log_totals(counts, largest, total, components <= MOST_IN_PRODUCT)
    for i in range(size):
        largest[i] = 1.0 / total[i]


@part(SUMS)
def singles_of_block(x, y, counts, joint, inverse, centre, single, pairs):
    """Add the sums of c r (1, x, y) to ``single`` (3,), with r = joint × inverse.

    Where ``pairs`` are to follow, ``joint`` becomes r.
    """
    mass, sx, sy = 0.0, 0.0, 0.0
    cx, cy = (0.0, 0.0) if centre is None else (centre[0], centre[1])
    for i in range(x.size):
        r = joint[i] * inverse[i]
        if pairs is not None:
            joint[i] = r
        if counts is not None:
            r *= counts[i]
        mass += r
        sx += r * (x[i] - cx)
        sy += r * (y[i] - cy)
    add(single, (mass, sx, sy))


@part(SUMS)
def products_of_block(x, y, counts, first, second, centre, pair):
    """Add the sums of c rₖ rₗ (1, x, y, xx, xy, yy) about ``centre`` to ``pair`` (6,)."""
    q1, qx, qy, qxx, qxy, qyy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(x.size):
        both = first[i] * second[i]
        if counts is not None:
            both *= counts[i]
        s, t = x[i] - centre[0], y[i] - centre[1]
        u, v = both * s, both * t
        q1 += both
        qx += u
        qy += v
        qxx += u * s
        qxy += u * t
        qyy += v * t
    add(pair, (q1, qx, qy, qxx, qxy, qyy))


@part(SUMS)
def add_sums(rows, counts, eta, constants, centres, pivots, values, singles, pairs):
    """Add the sums of B mixtures to ``values`` (B,), ``singles`` and ``pairs``, each by mixture.

    ``singles`` are about ``centres`` (B, K, 2), or 0 for None, and ``pairs`` about ``pivots``
    (B, K (K - 1) / 2, 2). Of two components all sums are about the first centre. ``pairs`` may be
    None, and then ``singles`` too.
    """
    size, components = constants.shape
    work = np.empty((components + 2, BLOCK if components != 2 else 0))
    block = PAIR_BLOCK if components == 2 else BLOCK
    for low in range(0, rows.shape[1], block):
        high = min(low + block, rows.shape[1])
        x, y = rows[0, low:high], rows[1, low:high]
        c = None if counts is None else counts[low:high]
        for b in range(size):
            value = values[b : b + 1]
            if components == 2:
                about = None if centres is None else centres[b, 0]
                single = None if singles is None else singles[b]
                pair = None if pairs is None else pairs[b]
                pair_block(x, y, c, eta[b], constants[b], about, value, single, pair)
                continue
            joints_of_block(x, y, c, eta[b], constants[b], value, work)
            if singles is not None:
                inverse = work[components][: high - low]
                for k in range(components):
                    joint = work[k][: high - low]
                    about = None if centres is None else centres[b, k]
                    singles_of_block(x, y, c, joint, inverse, about, singles[b, k], pairs)
            if pairs is not None:
                at = 0
                for k in range(components):
                    for other in range(k + 1, components):
                        first, second = work[k][: high - low], work[other][: high - low]
                        pair = pairs[b, at]
                        products_of_block(x, y, c, first, second, pivots[b, at], pair)
                        at += 1
