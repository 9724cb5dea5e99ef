"""Mixtures evaluated by scipy, compared with closed forms and an independent implementation."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.reference import scipy_mixture
from benchmarks.reference.admissible import sample_spread, spurious_reason
from benchmarks.reference.scipy_mixture import ScipyMixture, log_densities, mean_nll
from scenarios.scenario import load
from tests.conftest import PARAMETERS, SCIPY, WEIGHTS, differences, frozen, mixture


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_information_is_the_covariance_of_the_scores(name: str) -> None:
    """Scores by differences of scipy's densities, their covariance over 200,000 draws."""
    m = mixture(name)
    x = m.sample(200_000, 3)
    plain = ScipyMixture(name, m.weights, m.parameters)

    def log_density(point: np.ndarray) -> np.ndarray:
        odds, free = np.append(point[:2], 0.0), point[2:].reshape(m.parameters.shape)
        rows = np.where(m.family.positive(), np.exp(free), free)
        parts = [law.pdf(x) for law in (SCIPY[name](*row) for row in rows)]
        return np.log(np.exp(odds) @ np.stack(parts) / np.exp(odds).sum())

    scores = differences(log_density, plain.coordinates(), 1e-5).T
    products = scores[:, None] * scores[None]
    error = products.std(axis=2) / np.sqrt(x.size)
    gap = np.abs(products.mean(axis=2) - plain.information)
    assert (gap < 5.0 * error + 1e-9).all()  # each entry within five standard errors


def test_the_information_of_one_normal_is_in_every_textbook() -> None:
    one = ScipyMixture("normal", np.array([1.0]), np.array([[3.0, 2.0]]))
    # In (μ, log σ): 1/σ² and 2.
    assert_allclose(one.information, np.diag([0.25, 2.0]), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", PARAMETERS)
def test_nll_is_the_mean_over_the_data(name: str) -> None:
    m = mixture(name)
    x = m.sample(200, 0)
    plain = ScipyMixture(name, m.weights, m.parameters)
    density = sum(w * f.pdf(x) for w, f in zip(WEIGHTS, frozen(name), strict=True))
    assert mean_nll(plain, x) == pytest.approx(-np.log(density).mean(), rel=1e-9)


@pytest.mark.parametrize("name", PARAMETERS)
def test_many_mixtures_at_once_have_the_densities_of_each_alone(name: str) -> None:
    rows = np.array(PARAMETERS[name])
    parameters = np.stack([rows, rows[::-1], rows * 1.1])
    weights = np.array([WEIGHTS, WEIGHTS, WEIGHTS[::-1]])
    x = mixture(name).sample(7, 0)
    found = log_densities(name, weights, parameters, x)
    for w, p, row in zip(weights, parameters, found, strict=True):
        assert_allclose(row, ScipyMixture(name, w, p).log_density(x), rtol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "weights", "word"),
    [
        ([[10.0, 1.5], [1.5, 10.0]], [0.5, 0.5], None),
        ([[1e13, 1e13], [1.5, 10.0]], [0.5, 0.5], "component 1 has"),
        ([[10.0, 1.5], [4e3, 4e3]], [0.5, 0.5], "below 0.02"),
        ([[10.0, 1.5], [300.0, 300.0]], [0.9995, 0.0005], "holds 5.0 observations"),
        ([[10.0, 1.5], [1000.0, 1000.0]], [0.5, 0.5], None),
    ],
)
def test_spikes_are_spurious(parameters: list, weights: list, word: str | None) -> None:
    x = load("founding").observations(0, 0)
    reason = spurious_reason(ScipyMixture.of("beta", weights, parameters), x, 0.02)
    assert reason is None if word is None else word in str(reason)


@pytest.mark.parametrize("name", PARAMETERS)
def test_figures_of_each_component_are_scipys(name: str) -> None:
    plain, parts = ScipyMixture(name, WEIGHTS, np.array(PARAMETERS[name])), frozen(name)
    levels = np.array([0.05, 0.5, 0.8])
    assert_allclose(plain.quantiles(levels), [f.ppf(levels) for f in parts], rtol=1e-12)
    assert_allclose(plain.medians(), [f.median() for f in parts], rtol=1e-12)
    spreads = [0.5 * (f.ppf(0.84) - f.ppf(0.16)) for f in parts]
    assert_allclose(plain.spreads, spreads, rtol=1e-12)
    x = parts[0].ppf(levels)
    assert_allclose(plain.component_log_densities(x), [f.logpdf(x) for f in parts], rtol=1e-12)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_large_sample_is_evaluated_in_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = mixture(name).sample(1000, 0)
    plain = ScipyMixture(name, WEIGHTS, np.array(PARAMETERS[name]))
    whole = mean_nll(plain, x)
    monkeypatch.setattr(scipy_mixture, "CACHE_BLOCK", 100)
    assert mean_nll(plain, x) == pytest.approx(whole, rel=1e-12)


def test_a_spread_is_half_the_central_range() -> None:
    assert sample_spread(np.linspace(0.0, 1.0, 101)) == pytest.approx(0.34)


@pytest.mark.parametrize(
    ("sigma", "count", "admissible"),
    [(100.0, 5, True), (45.0, 50, True), (45.0, 5, False), (21.0, 50, True), (18.0, 500, False)],
)
def test_spreads_are_relative_to_the_samples(sigma: float, count: int, admissible: bool) -> None:
    # A twentieth of the sample's where few observations are expected, a fiftieth elsewhere.
    x = stats.norm.ppf((np.arange(2000) + 0.5) / 2000, scale=1000.0)
    share = count / 2000
    fitted = ScipyMixture.of("normal", [1.0 - share, share], [[0.0, 1000.0], [500.0, sigma]])
    assert (spurious_reason(fitted, x, 0.02) is None) == admissible


@pytest.mark.parametrize(("sigma", "admissible"), [(0.3, True), (0.03, True), (0.015, False)])
def test_a_component_near_zero_is_narrow_only_if_its_logarithm_is_too(
    sigma: float, admissible: bool
) -> None:
    # The middle of the second peak is e⁻⁸ of the first's: in x it is a spike, in log x it is not.
    levels = (np.arange(1000) + 0.5) / 1000
    x = np.concatenate(
        [stats.lognorm.ppf(levels, 0.5), stats.lognorm.ppf(levels, 0.3, 0, np.e**-8)]
    )
    fitted = ScipyMixture.of("lognormal", [0.5, 0.5], [[0.0, 0.5], [-8.0, sigma]])
    middle = np.diff(np.quantile(np.log(x), [0.16, 0.84]))[0] / 2
    assert fitted.spreads[1] < 1e-3 * np.diff(np.quantile(x, [0.16, 0.84]))[0]
    assert (sigma * stats.norm.ppf(0.84) / middle >= 0.005) == admissible
    assert (spurious_reason(fitted, x, 0.005) is None) == admissible


def test_no_score_rests_on_the_code_under_test() -> None:
    tree = ast.parse(Path(scipy_mixture.__file__).read_text(encoding="utf-8"))
    imported = {
        node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    assert not {m for m in imported if m.startswith("fitters")}
    # A family gives its scipy distribution, its support, and its parameters' number and kinds.
    assert {m for m in imported if m.startswith("scenarios")} == {"scenarios.families"}
