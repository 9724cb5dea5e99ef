"""Families against scipy.stats, torch, PyMC and finite differences: never against themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath  # which torch brings, by sympy
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family, SupportError, families, family
from scenarios.families.student_t import StudentT
from tests.conftest import PARAMETERS, SCIPY, components, differences, frozen

LEVELS = np.array([1e-6, 0.01, 0.3, 0.5, 0.9, 1.0 - 1e-6])


def points(name: str) -> np.ndarray:
    return np.sort(np.concatenate([f.ppf(LEVELS[1:-1]) for f in frozen(name)]))


def test_density_is_scipys(any_family: Family) -> None:
    x = points(any_family.name)
    expected = np.stack([f.logpdf(x) for f in frozen(any_family.name)])
    for anchored in (any_family, any_family.anchored(x)):
        assert_allclose(anchored.log_density(x, components(any_family.name)), expected, rtol=1e-9)


def test_cdf_and_quantile_are_scipys(any_family: Family) -> None:
    x, rows = points(any_family.name), components(any_family.name)
    expected = np.stack([f.cdf(x) for f in frozen(any_family.name)])
    assert_allclose(any_family.cdf(x, rows), expected, rtol=1e-9, atol=1e-300)
    expected = np.stack([f.ppf(LEVELS) for f in frozen(any_family.name)])
    assert_allclose(any_family.quantile(LEVELS, rows), expected, rtol=1e-7)


def test_the_scipy_distribution_has_a_row_for_each_component(any_family: Family) -> None:
    x = points(any_family.name)
    distribution = any_family.scipy_distribution(components(any_family.name))
    expected = np.stack([f.logpdf(x) for f in frozen(any_family.name)])
    assert_allclose(distribution.logpdf(x), expected, rtol=1e-12)
    expected = np.stack([f.ppf(LEVELS) for f in frozen(any_family.name)])
    assert_allclose(distribution.ppf(LEVELS), expected, rtol=1e-12)


@pytest.mark.parametrize("library", ["scipy", "pymc"])
def test_a_missing_expression_is_one_sentence(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gamma = family("gamma")
    monkeypatch.setattr(type(gamma), "expressions", {})
    with pytest.raises(UserError, match=f"gamma.*{library}.*{library}_distribution"):
        getattr(gamma, f"{library}_distribution")(components("gamma"))


def test_draws_follow_the_cdf(any_family: Family) -> None:
    generator = np.random.default_rng(1)
    for row, true in zip(components(any_family.name), frozen(any_family.name), strict=True):
        draws = any_family.draw(generator, row, 20_000)
        # A wrong sampler has p ≈ 0 at this size; a right one fails once in 10,000.
        assert stats.kstest(draws, true.cdf).pvalue > 1e-4


def test_link_opens_the_support(any_family: Family) -> None:
    x = points(any_family.name)
    expected = {(0.0, 1.0): special.logit, (0.0, np.inf): np.log, (-np.inf, np.inf): np.asarray}
    assert_allclose(any_family.link(x), expected[any_family.support](x), rtol=1e-12)


def test_free_coordinates_are_undone(any_family: Family) -> None:
    anchored = any_family.anchored(points(any_family.name))
    rows = components(any_family.name)
    assert_allclose(anchored.usual(anchored.free(rows)), rows, rtol=1e-12)


def test_score_is_the_derivative_of_the_density(any_family: Family) -> None:
    x, rows = points(any_family.name), components(any_family.name)
    anchored = any_family.anchored(x)
    for k, row in enumerate(rows):
        numeric = differences(
            lambda free: anchored.log_density(x, anchored.usual(free[None]))[0],
            anchored.free(row),
        ).T
        assert_allclose(anchored.score(x, rows)[k], numeric, rtol=1e-5, atol=1e-6)
        # The default, which a family without formulas has.
        assert_allclose(Family.score(anchored, x, rows)[k], numeric, rtol=1e-5, atol=1e-6)


def scipys_curvature(anchored: Family, x: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Second derivatives (d, d, n) of scipy's log density, by differences extrapolated to 0."""

    def density(free: np.ndarray) -> np.ndarray:
        return SCIPY[anchored.name](*anchored.usual(free)).logpdf(x)

    def slopes(step: float) -> np.ndarray:
        # A difference of differences: (n, d, d).
        return differences(lambda free: differences(density, free, step), free, step)

    # Steps are of a component's own width, or truncation would hide the error of a narrow one.
    free, step = anchored.free(row), 1e-3 * float(anchored.units(row[None]).min())
    return np.moveaxis((4.0 * slopes(step) - slopes(2.0 * step)) / 3.0, 0, -1)


