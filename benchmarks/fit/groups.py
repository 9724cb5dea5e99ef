"""Groups of components: what each looks like, with errors, and which observation belongs where.

A group is the components under one peak of the density: those with most of their mass between the
valleys beside it. Groups are labels (K,), the number of each component's group from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks.fit.peaks import Peaks, component_masses, merged
from benchmarks.reference.scipy_mixture import STEP, ScipyMixture
from scenarios.families import family
from scenarios.families.base import Array
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

Labels = NDArray[np.intp]
QUANTITIES = ("share", "mean", "sd", "low 68 %", "median", "high 68 %")
"""What is said of a group, in this order; the two ends hold the central 68 % between them."""
CENTRAL = np.array([0.16, 0.5, 0.84])
CERTAIN = 0.9
"""Probability of its group from which an observation belongs there with certainty."""
NARROW = 1e-4
"""Standard deviation ÷ mean below which the errors of the former are lost to rounding."""
HALVINGS = 70
"""Of the interval in which a quantile is sought."""
BLOCK = 1 << 18
"""Observations whose probabilities are computed at once."""
Z95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """The group of each component, and a place in the middle of each group."""

    labels: Labels
    """(K,), from 0."""
    centres: Array
    """(G,), ascending: the peak of each group, or each component's median."""

    @property
    def count(self) -> int:
        """G."""
        return len(self.centres)


def by_peak(mixture: ScipyMixture, peaks: Peaks, most: int | None = None) -> Grouping:
    """The components under each of at most ``most`` peaks, from left to right.

    A peak under which no component has most of its mass is no group: it joins the one beside it.
    """
    peaks = peaks if most is None else merged(mixture, peaks, most)
    while True:
        labels = component_masses(mixture, peaks.valleys).argmax(axis=1)
        holds = np.isin(np.arange(len(peaks)), labels)
        if holds.all():
            return Grouping(labels, peaks.places)
        peaks = peaks.without_basins(holds)


def by_component(mixture: ScipyMixture) -> Grouping:
    """Each component a group of its own; the components are in the order of their medians."""
    return Grouping(np.arange(len(mixture.weights)), mixture.medians())


def group_values(name: str, weights: Array, parameters: Array, labels: Labels) -> Array:
    """The ``QUANTITIES`` (D, G, 6) of the groups of D mixtures.

    ``weights`` (D, K) and ``parameters`` (D, K, d). A group's density is that of its components
    alone. A mean that does not exist is NaN, and a standard deviation infinite.
    """
    count, components = weights.shape
    distribution = family(name).scipy_distribution(parameters.reshape(count * components, -1))
    members = np.arange(labels.max() + 1)[:, None] == labels  # (G, K)

    def of_groups(parts: Array) -> Array:
        # No product with zeros: a component's standard deviation may be infinite.
        return np.stack([parts[:, row].sum(axis=1) for row in members], axis=1)

    shares = of_groups(weights)
    inner = weights / shares[:, labels]  # each component's share of its group
    with np.errstate(all="ignore"):
        means, variances = (
            np.reshape(each, (count, components))
            for each in (distribution.mean(), distribution.var())
        )
        mean = of_groups(inner * np.where(np.isfinite(means), means, np.nan))
        sd = np.sqrt(of_groups(inner * (variances + (means - mean[:, labels]) ** 2)))
        sd = np.where(np.isnan(sd), np.inf, sd)
        ends = np.reshape(distribution.ppf(CENTRAL), (count, components, CENTRAL.size))
    low, high = (
        np.stack([limit(ends[:, row], axis=1) for row in members], axis=1)
        for limit in (np.min, np.max)
    )  # (D, G, 3): a quantile of a mixture is between its components'
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        values = distribution.cdf(middle[:, labels].reshape(count * components, -1))
        below = of_groups(inner[..., None] * values.reshape(count, components, -1)) < CENTRAL
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.concatenate([np.stack([shares, mean, sd], axis=2), 0.5 * (low + high)], axis=2)


def moved(mixture: ScipyMixture) -> tuple[Array, Array, Array]:
    """Weights (2p, K) and parameters (2p, K, d) a step above and below in each coordinate, and the
    steps (p,)."""
    units = np.ones(mixture.parameters.shape)
    units[:, list(mixture.locations)] = mixture.spreads[:, None]
    steps = STEP * np.concatenate([np.ones(len(mixture.weights) - 1), units.ravel()])
    shifts = np.concatenate([np.diag(steps), -np.diag(steps)])
    return *mixture.from_coordinates(mixture.coordinates() + shifts), steps


