"""Start policies: the same for equal seeds, and the screened start against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.search import find_reference
from benchmarks.runner.datasets import draw_sample
from fitters.spec import parse
from fitters.starts import Start, policies, policy
from scenarios.cache_folder import cache_folder
from scenarios.errors import UserError
from scenarios.families import family
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load


@pytest.fixture(scope="module")
def founding() -> Sample:
    scenario = load("founding")
    return Sample.of(scenario.observations(0, 0), scenario.family)


def test_starts_are_the_same_for_the_same_seed_and_differ_otherwise(founding: Sample) -> None:
    model = Model(founding.family, 3)
    for name in policies():
        one, two, other = (policy(name).draw(founding, model, seed) for seed in (4, 4, 5))
        assert one.valid()
        assert one.coordinates().tobytes() == two.coordinates().tobytes()
        if name not in ("kmeans", "screened"):  # which may well lead to the same
            assert one.coordinates().tobytes() != other.coordinates().tobytes()


@pytest.mark.parametrize(("size", "smallest"), [(40, 2), (400, 10)])
def test_quantile_bins_hold_two_observations_and_a_tenth_of_an_equal_share(
    size: int, smallest: int
) -> None:
    data = Sample.of(np.random.default_rng(0).beta(2.0, 3.0, size), family("beta"))
    model = Model(data.family, 4)
    sizes = [policy("quantile").draw(data, model, seed).weights * size for seed in range(200)]
    assert np.min(sizes) == pytest.approx(smallest)  # met by some of 200, undercut by none
    assert_allclose(np.sum(sizes, axis=1), size)


def test_siblings_of_a_start_differ_from_it_and_from_each_other(founding: Sample) -> None:
    start = Start.of(policy("quantile"), founding, Model(founding.family, 2), 7)
    drawn = [start.mixture, *(start.sibling(founding, index) for index in (1, 2, 3))]
    assert len({mixture.coordinates().tobytes() for mixture in drawn}) == 4
    again = start.sibling(founding, 2)
    assert again.coordinates().tobytes() == drawn[2].coordinates().tobytes()


def test_article_starts_are_for_betas() -> None:
    reason = policy("article").supports(Model(family("normal"), 2))
    assert reason is not None
    assert "beta" in reason


@pytest.mark.parametrize("name", ["quantile", "kmeans"])
def test_too_few_observations_to_start_from(name: str) -> None:
    data = Sample.of(np.array([0.1, 0.2, 0.3]), family("beta"))
    with pytest.raises(UserError, match="3 observations can't start 2 components"):
        policy(name).draw(data, Model(data.family, 2), 0)


@pytest.mark.parametrize("name", ["nested", "ushaped", "unequal", "three", "small"])
def test_the_screened_start_finds_the_optimum_that_half_of_the_others_miss(name: str) -> None:
    scenario = load(name)
    data = draw_sample(scenario, 1, seed=0)
    spread_floor = scenario.specification.spread_floor
    reference = find_reference(data, scenario.components, spread_floor, cache_folder())
    model = Model(data.family, scenario.components)
    direct = parse("direct").prepare(data, model)
    for seed in range(3):
        data.passes.clear()
        start = Start.of(policy("screened"), data, model, seed)
        assert sum(data.passes.values()) > 10  # screening is counted
        fit = direct.fit(start, 0, lambda copy: None)
        # 0.025 nats are an excess of a hundredth for five parameters.
        assert data.log_likelihood(fit.mixture) > reference.log_likelihood - 0.025


def test_screening_needs_a_sketch() -> None:
    reason = policy("screened").supports(Model(family("student_t"), 2))
    assert reason is not None
    assert "no exponential family" in reason
