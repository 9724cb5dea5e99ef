"""A start that does not miss: many candidates, of which the best is carried to the top."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fitters.em import EM
from fitters.starts import KMeans, Quantile, Start, StartPolicy
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.stack import Stack

BINS = 512
"""Rows of the sketch on which candidates are tried."""
SHORT, LONG = 12, 400
"""E-steps that every candidate is given, and those that are carried on."""
CARRIED = 8
NARROW, LONELY, FEW = 0.02, 0.05, 10.0
"""Spreads relative to the sample's below which a component sits on noise: always, and while
it is expected to hold fewer than ``FEW`` observations."""


class Screened(StartPolicy):
    """Screens many candidates on a sketch, and starts from the best optimum they lead to.

    Candidates are cuts at random quantiles, k-means, windows that lie inside one another,
    as components of one mean do, and the best mixture of one component less with another
    where Lindsay's D(θ) is largest (Lindsay 1983, *Ann. Stat.* 11:86). Each gets a few
    accelerated EM steps, the best distinct ones many. What that costs is counted.
    """

    name = "screened"

    def supports(self, family: Family, components: int) -> str | None:
        """Exponential families, which can be sketched."""
        if isinstance(family, ExponentialFamily):
            return None
        return f"{family.name} is no exponential family, so it has no sketch to screen on"

    def draw(self, sample: Sample, components: int, seed: int) -> Mixture:
        """The best admissible optimum found; among none admissible, the best candidate."""
        seen = sample.sketch(BINS)
        generator = np.random.default_rng(seed)
        best = _climbed(seen, [_quantile(sample, 1, generator)], LONG)[0]
        for count in range(2, components + 1):
            candidates = list(_candidates(sample, count, generator))
            candidates += _inserted(seen, best[1], sample)
            tried = _distinct(_climbed(seen, candidates, SHORT), sample)[:CARRIED]
            carried = _climbed(seen, [mixture for _, mixture in tried], LONG)
            best = _distinct(carried, sample)[0]
        return best[1]


Climbed = tuple[float, Mixture]


def _climbed(seen: Sample, starts: list[Mixture], most: int) -> list[Climbed]:
    """(log likelihood, mixture) after EM from each; -inf where it left the domain."""
    prepared = EM(max_iterations=most).prepare(seen, seen.family, starts[0].components)
    fits = prepared.fit_many([Start(m, Quantile(), 0) for m in starts], [0] * len(starts))
    with np.errstate(all="ignore"):  # some candidates lead nowhere
        values = seen.expectations(Stack.of([fit.mixture for fit in fits]))[0]
    return [
        (float(value), fit.mixture) if fit.mixture.valid() and np.isfinite(value) else (-np.inf, m)
        for value, fit, m in zip(values, fits, starts, strict=True)
    ]


def _distinct(climbed: list[Climbed], sample: Sample) -> list[Climbed]:
    """Best first, admissible ones before all others, one of each likelihood."""
    ranked = sorted(climbed, key=lambda c: (not _admissible(c[1], sample), -c[0]))
    kept: list[Climbed] = []
    for value, mixture in ranked:
        if not any(abs(value - other) < 1e-2 for other, _ in kept):
            kept.append((value, mixture))
    return kept


def _admissible(mixture: Mixture, sample: Sample) -> bool:
    """Whether no component has shrunk onto a few observations."""
    low, high = np.quantile(sample.ordered, [0.16, 0.84])
    with np.errstate(all="ignore"):
        relative = mixture.family.spread(mixture.parameters) / (0.5 * (high - low))
    lonely = mixture.weights * sample.size < FEW
    return bool((relative >= np.where(lonely, LONELY, NARROW)).all())


def _candidates(
    sample: Sample, components: int, generator: np.random.Generator
) -> Iterator[Mixture]:
    for _ in range(6 * components):
        yield _quantile(sample, components, generator)
    for _ in range(2 * components):
        yield KMeans().draw(sample, components, int(generator.integers(2**31)))
    for _ in range(8 * components):
        yield _windows(sample, components, generator)


def _quantile(sample: Sample, components: int, generator: np.random.Generator) -> Mixture:
    return Quantile().draw(sample, components, int(generator.integers(2**31)))


def _windows(sample: Sample, components: int, generator: np.random.Generator) -> Mixture:
    """Moment estimates of windows of any place and width in the sorted data."""
    x = sample.ordered
    least = max(2, x.size // 50)
    widths = np.exp(generator.uniform(np.log(least / x.size), 0.0, components)) * x.size
    sizes = np.clip(widths.astype(int), least, x.size)
    lows = [int(generator.integers(0, x.size - size + 1)) for size in sizes]
    groups = [x[low : low + size] for low, size in zip(lows, sizes, strict=True)]
    rows = np.stack([sample.family.moment_estimate(group) for group in groups])
    return Mixture(sample.family, sizes / sizes.sum(), rows)


def _inserted(seen: Sample, mixture: Mixture, sample: Sample) -> list[Mixture]:
    """``mixture`` with one more component, where the directional derivative D is largest."""
    x = sample.ordered
    rows: list[Array] = []
    for share in (0.01, 0.03, 0.1, 0.3):
        width = max(2, int(share * x.size))
        for low in np.linspace(0, x.size - width, 20).astype(int):
            rows.append(sample.family.moment_estimate(x[low : low + width]))
    table = np.stack(rows)
    family = seen.family
    assert isinstance(family, ExponentialFamily)
    with np.errstate(all="ignore"):
        eta = family.natural(table)
        logs = eta @ seen.rows.T - family.log_partition(eta)[:, None]
        own = family.natural(mixture.parameters)
        fitted = own @ seen.rows.T - family.log_partition(own)[:, None]
        fitted = np.logaddexp.reduce(fitted + np.log(mixture.weights)[:, None], axis=0)
        directional = np.exp(logs - fitted) @ seen.counts / seen.size - 1.0
    # A pass is the density of K components: so many passes are these.
    seen.count((len(table) / mixture.components + 1.0) * len(seen.counts) / seen.size)
    best = np.argsort(-np.nan_to_num(directional, nan=-np.inf, posinf=-np.inf))[:6]
    weights = np.append(0.9 * mixture.weights, 0.1)
    return [
        Mixture(sample.family, weights, np.vstack([mixture.parameters, table[index]]))
        for index in best
    ]
