"""pomegranate's general mixture model, which is built on torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass as plain_dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.quiet import quiet
from fitters.starts import Start
from scenarios.families import Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

DISTRIBUTIONS = {"normal": "Normal", "lognormal": "LogNormal", "gamma": "Gamma"}
"""pomegranate's names of the families that it has too."""


@dataclass(frozen=True)
class Pomegranate(Fitter):
    """``pomegranate.gmm.GeneralMixtureModel`` from the start given, with its own defaults.

    Its tolerance is on the change of the total log likelihood in one EM step. It does not
    tell whether it has converged.
    """

    name = "pomegranate"
    # With the tolerance 0 the gamma M-step takes all its Newton steps. With any other it may
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
    max_iterations: Annotated[int, Field(ge=1)] = 1000
    precision: Literal["float32", "float64"] = "float32"
    """Of the parameters and of the sums over the data; torch's own default is float32."""
    shape_tolerance: Annotated[float, Field(ge=0)] = 1e-4
    """On the change of a gamma's shape in one Newton step of the M-step."""

    def supports(self, family: Family, components: int) -> str | None:
        """Normal, lognormal and gamma components, where pomegranate is installed."""
        if family.name not in DISTRIBUTIONS:
            return f"pomegranate fits {', '.join(DISTRIBUTIONS)} components, not {family.name}"
        if find_spec("pomegranate") is None:
            return "pomegranate is not installed: pip install 'mixturebench[peers]'"
        return None

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import it, and put the data into a column."""
        import torch

        with quiet():
            import pomegranate.gmm  # noqa: F401

        column = torch.tensor(sample.observations[:, None], dtype=getattr(torch, self.precision))
        return _PreparedPomegranate(self, sample, column)


@plain_dataclass(frozen=True)
class _PreparedPomegranate(Prepared):
    fitter: Pomegranate
    sample: Sample
    column: Any

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        import torch
        from pomegranate.gmm import GeneralMixtureModel

        before = self.sample.evaluations
        with quiet(), _default_type(self.fitter.precision):
            model = GeneralMixtureModel(
                [self._component(row) for row in start.mixture.parameters],
                priors=torch.tensor((start.mixture.weights / start.mixture.weights.sum()).tolist()),
                tol=self.fitter.tolerance,
                max_iter=self.fitter.max_iterations,
            )
            expectation = model.summarize

            def counted(*arguments: Any, **named: Any) -> Any:
                self.sample.count()
                observe(lambda: self._mixture(model))
                return expectation(*arguments, **named)

            model.summarize = counted  # it keeps no number of iterations itself
            model.fit(self.column)
            found = self._mixture(model)
        passes = self.sample.evaluations - before
        return Fit(found, None, round(passes), passes)

    def _component(self, row: np.ndarray) -> Any:
        import torch
        from pomegranate import distributions

        first, second = (torch.tensor([value]) for value in row.tolist())
        kind = getattr(distributions, DISTRIBUTIONS[self.sample.family.name])
        if self.sample.family.name == "gamma":
            return kind(first, second, tol=self.fitter.shape_tolerance)
        return kind(first, second[:, None] ** 2)  # mean and covariance matrix

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
    """Within it torch makes what it is not told the type of, as pomegranate's sums, of this."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)
