"""The kernels that pass over the data, compared with scipy.stats and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family, family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from tests.conftest import differences, mixture, sample


def bound(name: str, count: int) -> tuple[Sample, Mixture]:
    """A sample, and a mixture of the sample's anchored family."""
    s, m = sample(name), mixture(name, count)
    return s, Mixture(s.family, m.weights, m.parameters)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_log_likelihood_is_scipys(any_family: Family, count: int) -> None:
    s, m = bound(any_family.name, count)
    expected = (
        ScipyMixture(m.family.name, m.weights, m.parameters).log_density(s.observations).sum()
    )
    assert s.log_likelihood(m) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_expectation_is_the_sum_over_responsibilities(
    exponential: ExponentialFamily, count: int
) -> None:
    s, m = bound(exponential.name, count)
    value, mass, totals = s.expectation(m)
    responsibilities = m.responsibilities(s.observations)
    assert value == pytest.approx(s.log_likelihood(m), rel=1e-12)
    assert_allclose(mass, responsibilities.sum(axis=1), rtol=1e-10)
    expected = responsibilities @ m.family.statistics(s.observations)  # type: ignore[attr-defined]
    assert_allclose(totals, expected, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradient_is_the_derivative(any_family: Family, count: int) -> None:
    s, m = bound(any_family.name, count)
    numeric = differences(
        lambda c: s.log_likelihood(Mixture.from_coordinates(s.family, count, c)), m.coordinates()
    )
    _, gradient = s.gradient(m)
    assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hessian_is_the_second_derivative(exponential: ExponentialFamily, count: int) -> None:
    s, m = bound(exponential.name, count)
    numeric = differences(
        lambda c: s.gradient(Mixture.from_coordinates(s.family, count, c))[1], m.coordinates()
    )
    value, gradient, hessian = s.hessian(m)
    assert value == pytest.approx(s.log_likelihood(m), rel=1e-12)
    assert_allclose(gradient, s.gradient(m)[1], rtol=1e-8, atol=1e-8)
    assert_allclose(hessian, numeric, rtol=1e-5, atol=1e-3)


def test_counts_stand_for_repeated_observations() -> None:
    s, m = bound("beta", 3)
    half = s.observations[:200]
    twice = Sample.of(np.concatenate([half, half]), family("beta"))
    weighted = Sample.of(half, family("beta"))
    weighted.counts = np.full(200, 2.0)
    weighted.log_base *= 2.0
    for kernel in ("gradient", "hessian"):
        for one, two in zip(getattr(twice, kernel)(m), getattr(weighted, kernel)(m), strict=True):
            assert_allclose(one, two, rtol=1e-9, atol=1e-9)


def test_passes_are_counted() -> None:
    s, m = bound("beta", 2)
    s.log_likelihood(m)
    s.expectation(m)
    s.gradient(m)
    s.hessian(m)
    kernels = ("likelihood", "expectation", "gradient", "hessian")
    assert s.passes == dict.fromkeys(kernels, 1.0)
    s, m = bound("student_t", 2)
    s.gradient(m)
    assert s.passes == {"gradient": 1.0, "density": 2.0 * 3}  # two for each numeric derivative


def test_squares_far_from_the_origin_do_not_cancel() -> None:
    x = sample("normal").observations
    m = mixture("normal")
    far = Sample.of(x + 1e6, family("normal"))
    moved = Mixture(far.family, m.weights, m.parameters + np.array([1e6, 0.0]))
    expected = Sample.of(x, family("normal")).log_likelihood(m)
    assert far.log_likelihood(moved) == pytest.approx(expected, rel=1e-9)


def test_no_observations_is_an_error() -> None:
    with pytest.raises(UserError, match="no observations"):
        Sample.of(np.array([]), family("beta"))


def test_a_family_without_statistics_has_no_exact_hessian() -> None:
    s, m = bound("weibull", 2)
    with pytest.raises(TypeError, match="weibull is no exponential family"):
        s.hessian(m)
