"""A fitted mixture's weights and parameters with their standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from benchmarks.fit.groups import Z95
from benchmarks.reference.ascent import observed_information
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.estimates import standard_errors, usual_names, usual_values
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

if TYPE_CHECKING:
    import pandas as pd


def covariance(mixture: ScipyMixture, sample: Sample) -> Array | None:
    """The covariance (p, p) of ``mixture.coordinates()``; None if there is none.

    It is the inverse of the observed information, which must be positive definite.
    """
    family = sample.family
    information = observed_information(sample, Mixture(family, mixture.weights, mixture.parameters))
    if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0.0:
        return None
    # The information is in the family's coordinates, where a location is ÷ its scale.
    table = np.ones(mixture.parameters.shape)
    table[:, list(mixture.locations)] = family.scale
    units = np.concatenate([np.ones(len(mixture.weights) - 1), table.ravel()])
    return np.asarray(np.linalg.inv(information) * np.outer(units, units))


def estimates(mixture: ScipyMixture, family: Family, covariance: Array | None) -> pd.DataFrame:
    """Weights, then each component's parameters: name, value, error, low, high.

    Standard errors are by the delta method. The 95 % intervals are ± 1.96 standard errors of
    the logit of a weight and of the logarithm of a positive parameter, so that they stay in
    the domain. NaN where there is no covariance.
    """
    import pandas as pd

    values, components = usual_values(mixture), len(mixture.weights)
    errors = np.full(values.size, np.nan)
    if covariance is not None:
        errors = standard_errors(mixture, covariance)
    weights = values[:components]
    positive = np.concatenate(
        [np.zeros(components, dtype=bool), np.tile(family.positive(), components)]
    )
    margins = np.outer([-Z95, Z95], errors)
    bounds = values + margins
    with np.errstate(over="ignore"):
        bounds[:, positive] = values[positive] * np.exp(margins[:, positive] / values[positive])
    if components == 1:
        bounds[:, 0] = 1.0
    else:
        odds_margins = margins[:, :components] / (weights * (1.0 - weights))
        bounds[:, :components] = expit(logit(weights) + odds_margins)
    columns = {"name": usual_names(family, components), "value": values, "error": errors}
    return pd.DataFrame({**columns, "low": bounds[0], "high": bounds[1]})
