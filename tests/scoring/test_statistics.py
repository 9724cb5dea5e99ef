"""Tests and bounds for paired rates and ratios, against other sources."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.scoring import statistics


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


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        (6, 1, 16 / 128),
        (1, 6, 16 / 128),
        (3, 3, 1.0),
        (0, 0, 1.0),
        (9, 0, 2 / 512),
        (8, 2, 112 / 1024),
    ],
)
def test_a_sign_test_is_two_tails_of_fair_coins(wins: int, losses: int, p: float) -> None:
    assert statistics.sign_test_p(wins, losses) == pytest.approx(p, rel=1e-12)


def test_an_interval_of_no_success_begins_at_zero_and_of_no_failure_ends_at_one() -> None:
    assert statistics.clustered_interval([0, 0, 0], [5] * 3, "aaa")[0] == 0.0
    assert statistics.clustered_interval([5, 5, 5], [5] * 3, "aaa")[1] == 1.0
