"""Distances from the truth against closed forms, and the truths that are identifiable."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.scoring.data_set import worst_standard_error
from benchmarks.scoring.truth_errors import density_distances
from scenarios.scenario import load, names

WITH_TRUTH = [name for name in names() if load(name).truth is not None]


@pytest.mark.parametrize(
    ("one", "other"),
    [((0.0, 1.0), (0.0, 1.0)), ((0.0, 1.0), (3.0, 0.5)), ((0.0, 1.0), (1e-4, 1.0))],
)
def test_hellinger_of_two_normals_has_a_closed_form(one: tuple, other: tuple) -> None:
    (a, s), (b, t) = one, other
    affinity = np.sqrt(2 * s * t / (s**2 + t**2)) * np.exp(-((a - b) ** 2) / (4 * (s**2 + t**2)))
    expected = np.sqrt(-np.expm1(np.log(affinity)))
    plain = [ScipyMixture("normal", np.array([1.0]), np.array([p])) for p in (one, other)]
    assert density_distances(*plain)[0] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_hellinger_of_disjoint_mixtures_is_one() -> None:
    far = [
        ScipyMixture("beta", np.array([1.0]), np.array([p]))
        for p in ([900.0, 100.0], [100.0, 900.0])
    ]
    assert density_distances(*far)[0] == pytest.approx(1.0, abs=1e-6)


def test_kl_of_two_normals_has_a_closed_form() -> None:
    (a, s), (b, t) = (0.3, 1.0), (1.0, 2.0)
    plain = [ScipyMixture("normal", np.array([1.0]), np.array([p])) for p in ((a, s), (b, t))]
    expected = np.log(t / s) + (s**2 + (a - b) ** 2) / (2 * t**2) - 0.5
    assert density_distances(*plain)[1] == pytest.approx(expected, rel=1e-9)


# Predicted standard errors above ½: 95 and 1.4 by an independent script; all others ≤ .36.
@pytest.mark.parametrize("name", WITH_TRUTH)
def test_truths_are_identifiable_except_two(name: str) -> None:
    scenario = load(name)
    size, truth = scenario.specification.n, scenario.truth
    assert size is not None
    plain = ScipyMixture(scenario.family.name, truth.weights, truth.parameters)
    worst = worst_standard_error(plain, size)
    expected = {"near_identical": 95.0, "overlapping_hard": 1.4}
    if name in expected:
        assert worst == pytest.approx(expected[name], rel=0.02)
    else:
        assert worst < 0.5
