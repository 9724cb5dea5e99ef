"""Families against scipy.stats, torch, PyMC and finite differences: never against themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family, SupportError, families, family
from tests.conftest import PARAMETERS, components, differences, frozen

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
