"""scikit-learn's Gaussian mixture."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from importlib.util import find_spec
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.quiet import quiet
from fitters.starts import Start
from scenarios.families import Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample


@dataclass(frozen=True)
class Sklearn(Fitter):
    """``sklearn.mixture.GaussianMixture`` from the start given, with its own defaults.

    Its tolerance is on the change of the mean log likelihood in one EM step.
    """

    name = "sklearn"
    counted_by = "fitter"
    presets = {"tight": {"tolerance": 1e-10, "max_iterations": 10_000}}

    tolerance: Annotated[float, Field(gt=0)] = 1e-3
    max_iterations: Annotated[int, Field(ge=1)] = 100
    regularisation: Annotated[float, Field(ge=0)] = 1e-6
    """Added to every variance, in the data's units."""

    def supports(self, family: Family, components: int) -> str | None:
        """Normal components, where scikit-learn is installed."""
        if family.name != "normal":
            return f"scikit-learn fits normal components, not {family.name}"
        if find_spec("sklearn") is None:
            return "scikit-learn is not installed: pip install 'mixturebench[peers]'"
        return None

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import it, and put the data into a column."""
        import sklearn.mixture  # noqa: F401

        return _PreparedSklearn(self, sample, sample.observations[:, None])


@plain_dataclass(frozen=True)
class _PreparedSklearn(Prepared):
    fitter: Sklearn
    sample: Sample
    column: np.ndarray

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        from sklearn.mixture import GaussianMixture

        mean, deviation = start.mixture.parameters.T
        model = GaussianMixture(
            start.mixture.components,
            tol=self.fitter.tolerance,
            max_iter=self.fitter.max_iterations,
            reg_covar=self.fitter.regularisation,
            weights_init=start.mixture.weights / start.mixture.weights.sum(),
            means_init=mean[:, None],
            precisions_init=deviation[:, None, None] ** -2.0,
            random_state=seed % 2**32,
        )
        with quiet():
            model.fit(self.column)
        found = Mixture(
            self.sample.family,
            np.asarray(model.weights_),
            np.stack([model.means_[:, 0], np.sqrt(model.covariances_[:, 0, 0])], axis=1),
        )
        return Fit(found, bool(model.converged_), int(model.n_iter_), float(model.n_iter_))
