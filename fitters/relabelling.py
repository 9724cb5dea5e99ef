"""Labels that mean one component throughout a posterior."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from scenarios.families import Family
from scenarios.families.base import Array

MOST_PERMUTED = 6
"""Every order of the labels is tried up to so many components; beyond, K! is too many."""


def relabel(draws: Array, family: Family) -> Array:
    """Permute components, draw by draw, so that a label means one component throughout.

    ``draws`` (chain, draw, K, 1 + d) hold each component's weight and usual parameters.
    Alternates between the centre and spread of every labelled component, in log weights
    and free coordinates, and the order of each draw that fits them best as independent
    normals; it begins at the last draw of the first chain. Stephens (2000), algorithm 2.
    """
    components = draws.shape[2]
    flat = draws.reshape(-1, components, draws.shape[3])
    with np.errstate(divide="ignore"):
        places = np.concatenate([np.log(flat[..., :1]), family.free(flat[..., 1:])], axis=-1)
    rows = np.arange(len(flat))[:, None]
    order = np.tile(np.arange(components), (len(flat), 1))
    centre = places[len(draws[0]) - 1]
    spread = np.tile(places.reshape(-1, places.shape[2]).std(axis=0), (components, 1))
    for _ in range(20):
        spread = np.maximum(spread, 1e-12)
        gaps = (places[:, :, None, :] - centre) / spread  # (draw, component, label, coordinate)
        cost = (gaps**2 + 2.0 * np.log(spread)).sum(axis=3)
        previous, order = order, _cheapest(cost)
        if np.array_equal(previous, order):
            break
        labelled = places[rows, order]
        centre, spread = labelled.mean(axis=0), labelled.std(axis=0)
    return flat[rows, order].reshape(draws.shape)


def _cheapest(cost: Array) -> np.ndarray:
    """For each draw the component that each label takes, (draw, K), at least total cost."""
    components = cost.shape[1]
    if components > MOST_PERMUTED:
        from scipy.optimize import linear_sum_assignment

        return np.stack([linear_sum_assignment(each.T)[1] for each in cost])
    orders = np.array(list(permutations(range(components))))
    totals = sum(cost[:, orders[:, k], k] for k in range(components))
    return orders[np.argmin(totals, axis=1)]
