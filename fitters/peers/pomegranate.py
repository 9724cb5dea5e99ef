"""pomegranate's general mixture model: EM with torch's tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass as plain_dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Fit, Fitter, Mixture, Model, Observe, Prepared, Sample, Start
from fitters.quiet import quiet

if TYPE_CHECKING:
    import torch

DISTRIBUTIONS = {"normal": "Normal", "lognormal": "LogNormal", "gamma": "Gamma"}
"""pomegranate's names of the families that it has too."""


@dataclass(frozen=True)
class Pomegranate(Fitter):
    """EM by ``pomegranate.gmm.GeneralMixtureModel`` (Schreiber 2018, *JMLR* 18:164).

    It does not report whether it has converged.
    """

    name = "pomegranate"
    libraries = ("torch", "pomegranate.gmm")
    # With shape_tolerance=0 the gamma M-step takes all its Newton steps. With any other it may
    # take none: it first compares the tolerance with (shape + tolerance) - shape.
    presets = {
        "tight": {
            "tolerance": 1e-9,
            "max_iterations": 10_000,
            "precision": "float64",
            "shape_tolerance": 0.0,
        }
    }

    tolerance: Annotated[float, Field(gt=0)] = 0.1
    """Change of the total log likelihood in one EM step at which to stop."""
    max_iterations: Annotated[int, Field(ge=1)] = 1000
    """EM steps after which to stop."""
    precision: Literal["float32", "float64"] = "float32"
    """Type of the parameters and of the sums over the data; torch's own default is float32."""
    shape_tolerance: Annotated[float, Field(ge=0)] = 1e-4
    """Change of a gamma's shape in one Newton step at which to end the M-step."""

    def supports(self, model: Model) -> str | None:
        """Normal, lognormal and gamma components, where pomegranate is installed."""
        if model.family.name not in DISTRIBUTIONS:
            return (
                f"pomegranate fits {', '.join(DISTRIBUTIONS)} components, not {model.family.name}"
            )
        if find_spec("pomegranate") is None:
            return "pomegranate is not installed: pip install 'mixturebench[peers]'"
        return None

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Import the library, and put the data into a column."""
        import torch

        with quiet():
            import pomegranate.gmm  # noqa: F401

        column = torch.tensor(sample.observations[:, None], dtype=getattr(torch, self.precision))
        return _PreparedPomegranate(self, sample, column)


@plain_dataclass(frozen=True)
class _PreparedPomegranate(Prepared):
    settings: Pomegranate
    sample: Sample
    column: torch.Tensor

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        import torch
        from pomegranate.gmm import GeneralMixtureModel

        before = dict(self.sample.passes)
        with quiet(), _default_type(self.settings.precision):
            model = GeneralMixtureModel(
                [self._component(row) for row in start.mixture.parameters],
                priors=torch.tensor((start.mixture.weights / start.mixture.weights.sum()).tolist()),
                tol=self.settings.tolerance,
                max_iter=self.settings.max_iterations,
            )
            summarize = model.summarize

            def counted(*arguments: Any, **named: Any) -> Any:
                self.sample.count(kernel="expectation")
                observe(lambda: self._mixture(model))
                return summarize(*arguments, **named)

            model.summarize = counted  # the E-step, which the model does not count
            model.fit(self.column)
            mixture = self._mixture(model)
        passes = self.sample.passes_since(before)
        return Fit(mixture, None, round(sum(passes.values())), passes)

    def _component(self, row: Array) -> Any:
        import torch
        from pomegranate import distributions

        first, second = (torch.tensor([value]) for value in row.tolist())
        distribution = getattr(distributions, DISTRIBUTIONS[self.sample.family.name])
        if self.sample.family.name == "gamma":
            return distribution(first, second, tol=self.settings.shape_tolerance)
        return distribution(first, second[:, None] ** 2)  # mean and covariance matrix

    def _mixture(self, model: Any) -> Mixture:
        rows = [
            [d.shapes.item(), d.rates.item()]
            if self.sample.family.name == "gamma"
            else [d.means.item(), np.sqrt(d.covs.item())]
            for d in model.distributions
        ]
        weights = model.priors.double().numpy()
        return Mixture(self.sample.family, weights / weights.sum(), np.array(rows))


@contextmanager
def _default_type(name: str) -> Iterator[None]:
    """Make ``name`` torch's default type in the block: pomegranate's sums are of that type."""
    import torch

    previous = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(previous)
