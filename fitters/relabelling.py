"""Relabelling: permute the components of posterior draws until each label means one component."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from scenarios.families import Family
from scenarios.families.base import Array

MAX_PERMUTED = 6
"""Components up to which every order of the labels is tried; beyond, K! is too many."""
MAX_ROUNDS = 20


def relabel(draws: Array, family: Family) -> Array:
    """Permute the components of each draw, so that a label means one component throughout.

    ``draws`` (chain, draw, K, 1 + d) hold each component's weight and usual parameters. In log
    weights and free coordinates, alternates between the mean and spread of every labelled
    component and, for each draw, the order that fits them best as independent normals. It
    begins at the last draw of the first chain. That is k-means over the orders, as Celeux (1998,
    *COMPSTAT*, 227) proposed it, with the normal likelihood for its distance; it is not the
    algorithm of Stephens (2000, *JRSS B* 62:795), which compares allocation probabilities.
    """
    components = draws.shape[2]
    flat = draws.reshape(-1, components, draws.shape[3])
    with np.errstate(divide="ignore"):
        points = np.concatenate([np.log(flat[..., :1]), family.free(flat[..., 1:])], axis=-1)
    rows = np.arange(len(flat))[:, None]
    orders = np.tile(np.arange(components), (len(flat), 1))
    centre = points[len(draws[0]) - 1]
    spread = np.tile(points.reshape(-1, points.shape[2]).std(axis=0), (components, 1))
    for _ in range(MAX_ROUNDS):
        spread = np.maximum(spread, 1e-12)
        gaps = (points[:, :, None, :] - centre) / spread  # (draw, component, label, coordinate)
        cost = (gaps**2 + 2.0 * np.log(spread)).sum(axis=3)
        previous, orders = orders, _best_orders(cost)
        if np.array_equal(previous, orders):
            break
        labelled = points[rows, orders]
        centre, spread = labelled.mean(axis=0), labelled.std(axis=0)
    return flat[rows, orders].reshape(draws.shape)


def _best_orders(cost: Array) -> NDArray[np.intp]:
    """The component for each label (draw, K) that minimises total ``cost`` (draw, K, label)."""
    components = cost.shape[1]
    if components > MAX_PERMUTED:
        from scipy.optimize import linear_sum_assignment

        return np.stack([linear_sum_assignment(each.T)[1] for each in cost])
    orders = np.array(list(permutations(range(components))))
    totals = sum(cost[:, orders[:, k], k] for k in range(components))
    return orders[np.argmin(totals, axis=1)]
