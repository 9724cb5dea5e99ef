"""An upper bound on the likelihood of all mixtures of admissible components, of any number.

For any density G, log likelihood(g) ≤ log likelihood(G) + n log(1 + sup D), with D(θ) = mean(f_θ /
G) - 1 over all observations (Jensen's inequality; Lindsay 1983, *Ann. Stat.* 11:86). The supremum
is over admissible components θ. G is about the nonparametric maximum, where it is about 0, so that
the bound is about the likelihood that mixtures of very many components attain.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.reference.admissible import Region
from benchmarks.reference.branching import Search
from benchmarks.reference.cells import CELLS
from benchmarks.reference.nonparametric import Nonparametric, fit, largest_directional
from benchmarks.reference.ratio import EXACT, Ratio
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.reference.verify import FamilyError, check_likelihood
from scenarios.families import Array
from scenarios.mixture import Mixture
from scenarios.random_part import random_part
from scenarios.sample import Sample

TOLERANCE = 0.5
"""Nats between the bound and the largest D found at which a search ends."""
ROWS = (1000, 4096, 16384)
"""Rows on which G is fitted, one after the other."""
LEFT = 1.0
"""Nats that components gain on all observations, from which G is fitted on more rows."""
MOST = 1 << 24
"""Observations, at most."""
CHECKED = 3_000_000
"""Densities, at most, that are compared with scipy's."""


@dataclass(frozen=True, eq=False)
class Bound:
    """No mixture of admissible components of a family has a larger log likelihood on a sample."""

    log_likelihood: float | None
    """The bound, in nats; None if there is none."""
    proved: bool
    """Whether the bound holds; otherwise it is an estimate, from the largest D found."""
    reason: str
    """Why there is no bound, or it isn't proved, or is loose; empty if it is proved and tight."""
    attained: float = float("nan")
    """The log likelihood of G."""
    weights: Array | None = None
    """Of G's components, (k,)."""
    parameters: Array | None = None
    """Usual parameters of G's components, (k, d)."""
    largest_directional: float = float("nan")
    """The largest D found of an admissible component: no bound on this G is closer."""


def upper_bound(sample: Sample, min_spread: float, seconds: float = 60.0) -> Bound:
    """Bound the log likelihood of mixtures of components of admissible spread (``Region``).

    It takes about ``seconds`` at most: the bound is then the best until there.
    """
    region = Region.of(sample, min_spread)
    reason = _no_bound(sample, region)
    if reason:
        return Bound(None, False, reason)
    try:
        if sample.family.name in CELLS:
            return _proved(sample, region, time.monotonic(), seconds)
        return _estimated(sample, min_spread, time.monotonic() + 0.5 * seconds)
    except FamilyError as error:
        return Bound(None, False, f"densities are not exact enough: {error}")


def _no_bound(sample: Sample, region: Region) -> str:
    """Why there is no bound; empty if there is one."""
    if sample.family.name == "student_t":
        return (
            "no spread bounds the density of Student's t: with degrees of freedom near zero it "
            "has a spike of any height"
        )
    if not min(region.spread, region.link_spread) > 0.0:
        return "the middle 68 % of the observations are one value, and any spread is admissible"
    if not region.min_spread > 0.0:
        return "any spread is admissible: the likelihood is unbounded"
    if sample.observations.size != sample.size:
        return "the observations are not stored: a sketch of them bounds nothing"
    if sample.size > MOST:
        return f"there are more than {MOST:,} observations"
    return ""


def _proved(sample: Sample, region: Region, start: float, seconds: float) -> Bound:
    """The bound by branch and bound; G is fitted again, on more rows, where it is not tight."""
    n, cells = sample.size, CELLS[sample.family.name](region)
    found: Nonparametric | None = None
    best: Bound | None = None
    for most, share in zip(ROWS, (0.2, 0.4, 0.6), strict=True):
        until = start + share * seconds
        tolerance = 2.0 * TOLERANCE if most < n else 0.5 * TOLERANCE
        found = fit(sample, region.min_spread, tolerance, 30, found, most, until)
        if most == ROWS[0] < n or (most < ROWS[-1] and n > EXACT):
            continue
        mixture = _mixture(sample, found)
        search = Search(cells, Ratio(sample, mixture, cells), n)
        search.run(TOLERANCE, start + seconds)
        bound = _from_search(search, mixture)
        if best is None or _nats(bound) < _nats(best):
            best = bound
        if n * search.best < LEFT or n <= most or time.monotonic() > start + 0.5 * seconds:
            break
    assert best is not None
    if not np.isfinite(_nats(best)):
        return Bound(None, False, "time was up before anything was proved: give more seconds")
    return best


def _from_search(search: Search, mixture: Mixture) -> Bound:
    n, attained = search.size, search.ratio.attained
    left = n * (search.supremum - search.best)
    loose = f"time was up: more would lower the bound by up to {left:.1f} nats"
    return Bound(
        attained + n * search.supremum,
        True,
        loose if left > 1.01 * TOLERANCE else "",
        attained,
        mixture.weights,
        mixture.parameters,
        float(np.expm1(search.best)),
    )


def _estimated(sample: Sample, min_spread: float, deadline: float) -> Bound:
    """An estimate of the bound, from the largest D that local searches find."""
    found = fit(sample, min_spread, 0.5 * TOLERANCE, 30, None, ROWS[1], deadline)
    largest = largest_directional(sample, found, min_spread, ROWS[2])
    mixture = _mixture(sample, found)
    blocks = np.array_split(sample.observations, 1 + sample.size // (1 << 12))
    attained = float(sum(mixture.log_density(block).sum() for block in blocks))
    return Bound(
        attained + sample.size * float(np.log1p(largest)),
        False,
        f"an estimate: sup D is the largest found, since no bound of D is known for the family "
        f"{sample.family.name!r}",
        attained,
        mixture.weights,
        mixture.parameters,
        largest,
    )


def _mixture(sample: Sample, found: Nonparametric) -> Mixture:
    """G, heaviest component first, once scipy confirms its likelihood."""
    order = np.argsort(-found.weights)
    mixture = Mixture(sample.family, found.weights[order], found.parameters[order])
    part = random_part(sample.observations, max(1000, CHECKED // mixture.components))
    scipys = ScipyMixture(sample.family.name, mixture.weights, mixture.parameters)
    ours = float(mixture.log_density(part).sum())
    check_likelihood(sample.family.name, ours, -part.size * mean_nll(scipys, part), part.size)
    return mixture


def _nats(bound: Bound) -> float:
    return np.inf if bound.log_likelihood is None else bound.log_likelihood
