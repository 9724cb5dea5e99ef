"""Screened starts: the best optimum of many candidates."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from fitters.em import EM
from fitters.starts.base import Array, Model, Sample, Start, StartPolicy, moments_of_groups
from fitters.starts.kmeans import KMeans
from fitters.starts.quantile import Quantile
from scenarios.families import ExponentialFamily
from scenarios.mixture import Mixture, MixtureBatch

BINS = 512
"""Rows of the sketch on which candidates are screened."""
FEW_STEPS, MANY_STEPS, MAX_IMPROVED = 12, 400, 8
"""E-steps for every candidate; for the best distinct ones; and how many of these there are."""
SAME_OPTIMUM = 1e-2
"""Nats within which two candidates are at one optimum."""
MIN_SPREAD, MIN_SPREAD_IF_SMALL, SMALL = 0.02, 0.05, 10.0
"""Smallest spread of a component, relative to the sample's: in general, and for one that is
expected to hold fewer than ``SMALL`` observations."""

Candidate = tuple[float, Mixture]
"""(log likelihood on the sketch, mixture); -inf where EM left the domain."""


class Screened(StartPolicy):
    """Screens many candidates on a sketch, and starts at the best optimum that they lead to.

    Candidates are cuts at random quantiles, k-means, windows that lie inside one another,
    as components of one mean do, and the best mixture of one component fewer with another
    where Lindsay's D(θ) is largest (Lindsay 1983, *Ann. Stat.* 11:86). Each gets a few
    hybrid EM steps, the best distinct ones many. The passes are counted.
    """

    name = "screened"
    kernels = ("expectations", "hessians", "em_round")

    def supports(self, model: Model) -> str | None:
        """Exponential families, which can be sketched."""
        if model.exponential:
            return None
        return f"{model.family.name} is no exponential family, so it has no sketch to screen on"

    def draw(self, sample: Sample, model: Model, seed: int) -> Mixture:
        """Return the best admissible optimum found, or the best candidate where none is."""
        sketch, generator = sample.sketch(BINS), np.random.default_rng(seed)
        single = _draw(Quantile(), sample, 1, generator)
        best = _improved(sketch, [single], MANY_STEPS)[0]
        for components in range(2, model.components + 1):
            starts = _candidates(sample, components, generator)
            starts += _with_one_more(sketch, best[1], sample)
            screened = _distinct(_improved(sketch, starts, FEW_STEPS), sample)[:MAX_IMPROVED]
            improved = _improved(sketch, [mixture for _, mixture in screened], MANY_STEPS)
            best = _distinct(improved, sample)[0]
        return best[1]


def _improved(sketch: Sample, starts: list[Mixture], max_steps: int) -> list[Candidate]:
    """Candidates after hybrid EM from each start."""
    model = Model(sketch.family, starts[0].components)
    prepared = EM(max_iterations=max_steps, newton=True).prepare(sketch, model)
    fits = prepared.fit_many([Start(m, Quantile(), 0) for m in starts], [0] * len(starts))
    with np.errstate(all="ignore"):  # some candidates leave the domain
        values = sketch.expectations(MixtureBatch.of([fit.mixture for fit in fits]))[0]
    return [
        (float(value), fit.mixture) if fit.mixture.valid() and np.isfinite(value) else (-np.inf, m)
        for value, fit, m in zip(values, fits, starts, strict=True)
    ]


def _distinct(candidates: list[Candidate], sample: Sample) -> list[Candidate]:
    """One candidate for each likelihood, admissible ones first, then by likelihood."""
    ranked = sorted(candidates, key=lambda c: (not _admissible(c[1], sample), -c[0]))
    distinct: list[Candidate] = []
    for value, mixture in ranked:
        if not any(abs(value - other) < SAME_OPTIMUM for other, _ in distinct):
            distinct.append((value, mixture))
    return distinct


def _admissible(mixture: Mixture, sample: Sample) -> bool:
    """Whether no component has shrunk onto a few observations."""
    low, high = np.quantile(sample.ordered, [0.16, 0.84])
    with np.errstate(all="ignore"):
        spread = mixture.family.spread(mixture.parameters) / (0.5 * (high - low))
    small = mixture.weights * sample.size < SMALL
    return bool((spread >= np.where(small, MIN_SPREAD_IF_SMALL, MIN_SPREAD)).all())


def _candidates(sample: Sample, components: int, generator: Generator) -> list[Mixture]:
    policies = 6 * components * [Quantile()] + 2 * components * [KMeans()]
    drawn = [_draw(policy, sample, components, generator) for policy in policies]
    return drawn + [_windows(sample, components, generator) for _ in range(8 * components)]


def _draw(policy: StartPolicy, sample: Sample, components: int, generator: Generator) -> Mixture:
    seed = int(generator.integers(2**31))
    return policy.draw(sample, Model(sample.family, components), seed)


def _windows(sample: Sample, components: int, generator: Generator) -> Mixture:
    """Moment estimates of windows of any place and width in the sorted data."""
    x = sample.ordered
    smallest = max(2, x.size // 50)
    widths = np.exp(generator.uniform(np.log(smallest / x.size), 0.0, components)) * x.size
    sizes = np.clip(widths.astype(int), smallest, x.size)
    lows = [int(generator.integers(0, x.size - size + 1)) for size in sizes]
    return moments_of_groups(
        sample, [x[low : low + size] for low, size in zip(lows, sizes, strict=True)]
    )


def _with_one_more(sketch: Sample, mixture: Mixture, sample: Sample) -> list[Mixture]:
    """``mixture`` with one more component, where the directional derivative D is largest."""
    x, family = sample.ordered, sketch.family
    assert isinstance(family, ExponentialFamily)
    rows: list[Array] = []
    for share in (0.01, 0.03, 0.1, 0.3):
        width = max(2, int(share * x.size))
        lows = np.linspace(0, x.size - width, 20).astype(int)
        rows += [family.moment_estimate(x[low : low + width]) for low in lows]
    added = np.stack(rows)
    with np.errstate(all="ignore"):
        log_added = _log_densities(family, added, sketch.rows)
        log_fitted = _log_densities(family, mixture.parameters, sketch.rows)
        log_fitted = np.logaddexp.reduce(log_fitted + np.log(mixture.weights)[:, None], axis=0)
        derivative = np.exp(log_added - log_fitted) @ sketch.counts / sketch.size - 1.0
    # A pass evaluates the densities of K components at every row.
    passes = (len(added) / mixture.components + 1.0) * sketch.pass_share
    sketch.count(passes, "density")
    best = np.argsort(-np.nan_to_num(derivative, nan=-np.inf, posinf=-np.inf))[:6]
    weights = np.append(0.9 * mixture.weights, 0.1)
    return [
        Mixture(sample.family, weights, np.vstack([mixture.parameters, added[index]]))
        for index in best
    ]


def _log_densities(family: ExponentialFamily, parameters: Array, rows: Array) -> Array:
    """η·T - A of components (K, d) at rows (r, d), shape (K, r)."""
    eta = family.natural(parameters)
    return np.asarray(eta @ rows.T - family.log_partition(eta)[:, None])
