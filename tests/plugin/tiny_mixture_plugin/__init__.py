"""A third party's package: fitters that behave and misbehave, a family, a start policy."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Prepared
from fitters.starts import StartPolicy
from scenarios.families import Family, Parameter
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample


def ragged(count: int) -> Any:
    return [[1.0] * (k + 1) for k in range(count)]


MALFORMED = (
    "ragged_weights", "ragged_parameters", "square_weights", "flat_parameters", "tiny", "complex",
    "text", "no_mixture", "endless", "countless", "half_an_iteration", "all_passes", "no_passes",
    "kernels", "surrogate", "unshowable", "claims", "extra", "many",
)  # fmt: skip
"""Fits with one value that no record can hold, or no score can be computed from."""


class Unshowable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Claims:
    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")


def malformed(how: str, m: Mixture) -> Fit:
    """A fit of the mixture ``m`` that is wrong in one way."""
    count = m.components
    if how == "unshowable":
        raise Unshowable
    mixtures: dict[str, Any] = {
        "ragged_weights": lambda: Mixture(m.family, ragged(count), m.parameters),
        "ragged_parameters": lambda: Mixture(m.family, m.weights, ragged(count)),
        "square_weights": lambda: Mixture(m.family, np.outer(m.weights, m.weights), m.parameters),
        "flat_parameters": lambda: Mixture(m.family, m.weights, m.parameters[:, 0]),
        "tiny": lambda: Mixture(m.family, m.weights, np.full_like(m.parameters, 1e-300)),
        "complex": lambda: Mixture(m.family, m.weights, m.parameters + 1j),
        "text": lambda: Mixture(m.family, m.weights.astype(str), m.parameters),
        "no_mixture": lambda: "0.5 of each",
        "many": lambda: Mixture(m.family, np.full(200_000, 5e-6), np.ones((200_000, 2))),
    }
    fields: dict[str, Any] = {
        "endless": {"iterations": float("inf")},
        "countless": {"iterations": 10**400},
        "half_an_iteration": {"iterations": 0.5},
        "all_passes": {"passes": {"likelihood": float("inf")}},
        "no_passes": {"passes": {"likelihood": -1.0}},
        "kernels": {"passes": ["likelihood"]},
        "surrogate": {"message": "\ud800 is no text"},
        "claims": {"claimed": Claims()},
        "extra": {"extra": {"rate": float("nan")}},
    }
    found = mixtures.get(how, lambda: m)()
    values = {"claimed": True, "iterations": 1, "passes": {"likelihood": 1.0}}
    return Fit(found, **{**values, **fields.get(how, {})})


class _Prepared(Prepared):
    def __init__(self, fitter: Any, sample: Any) -> None:
        self.fitter, self.sample = fitter, sample

    def fit(self, start: Any, seed: int, observe: Any) -> Any:
        if getattr(self.fitter, "how", "") == "observes":
            observe(lambda: None)
        return self.fitter.answer(self.sample, start)


class _Simple(Fitter):
    def prepare(self, sample: Sample, model: Model) -> Prepared:
        return _Prepared(self, sample)


@dataclass(frozen=True)
class Stays(_Simple):
    """Returns its start: the smallest fitter that meets the contract."""

    name = "stays"

    def answer(self, sample: Any, start: Any) -> Fit:
        sample.log_likelihood(start.mixture)
        return Fit(start.mixture, None, 0, {"likelihood": 1.0})


@dataclass(frozen=True)
class Raises(_Simple):
    """Raises, in the middle of a fit or while it prepares."""

    name = "raises"
    when: Literal["fit", "prepare"] = "fit"

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        if self.when == "prepare":
            raise RuntimeError("no licence found")
        return super().prepare(sample, model)

    def answer(self, sample: Any, start: Any) -> Fit:
        raise ZeroDivisionError("by zero")


@dataclass(frozen=True)
class Liar(_Simple):
    """Claims to have converged, whatever it returns."""

    name = "liar"
    how: Literal[
        "nan", "negative", "weights", "spike", "swapped", "nothing", "prints", "three", "posterior",
        "observes", *MALFORMED,
    ] = "nan"  # fmt: skip

    def answer(self, sample: Any, start: Any) -> Any:
        m = start.mixture
        weights, parameters = m.weights.copy(), m.parameters.copy()
        if self.how == "nothing":
            return "converged, trust me"
        if self.how == "prints":
            print("progress: 100 %")
        if self.how == "nan":
            weights[0] = np.nan
        if self.how == "negative":
            parameters[0, 0] *= -1.0
        if self.how == "weights":
            weights = weights * 2.0
        if self.how == "spike":
            parameters[0] = 1e13
        if self.how == "swapped":
            weights, parameters = weights[::-1].copy(), parameters[::-1].copy()
        if self.how == "three":
            weights, parameters = np.full(3, 1 / 3), np.repeat(parameters[:1], 3, axis=0)
        sample.log_likelihood(m)
        if self.how in MALFORMED:
            return malformed(self.how, m)
        posterior = "a chain" if self.how == "posterior" else None
        found = Mixture(m.family, weights, parameters)
        return Fit(found, True, 1, {"likelihood": 1.0}, "NLL -1e9, optimal", posterior)


class Kumaraswamy(Family):
    """f = a b x^(a-1) (1 - x^a)^(b-1) on (0, 1)."""

    name = "kumaraswamy"
    parameters = (Parameter("a"), Parameter("b"))
    support = (0.0, 1.0)

    def log_density(self, x: Any, parameters: Any) -> Any:
        a, b = parameters[:, :1], parameters[:, 1:]
        return np.log(a) + np.log(b) + (a - 1) * np.log(x) + (b - 1) * np.log1p(-(x**a))

    def cdf(self, x: Any, parameters: Any) -> Any:
        return 1.0 - (1.0 - x ** parameters[:, :1]) ** parameters[:, 1:]

    def quantile(self, q: Any, parameters: Any) -> Any:
        return (1.0 - (1.0 - q) ** (1.0 / parameters[:, 1:])) ** (1.0 / parameters[:, :1])

    def draw(self, generator: np.random.Generator, parameters: Any, size: int) -> Any:
        return self.quantile(generator.uniform(size=size), parameters[None])[0]

    def moment_estimate(self, x: Any) -> Any:
        mean, spread = float(np.mean(x)), max(float(np.std(x)), 1e-3)
        total = max(mean * (1.0 - mean) / spread**2 - 1.0, 0.1)
        return np.array([max(mean * total, 0.1), max((1.0 - mean) * total, 0.1)])

    def torch_distribution(self, parameters: Any) -> Any:
        import torch

        return torch.distributions.Kumaraswamy(parameters[:, 0], parameters[:, 1])

    def pymc_distribution(self, parameters: Any) -> Any:
        import pymc

        return pymc.Kumaraswamy.dist(a=parameters[0], b=parameters[1])

    def scipy_distribution(self, parameters: Any) -> Any:
        from scipy import stats

        class Distribution(stats.rv_continuous):
            def _pdf(self, x: Any, a: Any, b: Any) -> Any:
                return a * b * x ** (a - 1) * (1 - x**a) ** (b - 1)

            def _ppf(self, q: Any, a: Any, b: Any) -> Any:
                return (1 - (1 - q) ** (1 / b)) ** (1 / a)

        return Distribution(a=0.0, b=1.0, shapes="a, b")(*parameters.T[:, :, None])


class Halves(StartPolicy):
    """Equal bins, whatever the seed."""

    name = "halves"

    def draw(self, sample: Sample, model: Model, seed: int) -> Mixture:
        bins = np.array_split(np.sort(sample.observations), model.components)
        rows = np.stack([sample.family.moment_estimate(b) for b in bins])
        return Mixture(sample.family, np.full(len(rows), 1 / len(rows)), rows)
