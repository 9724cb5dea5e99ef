"""One data set as scoring needs it: observations, reference, and the truth where it is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.reference.admissible import sample_spreads, spurious_reason
from benchmarks.reference.certificate import Reference
from benchmarks.reference.scipy_mixture import ScipyMixture, link_of, mean_nll
from benchmarks.reference.search import NoReferenceError, find_reference
from benchmarks.runner.datasets import draw_sample
from benchmarks.runner.plan import Record
from benchmarks.scoring.facts import weighted
from scenarios.cache_folder import cache_folder
from scenarios.data_files import as_data
from scenarios.errors import UserError
from scenarios.families import families
from scenarios.families import family as family_called
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import Scenario, Specification, build, load

MAX_STANDARD_ERROR = 0.5
"""A truth with a larger predicted standard error is not identifiable at its sample size."""


@dataclass(frozen=True, eq=False)
class DataSet:
    """The observations of a data set, and the truth where there is one."""

    scenario: Scenario
    replicate: int
    sample: Sample
    truth: ScipyMixture | None
    no_error_reason: str
    """Why parameters cannot be compared with the truth; empty where they can."""

    @classmethod
    def of(cls, scenario: Scenario, replicate: int, seed: int) -> DataSet:
        """Draw the data again, and predict the standard errors of the truth."""
        sample = draw_sample(scenario, replicate, seed)
        if scenario.truth is None:
            return cls(scenario, replicate, sample, None, "no truth")
        truth = ScipyMixture(
            scenario.family.name, scenario.truth.weights, scenario.truth.parameters
        )
        identifiable = worst_standard_error(truth, sample.size) <= MAX_STANDARD_ERROR
        reason = "" if identifiable else "not identifiable at this n"
        return cls(scenario, replicate, sample, truth, reason)

    @classmethod
    def given(
        cls, x: ArrayLike | str, family: str | None, components: int | None, seed: int = 0
    ) -> DataSet:
        """Take observations (n,) of a ``family``, or draw data set 0 of a scenario ``x``.

        A scenario with another number of ``components`` has no truth to compare with. Raises
        ``UserError`` for data that can't be fitted.
        """
        if components is not None and components < 1:
            raise UserError(f"--components {components}: it takes a whole number of at least 1")
        if isinstance(x, str):
            scenario = load(x)
            data_set = cls.of(scenario, 0, seed)
            if components is None or components == scenario.components:
                return data_set
            sample, floor = data_set.sample, scenario.specification.spread_floor
        else:
            if family is None:
                raise UserError(f"name the family of the components: {', '.join(families())}")
            sample, components = Sample.of(as_data(x).x, family_called(family)), components or 2
            floor = Specification.model_fields["spread_floor"].default
        if sample.size < Model(sample.family, components).dimension:
            raise UserError(f"{sample.size} observations are too few for {components} components")
        content = {
            "title": "observations", "family": sample.family.name, "spread_floor": floor,
            "data": {"file": "-", "components": components},
        }  # fmt: skip
        return cls(build("data", content, Path()), 0, sample, None, "no truth")

    @property
    def name(self) -> str:
        """The scenario, and the number of the data set."""
        return f"{self.scenario.name}, data set {self.replicate}"

    @property
    def observations(self) -> Array:
        """The data, (n,)."""
        return self.sample.observations

    @property
    def min_spread(self) -> float:
        """The smallest admissible spread of a component, relative to the sample's."""
        return self.scenario.specification.spread_floor

    @cached_property
    def _found(self) -> Reference | NoReferenceError:
        """The best known optimum, from the cache if it is stored there, or why there is none."""
        components, min_spread = self.scenario.components, self.min_spread
        try:
            return find_reference(self.sample, components, min_spread, cache_folder())
        except NoReferenceError as error:
            return error

    @property
    def reference(self) -> Reference:
        """The best known optimum; raises ``NoReferenceError`` where none is admissible."""
        if isinstance(self._found, NoReferenceError):
            raise self._found
        return self._found

    @property
    def best_known(self) -> Reference | None:
        """The reference; None where no optimum is admissible."""
        return None if isinstance(self._found, NoReferenceError) else self._found

    def trace(self, record: Record, p: int) -> list[tuple[float, float, float]]:
        """(seconds, weighted passes, NLL) of each iterate in a trial's record."""
        family = self.scenario.family.name
        return [
            (float(seconds), weighted(passes, p), self._nll(ScipyMixture.of(family, *mixture)))
            for seconds, passes, *mixture in record.get("trace", [])
        ]

    def is_admissible(self, record: Record, point: int) -> bool:
        """Whether an iterate in a trial's record is an admissible mixture."""
        _, _, *mixture = record["trace"][point]
        return self.admits(ScipyMixture.of(self.scenario.family.name, *mixture))

    def admits(self, mixture: ScipyMixture) -> bool:
        """Whether a mixture is valid, and none of its components spurious."""
        return mixture.invalid_reason() is None and self.spurious_reason(mixture) is None

    def spurious_reason(self, mixture: ScipyMixture) -> str | None:
        """Why a valid mixture is inadmissible whatever its likelihood; None if it is admissible."""
        return spurious_reason(mixture, self.observations, self.min_spread, self._spreads)

    @cached_property
    def _spreads(self) -> tuple[float, float]:
        return sample_spreads(self.observations, link_of(self.scenario.family.name))

    def _nll(self, mixture: ScipyMixture) -> float:
        """The mean NLL, by the sample's kernel where it agrees with scipy: ten times faster."""
        if not self._kernel_agrees or mixture.invalid_reason() is not None:
            return mean_nll(mixture, self.observations)
        return self._kernel_nll(mixture)

    def _kernel_nll(self, mixture: ScipyMixture) -> float:
        fast = Mixture(self.sample.family, mixture.weights, mixture.parameters)
        return -self.sample.log_likelihood(fast) / self.sample.size

    @cached_property
    def _kernel_agrees(self) -> bool:
        """Whether the kernel agrees with scipy on a test mixture."""
        rows = np.stack([self.scenario.family.moment_estimate(self.observations)] * 2)
        rows[1] *= 1.1
        mixture = ScipyMixture(self.scenario.family.name, np.full(2, 0.5), rows)
        nll = mean_nll(mixture, self.observations)
        return bool(abs(self._kernel_nll(mixture) - nll) <= 1e-9 * max(1.0, abs(nll)))


def worst_standard_error(truth: ScipyMixture, n: int) -> float:
    """The largest √diag (n I)⁻¹, the standard error that ``n`` observations allow.

    In log parameters and log-odds of weights; locations in spreads of their true component.
    Infinite where the information has no inverse.
    """
    try:
        covariance = np.linalg.inv(n * truth.information)
    except np.linalg.LinAlgError:
        return float("inf")
    variances = np.diag(covariance)
    if not (variances >= 0.0).all():
        return float("inf")
    units = np.ones(truth.parameters.shape)
    units[:, list(truth.locations)] = truth.spreads[:, None]
    units = np.concatenate([np.ones(len(truth.weights) - 1), units.ravel()])
    return float(np.max(np.sqrt(variances) / units))
