"""Parameter estimates beside the truth, and how far apart chance alone would put them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.problem import Problem
from scenarios.families.base import Array, Family

if TYPE_CHECKING:
    import pandas as pd


def usual_jacobian(mixture: judge.Judged) -> Array:
    """∂ (weights, parameters) / ∂ coordinates, (K + K d, p), by which errors are carried over.

    Rows are w₁ … w_K, then the parameters of each component in turn; the coordinates are the
    log-odds and log parameters of ``Judged.coordinates``.
    """
    weights, parameters = mixture.weights, mixture.parameters
    count = len(weights)
    jacobian = np.zeros((count + parameters.size, mixture.size))
    jacobian[:count, : count - 1] = np.diag(weights)[:, :-1] - np.outer(weights, weights[:-1])
    slopes = parameters.copy()
    slopes[:, list(mixture.locations)] = 1.0
    jacobian[count:, count - 1 :] = np.diag(slopes.ravel())
    return jacobian


def usual_names(family: Family, components: int) -> list[str]:
    """What the rows of ``usual_jacobian`` are called: "weight 1", …, "alpha 1", "beta 1", …."""
    weights = [f"weight {k + 1}" for k in range(components)]
    return weights + [f"{n} {k + 1}" for k in range(components) for n in family.parameter_names()]


def usual_values(mixture: judge.Judged) -> Array:
    """Weights, then the parameters of each component in turn."""
    return np.concatenate([mixture.weights, mixture.parameters.ravel()])


BEST_KNOWN = ("", "")
"""In the place of a fitter and a start: the reference."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """One data set's estimates, labels aligned; for a problem whose truth can be told."""

    problem: Problem
    reference: judge.Judged
    trials: pd.DataFrame

    @cached_property
    def truth(self) -> judge.Judged:
        """The true mixture."""
        assert self.problem.truth is not None
        return self.problem.truth

    @property
    def names(self) -> list[str]:
        """The weights and parameters."""
        return usual_names(self.problem.scenario.family, len(self.truth.weights))

    @cached_property
    def standard_errors(self) -> Array:
        """The Cramér–Rao bounds √diag J (n I)⁻¹ Jᵀ at the truth, in the usual units."""
        covariance = np.linalg.inv(self.problem.sample.size * self.truth.information)
        jacobian = usual_jacobian(self.truth)
        return np.sqrt(np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian))

    @cached_property
    def medians(self) -> dict[tuple[str, str], Array]:
        """Median estimates of each (fitter, start) over its restarts that are close, where any is;
        the reference's own under ``BEST_KNOWN``."""
        family = self.problem.scenario.family.name
        found = {BEST_KNOWN: usual_values(self._aligned(self.reference))}
        close = self.trials[self.trials["excess"] <= 1.0]
        for (fitter, start), mine in close.groupby(["fitter", "start"], sort=False):
            fits = [
                judge.Judged.of(family, row.weights, row.parameters)
                for row in mine[["weights", "parameters"]].itertuples()
            ]
            values = [usual_values(self._aligned(fit)) for fit in fits]
            found[fitter, start] = np.asarray(np.median(values, axis=0))
        return found

    @cached_property
    def standardised(self) -> dict[tuple[str, str], Array]:
        """``medians`` as distances from the truth in standard errors."""
        truth = usual_values(self.truth)
        return {key: (at - truth) / self.standard_errors for key, at in self.medians.items()}

    def _aligned(self, mixture: judge.Judged) -> judge.Judged:
        return mixture.permuted(judge.alignment(mixture, self.truth, self.truth.information))
