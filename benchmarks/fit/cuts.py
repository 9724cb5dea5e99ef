"""Where to cut between neighbouring groups, and what the cut costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fit.groups import Z95, Grouping, Labels, errors_of, moved
from benchmarks.fit.peaks import component_masses, grid
from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.errors import UserError
from scenarios.families import family
from scenarios.families.base import Array

if TYPE_CHECKING:
    import pandas as pd

BETWEEN, BELOW, ABOVE = "between them", "below both", "above both"
"""Where a cut lies."""
HALVINGS = 80
SLOPE_STEP = 1e-5
"""Of the differences by x, relative to the narrowest component's spread."""


def cut_table(
    mixture: ScipyMixture,
    grouping: Grouping,
    covariance: Array | None,
    size: int,
    costs: Sequence[float] | None = None,
) -> pd.DataFrame:
    """A row for each cut between neighbouring groups, from left to right.

    At a cut both are equally probable, or with ``costs`` (G,) equally costly: each is the cost of
    one observation of that group that is put into the other. Columns: left and right (the numbers
    of the groups, from 1), cut, error, low, high (its standard error and 95 % interval, by the
    implicit function theorem and the delta method), where (between or outside the two peaks),
    left_lost and right_lost (the share of the left group on the right side, and of the right
    group on the left), and misplaced (both, as a share of all observations; NaN outside). A cut
    outside the peaks is named where at least half an observation of ``size`` is expected beyond
    it, and no third group is more probable there. ``UserError`` for costs that are not positive.
    """
    import pandas as pd

    prices = checked_costs(costs, grouping.count)
    rows = [
        row
        for left in range(grouping.count - 1)
        for row in _cuts(mixture, grouping, left, covariance, size, prices)
    ]
    columns = ["left", "right", "cut", "error", "low", "high", "where", "left_lost", "right_lost",
               "misplaced"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def checked_costs(costs: Sequence[float] | None, count: int) -> Array:
    """The costs (G,), by default all 1; ``UserError`` unless there is a positive one a group."""
    if costs is None:
        return np.ones(count)
    prices = np.atleast_1d(np.asarray(costs, dtype=float))
    if prices.shape != (count,) or not (np.isfinite(prices) & (prices > 0.0)).all():
        given = ", ".join(f"{cost:g}" for cost in prices.ravel())
        raise UserError(
            f"costs {given}: they must be {count} positive numbers, the cost of a misplaced "
            "observation of each group; give one a group"
        )
    return prices


def _cuts(
    mixture: ScipyMixture,
    grouping: Grouping,
    left: int,
    covariance: Array | None,
    size: int,
    costs: Array,
) -> list[dict[str, Any]]:
    """The rows of the cuts between groups ``left`` and ``left + 1``."""
    labels, (first, second) = grouping.labels, grouping.centres[left : left + 2]
    cuts = _roots(mixture, labels, left, costs)
    if not cuts.size:
        return []
    errors = _errors(mixture, labels, left, cuts, covariance)
    masses = component_masses(mixture, cuts)  # (K, cuts + 1)
    below = np.cumsum(mixture.weights[:, None] * masses, axis=1)[:, :-1]
    sides = [below[labels == group].sum(axis=0) for group in (left, left + 1)]
    shares = [float(mixture.weights[labels == group].sum()) for group in (left, left + 1)]
    total = below.sum(axis=0)
    highest = _is_highest(mixture, labels, left, cuts, costs)
    rows = []
    for j, cut in enumerate(cuts):
        where = BELOW if cut < first else ABOVE if cut > second else BETWEEN
        beyond = min(total[j], 1.0 - total[j]) * size
        if where != BETWEEN and not (highest[j] and beyond >= 0.5):
            continue
        lost = (shares[0] - sides[0][j], sides[1][j]) if where == BETWEEN else (np.nan, np.nan)
        rows.append(
            {
                "left": left + 1, "right": left + 2, "cut": cut, "error": errors[j],
                "low": cut - Z95 * errors[j], "high": cut + Z95 * errors[j], "where": where,
                "left_lost": lost[0] / shares[0], "right_lost": lost[1] / shares[1],
                "misplaced": lost[0] + lost[1],
            }
        )  # fmt: skip
    return rows


def _log_ratio(joint: Array, labels: Labels, left: int) -> Array:
    """The log odds (..., m) of group ``left`` against the next, from log wₖ fₖ (..., K, m)."""
    with np.errstate(invalid="ignore"):
        one, two = (
            np.logaddexp.reduce(joint[..., labels == group, :], axis=-2)
            for group in (left, left + 1)
        )
        return np.asarray(one - two)


def _joint(name: str, weights: Array, parameters: Array, x: Array) -> Array:
    """Log wₖ fₖ (D, K, m) of D mixtures at x (m,)."""
    rows = parameters.reshape(weights.size, -1)
    terms = np.asarray(family(name).scipy_distribution(rows).logpdf(x))
    with np.errstate(divide="ignore"):
        return np.asarray(terms.reshape(*weights.shape, -1) + np.log(weights)[..., None])


def _ratio_at(mixture: ScipyMixture, labels: Labels, left: int, costs: Array, x: Array) -> Array:
    """The log odds (m,) plus the log ratio of costs: zero at a cut."""
    joint = _joint(mixture.family, mixture.weights[None], mixture.parameters[None], x)[0]
    return _log_ratio(joint, labels, left) + np.log(costs[left] / costs[left + 1])


def _roots(mixture: ScipyMixture, labels: Labels, left: int, costs: Array) -> Array:
    """All places where the two groups are equally costly, in order."""
    x = grid(mixture)
    values = _ratio_at(mixture, labels, left, costs, x)
    known = np.isfinite(values)
    x, signs = x[known], values[known] > 0.0
    changes = np.flatnonzero(signs[1:] != signs[:-1])
    low, high, positive = x[changes], x[changes + 1], signs[changes]
    for _ in range(HALVINGS if changes.size else 0):
        middle = 0.5 * (low + high)
        same = (_ratio_at(mixture, labels, left, costs, middle) > 0.0) == positive
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.asarray(0.5 * (low + high))


def _errors(
    mixture: ScipyMixture, labels: Labels, left: int, cuts: Array, covariance: Array | None
) -> Array:
    """Standard errors of cuts: with g their log odds, ∂x/∂θ = -(∂g/∂θ) ÷ (∂g/∂x)."""
    weights, parameters, steps = moved(mixture)
    name, step = mixture.family, SLOPE_STEP * float(mixture.spreads.min())
    above, below = np.split(_log_ratio(_joint(name, weights, parameters, cuts), labels, left), 2)
    one, two = (
        _ratio_at(mixture, labels, left, np.ones(left + 2), cuts + shift) for shift in (step, -step)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (above - below) / (2.0 * steps[:, None])
        return errors_of(-slopes * (2.0 * step) / (one - two), covariance)


def _is_highest(
    mixture: ScipyMixture, labels: Labels, left: int, cuts: Array, costs: Array
) -> np.ndarray:
    """Whether no third group is more costly to leave than the two at each cut."""
    shares = mixture.responsibilities(cuts)
    groups = np.stack(
        [costs[g] * shares[labels == g].sum(axis=0) for g in range(int(labels.max()) + 1)]
    )
    return groups[left] >= (1.0 - 1e-9) * groups.max(axis=0)


def expected_error(mixture: ScipyMixture, labels: Labels) -> float:
    """The share of all values whose most probable group is not their own."""

    def best(x: Array) -> Array:
        joint = _joint(mixture.family, mixture.weights[None], mixture.parameters[None], x)[0]
        groups = range(int(labels.max()) + 1)
        logs = [np.logaddexp.reduce(joint[labels == group], axis=0) for group in groups]
        return np.argmax(logs, axis=0)

    x = grid(mixture)
    winners = best(x)
    changes = np.flatnonzero(winners[1:] != winners[:-1])
    low, high, before = x[changes], x[changes + 1], winners[changes]
    for _ in range(HALVINGS if changes.size else 0):
        middle = 0.5 * (low + high)
        same = best(middle) == before
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    regions = winners[np.append(changes, x.size - 1)]  # the group of each part of the line
    masses = mixture.weights[:, None] * component_masses(mixture, high)
    return float(masses[labels[:, None] != regions].sum())