def test_curvature_is_the_second_derivative_of_scipys_density(any_family: Family) -> None:
    x, rows = points(any_family.name), components(any_family.name)
    anchored = any_family.anchored(x)
    value, score, curvature = anchored.derivatives(x, rows)
    assert_allclose(value, anchored.log_density(x, rows), rtol=1e-12)
    assert_allclose(score, anchored.score(x, rows), rtol=1e-12)
    assert_allclose(curvature, anchored.curvature(x, rows), rtol=1e-12)
    for k, row in enumerate(rows):
        expected = scipys_curvature(anchored, x, row)
        assert_allclose(curvature[k], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    # The default, which a family without formulas has, is as good as it says.
    numeric = Family.curvature(anchored, x, rows)
    assert_allclose(numeric, curvature, rtol=1e-6, atol=1e-6)


def exact_derivatives(density: Callable[..., Any], free: list[Any]) -> list[float]:
    """First derivatives, then the second ones by rows, by mpmath with 60 digits."""
    d = len(free)
    orders = [*np.eye(d, dtype=int)]
    orders += [one + two for one in np.eye(d, dtype=int) for two in np.eye(d, dtype=int)]
    with mpmath.workdps(60):
        return [float(mpmath.diff(density, tuple(free), tuple(map(int, n)))) for n in orders]


def found_derivatives(anchored: Family, x: float, row: np.ndarray) -> np.ndarray:
    _, score, curvature = anchored.derivatives(np.array([x]), row[None])
    return np.concatenate([score.ravel(), curvature.ravel()])


def students_log_density(x: float) -> Callable[..., Any]:
    """Student's t at x by mpmath, of log df, (location + 3)/5 and log scale."""

    def density(log_df: Any, place: Any, log_scale: Any) -> Any:
        v, u = mpmath.exp(log_df), (x - (5 * place - 3)) / mpmath.exp(log_scale)
        constant = mpmath.loggamma((v + 1) / 2) - mpmath.loggamma(v / 2) - mpmath.log(v) / 2
        return constant - log_scale - (v + 1) / 2 * mpmath.log1p(u * u / v)

    return density


@pytest.mark.parametrize("df", [1e-3, 0.1, 1.0, 10.0, 29.99, 30.01, 1e3, 1e8])
def test_derivatives_of_students_t_are_exact_at_every_df(df: float) -> None:
    anchored = replace(family("student_t"), centre=-3.0, scale=5.0)
    row = np.array([df, 0.25, 0.125])
    with mpmath.workdps(60):
        free = [mpmath.log(df), mpmath.mpf(3.25) / 5, mpmath.log(0.125)]
    for u in (0.0, -0.3, 2.0, -7.0, 40.0, 1e6):
        x = 0.25 + 0.125 * u
        found, expected = (
            found_derivatives(anchored, x, row),
            exact_derivatives(students_log_density(x), free),
        )
        # Terms of the size of u² cancel at large df.
        tolerance = 1e-12 * max(1.0, 1e-2 * min(u * u, df))
        assert_allclose(found, expected, rtol=1e-11, atol=tolerance)
        if u == 0.0 and df > 30.0:  # the series alone
            assert_allclose(found[[0, 3]], [expected[0], expected[3]], rtol=2e-14)


@pytest.mark.parametrize("shape", [0.05, 1.0, 3.0, 200.0])
def test_derivatives_of_the_weibull_are_exact_at_every_shape(shape: float) -> None:
    def density(log_shape: Any, log_scale: Any) -> Any:
        k = mpmath.exp(log_shape)
        t = k * (mpmath.log(x) - log_scale)
        return log_shape - mpmath.log(x) + t - mpmath.exp(t)

    row = np.array([shape, 4.0])
    for share in (1e-8, 0.5, 0.999, 1.0, 1.25, 4.0):
        x = 4.0 * share
        if shape * np.log(share) > 250.0:
            continue
        with mpmath.workdps(60):
            free = [mpmath.log(shape), mpmath.log(4.0)]
        expected = exact_derivatives(density, free)
        found = found_derivatives(family("weibull"), x, row)
        assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * shape**2)


