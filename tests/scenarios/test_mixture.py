"""Mixtures: density, distribution function, draws and coordinates, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from scenarios.families import Family, family
from scenarios.mixture import Mixture
from tests.conftest import frozen, mixture


def test_density_and_cdf_are_the_weighted_sums(any_family: Family) -> None:
    m = mixture(any_family.name)
    x = m.sample(50, 0)
    parts = frozen(any_family.name)
    density = sum(w * c.pdf(x) for w, c in zip(m.weights, parts, strict=True))
    assert_allclose(np.exp(m.log_density(x)), density, rtol=1e-8)
    cdf = sum(w * c.cdf(x) for w, c in zip(m.weights, parts, strict=True))
    assert_allclose(m.cdf(x), cdf, rtol=1e-8)
    posterior = m.weights[:, None] * np.stack([c.pdf(x) for c in parts]) / density
    assert_allclose(m.responsibilities(x), posterior, rtol=1e-7, atol=1e-12)


def test_samples_follow_the_cdf(any_family: Family) -> None:
    m = mixture(any_family.name)
    x = m.sample(20_000, 7)
    assert stats.kstest(x, m.cdf).pvalue > 1e-4


def test_an_order_of_components_changes_no_density(any_family: Family) -> None:
    m = mixture(any_family.name)
    x = m.sample(50, 0)
    other = m.permuted([2, 0, 1])
    assert_allclose(other.parameters[[1, 2, 0]], m.parameters)
    assert_allclose(other.log_density(x), m.log_density(x), rtol=1e-12)


def test_coordinates_are_undone(any_family: Family) -> None:
    m = mixture(any_family.name)
    again = Mixture.from_coordinates(m.family, 3, m.coordinates())
    assert_allclose(again.weights, m.weights, rtol=1e-12)
    assert_allclose(again.parameters, m.parameters, rtol=1e-12)
    assert m.coordinates().size == m.dimension


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
