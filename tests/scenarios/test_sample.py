"""The kernels that pass over the data, compared with scipy.stats and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family, family
from scenarios.families.student_t import StudentT
from scenarios.mixture import Mixture, MixtureBatch
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


def counted(name: str, count: int) -> tuple[Sample, Sample, Mixture]:
    """A sample in which observations are repeated, the same as rows with counts, and a mixture."""
    x = sample(name).observations
    counts = 1.0 + np.arange(x.size) % 3
    whole = Sample.of(np.repeat(x, counts.astype(int)), family(name))
    first = np.cumsum(counts).astype(int) - 1
    rows = np.asfortranarray(whole.rows[first])
    short = Sample(whole.family, x, rows, counts, whole.log_base)
    return whole, short, mixture(name, count).within(whole.family)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_hessian_is_the_second_derivative(any_family: Family, count: int) -> None:
    _, s, m = counted(any_family.name, count)
    point = m.coordinates()

    def value_of(coordinates: np.ndarray) -> float:
        return s.log_likelihood(Mixture.from_coordinates(s.family, count, coordinates))

    def gradient_of(coordinates: np.ndarray) -> np.ndarray:
        return s.gradient(Mixture.from_coordinates(s.family, count, coordinates))[1]

    value, gradient, hessian = s.hessian(m)
    assert value == pytest.approx(s.log_likelihood(m), rel=1e-12)
    assert_allclose(gradient, s.gradient(m)[1], rtol=1e-8, atol=1e-8)
    assert_allclose(gradient, differences(value_of, point), rtol=1e-5, atol=1e-3)
    assert_allclose(hessian, differences(gradient_of, point), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_counts_stand_for_repeated_observations(any_family: Family, count: int) -> None:
    whole, short, m = counted(any_family.name, count)
    for kernel in ("gradient", "hessian"):
        for one, two in zip(getattr(whole, kernel)(m), getattr(short, kernel)(m), strict=True):
            assert_allclose(one, two, rtol=1e-9, atol=1e-7)


def test_hessians_do_not_depend_on_blocks(
    any_family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, s, m = counted(any_family.name, 3)
    shifts = np.random.default_rng(0).normal(0.0, 0.1, (7, m.dimension))
    batch = MixtureBatch.from_coordinates(s.family, 3, m.coordinates() + shifts)
    together = s.hessians(batch)
    monkeypatch.setattr("scenarios.kernels.numpy_rows.CACHE_BLOCK", 150)
    for rows in (1, 900, 2400):  # one mixture at a time, two, and six or three
        monkeypatch.setattr("scenarios.kernels.numpy_rows.MAX_BATCH_ROWS", rows)
        for one, two in zip(together, s.hessians(batch), strict=True):
            assert_allclose(one, two, rtol=1e-9, atol=1e-7)
    for index, each in enumerate(batch):
        for one, two in zip(together, s.hessian(each), strict=True):
            assert_allclose(one[index], two, rtol=1e-9, atol=1e-7)


def test_a_power_that_overflows_leaves_the_derivatives_of_the_rest() -> None:
    x = np.array([0.9, 0.95, 1.0, 1.01, 2.0, 10.0])  # 10⁴⁰⁰ at the last in the first component
    s = Sample.of(x, family("weibull"))
    m = Mixture(s.family, np.array([0.5, 0.5]), np.array([[400.0, 1.0], [1.5, 2.0]]))
    numeric = differences(
        lambda c: s.gradient(Mixture.from_coordinates(s.family, 2, c))[1], m.coordinates()
    )
    assert np.isfinite(numeric).all()
    assert_allclose(s.hessian(m)[2], numeric, rtol=1e-5, atol=1e-5 * np.abs(numeric).max())


class NumericT(StudentT):
    """Student's t without formulas for its derivatives."""

    exact_derivatives = False
    score, curvature, derivatives = Family.score, Family.curvature, Family.derivatives


def test_passes_are_counted() -> None:
    for name in ("beta", "weibull", "student_t"):
        s, m = bound(name, 2)
        s.log_likelihood(m)
        s.gradient(m)
        s.hessian(m)
        assert s.passes == dict.fromkeys(("likelihood", "gradient", "hessian"), 1.0)
    s, m = bound("beta", 2)
    s.expectation(m)
    assert s.passes == {"expectation": 1.0}
    s = Sample.of(sample("student_t").observations, NumericT())
    m = mixture("student_t", 2).within(s.family)
    s.gradient(m)
    assert s.passes == {"gradient": 1.0, "density": 2.0 * 3}  # two for each numeric derivative
    s.passes.clear()
    s.hessians(MixtureBatch.of([m, m]))
    # Four for each of six directions, and one in the middle, make the second derivatives.
    assert s.passes == {"hessian": 2.0, "density": 2.0 * (2 * 3 + 4 * 6 + 1)}


def test_numeric_derivatives_make_the_hessian_of_formulas() -> None:
    exact, m = bound("student_t", 3)
    numeric = Sample.of(exact.observations, NumericT())
    for one, two in zip(exact.hessian(m), numeric.hessian(m.within(numeric.family)), strict=True):
        assert_allclose(one, two, rtol=1e-6, atol=1e-4)


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