def errors_of(jacobian: Array, covariance: Array | None) -> Array:
    """Standard errors √diag JᵀCJ (...) from a ``jacobian`` J (p, ...), by the delta method.

    NaN without a covariance C (p, p).
    """
    if covariance is None:
        return np.full(jacobian.shape[1:], np.nan)
    flat = jacobian.reshape(len(jacobian), -1)
    variances = np.einsum("pa,pq,qa->a", flat, covariance, flat)
    with np.errstate(invalid="ignore"):
        return np.sqrt(variances).reshape(jacobian.shape[1:])


def group_table(mixture: ScipyMixture, labels: Labels, covariance: Array | None) -> pd.DataFrame:
    """A row for each group and quantity: group, components, name, value, error, low, high.

    Standard errors are by the delta method from the ``covariance`` (p, p) of the mixture's
    coordinates; NaN without one. The 95 % intervals are ± 1.96 standard errors of the logit of a
    share, of the logarithm of a standard deviation, and of other values themselves.
    """
    import pandas as pd

    name = mixture.family
    weights, parameters, steps = moved(mixture)
    values = group_values(name, mixture.weights[None], mixture.parameters[None], labels)[0]
    above, below = np.split(group_values(name, weights, parameters, labels), 2)
    with np.errstate(invalid="ignore"):
        errors = errors_of((above - below) / (2.0 * steps[:, None, None]), covariance)
    errors = _known(values, errors, bounded=bool(np.isfinite(family(name).support).any()))
    lows, highs = intervals(values, errors)
    parts = [np.flatnonzero(labels == group) + 1 for group in range(len(values))]
    rows = [
        {
            "group": group + 1, "components": ", ".join(map(str, part)), "name": quantity,
            "value": values[group, j], "error": errors[group, j],
            "low": lows[group, j], "high": highs[group, j],
        }
        for group, part in enumerate(parts)
        for j, quantity in enumerate(QUANTITIES)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _known(values: Array, errors: Array, bounded: bool) -> Array:
    """Standard errors (G, 6) of ``values``, NaN where the delta method does not hold.

    A quantile that lies where hardly any observation is expected has an error beyond the group's
    standard deviation. On a bounded support the variance of a group that is ``NARROW`` may be
    a difference of nearly equal numbers. The share of a single group is exact.
    """
    known = errors.copy()
    narrow = bounded & (values[:, 2] < NARROW * np.abs(values[:, 1]))
    known[:, 2] = np.where(narrow, np.nan, errors[:, 2])
    far = errors[:, 3:] > values[:, 2:3]
    known[:, 3:] = np.where(far, np.nan, errors[:, 3:])
    if len(values) == 1:
        known[:, 0] = np.where(np.isnan(errors[:, 0]), np.nan, 0.0)
    return known


def intervals(values: Array, errors: Array) -> tuple[Array, Array]:
    """The ends of 95 % intervals of ``values`` (G, 6), which stay in their domains."""
    margins = Z95 * errors
    low, high = values - margins, values + margins
    shares, sds = values[:, 0], values[:, 2]
    if len(values) == 1:
        low[:, 0] = high[:, 0] = 1.0
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = margins[:, 0] / (shares * (1.0 - shares))
        low[:, 0], high[:, 0] = expit(logit(shares) - odds), expit(logit(shares) + odds)
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.exp(margins[:, 2] / sds)
        low[:, 2], high[:, 2] = sds / ratio, sds * ratio
    return low, high


def probabilities(mixture: Mixture, labels: Labels, x: Array) -> Iterator[Array]:
    """P(group | x), (G, m), of ``BLOCK`` observations after the other."""
    groups = range(int(labels.max()) + 1)
    for start in range(0, x.size, BLOCK):
        shares = mixture.responsibilities(x[start : start + BLOCK])
        yield np.stack([shares[labels == group].sum(axis=0) for group in groups])


def uncertain_count(mixture: Mixture, labels: Labels, x: Array) -> int:
    """How many observations belong to no group with a probability of ``CERTAIN``."""
    blocks = probabilities(mixture, labels, x)
    return sum(int((shares.max(axis=0) < CERTAIN).sum()) for shares in blocks)


def row_table(mixture: Mixture, labels: Labels, x: Array, costs: Array) -> pd.DataFrame:
    """A row for each observation: value, probability_1 … probability_G, group, certain.

    The group is the number, from 1, of the one that it costs most to leave: its probability times
    its cost (G,). It is certain if its probability is at least ``CERTAIN``.
    """
    import pandas as pd

    shares = np.concatenate(list(probabilities(mixture, labels, x)), axis=1)
    chosen = (costs[:, None] * shares).argmax(axis=0)
    columns = {f"probability_{group}": share for group, share in enumerate(shares, 1)}
    return pd.DataFrame(
        {
            "value": x,
            **columns,
            "group": chosen + 1,
            "certain": shares[chosen, np.arange(x.size)] >= CERTAIN,
        }
    )
