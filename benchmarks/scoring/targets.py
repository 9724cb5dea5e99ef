"""When trials reach targets of excess, and how long restarts take until one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.runner.status import SCORED
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

TARGETS = tuple(10.0**power for power in range(2, -5, -1))
"""Targets of excess, in descending order."""
SIMULATED = 200
"""Simulated runs for each target on each scenario."""
MEASURES = {
    "seconds": ("target_seconds", "start_seconds", "seconds"),
    "passes": ("target_passes", "start_passes", "passes"),
}
"""Columns of the cost to a target, of the start, and of the whole fit, by measure."""


def target_costs(
    points: list[tuple[float, float, float]],
    row: Mapping[str, Any],
    admissible: Callable[[int], bool],
) -> dict[str, list[float]]:
    """The cost at which a trial first reached each of ``TARGETS``, two lists of their length.

    ``points`` are (seconds, passes, NLL) of its iterates, ``row`` its row of the scored table; an
    iterate counts if ``admissible``, called with its index, says so. ``target_seconds`` and
    ``target_passes`` count neither start nor setup, and are infinite where a target was not
    reached.
    """
    limits = row["reference_nll"] + np.array(TARGETS) * row["p"] / (2.0 * row["n"])
    costs = np.full((len(TARGETS), 2), np.inf)
    for index, (*cost, nll) in enumerate(points):
        new = np.isinf(costs[:, 0]) & (nll <= limits)
        if new.any() and admissible(index):
            costs[new] = cost
    if row["status"] in SCORED:
        new = np.isinf(costs[:, 0]) & (row["nll"] <= limits)
        costs[new] = row["seconds"], row["passes"]
    return {"target_seconds": costs[:, 0].tolist(), "target_passes": costs[:, 1].tolist()}


def profile(group: pd.DataFrame, measure: str, cold: bool = False) -> tuple[Array, Array]:
    """The share of (scenario, target) pairs that restarts reach within a cost, as steps.

    ``group`` are the trials of one method, ``measure`` is ``seconds`` or ``passes``. For each
    scenario and target, ``SIMULATED`` runs are drawn: trials with replacement, one after another,
    until one of them reaches the target. A run costs what its failures did, and what the last
    trial spent until then; starts included, and with ``cold`` one setup. That is the runtime
    distribution of Hansen et al. (2016, arXiv 1605.03560), by simulated restarts. Its last value
    is the share that is reached at any cost.
    """
    reached, start, whole = MEASURES[measure]
    runs = []
    for _, trials in group.groupby("scenario", sort=False):
        costs = np.array(trials[reached].tolist(), dtype=np.float64)  # (trial, target)
        begin = trials[start].fillna(0.0).to_numpy(dtype=np.float64)
        failed = begin + trials[whole].fillna(0.0).to_numpy(dtype=np.float64)
        setup = trials["cold_setup_seconds"].fillna(0.0).max() if cold else 0.0
        generator = np.random.default_rng(0)
        for column in (costs + begin[:, None]).T:
            runs.append(setup + simulated_runs(column, failed, generator))
    return ecdf(np.concatenate(runs) if runs else np.empty(0))


def simulated_runs(reached: Array, failed: Array, generator: np.random.Generator) -> Array:
    """Costs (``SIMULATED``,) of restarts until one reaches a target; infinite where none does.

    A trial reaches it at the cost ``reached`` (m,), or, where that is infinite, ends after
    ``failed`` (m,).
    """
    success = np.isfinite(reached)
    if not success.any():
        return np.full(SIMULATED, np.inf)
    last = generator.choice(reached[success], SIMULATED)
    failures = generator.geometric(success.mean(), SIMULATED) - 1
    if not failures.any():
        return last
    spent = generator.choice(failed[~success], int(failures.sum()))
    return last + np.bincount(np.repeat(np.arange(SIMULATED), failures), spent, minlength=SIMULATED)


def ecdf(values: Array) -> tuple[Array, Array]:
    """Sorted finite values, and the share of *all* values at or below each of them."""
    finite = np.sort(values[np.isfinite(values)])
    return finite, np.arange(1, finite.size + 1) / max(values.size, 1)
