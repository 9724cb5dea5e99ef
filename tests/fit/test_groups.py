"""Groups against quadrature, and their errors against the scatter of repeated estimates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.optimize import brentq

from benchmarks.fit.answer import Answer
from benchmarks.fit.cuts import expected_error
from benchmarks.fit.find import find_mixture
from benchmarks.fit.groups import QUANTITIES, by_component, group_table, group_values
from benchmarks.fit.options import Options
from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.data_files import Data
from tests.conftest import PARAMETERS, WEIGHTS, components, frozen


def fitted(x: np.ndarray, name: str, components: int) -> Answer:
    options = Options(name, range(components, components + 1), restarts=6)
    return find_mixture(Data("data", "", x, ""), options)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_values_are_those_of_the_group_s_own_density(name: str) -> None:
    labels = np.array([0, 1, 0])
    rows = components(name)
    (values,) = group_values(name, WEIGHTS[None], rows[None], labels)
    pair, distributions = (0, 2), frozen(name)
    share = WEIGHTS[0] + WEIGHTS[2]
    inner = {k: WEIGHTS[k] / share for k in pair}
    means = {k: distributions[k].mean() for k in pair}
    mean = sum(inner[k] * means[k] for k in pair)
    second = sum(inner[k] * (distributions[k].var() + means[k] ** 2) for k in pair)
    expected = [share, mean, np.sqrt(second - mean**2)]
    for level in (0.16, 0.5, 0.84):
        ends = [distributions[k].ppf(level) for k in pair]
        expected.append(
            brentq(lambda x, p=level: sum(inner[k] * distributions[k].cdf(x) for k in pair) - p,
                   min(ends), max(ends), xtol=1e-13)
        )  # fmt: skip
    assert_allclose(values[0], expected, rtol=1e-8)
    one = distributions[1]
    assert_allclose(values[1], [WEIGHTS[1], one.mean(), one.std(), *one.ppf([0.16, 0.5, 0.84])],
                    rtol=1e-8)  # fmt: skip


def test_errors_of_one_normal_are_the_textbook_ones() -> None:
    x = np.random.default_rng(1).normal(1000.0, 3.0, 500)
    answer = fitted(x, "normal", 1)
    table = answer.by_component.table.set_index("name")
    sigma = x.std()
    assert table.loc["share", ["value", "error", "low", "high"]].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert_allclose(table.loc["mean", ["value", "error"]].astype(float),
                    [x.mean(), sigma / np.sqrt(500)], rtol=1e-6)  # fmt: skip
    assert table.loc["sd", "error"] == pytest.approx(sigma / np.sqrt(1000), rel=1e-6)
    assert table.loc["sd", "high"] == pytest.approx(sigma * np.exp(1.95996 / np.sqrt(1000)))
    # A quantile is mu + z sigma, and the two estimates are independent.
    z = stats.norm.ppf(0.84)
    error = sigma * np.sqrt((1.0 + z * z / 2.0) / 500)
    assert table.loc["high 68 %", "error"] == pytest.approx(error, rel=1e-6)


def test_errors_are_the_scatter_of_estimates() -> None:
    truth = ScipyMixture("gamma", np.array([0.6, 0.4]), np.array([[4.0, 2.0], [40.0, 5.0]]))
    values, errors = [], []
    for seed in range(60):
        table = fitted(truth.sample(500, seed), "gamma", 2).by_component.table
        values.append(table["value"])
        errors.append(table["error"])
    # The scatter of 60 estimates has a relative error of 9 %.
    assert_allclose(np.median(errors, axis=0), np.std(values, axis=0, ddof=1), rtol=0.3)


def test_the_mean_of_heavy_tails_is_none_and_the_median_has_an_error() -> None:
    mixture = ScipyMixture("student_t", np.ones(1), np.array([[0.9, 3.0, 1.0]]))
    table = group_table(mixture, np.zeros(1, dtype=int), 0.01 * np.eye(3)).set_index("name")
    assert np.isnan(table.loc["mean", "value"])
    assert table.loc["median", "value"] == pytest.approx(3.0)
    assert table.loc["median", "error"] == pytest.approx(0.1, rel=1e-4)


def test_rows_add_the_probabilities_of_a_group() -> None:
    x = np.random.default_rng(0).normal([[0.0], [3.0], [12.0]], 1.0, (3, 100)).ravel()
    answer = fitted(x, "normal", 3)
    shares = answer.mixture.responsibilities(x)
    rows = answer.by_component.rows_at()
    assert_allclose(rows[["probability_1", "probability_2", "probability_3"]].T, shares, atol=1e-9)
    assert rows["certain"].tolist() == (shares.max(axis=0) >= 0.9).tolist()
    assert answer.by_component.uncertain == int((shares.max(axis=0) < 0.9).sum()) > 0
    assert answer.groups["group"].isin([1, answer.by_group.count]).any()
    assert answer.groups["value"].tolist() == x.tolist()


def test_the_expected_error_of_two_normals_is_the_tail_of_one() -> None:
    mixture = ScipyMixture("normal", np.array([0.5, 0.5]), np.array([[0.0, 1.0], [3.0, 1.0]]))
    assert expected_error(mixture, by_component(mixture).labels) == pytest.approx(
        stats.norm.cdf(-1.5), rel=1e-6
    )


def test_the_bootstrap_agrees_with_the_delta_method() -> None:
    truth = ScipyMixture("normal", np.array([0.5, 0.5]), np.array([[0.0, 1.0], [6.0, 1.0]]))
    findings = fitted(truth.sample(400, 3), "normal", 2).by_component
    table = findings.bootstrapped(200)
    assert table["name"].tolist() == list(QUANTITIES) * 2
    assert_allclose(table["error"], findings.table["error"], rtol=0.25)
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
