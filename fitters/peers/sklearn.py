"""scikit-learn's Gaussian mixture: the file to copy for another library's method."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from importlib.util import find_spec
from typing import Annotated

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Fit, Fitter, Mixture, Model, Observe, Prepared, Sample, Start
from fitters.quiet import quiet


@dataclass(frozen=True)
class Sklearn(Fitter):
    """EM by ``sklearn.mixture.GaussianMixture`` (Pedregosa et al. 2011, *JMLR* 12:2825)."""

    name = "sklearn"
    libraries = ("sklearn.mixture",)
    # The library does not call the sample's kernels, so the fit itself states its passes.
    counted_by = "fitter"
    # Defaults are the library's own; what a careful user would set is a preset.
    presets = {"tight": {"tolerance": 1e-10, "max_iterations": 10_000}}

    tolerance: Annotated[float, Field(gt=0)] = 1e-3
    """Change of the mean log likelihood in one EM step at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 100
    """EM steps after which to stop."""
    regularisation: Annotated[float, Field(ge=0)] = 1e-6
    """Added to every variance, in the data's units."""

    def supports(self, model: Model) -> str | None:
        """Normal components, where scikit-learn is installed."""
        if model.family.name != "normal":
            return f"scikit-learn fits normal components, not {model.family.name}"
        if find_spec("sklearn") is None:
            return "scikit-learn is not installed: pip install 'mixturebench[peers]'"
        return None

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Give the data the shape that the library needs."""
        return _PreparedSklearn(self, sample, sample.observations[:, None])


@plain_dataclass(frozen=True)
class _PreparedSklearn(Prepared):
    settings: Sklearn
    sample: Sample
    column: Array
    """The observations, (n, 1)."""

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        from sklearn.mixture import GaussianMixture

        # Every fitter begins at the mixture of ``start``, so that methods, not starts, differ.
        mean, sd = start.mixture.parameters.T
        model = GaussianMixture(
            start.mixture.components,
            tol=self.settings.tolerance,
            max_iter=self.settings.max_iterations,
            reg_covar=self.settings.regularisation,
            weights_init=start.mixture.weights / start.mixture.weights.sum(),
            means_init=mean[:, None],
            precisions_init=sd[:, None, None] ** -2.0,
            random_state=seed % 2**32,
        )
        # ``observe`` is not called: the library does not show its iterates.
        with quiet():  # a fitter prints nothing
            model.fit(self.column)
        sd = np.sqrt(model.covariances_[:, 0, 0])
        parameters = np.stack([model.means_[:, 0], sd], axis=1)
        steps = int(model.n_iter_)
        return Fit(
            Mixture(self.sample.family, np.asarray(model.weights_), parameters),
            claimed=bool(model.converged_),
            iterations=steps,
            passes={"expectation": float(steps)},
        )
