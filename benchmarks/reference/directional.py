"""Lindsay's directional derivative D(θ) = mean(f_θ / f̂) - 1 of the log likelihood.

It is the gain, per observation and unit of weight, of a component f_θ added to the mixture f̂.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.reference.admissible import sample_spread
from scenarios.families import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample


def largest_directional(sample: Sample, mixture: Mixture, min_spread: float) -> float:
    """The largest D(θ) found over components of admissible spread: at most sup D.

    n sup D bounds what more components gain, in nats (Lindsay 1983, *Ann. Stat.* 11:86).

    Candidates are moment estimates of windows of the sorted data, narrow to wide; the best
    are refined by the simplex method.
    """
    from scipy.optimize import minimize

    directional = _directional(sample, mixture, min_spread)
    candidates = _candidates(sample, directional)
    best = candidates[0][0]
    for _, free in candidates[:5]:
        result = minimize(lambda f: -directional(f), free, method="Nelder-Mead")
        best = max(best, -float(result.fun))
    return best


def with_a_component_more(sample: Sample, mixture: Mixture, min_spread: float) -> list[Mixture]:
    """``mixture`` with one more component, of weight 0.1 and 0.01, where D is largest."""
    best = _candidates(sample, _directional(sample, mixture, min_spread))[:6]
    return [
        Mixture(
            sample.family,
            np.append(mixture.weights * (1.0 - weight), weight),
            np.vstack([mixture.parameters, sample.family.usual(free)]),
        )
        for _, free in best
        for weight in (0.1, 0.01)
    ]


def _directional(sample: Sample, mixture: Mixture, min_spread: float) -> Callable[[Array], float]:
    """D as a function of a component's free coordinates; -1 where it is inadmissible."""
    x, family = sample.ordered, sample.family
    log_fitted = mixture.log_density(x)
    min_width = min_spread * sample_spread(x)

    def directional(free: Array) -> float:
        row = family.usual(free)[None]
        with np.errstate(all="ignore"):
            if not family.valid(row) or not family.spread(row)[0] >= min_width:
                return -1.0
            return float(np.mean(np.exp(family.log_density(x, row)[0] - log_fitted))) - 1.0

    return directional


def _candidates(sample: Sample, directional: Callable[[Array], float]) -> list[tuple[float, Array]]:
    """(D, free coordinates) of windows of the sorted data, largest D first."""
    x, family = sample.ordered, sample.family
    candidates = []
    for share in (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
        width = max(2, int(share * x.size))
        for low in np.linspace(0, x.size - width, 25).astype(int):
            free = family.free(family.moment_estimate(x[low : low + width]))
            candidates.append((directional(free), free))
    return sorted(candidates, key=lambda candidate: -candidate[0])
