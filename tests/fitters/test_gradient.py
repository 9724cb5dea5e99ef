"""The two densities of ``gradient``, compared with each other and with scipy.stats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import logsumexp

from fitters.spec import parse
from fitters.starts import Start, policy
from fitters.torch_density import natural_terms
from scenarios.families import ExponentialFamily, Family, family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from tests.conftest import EXPONENTIAL, WEIGHTS, components, frozen, mixture, sample

Loss = tuple[float, np.ndarray, np.ndarray]


def prepared(spec: str, data: Sample, count: int = 3) -> Any:
    return parse(spec).prepare(data, Model(data.family, count))


def loss(fit: Any, at: Mixture) -> Loss:
    """The loss of all columns, and its gradient by what is learned."""
    module = fit.module(at, lambda copy: None)
    value = module.mean_nll(module.columns, module.counts)
    value.backward()
    return float(value.detach()), module.raw.grad.numpy(), module.logits.grad.numpy()


def scipys_mean_nll(name: str, x: np.ndarray) -> float:
    joint = np.stack([component.logpdf(x) for component in frozen(name)])
    return -float(logsumexp(joint + np.log(WEIGHTS)[:, None], axis=0).mean())


@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize(("precision", "digits"), [("float64", 1e-12), ("float32", 2e-4)])
def test_both_densities_have_scipys_loss_and_the_same_gradient(
    name: str, precision: str, digits: float
) -> None:
    data, at = sample(name), mixture(name)
    natural = loss(prepared(f"gradient:precision={precision}", data), at)
    other = loss(prepared(f"gradient:precision={precision},density=distribution", data), at)
    for value, *_ in (natural, other):
        assert value == pytest.approx(scipys_mean_nll(name, data.observations), rel=digits)
    for one, two in zip(natural[1:], other[1:], strict=True):
        assert np.abs(two).max() > 0.01
        assert_allclose(one, two, rtol=digits, atol=digits)


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_natural_terms_have_their_derivatives(name: str) -> None:
    anchored = sample(name).family
    assert isinstance(anchored, ExponentialFamily)
    usual = torch.tensor(components(name), requires_grad=True)
    assert torch.autograd.gradcheck(lambda values: natural_terms(values, anchored), [usual])


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_fits_by_both_densities_agree(name: str) -> None:
    data, values = sample(name), []
    start = Start(mixture(name), policy("quantile"), 0)
    for density in ("natural", "distribution"):
        spec = f"gradient:density={density},max_epochs=40,tolerance=0,learning_rate=0.1"
        fit = prepared(spec, data).fit(start, 0, lambda copy: None)
        values.append(data.log_likelihood(fit.mixture))
    assert values[0] > data.log_likelihood(mixture(name)) + 0.1
    assert values[0] == pytest.approx(values[1], rel=1e-9)


def test_batches_and_a_sketch_have_the_mean_nll() -> None:
    data, at = sample("lognormal"), mixture("lognormal")  # its h depends on x
    everything, *_ = loss(prepared("gradient", data), at)
    module = prepared("gradient", data).module(at, lambda copy: None)
    parts = torch.arange(400).split(100)
    batches = [float(module.training_step(part).detach()) for part in parts]
    assert np.ptp(batches) > 0.01
    assert np.mean(batches) == pytest.approx(everything, rel=1e-12)
    assert data.passes["gradient"] == pytest.approx(1.0)
    sketched, *_ = loss(prepared("gradient:bins=128", data), at)
    assert sketched != everything
    assert sketched == pytest.approx(everything, abs=2e-3)


def test_the_loss_and_its_units_are_those_of_the_data_whatever_the_starts_anchor() -> None:
    x = 1000.0 + sample("normal").observations
    data = Sample.of(x, family("normal"))
    rows = np.add(components("normal"), [1000.0, 0.0])
    assert data.family.scale != 1.0
    own = loss(prepared("gradient", data), Mixture(data.family, WEIGHTS, rows))
    other = loss(prepared("gradient", data), Mixture(family("normal"), WEIGHTS, rows))
    assert own[0] == pytest.approx(scipys_mean_nll("normal", x - 1000.0), rel=1e-10)
    for one, two in zip(own, other, strict=True):
        assert_allclose(one, two, rtol=1e-9)


def test_float32_is_finite_at_the_ends_of_the_support() -> None:
    x = np.array([5e-324, 1e-300, 1e-30, 0.3, 0.7, 1.0 - 1e-10, 1.0 - 2.0**-53])
    data, at = Sample.of(x, family("beta")), mixture("beta")
    single = loss(prepared("gradient:precision=float32", data), at)
    for one, two in zip(single, loss(prepared("gradient", data), at), strict=True):
        assert np.isfinite(one).all()
        assert_allclose(one, two, rtol=1e-4, atol=1e-4)


def used(spec: str, data: Sample, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether an epoch of a fit evaluates a torch distribution."""
    calls, original = [], Family.torch_distribution

    def counted(self: Family, parameters: torch.Tensor) -> torch.distributions.Distribution:
        calls.append(self.name)
        return original(self, parameters)

    monkeypatch.setattr(Family, "torch_distribution", counted)
    start = Start.of(policy("quantile"), data, Model(data.family, 2), 0)
    prepared(spec, data, 2).fit(start, 0, lambda copy: None)
    return bool(calls)


@pytest.mark.parametrize(
    ("spec", "name", "distribution"),
    [
        ("gradient:max_epochs=1", "beta", False),
        ("gradient:max_epochs=1,bins=64", "beta", False),
        ("gradient:max_epochs=1,density=distribution", "beta", True),
        ("gradient:preset=article,max_epochs=1", "beta", True),
        ("gradient:max_epochs=1", "weibull", True),
    ],
)
def test_the_density_is_the_one_asked_for(
    spec: str, name: str, distribution: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert used(spec, sample(name), monkeypatch) is distribution


def test_a_sketch_has_no_distribution() -> None:
    reason = parse("gradient:bins=64,density=distribution").supports(Model(family("beta"), 2))
    assert reason is not None
    assert "leave out bins or density" in reason


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("settings", ["density=natural", "density=distribution", "batch_size=100"])
def test_a_fit_on_a_gpu_is_that_on_the_processor(settings: str) -> None:
    data, start = sample("beta"), Start(mixture("beta"), policy("quantile"), 0)
    values = []
    for accelerator in ("cpu", "gpu"):
        spec = f"gradient:max_epochs=40,tolerance=0,accelerator={accelerator},{settings}"
        fit = prepared(spec, data).fit(start, 0, lambda copy: None)
        values.append(data.log_likelihood(fit.mixture) / data.size)
    assert values[1] == pytest.approx(values[0], abs=1e-6)
