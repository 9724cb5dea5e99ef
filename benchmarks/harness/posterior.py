"""Facts about a posterior that no labelling can change."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.harness.journal import number, numbers
from scenarios.sample import Sample

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
ENDS = (0.05, 0.25, 0.75, 0.95)


def summarise_posterior(posterior: Any, sample: Sample) -> dict[str, Any]:
    """R̂, effective sample sizes, divergences and quantiles of ArviZ data.

    Its variables are ``weights`` and the family's parameters, one label one component.
    Measured on the mixture's log density at five quantiles of the data, which are the same
    however the components are labelled; rank-normalised R̂ and bulk ESS as in Vehtari et
    al. (2021), *Bayesian Analysis* 16:667. The worst of the five is kept.
    """
    import arviz as az

    from benchmarks.harness import judge  # scipy.optimize, which other workers need not import

    group = posterior.posterior
    names = ["weights", *sample.family.parameter_names()]
    draws = np.stack([group[name].to_numpy() for name in names], axis=-1)
    chains, length = draws.shape[:2]
    points = np.quantile(sample.observations, LEVELS)
    flat = draws.reshape(-1, *draws.shape[2:])
    densities = judge.log_densities(sample.family.name, flat[..., 0], flat[..., 1:], points)
    densities = densities.reshape(chains, length, len(points))
    columns = [np.ascontiguousarray(densities[..., j]) for j in range(len(points))]
    return {
        "chains": chains,
        "draws": length,
        "r_hat": number(max(float(az.rhat(c)) for c in columns)) if chains > 1 else None,
        "ess": number(min(float(az.ess(c)) for c in columns)),
        # The ends of the central 90 % and 50 % intervals, (level, K, weight and parameters).
        "quantiles": numbers(np.quantile(flat, ENDS, axis=0).tolist()),
        "divergences": int(np.sum(posterior.sample_stats["diverging"])),
    }
