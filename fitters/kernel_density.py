"""The log posterior of ``build_model`` and its gradient by the sample's own kernel.

The likelihood is ``Sample.gradient``; the priors and the transforms of the weights and the
positive parameters have derivatives in closed form.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fitters.base import Array, Mixture, Sample
from fitters.pymc_model import model_data

if TYPE_CHECKING:
    from fitters.mcmc import MCMC


class KernelDensity:
    """A function of PyMC's unconstrained point: log posterior up to a constant, and gradient (p,).

    A point is y (K - 1), then K values of each parameter, by the logarithm if it is positive. The
    weights are the softmax z of (y, -Σy). With concentration c their Dirichlet prior times the
    transform's Jacobian is Π wₖᶜ; the prior of a parameter's logarithm, or of a location, is
    normal.
    """

    def __init__(self, sample: Sample, components: int, settings: MCMC) -> None:
        """``settings`` has the widths of the priors, as for ``build_model``."""
        family = sample.family
        data = model_data(sample, components, settings)
        self.sample, self.components = sample, components
        self.concentration = settings.weight_concentration
        positive = family.positive()
        self.shape = (len(positive), components)
        self.locations = np.flatnonzero(~positive)
        self.centres = np.repeat(data["centres"], components)
        deviations = np.where(positive, settings.positive_sd, data.get("location_sd", np.nan))
        self.inverse_sds = np.repeat(1.0 / deviations, components)
        # The kernel's derivatives are by (location - centre) / scale.
        units = np.where(positive, 1.0, 1.0 / family.scale)
        self.units = np.repeat(units, components) if self.locations.size else None
        self(np.zeros(components - 1 + self.centres.size))  # a kernel may compile at its first call

    def __call__(self, point: Array) -> tuple[float, Array]:
        """The value is not finite where the density or its gradient is not."""
        odds = self.components - 1
        logits = np.empty(self.components)
        logits[:odds] = point[:odds]
        logits[odds] = -point[:odds].sum()
        values = point[odds:]
        with np.errstate(all="ignore"):
            logits -= logits.max()
            weights = np.exp(logits)
            total = weights.sum()
            weights /= total
            columns = values.reshape(self.shape)
            parameters = np.exp(columns.T, order="C")
            for j in self.locations:
                parameters[:, j] = columns[j]
            mixture = Mixture(self.sample.family, weights, parameters)
            value, by_coordinates = self.sample.gradient(mixture)
            residuals = (values - self.centres) * self.inverse_sds
            gradient = np.empty(len(point))
            by_odds = by_coordinates[:odds] + self.concentration * (
                1.0 - self.components * weights[:odds]
            )
            np.add(by_odds, by_odds.sum(), out=gradient[:odds])
            free = by_coordinates[odds:].reshape(self.shape[::-1]).T.ravel()
            if self.units is not None:
                free *= self.units
            np.subtract(free, residuals * self.inverse_sds, out=gradient[odds:])
            log_weights = logits.sum() - self.components * math.log(total)
            value += self.concentration * log_weights - 0.5 * residuals.dot(residuals)
            finite = math.isfinite(gradient.dot(gradient))
        return (float(value) if finite else -math.inf), gradient
