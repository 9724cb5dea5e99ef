"""Mixtures: density, quadrature, Fisher information and labels, against independent routes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.harness.judge import Judged
from scenarios.errors import UserError
from scenarios.families import Family, family
from scenarios.mixture import Mixture
from tests.conftest import differences, frozen, mixture


def judged(m: Mixture) -> Judged:
    return Judged(m.family.name, m.weights, m.parameters)


def test_density_and_cdf_are_the_weighted_sums(any_family: Family) -> None:
    m = mixture(any_family.name)
    x = m.sample(np.random.default_rng(0), 50)
    parts = frozen(any_family.name)
    density = sum(w * c.pdf(x) for w, c in zip(m.weights, parts, strict=True))
    assert_allclose(m.density(x), density, rtol=1e-8)
    cdf = sum(w * c.cdf(x) for w, c in zip(m.weights, parts, strict=True))
    assert_allclose(m.cdf(x), cdf, rtol=1e-8)
    posterior = m.weights[:, None] * np.stack([c.pdf(x) for c in parts]) / density
    assert_allclose(m.responsibilities(x), posterior, rtol=1e-7, atol=1e-12)


def test_samples_follow_the_cdf(any_family: Family) -> None:
    m = mixture(any_family.name)
    x = m.sample(np.random.default_rng(7), 20_000)
    assert stats.kstest(x, m.cdf).pvalue > 1e-4


def test_quadrature_integrates_what_is_known_exactly(any_family: Family) -> None:
    m = mixture(any_family.name)
    x, weight = m.quadrature()
    # 1e-8: Beta(.6, .8) has infinite density at 1, and no float lies between 1 - 1e-16 and 1.
    assert weight @ m.density(x) == pytest.approx(1.0, abs=1e-8)
    assert weight @ (m.density(x) * m.cdf(x)) == pytest.approx(0.5, abs=1e-8)  # E F(X) = ½
    assert weight @ (m.density(x) * m.cdf(x) ** 2) == pytest.approx(1 / 3, abs=1e-8)


def test_scores_are_derivatives_of_the_log_density(any_family: Family) -> None:
    m = mixture(any_family.name)
    x = m.sample(np.random.default_rng(2), 20)
    numeric = differences(
        lambda c: Mixture.from_coordinates(m.family, 3, c).log_density(x), m.coordinates()
    ).T
    assert_allclose(m.scores(x), numeric, rtol=1e-5, atol=1e-6)


def test_fisher_information_is_the_scores_covariance() -> None:
    m = mixture("beta")
    x = m.sample(np.random.default_rng(3), 200_000)
    products = m.scores(x)[:, None] * m.scores(x)[None]
    error = products.std(axis=2) / np.sqrt(x.size)
    gap = np.abs(products.mean(axis=2) - m.fisher_information())
    assert (gap < 5.0 * error).all()  # each of 64 entries within five standard errors


def test_fisher_information_of_one_normal_is_in_every_textbook() -> None:
    m = Mixture(family("normal"), np.array([1.0]), np.array([[3.0, 2.0]]))
    # In (μ, log σ): 1/σ² and 2.
    assert_allclose(m.fisher_information(), np.diag([0.25, 2.0]), rtol=1e-9, atol=1e-9)


def test_coordinates_are_undone(any_family: Family) -> None:
    m = mixture(any_family.name)
    again = Mixture.from_coordinates(m.family, 3, m.coordinates())
    assert_allclose(again.weights, m.weights, rtol=1e-12)
    assert_allclose(again.parameters, m.parameters, rtol=1e-12)
    assert m.coordinates().size == m.dimension


def test_labels_are_aligned_whatever_their_order(any_family: Family) -> None:
    m = mixture(any_family.name)
    near = Mixture.from_coordinates(m.family, 3, m.coordinates() + 0.02)
    for order in permutations(range(3)):
        assert_allclose(near.permuted(order).aligned_to(m).parameters, near.parameters)


def test_labels_are_aligned_where_components_share_their_mean() -> None:
    nested = Mixture(family("beta"), np.array([0.5, 0.5]), np.array([[2.0, 2.0], [40.0, 40.0]]))
    swapped = nested.permuted([1, 0])
    assert_allclose(swapped.aligned_to(nested).parameters, nested.parameters)


def test_labels_are_aligned_beyond_what_can_be_permuted() -> None:
    means = np.arange(9.0)
    m = Mixture(family("normal"), np.full(9, 1 / 9), np.stack([means, np.full(9, 0.2)], axis=1))
    order = np.random.default_rng(0).permutation(9)
    assert_allclose(m.permuted(order).aligned_to(m).parameters, m.parameters)


@pytest.mark.parametrize(
    ("weights", "parameters"),
    [
        ([0.5, 0.6], [[1.0, 1.0], [2.0, 2.0]]),
        ([0.5, np.nan], [[1.0, 1.0], [2.0, 2.0]]),
        ([1.5, -0.5], [[1.0, 1.0], [2.0, 2.0]]),
        ([0.5, 0.5], [[1.0, 1.0], [2.0, -2.0]]),
        ([0.5, 0.5], [[1.0, 1.0], [2.0, np.inf]]),
        ([0.5, 0.5], [[1.0, 1.0]]),
    ],
)
def test_what_is_no_mixture_is_not_valid(weights: list, parameters: list) -> None:
    bad = Mixture(family("beta"), np.array(weights), np.array(parameters))
    assert not bad.valid()
    with pytest.raises(UserError, match="not a mixture"):
        bad.check()