def test_the_powers_of_a_weibull_do_not_overflow_to_nan() -> None:
    value, score, curvature = family("weibull").derivatives(
        np.array([1e-3, 10.0, 1e300]), np.array([[400.0, 1.0]])
    )
    assert np.isneginf(value[0, 1:]).all()
    assert np.isfinite(score**2).all()
    assert np.isfinite(curvature).all()


def test_numeric_derivatives_evaluate_the_densities_that_they_count() -> None:
    calls = []

    class Numeric(StudentT):
        exact_derivatives = False
        score, curvature = Family.score, Family.curvature

        def log_density(self, x: np.ndarray, parameters: np.ndarray) -> np.ndarray:
            calls.append(len(parameters))
            return super().log_density(x, parameters)

    x, rows = points("student_t"), components("student_t")
    Numeric().score(x, rows)
    assert calls == [3] * Numeric.difference_densities(1)
    Numeric().curvature(x, rows)
    assert calls == [3] * Numeric.difference_densities(2)
    assert all(cls.difference_densities(2) == 0 for cls in families().values())


def test_spread_is_half_the_central_range(any_family: Family) -> None:
    expected = [0.5 * (f.ppf(0.84) - f.ppf(0.16)) for f in frozen(any_family.name)]
    assert_allclose(any_family.spread(components(any_family.name)), expected, rtol=1e-9)


def test_partition_function_has_its_derivatives(exponential: ExponentialFamily) -> None:
    for eta in exponential.natural(components(exponential.name)):
        gradient = differences(lambda e: exponential.log_partition(e[None])[0], eta)
        assert_allclose(exponential.mean_statistics(eta[None])[0], gradient, rtol=1e-6, atol=1e-8)
        hessian = differences(lambda e: exponential.mean_statistics(e[None])[0], eta)
        assert_allclose(exponential.covariance_statistics(eta[None])[0], hessian, rtol=1e-5)


def test_natural_parameters_have_their_derivatives(exponential: ExponentialFamily) -> None:
    rows = components(exponential.name)
    first, second = exponential.natural_derivatives(rows)
    for k, free in enumerate(exponential.free(rows)):
        numeric = differences(lambda f: exponential.natural(exponential.usual(f[None]))[0], free)
        assert_allclose(first[k], numeric, rtol=1e-6, atol=1e-7)
        numeric = differences(
            lambda f: exponential.natural_derivatives(exponential.usual(f[None]))[0][0], free
        )
        assert_allclose(second[k], numeric, rtol=1e-6, atol=1e-5)


def test_m_step_is_scipys_maximum_likelihood(exponential: ExponentialFamily) -> None:
    true = frozen(exponential.name)[0]
    x = true.rvs(size=500, random_state=3)
    mean = exponential.statistics(x).mean(axis=0)
    found = exponential.maximise(mean[None])
    fixed = {"gamma": {"floc": 0}, "lognormal": {"floc": 0}, "beta": {"floc": 0, "fscale": 1}}
    numeric = type(true.dist)().fit(x, **fixed.get(exponential.name, {}))
    expected = {
        "beta": lambda a, b, loc, scale: (a, b),
        "normal": lambda loc, scale: (loc, scale),
        "gamma": lambda a, loc, scale: (a, 1.0 / scale),
        "lognormal": lambda s, loc, scale: (np.log(scale), s),
    }[exponential.name](*numeric)
    assert_allclose(found[0], expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["beta", "gamma"])
