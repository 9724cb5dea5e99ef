"""Compiled functions of B mixtures: their terms, coordinates, E-steps, M-steps and derivatives.

``weights`` are (B, K), usual ``parameters`` (B, K, 2); ``code`` and ``anchor`` are those of the
family, ``rows`` and ``counts`` as in ``sums``. Coordinates (B, p) are the log-odds of the weights
against the last, then each component's free coordinates.
"""

from __future__ import annotations

import math

import numpy as np

from scenarios.kernels.by_family import (
    in_domain,
    maximum,
    natural_terms,
    to_free,
    to_usual,
)
from scenarios.kernels.jit import kernel, part
from scenarios.kernels.sums import add_sums


@part()
def densities(code, anchor, weights, parameters):
    """η (B, K, 2), and log weight - A (B, K)."""
    eta, constants = np.empty(parameters.shape), np.empty(weights.shape)
    for b in range(weights.shape[0]):
        for k in range(weights.shape[1]):
            first, second = parameters[b, k, 0], parameters[b, k, 1]
            e0, e1, partition = natural_terms(code, first, second, anchor)
            eta[b, k, 0], eta[b, k, 1] = e0, e1
            constants[b, k] = math.log(weights[b, k]) - partition
    return eta, constants


@kernel("f8[:,::1], {counts}, f8[:,:,::1], f8[:,::1]")
def sums(rows, counts, eta, constants):
    """Values (B,), and Σ c r (1, x, y) (B, K, 3), at any η and constants: one pass each."""
    values, singles = np.zeros(len(eta)), np.zeros((*constants.shape, 3))
    add_sums(rows, counts, eta, constants, None, None, values, singles, None)
    return values, singles


@kernel("i8, {anchor}, f8[:,::1], {counts}, f8[:,::1], f8[:,:,::1]")
def likelihoods(code, anchor, rows, counts, weights, parameters):
    """Log likelihoods (B,) less Σ h: one pass each."""
    eta, constants = densities(code, anchor, weights, parameters)
    values = np.zeros(len(eta))
    add_sums(rows, counts, eta, constants, None, None, values, None, None)
    return values


@part()
def expected(code, anchor, rows, counts, weights, parameters):
    """The E-step: log likelihoods (B,) less Σ h, and Σ c r (1, x, y) (B, K, 3): one pass each."""
    eta, constants = densities(code, anchor, weights, parameters)
    values, singles = np.zeros(len(eta)), np.zeros((*constants.shape, 3))
    add_sums(rows, counts, eta, constants, None, None, values, singles, None)
    return values, singles


@kernel("i8, {anchor}, f8[:,::1], {counts}, f8[:,::1], f8[:,:,::1]")
def expectations(code, anchor, rows, counts, weights, parameters):
    """``expected``, for Python."""
    return expected(code, anchor, rows, counts, weights, parameters)


@part()
def total_mass(singles):
    """Σ c of the rows, from the sums (K, 3) of one mixture."""
    total = 0.0
    for k in range(len(singles)):
        total += singles[k, 0]
    return total


@part()
def em_steps(code, anchor, rows, counts, weights, parameters):
    """Values (B,) at B mixtures, and the weights and parameters one EM step further."""
    values, singles = expected(code, anchor, rows, counts, weights, parameters)
    new_weights, new = np.empty(weights.shape), np.empty(parameters.shape)
    for b in range(weights.shape[0]):
        total = total_mass(singles[b])
        for k in range(weights.shape[1]):
            mass = singles[b, k, 0]
            new_weights[b, k] = mass / total
            new[b, k, 0], new[b, k, 1] = maximum(
                code, singles[b, k, 1] / mass, singles[b, k, 2] / mass,
                parameters[b, k, 0], parameters[b, k, 1], anchor,
            )  # fmt: skip
    return values, new_weights, new


@part()
def where(mask):
    """The indices at which a mask (B,) is true."""
    index, count = np.empty(len(mask), dtype=np.int64), 0
    for b in range(len(mask)):
        if mask[b]:
            index[count] = b
            count += 1
    return index[:count]


@part()
def take(index, weights, parameters):
    """Copies of some mixtures' weights and parameters. Loops compile faster than array indexing."""
    some_weights = np.empty((len(index), weights.shape[1]))
    some = np.empty((len(index), parameters.shape[1], parameters.shape[2]))
    for j in range(len(index)):
        copy(weights[index[j]], parameters[index[j]], some_weights[j], some[j])
    return some_weights, some


@part()
def copy(weights, parameters, to_weights, to_parameters):
    """Copy one mixture's weights (K,) and parameters (K, 2)."""
    for k in range(len(weights)):
        to_weights[k] = weights[k]
        to_parameters[k, 0], to_parameters[k, 1] = parameters[k, 0], parameters[k, 1]


@part()
def valid(code, weights, parameters):
    """Which mixtures are valid, (B,): ``MixtureBatch.valid``."""
    result = np.ones(len(weights), dtype=np.bool_)
    for b in range(len(weights)):
        total = 0.0
        for k in range(weights.shape[1]):
            total += weights[b, k]
            fine = in_domain(code, parameters[b, k, 0], parameters[b, k, 1])
            result[b] = result[b] and fine and weights[b, k] >= 0.0
        result[b] = result[b] and abs(total - 1.0) < 1e-6
    return result


@part()
def coordinates(code, anchor, weights, parameters):
    """The coordinates (B, p)."""
    size, components = weights.shape
    points = np.empty((size, 3 * components - 1))
    for b in range(size):
        for k in range(components):
            if k < components - 1:
                points[b, k] = math.log(weights[b, k]) - math.log(weights[b, components - 1])
            at = components - 1 + 2 * k
            first, second = parameters[b, k, 0], parameters[b, k, 1]
            points[b, at], points[b, at + 1] = to_free(code, first, second, anchor)
    return points


@part()
def from_coordinates(code, anchor, points):
    """Weights (B, K) and parameters (B, K, 2): the inverse of ``coordinates``."""
    size, components = len(points), (points.shape[1] + 1) // 3
    weights, parameters = np.empty((size, components)), np.empty((size, components, 2))
    for b in range(size):
        largest, total = 0.0, 0.0
        for k in range(components - 1):
            largest = max(largest, points[b, k])
        for k in range(components):
            odds = points[b, k] if k < components - 1 else 0.0
            weights[b, k] = math.exp(odds - largest)
            total += weights[b, k]
        for k in range(components):
            weights[b, k] /= total
            at = components - 1 + 2 * k
            first, second = points[b, at], points[b, at + 1]
            parameters[b, k, 0], parameters[b, k, 1] = to_usual(code, first, second, anchor)
    return weights, parameters
