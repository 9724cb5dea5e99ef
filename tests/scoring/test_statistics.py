"""Tests and bounds for paired rates and ratios, against other sources."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.scoring import statistics


@pytest.mark.parametrize(
    ("worse", "better", "expected"), [(0, 0, 1.0), (8, 2, 56 / 1024), (0, 3, 1.0), (7, 0, 1 / 128)]
)
def test_mcnemar_is_a_tail_of_fair_coins(worse: int, better: int, expected: float) -> None:
    assert statistics.mcnemar_p(worse, better) == pytest.approx(expected, rel=1e-12)


def test_bounds_of_a_loss_are_the_published_ones() -> None:
    # The example of Newcombe (1998), his method 10 at 95 %.
    low, high = statistics.loss_bounds(36, 12, 2, 0, 0.025)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@pytest.mark.parametrize(
    "shares", [(0.8, 0.1, 0.1, 0.0), (0.4, 0.1, 0.1, 0.4), (0.3, 0.2, 0.1, 0.4)]
)
def test_bounds_of_a_loss_are_missed_as_often_as_they_say(shares: tuple[float, ...]) -> None:
    counts = np.random.default_rng(0).multinomial(80, shares, 1500)
    bounds = np.array([statistics.loss_bounds(*map(int, row), 0.05) for row in counts])
    missed = (bounds[:, 1] < shares[1] - shares[2]).mean()
    # Approximate by nature; three standard errors of 1,500 draws are .017. Bounds that knew
    # nothing of the correlation of the sides would be missed by fewer than one in a hundred.
    assert 0.05 - 0.017 - 0.01 < missed < 0.05 + 0.017 + 0.01


@pytest.mark.parametrize("count", [2, 5, 9, 14])
def test_sign_flips_are_scipys(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert statistics.sign_flip_p(values) == pytest.approx(theirs.pvalue, rel=1e-12)


def test_drawn_sign_flips_are_near_the_exact_ones() -> None:
    values = np.random.default_rng(1).normal(0.4, 1.0, 16)
    exact = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    ).pvalue
    error = np.sqrt(exact * (1.0 - exact) / statistics.DRAWN)
    assert statistics.sign_flip_p(values) == pytest.approx(exact, abs=4.0 * error)


def test_flip_bounds_are_where_the_test_turns() -> None:
    values = np.random.default_rng(2).normal(0.2, 0.1, 12)
    low, high = statistics.sign_flip_bounds(values, 0.01)
    for bound, sign in ((high, 1.0), (low, -1.0)):
        inside, outside = (sign * (bound + shift - values) for shift in (-1e-6 * sign, 1e-6 * sign))
        assert statistics.sign_flip_p(inside) > 0.01
        assert statistics.sign_flip_p(outside) <= 0.01
    t = stats.ttest_1samp(values, 0.0).confidence_interval(0.98)
    assert_allclose([low, high], [t.low, t.high], atol=0.02)  # normal data: nearly Student's
    assert statistics.sign_flip_bounds(values[:6], 0.01)[1] == np.inf
    assert statistics.min_pairs(0.01) == 7


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("count", "level"), [(7, 1 / 128), (8, 0.01), (11, 0.05), (14, 0.0007)])
def test_flip_bounds_are_those_that_bisection_finds(count: int, level: float, tied: bool) -> None:
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    values = np.round(values, 1) if tied else values

    def bound(sign: float) -> float:
        low, high = values.mean(), sign * np.max(sign * values) + sign
        for _ in range(60):
            middle = 0.5 * (low + high)
            rejected = statistics.sign_flip_p(sign * (middle - values)) <= level
            low, high = (low, middle) if rejected else (middle, high)
        return float(high)

    # The test counts ties up to 1e-12 of the sum of all magnitudes.
    near = 2e-12 * np.abs(values).sum()
    assert statistics.sign_flip_bounds(values, level) == pytest.approx(
        (bound(-1.0), bound(1.0)), abs=near
    )
    means = [np.mean(s) for k in range(1, count + 1) for s in combinations(values, k)]
    rank = int(level * 2**count)  # so many patterns may count against a centre, and none more
    assert statistics.sign_flip_bounds(values, level)[1] == pytest.approx(
        sorted(means)[-rank], rel=1e-12
    )


def test_bounds_of_agreeing_pairs_are_corrected_for_continuity() -> None:
    # By hand: 60 pairs good and 30 bad on both sides, 6 lost, 4 won: phi of the corrected table.
    low, high = statistics.loss_bounds(60, 6, 4, 30, 0.025)
    intervals = [stats.binomtest(k, 100).proportion_ci(method="wilson") for k in (66, 64)]
    phi = (60 * 30 - 6 * 4 - 50) / np.sqrt(66 * 34 * 64 * 36)
    a, b = 0.66 - intervals[0].low, intervals[1].high - 0.64
    c, d = intervals[0].high - 0.66, 0.64 - intervals[1].low
    assert low == pytest.approx(0.02 - np.sqrt(a * a - 2 * phi * a * b + b * b))
    assert high == pytest.approx(0.02 + np.sqrt(c * c - 2 * phi * c * d + d * d))


def test_sides_of_which_one_always_succeeds_are_uncorrelated() -> None:
    low, high = statistics.loss_bounds(40, 10, 0, 0, 0.025)
    base, new = (stats.binomtest(k, 50).proportion_ci(method="wilson") for k in (50, 40))
    assert low == pytest.approx(0.2 - np.hypot(1.0 - base.low, new.high - 0.8))
    assert high == pytest.approx(0.2 + np.hypot(base.high - 1.0, 0.8 - new.low))


def test_the_least_shift_is_found_with_the_power_that_it_states() -> None:
    # The textbook's (1.645 + 0.842) s / 5 for 25 values, at 5 % and 80 %.
    values = np.tile([-1.0, 1.0], 13)[:25]
    spread = values.std(ddof=1)
    expected = (1.6448536 + 0.8416212) * spread / 5.0
    assert statistics.min_detectable_shift(values, 0.05) == pytest.approx(expected, rel=1e-6)
    assert statistics.min_detectable_shift(values, 0.05, power=0.5) == pytest.approx(
        1.6448536 * spread / 5.0
    )
    assert statistics.min_detectable_shift(values[:4], 0.05) == np.inf  # 1/16 is above the level


def test_holm_is_the_textbooks() -> None:
    # R: p.adjust(c(.01, .04, .03, .005), "holm")
    assert_allclose(statistics.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert_allclose(statistics.holm(np.array([0.6, 0.2, 0.7])), [1.0, 0.6, 1.0])
    assert statistics.holm(np.array([])).size == 0


def test_wilson_is_the_published_interval() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
    for successes, trials, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert statistics.wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_by_data_set_covers_where_a_binomial_one_does_not() -> None:
    # Beta-binomial: rate .97, correlation .3 within a data set, ten data sets of ten restarts.
    generator, rate, correlation = np.random.default_rng(0), 0.97, 0.3
    scale = 1.0 / correlation - 1.0
    rates = generator.beta(rate * scale, (1.0 - rate) * scale, size=(4000, 10))
    hits = generator.binomial(10, rates)
    covered = np.zeros(2)
    for row in hits:
        intervals = [
            statistics.clustered_interval(row, [10] * 10, ["s"] * 10),
            statistics.wilson(int(row.sum()), 100),
        ]
        covered += [low <= rate <= high for low, high in intervals]
    # The standard error of a share of 4,000 is at most .004 here.
    assert covered[0] / 4000 >= 0.94 - 0.008
    assert covered[1] / 4000 < 0.85


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.3])
def test_an_interval_by_data_set_covers_93_percent_everywhere(correlation: float) -> None:
    generator = np.random.default_rng(5)
    scale = 1.0 / correlation - 1.0 if correlation else np.inf
    for m, r, rate in product((8, 16, 30), (5, 10), (0.5, 0.7, 0.8, 0.9, 0.95, 0.97)):
        rates = np.full((2000, m), rate)
        if correlation:
            rates = generator.beta(rate * scale, (1.0 - rate) * scale, size=(2000, m))
        hits = Counter(tuple(sorted(row)) for row in generator.binomial(r, rates).tolist())
        covered = 0
        for row, times in hits.items():
            low, high = statistics.clustered_interval(row, [r] * m, ["s"] * m)
            covered += times * (low <= rate <= high)
        assert covered / 2000 >= 0.93, (m, r, rate)


def test_an_interval_by_data_set_covers_over_strata() -> None:
    # Two scenarios of unlike rates, eight data sets each: their difference is no error.
    generator, rates = np.random.default_rng(1), np.repeat([0.2, 0.8], 8)
    covered, widths = 0, []
    for _ in range(2000):
        own = generator.beta(rates * 9.0, (1.0 - rates) * 9.0)
        hits = generator.binomial(5, own)
        low, high = statistics.clustered_interval(hits, [5] * 16, [0] * 8 + [1] * 8)
        covered += low <= 0.5 <= high
        widths.append(high - low)
    assert covered / 2000 >= 0.95 - 0.015
    pooled = statistics.clustered_interval(np.repeat([1, 4], 8), [5] * 16, [0] * 16)
    assert np.mean(widths) < 0.9 * (pooled[1] - pooled[0])


def test_the_effective_size_is_korn_and_graubards() -> None:
    # Four data sets of 25: 20, 22, 24, 14 successes. By hand: rate .8, residuals 0, .02, .04,
    # -.06, variance 4 · .0056/3, n* = .16/.0074667 · (t₉₉/t₃)² = 21.43 · (1.9842/3.1824)² = 8.331,
    # below 100/(1 + .1 · 24) = 29.4.
    low, high = statistics.clustered_interval([20, 22, 24, 14], [25] * 4, "aaaa")
    hits = 0.8 * 8.331
    assert low == pytest.approx(stats.beta.ppf(0.025, hits, 8.331 - hits + 1.0), abs=1e-4)
    assert high == pytest.approx(stats.beta.ppf(0.975, hits + 1.0, 8.331 - hits), abs=1e-4)


def test_a_ratio_of_means_has_an_interval_that_covers() -> None:
    # References χ²₅/5, as squared errors are, and values that are 10 % larger, with noise.
    generator, covered = np.random.default_rng(3), 0
    for _ in range(2000):
        base = generator.chisquare(5.0, 20) / 5.0
        own = 1.1 * base * generator.lognormal(-0.5 * 0.3**2, 0.3, 20)
        ratio, low, high = statistics.ratio_of_means(own, base)
        assert ratio == pytest.approx(own.mean() / base.mean())
        covered += low <= 1.1 <= high
    assert 0.95 - 0.03 <= covered / 2000 <= 0.95 + 0.02


def test_a_ratio_of_means_agrees_with_the_bootstrap() -> None:
    generator = np.random.default_rng(4)
    base = generator.chisquare(5.0, 400) / 5.0
    own = base * generator.lognormal(0.0, 0.2, 400)
    _, low, high = statistics.ratio_of_means(own, base)
    theirs = stats.bootstrap(
        (own, base), lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis), paired=True,
        vectorized=True, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert_allclose([low, high], [theirs.low, theirs.high], atol=0.1 * (high - low))


def test_a_ratio_of_means_of_few_data_sets_has_no_limits() -> None:
    assert statistics.ratio_of_means([2.0], [4.0])[0] == 0.5
    assert np.isnan(statistics.ratio_of_means([2.0], [4.0])[1:]).all()
    assert np.isnan(statistics.ratio_of_means([], [])).all()
    assert statistics.ratio_of_means([1.0, 2.0], [2.0, 4.0]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("wins", "losses"), [(6, 1), (1, 6), (3, 3), (0, 0), (9, 0)])
def test_a_sign_test_is_scipys(wins: int, losses: int) -> None:
    theirs = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert statistics.sign_test_p(wins, losses) == pytest.approx(theirs)
