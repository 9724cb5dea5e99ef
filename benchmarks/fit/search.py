"""Candidates: a family with a number of components, and the optima that a search found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.fit.options import Options
from benchmarks.reference.newton import Ascent
from benchmarks.reference.scipy_mixture import IO_BLOCK, ScipyMixture
from scenarios.errors import UserError
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample


@dataclass(frozen=True, eq=False)
class Optimum:
    """A distinct optimum, and the number of restarts that ended there."""

    ascent: Ascent
    log_likelihood: float
    """Recomputed with scipy's densities."""
    times: int
    rejection_reason: str
    """Why it can't be the answer; empty if it is admissible and a strict maximum."""

    @property
    def mixture(self) -> Mixture:
        """The mixture at the optimum."""
        return self.ascent.mixture


@dataclass(frozen=True, eq=False)
class Candidate:
    """One family with one number of components, and the optima found."""

    sample: Sample
    components: int
    optima: list[Optimum]
    """By log likelihood, the greatest first."""
    restarts: int
    failures: list[str]
    seconds: float
    posterior: dict[str, Any] | None
    """The summary of a sampled posterior, if a method sampled one."""

    @property
    def family(self) -> str:
        """The family's name."""
        return self.sample.family.name

    @property
    def parameters(self) -> int:
        """The number of free parameters p."""
        return Model(self.sample.family, self.components).dimension

    @cached_property
    def best(self) -> Optimum | None:
        """The best admissible optimum."""
        return next((optimum for optimum in self.optima if not optimum.rejection_reason), None)

    @cached_property
    def bic(self) -> float:
        """-2 ℓ + p log n (Schwarz 1978, *Ann. Stat.* 6:461); infinite without an optimum."""
        if self.best is None:
            return float("inf")
        return -2.0 * self.best.log_likelihood + self.parameters * float(np.log(self.sample.size))

    @cached_property
    def icl(self) -> float:
        """BIC + twice the entropy of the responsibilities (Biernacki, Celeux & Govaert 2000,
        *IEEE Trans. Pattern Anal. Mach. Intell.* 22:719), which favours separated components."""
        if self.best is None:
            return float("inf")
        x, entropy = self.sample.observations, 0.0
        for low in range(0, x.size, IO_BLOCK):
            shares = self.best.mixture.responsibilities(x[low : low + IO_BLOCK])
            entropy -= float(np.sum(shares * np.log(np.maximum(shares, 1e-300))))
        return self.bic + 2.0 * entropy


def search(sample: Sample, components: int, options: Options) -> Candidate:
    """Find the optima of K = ``components`` of the sample's family, from all the starts asked for.

    By the fitters in ``options``, or by the default search, which raises ``UserError`` where there
    are no more observations than parameters.
    """
    from benchmarks.fit.by_fitters import search_by_fitters
    from benchmarks.fit.ladder import climbed

    if options.fitters:
        return search_by_fitters(sample, components, options)
    dimension = Model(sample.family, components).dimension
    if sample.size <= dimension:
        raise UserError(
            f"{components} × {sample.family.name} has {dimension} parameters, and there are only "
            f"{sample.size} observations: fit fewer components"
        )
    return climbed(sample, range(components, components + 1), options)[0]


def scipy_mixture(mixture: Mixture) -> ScipyMixture:
    """Return the mixture as plain numbers, evaluated by scipy."""
    return ScipyMixture(mixture.family.name, mixture.weights, mixture.parameters)
