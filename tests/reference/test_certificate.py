"""What a certificate says: agreement, and the reasons to doubt a reference."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.console import show_reference
from benchmarks.reference import search
from benchmarks.reference.admissible import Region, spurious_reason
from benchmarks.reference.certificate import Optimum, Reference
from benchmarks.reference.flags import flags
from benchmarks.reference.newton import Ascent
from benchmarks.reference.one_search import End, merged
from benchmarks.reference.optima import Found, distinct, grouped
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.reference.search import MOST_SEARCHES, SEARCHES, find_reference
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from tests.conftest import mixture

X = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
"""A thousand observations whose spread is 1, nearly."""


def sample() -> Sample:
    return Sample.of(X, family("normal"))


def pair(weight: float, sigma: float) -> Mixture:
    rows = np.array([[0.0, 1.0], [0.5, sigma]])
    return Mixture(sample().family, np.array([1.0 - weight, weight]), rows)


def optimum(height: float, weight: float, sigma: float, reason: str = "refused") -> Optimum:
    at = pair(weight, sigma)
    return Optimum(height, 1, at.weights.tolist(), at.parameters.tolist(), reason, "moves")


def reasons(at: Mixture, each: list[float | None], optima: list[Optimum] = ()) -> list[str]:  # type: ignore[assignment]
    return flags(sample(), at, -1000.0, each, list(optima), 0.02)


def test_what_holds_enough_and_is_wide_enough_has_no_flag() -> None:
    assert reasons(pair(0.5, 0.5), [-1000.0, -1000.009]) == []


def test_searches_that_disagree_are_a_reason_to_doubt() -> None:
    (flag,) = reasons(pair(0.5, 0.5), [-1000.0, -1003.5])
    assert flag == "the searches disagree by 3.5 nats"
    (flag,) = reasons(pair(0.5, 0.5), [-1000.0, None])
    assert flag == "1 of the searches found no optimum"


@pytest.mark.parametrize(
    ("height", "weight", "sigma", "flagged"),
    [
        (-995.0, 0.05, 0.01, True),  # 50 observations in a refused component, 5 nats better
        (-995.0, 0.05, 0.03, False),  # admissible components: refused for another reason
        (-998.5, 0.05, 0.01, False),  # hardly better
        (-995.0, 0.015, 0.01, False),  # 15 observations
    ],
)
def test_a_better_optimum_that_is_refused_is_a_reason_to_doubt(
    height: float, weight: float, sigma: float, flagged: bool
) -> None:
    found = reasons(pair(0.5, 0.5), [-1000.0] * 2, [optimum(height, weight, sigma)])
    assert bool(found) == flagged
    if flagged:
        assert found == [
            "an inadmissible optimum is 5 nats better, and its refused component holds 50 "
            "observations"
        ]


@pytest.mark.parametrize(
    ("weight", "sigma", "words"),
    [
        (0.5, 0.023, "component 2 is near the edge of admissibility"),
        (0.5, 0.025, None),
        (0.008, 0.055, "component 2 is near the edge of admissibility"),  # 8 observations
        (0.004, 0.5, "component 2 holds only 4.0 observations"),
        (0.006, 0.5, None),
    ],
)
def test_a_component_on_few_points_or_narrow_is_a_reason_to_doubt(
    weight: float, sigma: float, words: str | None
) -> None:
    found = reasons(pair(weight, sigma), [-1000.0] * 2)
    assert [words in flag for flag in found] == [True] if words else found == []


@pytest.mark.parametrize(("searches", "share"), [(1, 0.95), (2, 0.78), (3, 0.63)])
def test_what_agreement_excludes(searches: int, share: float) -> None:
    found = find_reference(sample(), 1, 0.02)
    at = replace(found, best_of_each=[0.0] * searches)
    assert at.excluded == pytest.approx(share, abs=5e-3)
    # All searches miss an optimum that each finds with this probability once in twenty.
    assert (1.0 - at.excluded) ** searches == pytest.approx(0.05)
    assert f"above {share:.0%}" in at.verdict[0]


def found_at(height: float | None) -> Found:
    if height is None:
        return Found([], None, 1)
    return Found([optimum(height, 0.5, 0.5, "")], None, 1)


@pytest.mark.parametrize(
    ("heights", "agreed", "hits"),
    [
        ([-5.0, -5.0], True, 2),
        ([-5.0, -5.009], True, 2),
        ([-5.0, -5.02, -5.0, -5.0, -5.0, -5.0], False, 5),
        ([None, -5.0, -5.0, -5.0, -9.0, -5.0], False, 4),
    ],
)
def test_searches_that_disagree_are_followed_by_others(
    heights: list[float | None], agreed: bool, hits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def one(sample: Sample, components: int, min_spread: float, seed: int) -> Found:
        seeds.append(seed)
        return found_at(heights[len(seeds) - 1])

    monkeypatch.setattr(search, "whole_search", one)
    found = find_reference(sample(), 2, 0.02)
    assert len(seeds) == len(heights) == len(set(seeds))
    assert len(heights) in (SEARCHES, MOST_SEARCHES)
    assert found.best_of_each == heights
    assert (found.agreed, found.hits, found.searches) == (agreed, hits, len(heights))
    assert found.verdict[0].startswith("agreed" if agreed else f"not agreed: {hits} of 6")


def test_the_best_of_all_searches_is_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = mixture("normal", 2)
    data = Sample.of(truth.sample(400, 1), truth.family)
    before = find_reference(data, 2, 0.02)
    assert before.agreed
    best, rejected = before.admissible[0], [o for o in before.optima if o.rejection_reason]
    worse = replace(best, log_likelihood=best.log_likelihood - 3.0, weights=[0.5, 0.5])
    found = itertools.cycle([Found([*rejected, worse], None, 1), Found([best], None, 1)])
    monkeypatch.setattr(search, "whole_search", lambda *arguments: next(found))
    after = find_reference(data, 2, 0.02)
    assert after.log_likelihood == pytest.approx(before.log_likelihood, abs=1e-6)
    assert not after.agreed


def test_an_admissible_optimum_is_not_hidden_by_one_that_is_not() -> None:
    heights = [(-10.0, "refused"), (-10.004, ""), (-10.008, "refused"), (-10.02, ""), (-10.025, "")]
    optima = [optimum(height, 0.5, 0.5, reason) for height, reason in heights]
    kept = [(o.log_likelihood, o.times, o.rejection_reason) for o in distinct(optima)]
    assert kept == [(-10.0, 2, "refused"), (-10.004, 1, ""), (-10.02, 2, "")]
    numbers = grouped([3.0, 1.0, 2.995, 2.98], lambda value: value, 0.01)
    assert numbers == [[3.0, 2.995], [2.98], [1.0]]

    def end(height: float, admissible: bool) -> End:
        return End(Ascent(pair(0.5, 0.5), height, 0.0, 1.0), admissible, "moves")

    pool = merged([], [end(-10.0, False), end(-10.001, True), end(-10.002, False)])
    pool = merged(pool, [end(-9.0, True), end(-10.0015, True)])
    assert [(e.ascent.log_likelihood, e.admissible, e.times) for e in pool] == [
        (-9.0, True, 1), (-10.0, False, 2), (-10.001, True, 2),
    ]  # fmt: skip


def test_a_reference_is_read_as_it_was_written(tmp_path: Any) -> None:
    found = find_reference(sample(), 2, 0.02, tmp_path)
    (path,) = tmp_path.iterdir()
    assert Reference.loads(path.read_text("utf-8")) == found


def test_few_observations_must_be_wide_by_the_link() -> None:
    # A thousand observations near 1 and one far away, where a component on it is as wide in x.
    x = np.append(np.exp(0.3 * X), 1e6)
    region = Region.of(Sample.of(x, family("lognormal")), 0.02)
    spike = np.array([[np.log(1e6), 1e-4], [np.log(1e6), 0.02]])
    assert (region.relative_spreads(spike) > 100.0).all()
    assert region.inside(np.array([50.0, 50.0]), spike).all()
    assert region.inside(np.array([1.0, 1.0]), spike).tolist() == [False, True]


def test_a_spike_with_long_tails_is_spurious_however_wide() -> None:
    # By scipy: with .2 degrees of freedom the 16–84 % range is over ten times the 31–69 % range.
    x = np.random.default_rng(0).normal(size=400)
    for df, spurious in ((0.2, True), (0.4, False)):
        law = stats.t(df, 0.1, 0.01)
        ratio = (law.ppf(0.84) - law.ppf(0.16)) / (law.ppf(0.69) - law.ppf(0.31))
        assert (ratio >= 10.0) == spurious
        mixture = ScipyMixture.of("student_t", [0.7, 0.3], [[30.0, 0.0, 1.0], [df, 0.1, 0.05]])
        reason = spurious_reason(mixture, x, 0.02)
        assert (reason is not None) == spurious
        region = Region.of(Sample.of(x, family("student_t")), 0.02)
        rows = mixture.parameters
        assert region.inside(np.array([280.0, 120.0]), rows).tolist() == [True, not spurious]
        assert not spurious or "component 2 is a spike with long tails" in str(reason)


def test_the_next_optimum_is_below_a_reference_of_fewer_components(
    capsys: pytest.CaptureFixture[str],
) -> None:
    optima = [optimum(-1004.0, 0.5, 0.5, ""), optimum(-1007.0, 0.5, 0.4, "")]
    one = find_reference(sample(), 1, 0.02)
    fewer = replace(one, log_likelihood=-1000.0, fewer_components=True, optima=optima)
    show_reference("x", fewer)
    assert "the next admissible optimum of 2 is 4.00 nats lower" in capsys.readouterr().out
