"""Facts about a posterior that do not depend on how its components are labelled."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.runner.journal import number, numbers
from scenarios.sample import Sample

DATA_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Quantiles of the data at which the mixture's log density is monitored."""
INTERVAL_ENDS = (0.05, 0.25, 0.75, 0.95)
"""Posterior quantiles: the ends of the central 90 % and 50 % intervals."""
KEPT_DRAWS = 400
"""Draws in a record, for the posterior predictive density."""
DIGITS = 7
"""Significant digits of each of them, which a Monte Carlo average does not notice."""


def summarise_posterior(posterior: Any, sample: Sample) -> dict[str, Any]:
    """Summarise ArviZ data with the variables ``weights`` and the family's parameters.

    R̂ and the effective sample sizes are the worst over the mixture's log density at five
    quantiles of the data: rank-normalised R̂, bulk and tail ESS, Vehtari et al. (2021), *Bayesian
    Analysis* 16:667. ``quantiles`` is (level, K, weight and parameters), ``chain_means`` (chain,
    K, weight and parameters) after relabelling, ``kept`` (draw, K, weight and parameters) an
    evenly thinned part of all draws.
    """
    import arviz as az

    from benchmarks.reference.scipy_mixture import log_densities

    group = posterior.posterior
    names = ["weights", *sample.family.parameter_names()]
    draws = np.stack([group[name].to_numpy() for name in names], axis=-1)
    chains, length = draws.shape[:2]
    points = np.quantile(sample.observations, DATA_QUANTILES)
    flat = draws.reshape(-1, *draws.shape[2:])
    densities = log_densities(sample.family.name, flat[..., 0], flat[..., 1:], points)
    columns = np.ascontiguousarray(densities.T).reshape(len(points), chains, length)
    thinned = np.linspace(0, len(flat) - 1, min(KEPT_DRAWS, len(flat))).astype(int)
    kept = [[[float(f"{v:.{DIGITS}g}") for v in row] for row in draw] for draw in flat[thinned]]
    return {
        "chains": chains,
        "draws": length,
        "r_hat": number(max(float(az.rhat(c)) for c in columns)) if chains > 1 else None,
        "ess": number(min(float(az.ess(c)) for c in columns)),
        "ess_tail": number(min(float(az.ess(c, method="tail")) for c in columns)),
        "quantiles": numbers(np.quantile(flat, INTERVAL_ENDS, axis=0).tolist()),
        "chain_means": numbers(draws.mean(axis=1).tolist()),
        "kept": numbers(kept),
        "divergences": int(np.sum(posterior.sample_stats["diverging"])),
    }
