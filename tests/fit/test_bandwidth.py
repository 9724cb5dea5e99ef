"""Silverman's test, against its author's table, scipy's kernel density and data of known peaks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from benchmarks.fit import bandwidth
from benchmarks.fit.bandwidth import Cells, bandwidth_test, count_peaks
from benchmarks.fit.rounded import Rounding
from scenarios.families import family

CHONDRITES = [
    20.77, 22.56, 22.71, 22.99, 26.39, 27.08, 27.32, 27.33, 27.57, 27.81, 28.69,
    29.36, 30.25, 31.89, 32.88, 33.23, 33.28, 33.40, 33.52, 33.83, 33.95, 34.82,
]  # fmt: skip
"""Per cent of silica in 22 chondrite meteorites (Good & Gaskins 1980, *JASA* 75:42)."""


def test_critical_bandwidths_are_those_of_silverman(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silverman (1981), table 1, where every peak counts."""
    monkeypatch.setattr(bandwidth, "FEWEST", 0)
    cells = Cells.of(np.array(CHONDRITES))
    found = [cells.critical_bandwidth(peaks) for peaks in (1, 2, 3, 4)]
    assert found == pytest.approx([2.39, 1.83, 0.68, 0.47], rel=0.025)


def test_smoothing_is_scipy_s_kernel_density() -> None:
    x = np.random.default_rng(0).normal([[0.0], [6.0]], 1.0, (2, 60)).ravel()
    cells = Cells.of(x)
    for width in (0.5, 3.0):
        kde = gaussian_kde(x, width / x.std(ddof=1))(cells.middles)
        density = cells.smoothed(cells.counts, width) / (x.size * cells.width)
        assert density == pytest.approx(kde, abs=5e-3 * kde.max())
    assert cells.sd == pytest.approx(x.std(), rel=1e-3)


def test_a_peak_holds_two_observations() -> None:
    x = np.linspace(-20.0, 20.0, 2_001)

    def bump(place: float, count: float) -> np.ndarray:
        heights = np.exp(-0.5 * (x - place) ** 2)
        return count * heights / heights.sum()

    assert count_peaks(bump(0.0, 50.0)) == 1
    assert count_peaks(bump(0.0, 50.0) + bump(10.0, 1.0)) == 1
    assert count_peaks(bump(0.0, 50.0) + bump(10.0, 2.0)) == 2
    assert count_peaks(bump(-10.0, 9.0) + bump(0.0, 50.0) + bump(10.0, 2.0)) == 3
    assert count_peaks(np.zeros(9)) == 1


def test_p_is_seldom_small_for_one_peak_and_is_for_two() -> None:
    normal, one, two = family("normal"), [], []
    for seed in range(40):
        generator = np.random.default_rng([seed, 3])
        x = generator.normal(0.0, 1.0, 200)
        one.append(bandwidth_test(x, normal, 1, 0, replicates=100).p)
        x[:100] += 4.0
        two.append(bandwidth_test(x, normal, 1, 0, replicates=100).p)
        assert bandwidth_test(x, normal, 2, 0, replicates=100).p > 0.01
    assert np.mean(np.array(one) <= 0.1) <= 0.1
    assert np.mean(np.array(two) <= 0.1) >= 0.9


def test_skewed_values_are_smoothed_as_logarithms() -> None:
    generator = np.random.default_rng(5)
    logs = generator.normal([[-1.5], [1.5]], 0.5, (2, 100)).ravel()
    test = bandwidth_test(np.exp(logs), family("lognormal"), 1, 0)
    assert test.scale == "logarithm"
    assert test.p < 0.01
    assert bandwidth_test(np.exp(logs), family("normal"), 1, 0).p > 0.1  # one long tail
    assert bandwidth_test(generator.uniform(0.0, 1.0, 200), family("beta"), 1, 0).scale == ""


def test_draws_are_rounded_as_the_data_are() -> None:
    """Whole numbers have a peak each when they are smoothed little, in data and in draws."""
    x = np.round(np.random.default_rng(1).exponential(6.0, 400)) + 1.0
    law = family("lognormal")
    rounding = Rounding.of(x)
    assert rounding is not None
    plain = bandwidth_test(x, law, 3, 0)
    assert plain.scale == "logarithm"
    assert plain.p < 0.05
    assert bandwidth_test(x, law, 3, 0, rounding).p > 0.1


def test_p_is_that_of_draws_from_the_data_and_the_kernel() -> None:
    """Silverman's recipe: resampled values plus noise, with the data's variance, by scipy."""
    x = np.random.default_rng(4).normal([[0.0], [2.9]], 1.0, (2, 50)).ravel()
    test = bandwidth_test(x, family("normal"), 1, 0, replicates=4_000)
    generator, wide, more = np.random.default_rng(1), test.bandwidth, 0
    points = np.linspace(x.min() - 5.0, x.max() + 5.0, 400)
    for _ in range(1_500):
        y = generator.choice(x, x.size) + wide * generator.normal(size=x.size)
        y = x.mean() + (y - x.mean()) / np.sqrt(1.0 + wide**2 / x.var())
        density = x.size * gaussian_kde(y, wide / y.std(ddof=1))(points)
        more += count_peaks(density / density.sum() * x.size) > 1
    expected = more / 1_500
    error = np.sqrt(expected * (1.0 - expected) * (1 / 1_500 + 1 / test.replicates))
    assert 0.05 < expected < 0.5
    assert test.p == pytest.approx(expected, abs=4.0 * error)
