"""Peaks and valleys against conditions that are known, and against a brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats
from scipy.optimize import brentq

from benchmarks.fit.groups import by_peak
from benchmarks.fit.peaks import Peaks, excess_masses, find_peaks, merged
from benchmarks.reference.scipy_mixture import ScipyMixture
from tests.conftest import PARAMETERS, WEIGHTS, components


def normals(weights: list, means: list, sds: list) -> ScipyMixture:
    return ScipyMixture("normal", np.array(weights), np.column_stack([means, sds]))


@pytest.mark.parametrize(("distance", "count"), [(1.98, 1), (2.02, 2), (6.0, 2)])
def test_two_equal_normals_have_two_peaks_from_two_sd_on(distance: float, count: int) -> None:
    for scale in (1e-9, 1.0, 1e9):
        mixture = normals([0.5, 0.5], [5 * scale, (5 + distance) * scale], [scale, scale])
        peaks = find_peaks(mixture)
        assert len(peaks) == count
        if count == 2:
            assert_allclose(peaks.valleys, (5 + distance / 2) * scale, rtol=1e-6)


def critical_odds(d: float) -> tuple[float, float]:
    """|log odds| of weights below which N(-d, 1) and N(d, 1) have two peaks, for d > 1.

    The slope vanishes where log(w/(1 - w)) = 2 d x + log((d - x) / (d + x)), which has three
    solutions between its extremes, at x² = d² - 1 (Robertson & Fryer 1969).
    """
    x = np.sqrt(d * d - 1.0)
    most = abs(np.log((d - x) / (d + x)) + 2.0 * d * x)
    return most * 0.98, most * 1.02


@pytest.mark.parametrize("d", [1.1, 1.5, 2.0])
def test_unequal_weights_have_two_peaks_by_the_known_condition(d: float) -> None:
    for odds, count in zip(critical_odds(d), (2, 1), strict=True):
        weight = 1.0 / (1.0 + np.exp(-odds))
        for pair in ([weight, 1.0 - weight], [1.0 - weight, weight]):
            assert len(find_peaks(normals(pair, [-d, d], [1.0, 1.0]))) == count


def test_the_claw_has_five_peaks_and_they_are_the_zeros_of_the_slope() -> None:
    means, sds = [0.0, -1.0, -0.5, 0.0, 0.5, 1.0], [1.0] + [0.1] * 5
    mixture = normals([0.5] + [0.1] * 5, means, sds)
    peaks = find_peaks(mixture)
    assert len(peaks) == 5

    def slope(x: float) -> float:
        terms = stats.norm.pdf(x, means, sds) * (np.array(means) - x) / np.square(sds)
        return float(mixture.weights @ terms)

    for place in (*peaks.places, *peaks.valleys):
        assert brentq(slope, place - 0.05, place + 0.05) == pytest.approx(place, abs=1e-6)
    assert_allclose(peaks.heights, mixture.density(peaks.places))


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_peaks_are_those_of_a_very_fine_grid(name: str) -> None:
    mixture = ScipyMixture(name, WEIGHTS, components(name))
    low, high = mixture.quantiles([1e-6, 1.0 - 1e-6]).T
    ends = low.min(), min(high.max(), mixture.quantiles([0.999]).max())
    x = np.linspace(*ends, 1_000_001)
    if name in ("lognormal", "gamma", "weibull", "beta"):
        x = np.union1d(x, np.geomspace(1e-9, x[-1], 1_000_001))
    values = mixture.density(x)
    inside = (values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])
    brute = list(x[1:-1][inside])
    peaks = find_peaks(mixture)
    within = [place for place, end in zip(peaks.places, peaks.at_end, strict=True) if not end]
    assert_allclose(within, brute, atol=2 * (x[-1] - x[0]) / 1e6)


@pytest.mark.parametrize(
    ("name", "row", "places", "heights"),
    [
        ("gamma", [1.0, 2.0], [0.0], [2.0]),  # exponential: falls from the end
        ("gamma", [0.5, 2.0], [0.0], [np.inf]),
        ("gamma", [3.0, 2.0], [1.0], [2.0 * np.exp(-2.0) * 2.0]),
        ("weibull", [0.7, 1.0], [0.0], [np.inf]),
        ("weibull", [1.0, 4.0], [0.0], [0.25]),
        ("beta", [1.0, 3.0], [0.0], [3.0]),
        ("beta", [0.5, 0.5], [0.0, 1.0], [np.inf, np.inf]),
        ("beta", [2.0, 0.5], [1.0], [np.inf]),
        ("lognormal", [0.0, 2.0], [np.exp(-4.0)], [None]),
        ("student_t", [0.5, 7.0, 0.01], [7.0], [None]),
    ],
)
def test_one_component_has_its_mode(name: str, row: list, places: list, heights: list) -> None:
    peaks = find_peaks(ScipyMixture(name, np.ones(1), np.array([row])))
    assert_allclose(peaks.places, places, rtol=1e-6, atol=1e-9)
    for height, expected in zip(peaks.heights, heights, strict=True):
        assert expected is None or height == pytest.approx(expected)
    assert peaks.at_end.tolist() == [(place in (0.0, 1.0) and name != "gamma") or place == 0.0
                                     for place in places]  # fmt: skip


def test_twenty_narrow_components_are_twenty_peaks() -> None:
    means = 10.0 ** np.linspace(-6, 6, 20)
    mixture = normals([0.05] * 20, list(means), list(1e-3 * means))
    assert_allclose(find_peaks(mixture).places, means, rtol=1e-6)


def test_the_peaks_with_the_least_mass_are_merged_first_and_empty_basins_join() -> None:
    mixture = normals([0.3, 0.2, 0.5], [0.0, 2.5, 10.0], [1.0, 1.0, 1.0])
    peaks = find_peaks(mixture)
    assert len(peaks) == 3
    left = merged(mixture, peaks, 2).places
    assert_allclose(left, [peaks.places[0], peaks.places[2]])  # the higher stays
    assert by_peak(mixture, peaks, 2).labels.tolist() == [0, 0, 1]
    assert by_peak(mixture, peaks, 1).labels.tolist() == [0, 0, 0]
    # An end where a component's density is infinite and no component has most of its mass.
    rising = ScipyMixture("gamma", np.array([0.5, 0.5]), np.array([[0.97, 0.5], [100.0, 10.0]]))
    assert find_peaks(rising).at_end.tolist() == [True, False]
    both_ends = ScipyMixture("beta", np.ones(1), np.array([[0.5, 0.5]]))
    assert by_peak(both_ends, find_peaks(both_ends)).labels.tolist() == [0]


def test_a_small_peak_goes_before_a_broad_one_with_a_shallower_valley() -> None:
    mixture = normals([0.62, 0.34, 0.04], [191.0, 215.0, 229.5], [6.6, 5.7, 0.9])
    peaks = find_peaks(mixture)
    shares = peaks.floors / np.minimum(peaks.heights[1:], peaks.heights[:-1])
    assert shares[1] < shares[0]  # the valley beside the small peak is the deeper one
    assert by_peak(mixture, peaks, 2).labels.tolist() == [0, 1, 1]

    def above(low: float, high: float, floor: float) -> float:
        def excess(x: float) -> float:
            return max(0.0, float(np.exp(mixture.log_density(np.array([x]))[0])) - floor)

        inside = [place for place in peaks.places if low < place < high]
        return float(integrate.quad(excess, low, high, limit=400, points=inside)[0])

    first, second = peaks.valleys
    expected = [
        min(above(150.0, first, peaks.floors[0]), above(first, second, peaks.floors[0])),
        min(above(first, second, peaks.floors[1]), above(second, 240.0, peaks.floors[1])),
    ]
    assert_allclose(excess_masses(mixture, peaks), expected, rtol=0.01)


def test_a_peak_without_an_observation_is_none() -> None:
    mixture = normals([0.999, 0.001], [0.0, 20.0], [1.0, 1.0])
    assert len(find_peaks(mixture, min_mass=1 / 5000)) == 2
    (peak,) = find_peaks(mixture, min_mass=1 / 500).places
    assert peak == pytest.approx(0.0, abs=1e-6)


def test_the_lower_of_two_merged_peaks_is_gone() -> None:
    two = np.array([False, False])
    peaks = Peaks(
        np.array([0.0, 1.0]), np.array([1.0, np.inf]), two, np.array([0.5]), np.array([0.2])
    )
    assert peaks.without_valley(0).places.tolist() == [1.0]


def test_an_empty_basin_joins_by_its_shallower_side() -> None:
    inside = np.zeros(3, dtype=bool)
    for floors, left in (([0.3, 0.05], [3.5]), ([0.05, 0.3], [1.5])):
        peaks = Peaks(
            np.array([1.0, 3.0, 5.0]), np.array([1.0, 0.5, 2.0]), inside,
            np.array([1.5, 3.5]), np.array(floors),
        )  # fmt: skip
        joined = peaks.without_basins([True, False, True])
        assert joined.places.tolist() == [1.0, 5.0]
        assert joined.valleys.tolist() == left
        assert joined.floors.tolist() == [0.05]
