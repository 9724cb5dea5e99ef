"""Sign flips and bets, against scipy, enumeration and simulation."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from benchmarks.compare import paired_tests
from benchmarks.compare.paired_tests import log_e_value, max_t_p, upper_bound


@pytest.mark.parametrize("count", [2, 5, 9, 14, 20])
def test_one_line_has_the_p_value_of_scipys_permutation_test(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater",
        n_resamples=np.inf if count <= 14 else 200_000, rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    error = 0.0 if count <= 14 else 4.0 * np.sqrt(theirs / 200_000)
    assert max_t_p(values[:, None], 0)[0] == pytest.approx(theirs, rel=1e-9, abs=error)


def test_several_lines_are_adjusted_as_enumeration_says() -> None:
    # Westfall & Young's step-down, written out: the lines share the sign of a data set.
    generator = np.random.default_rng(3)
    values = generator.normal([0.6, 0.4, 0.1], 1.0, (9, 3)) + generator.normal(0.0, 1.0, (9, 1))
    scores = values.sum(axis=0) / np.sqrt((values**2).sum(axis=0))
    order = np.argsort(-scores)
    expected, previous = np.empty(3), 0.0
    for rank, line in enumerate(order):
        hits = 0
        for signs in product((1.0, -1.0), repeat=9):
            flipped = values * np.array(signs)[:, None]
            others = flipped.sum(axis=0) / np.sqrt((flipped**2).sum(axis=0))
            hits += others[order[rank:]].max() >= scores[line] - 1e-9
        previous = expected[line] = max(previous, hits / 2**9)
    assert max_t_p(values, 0) == pytest.approx(expected)


def test_drawn_patterns_are_near_the_exact_ones_and_no_p_value_is_zero() -> None:
    values = np.random.default_rng(1).normal(0.35, 1.0, (24, 1))
    exact = stats.permutation_test(
        (values[:, 0],), np.sum, permutation_type="samples", alternative="greater",
        n_resamples=400_000, rng=np.random.default_rng(5), axis=0,
    ).pvalue  # fmt: skip
    drawn = max_t_p(values, 1)[0]
    assert drawn == pytest.approx(exact, abs=5.0 * np.sqrt(exact * (1.0 - exact) / 16_000))
    assert max_t_p(values, 1)[0] == drawn
    assert max_t_p(values, 2)[0] != drawn
    # All of 216 data sets are worse: one pattern in 2^216 is as extreme.
    assert max_t_p(np.ones((216, 2)), 0) == pytest.approx(1.0 / (paired_tests.DRAWN + 1))


def test_what_is_better_has_no_small_p_value() -> None:
    assert max_t_p(np.full((24, 2), -0.02), 0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("limit", [0.05, 0.1, 0.176])
def test_the_expected_wealth_is_at_most_one_where_the_mean_is_at_the_limit(limit: float) -> None:
    # By enumeration: five data sets whose means differ and average to the limit.
    means = limit + np.array([-0.3, -0.1, 0.0, 0.1, 0.3])
    for values in ((-1.0, 1.0), (0.0, 1.0)):
        worth = 0.0
        shares = (means - values[0]) / (values[1] - values[0])
        if (shares < 0.0).any():  # the mean can't be below the smallest value
            means_here = np.full(5, limit)
            shares = (means_here - values[0]) / (values[1] - values[0])
        for pattern in product((0, 1), repeat=5):
            chance = np.prod(np.where(pattern, shares, 1.0 - shares))
            drawn = np.array([values[i] for i in pattern])
            worth += chance * np.exp(log_e_value(drawn, limit))
        assert worth <= 1.0 + 1e-12
        assert worth > 0.9  # and hardly less: the bet is fair at equal means


def test_a_loss_at_the_limit_is_seldom_excluded_at_any_look() -> None:
    # Whole data sets are lost, 10 in 100: at most 1 in 100 series may show that fewer are.
    generator = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        lost = (generator.random(216) < 0.1).astype(float)
        looks = [log_e_value(lost[:size], 0.1) for size in (24, 72, 216)]
        wrong += max(looks) >= np.log(100.0)
    assert wrong <= stats.binom.ppf(0.999, 2000, 0.01)


def test_so_many_equal_data_sets_exclude_a_loss_of_ten_points() -> None:
    # (1 + .65 × .1 / .9)^m reaches 100 with 67 data sets.
    fewest = int(np.ceil(np.log(100.0) / np.log1p(0.65 * 0.1 / 0.9)))
    assert fewest == 67
    assert log_e_value(np.zeros(fewest), 0.1) >= np.log(100.0)
    assert log_e_value(np.zeros(fewest - 1), 0.1) < np.log(100.0)
    assert log_e_value(np.zeros(3), 1.0) == np.inf


def test_an_upper_bound_is_where_the_evidence_turns() -> None:
    values = np.random.default_rng(2).choice([-1.0, 0.0, 0.5, 1.0], 72, p=[0.05, 0.8, 0.1, 0.05])
    high = upper_bound(values, 0.01)
    assert log_e_value(values, high + 1e-5) > np.log(100.0) > log_e_value(values, high - 1e-5)
    assert upper_bound(np.ones(5), 0.01) == 1.0