def test_m_step_solves_its_equation_over_the_whole_domain(name: str) -> None:
    chosen = family(name)
    assert isinstance(chosen, ExponentialFamily)
    grid = np.geomspace(0.02, 3000.0, 30)
    rows = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    mean = chosen.mean_statistics(chosen.natural(rows))
    assert_allclose(chosen.maximise(mean), rows, rtol=1e-6)
    assert_allclose(chosen.maximise(mean, initial=rows[::-1]), rows, rtol=1e-6)


def test_m_step_of_a_single_point_is_not_a_number(exponential: ExponentialFamily) -> None:
    point = exponential.statistics(np.array([0.3]))
    assert np.isnan(exponential.maximise(point)).any()


def test_torch_has_the_same_density(any_family: Family) -> None:
    torch = pytest.importorskip("torch")
    x, rows = points(any_family.name), components(any_family.name)
    distribution = any_family.torch_distribution(torch.from_numpy(rows))
    found = distribution.log_prob(torch.from_numpy(x)[:, None]).numpy().T
    assert_allclose(found, any_family.log_density(x, rows), rtol=1e-8)


def test_pymc_has_the_same_density(any_family: Family) -> None:
    import pymc as pm

    x, rows = points(any_family.name), components(any_family.name)
    distribution = any_family.pymc_distribution(list(rows.T))
    found = pm.logp(distribution, x[:, None]).eval().T
    assert_allclose(found, any_family.log_density(x, rows), rtol=1e-8)


def test_moment_estimates_are_near_the_truth_and_always_valid(any_family: Family) -> None:
    x = frozen(any_family.name)[2].rvs(size=20_000, random_state=5)
    anchored = any_family.anchored(x)
    estimate = anchored.moment_estimate(x)[None]
    true = components(any_family.name)[2:]
    assert_allclose(anchored.spread(estimate), anchored.spread(true), rtol=0.15)
    for few in (x[:1], np.full(5, x[0])):
        assert anchored.valid(anchored.moment_estimate(few))


@pytest.mark.parametrize(
    ("name", "bad"),
    [("beta", 0.0), ("beta", 1.0), ("gamma", 0.0), ("normal", np.inf), ("weibull", -1.0)],
)
def test_observations_outside_the_support_are_named(name: str, bad: float) -> None:
    x = np.array([0.5, bad, 0.25])
    with pytest.raises(SupportError, match=rf"1 of 3 .*first: {bad:g}"):
        family(name).check_support(x)
    with pytest.raises(SupportError, match="nan"):
        family(name).check_support(np.array([np.nan]))


def test_every_family_is_tested_here() -> None:
    assert set(families()) == set(PARAMETERS)


def test_gamma_statistics_that_rounding_has_made_impossible_end_at_once() -> None:
    # log mean < mean log by a rounding error: no gamma has such statistics.
    gamma = family("gamma")
    assert isinstance(gamma, ExponentialFamily)
    found = gamma.maximise(np.array([[np.log(2.0) + 1e-13, 2.0], [0.5, 2.0]]))
    assert np.isnan(found[0]).all()
    shape, rate = found[1]
    assert shape / rate == pytest.approx(2.0, rel=1e-10)
    assert special.psi(shape) - np.log(rate) == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("name", families())
def test_unlinked_values_are_inside_the_support_and_have_their_link(name: str) -> None:
    law, y = family(name), np.linspace(-5.0, 5.0, 11)
    x = law.unlink(y)
    low, high = law.support
    assert ((low < x) & (x < high)).all()
    assert_allclose(law.link(x), y, rtol=1e-12, atol=1e-12)
