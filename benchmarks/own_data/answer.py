"""The answer to "what mixture is this?": estimates, how sure they are, and what to beware of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import expit, logit

from benchmarks.harness import judge
from benchmarks.harness.ascent import observed_information
from benchmarks.own_data.read import Data
from benchmarks.own_data.search import Candidate, plain
from benchmarks.report.estimates import usual_jacobian, usual_names, usual_values
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A weight or parameter with its standard error, and a 95 % interval."""

    name: str
    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Answer:
    """The chosen candidate among all that were tried."""

    data: Data
    chosen: Candidate
    candidates: list[Candidate]
    untried: list[str]
    """Families that were left out, and why, in sentences."""
    seed: int
    seconds: float

    @cached_property
    def mixture(self) -> judge.Judged:
        """The best admissible optimum, components from left to right."""
        assert self.chosen.best is not None
        return ordered(self.chosen.best.summit.mixture)

    @property
    def family(self) -> Family:
        """Its family, anchored at the data."""
        return self.chosen.sample.family

    @property
    def size(self) -> int:
        """The number of observations."""
        return self.chosen.sample.size

    @cached_property
    def covariance(self) -> Array | None:
        """The inverse of the observed information, in coordinates (p, p); None if it has none."""
        mixture = Mixture(self.family, self.mixture.weights, self.mixture.parameters)
        information = observed_information(self.chosen.sample, mixture)
        if not np.isfinite(information).all() or np.linalg.eigvalsh(information)[0] <= 0.0:
            return None
        return np.asarray(np.linalg.inv(information))

    @cached_property
    def estimates(self) -> list[Estimate]:
        """Weights, then each component's parameters, with standard errors by the delta method.

        Intervals are ± 1.96 standard errors of the logit of a weight and of the logarithm of
        a positive parameter, so that they stay in the domain. NaN where the information is
        singular.
        """
        values, errors = usual_values(self.mixture), self._errors
        count = len(self.mixture.weights)
        positive = np.concatenate(
            [np.zeros(count, dtype=bool), np.tile(self.family.positive(), count)]
        )
        told = []
        for i, name in enumerate(usual_names(self.family, count)):
            value, error = float(values[i]), float(errors[i])
            if i < count:
                if count == 1:
                    low = high = value
                else:
                    reach = Z95 * error / (value * (1.0 - value))
                    low, high = expit(logit(value) - reach), expit(logit(value) + reach)
            elif positive[i]:
                low, high = value * np.exp(np.array([-1.0, 1.0]) * Z95 * error / value)
            else:
                low, high = value - Z95 * error, value + Z95 * error
            told.append(Estimate(name, value, error, float(low), float(high)))
        return told

    @cached_property
    def coordinate_errors(self) -> Array:
        """Standard errors of log-odds and log parameters; of a location, per component's spread."""
        if self.covariance is None:
            return np.full(self.chosen.parameters, np.inf)
        units = self._units.copy()
        count = len(self.mixture.weights)
        table = units[count - 1 :].reshape(count, -1)
        for j in self.mixture.locations:
            table[:, j] /= self.mixture.spreads()
        units[count - 1 :] = table.ravel()
        return np.asarray(units * np.sqrt(np.diag(self.covariance)))

    @property
    def _errors(self) -> Array:
        if self.covariance is None:
            return np.full(len(self.mixture.weights) + self.mixture.parameters.size, np.nan)
        jacobian = usual_jacobian(self.mixture) * self._units
        return np.sqrt(np.einsum("ij,jk,ik->i", jacobian, self.covariance, jacobian))

    @property
    def _units(self) -> Array:
        """What a unit of each coordinate is of the usual parameter: a location's are scaled."""
        count = len(self.mixture.weights)
        table = np.ones(self.mixture.parameters.shape)
        table[:, list(self.mixture.locations)] = self.family.scale
        return np.concatenate([np.ones(count - 1), table.ravel()])

    @cached_property
    def deviation(self) -> tuple[float, float]:
        """(largest distance between the distribution functions, its p if nothing were fitted).

        Kolmogorov's test; parameters were fitted to the same data, which makes p too large.
        """
        from scipy.stats import kstwo

        x = self.chosen.sample.ordered
        assert self.chosen.best is not None
        fitted = self.chosen.best.summit.mixture.cdf(x)
        steps = np.arange(x.size + 1) / x.size
        distance = float(max((steps[1:] - fitted).max(), (fitted - steps[:-1]).max()))
        return distance, float(kstwo.sf(distance, x.size))

    def content(self, warnings: list[str]) -> dict[str, Any]:
        """All of it as plain values, for machines."""
        best = self.chosen.best
        assert best is not None
        return {
            "data": {
                "source": self.data.name, "column": self.data.column, "n": self.size,
                "sha256": self.data.digest, "dropped": self.data.dropped,
            },
            "family": self.chosen.family,
            "components": self.chosen.components,
            "weights": self.mixture.weights.tolist(),
            "parameters": [
                dict(zip(self.family.parameter_names(), row, strict=True))
                for row in self.mixture.parameters.tolist()
            ],
            "estimates": [vars(estimate) for estimate in self.estimates],
            "log_likelihood": best.log_likelihood,
            "predicted_gain": best.summit.predicted_gain,
            "optima": [
                {"log_likelihood": o.log_likelihood, "times": o.times, "fault": o.fault}
                for o in self.chosen.optima
            ],
            "restarts": self.chosen.restarts,
            "candidates": [
                {
                    "family": c.family, "components": c.components, "parameters": c.parameters,
                    "log_likelihood": c.best.log_likelihood if c.best else None,
                    "bic": c.bic, "icl": c.icl,
                }
                for c in self.candidates
            ],
            "posterior": self.chosen.posterior,
            "untried": self.untried,
            "failures": self.chosen.failures,
            "warnings": warnings,
            "seed": self.seed,
            "seconds": self.seconds,
        }  # fmt: skip


def ordered(mixture: Mixture) -> judge.Judged:
    """A mixture with its components from left to right, by their medians."""
    judged = plain(mixture)
    medians = [float(component.median()) for component in judged.components]
    return judged.permuted(np.argsort(medians, kind="stable").tolist())
