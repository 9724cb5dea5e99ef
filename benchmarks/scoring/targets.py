"""When trials reach targets of excess: the data behind profiles of performance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.runner.status import SCORED
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

TARGETS = tuple(10.0**power for power in range(2, -5, -1))
"""Targets of excess, in descending order."""


def target_costs(
    points: list[tuple[float, float, float]], row: Mapping[str, Any]
) -> dict[str, list[float]]:
    """The cost at which a trial first reached each of ``TARGETS``, two lists of their length.

    ``points`` are (seconds, passes, NLL) of its iterates, ``row`` its row of the scored table.
    ``target_seconds`` and ``target_passes`` count neither start nor setup. They are infinite
    for a target that was not reached, and for all targets of a trial without a scored fit.
    """
    if np.isfinite(row["nll"]) and row["status"] in SCORED:
        points = [*points, (row["seconds"], row["passes"], row["nll"])]
    else:
        points = []
    # The last row, of infinite cost, reaches the targets that no iterate did.
    table = np.array([*points, (np.inf, np.inf, -np.inf)], dtype=np.float64)
    limits = row["reference_nll"] + np.array(TARGETS) * row["p"] / (2.0 * row["n"])
    first = (table[:, 2, None] <= limits).argmax(axis=0)
    return {
        "target_seconds": table[first, 0].tolist(),
        "target_passes": table[first, 1].tolist(),
    }


def profile(group: pd.DataFrame, measure: str) -> tuple[Array, Array]:
    """The share of all (trial, target) pairs reached within each cost, start included.

    ``measure`` is ``seconds`` or ``passes``. This is the data profile of Hansen et al. (2016,
    *COCO: performance assessment*); its last value is the share reached at any cost.
    """
    costs = np.array(group[f"target_{measure}"].tolist(), dtype=np.float64)
    start = group[f"start_{measure}"].fillna(0.0).to_numpy()
    return ecdf((costs + start[:, None]).ravel())


def ecdf(values: Array) -> tuple[Array, Array]:
    """Sorted finite values, and the share of *all* values at or below each of them."""
    finite = np.sort(values[np.isfinite(values)])
    return finite, np.arange(1, finite.size + 1) / max(values.size, 1)
