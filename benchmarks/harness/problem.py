"""One data set as the judge sees it: the observations, and how much of the truth they can tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.data import draw_sample
from benchmarks.harness.laws import Array
from benchmarks.harness.plan import Record
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import Scenario

WORST_STANDARD_ERROR = 0.5
"""A truth whose predicted standard errors exceed this can't be told at its sample size."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One data set: its observations, and the truth where there is one."""

    scenario: Scenario
    sample: Sample
    truth: judge.Judged | None
    why_no_error: str
    """Why parameters can't be compared with the truth; empty where they can."""

    @property
    def observations(self) -> Array:
        """The data, (n,)."""
        return self.sample.observations

    @property
    def floor(self) -> float:
        """The least admissible spread of a component, relative to the sample's."""
        return self.scenario.specification.spread_floor

    def trace(self, record: Record) -> list[tuple[float, float, float]]:
        """(seconds, passes, NLL) of each iterate that a trial left on record."""
        return [
            # The first schema's points had an NLL in place of weights and parameters.
            (float(seconds), float(passes), self._nll(*at) if len(at) == 2 else float(at[0]))
            for seconds, passes, *at in record.get("trace", [])
        ]

    def _nll(self, weights: list[Any], parameters: list[Any]) -> float:
        """By the sample's kernel, ten times faster than scipy, where the two agree."""
        name = self.scenario.family.name
        told = judge.Judged.of(name, weights, parameters)
        if not self._kernel_agrees or told.problem() is not None:
            return judge.nll(told, self.observations)
        mixture = Mixture(self.sample.family, told.weights, told.parameters)
        return -self.sample.log_likelihood(mixture) / self.sample.size

    @cached_property
    def _kernel_agrees(self) -> bool:
        """Whether the kernel can be believed: a wrong one is wrong wherever it is tried."""
        rows = np.stack([self.scenario.family.moment_estimate(self.observations)] * 2)
        rows[1] *= 1.1
        kernel = self.sample.log_likelihood(Mixture(self.sample.family, np.full(2, 0.5), rows))
        told = judge.nll(
            judge.Judged(self.scenario.family.name, np.full(2, 0.5), rows), self.observations
        )
        return bool(abs(-kernel / self.sample.size - told) <= 1e-9 * max(1.0, abs(told)))

    @classmethod
    def of(cls, scenario: Scenario, data_set: int, seed: int) -> Problem:
        """Draw the data again, and see whether the truth can be told at this size."""
        sample = draw_sample(scenario, data_set, seed)
        if scenario.truth is None:
            return cls(scenario, sample, None, "no truth")
        truth = judge.Judged(
            scenario.family.name, scenario.truth.weights, scenario.truth.parameters
        )
        worst = worst_standard_error(truth, sample.size)
        known = worst <= WORST_STANDARD_ERROR
        return cls(scenario, sample, truth, "" if known else "not identifiable at this n")


def worst_standard_error(truth: judge.Judged, n: int) -> float:
    """The largest √diag (n I)⁻¹ in log parameters and log-odds; locations per true spread."""
    try:
        covariance = np.linalg.inv(n * truth.information)
    except np.linalg.LinAlgError:
        return float("inf")
    variances = np.diag(covariance)
    if not (variances >= 0.0).all():
        return float("inf")
    return float(np.max(np.sqrt(variances) / _units(truth)))


def _units(truth: judge.Judged) -> Array:
    """One for each coordinate; for a location, its component's spread."""
    table = np.ones(truth.parameters.shape)
    for j in truth.locations:
        table[:, j] = truth.spreads()
    return np.concatenate([np.ones(len(truth.weights) - 1), table.ravel()])
