"""The screened start, against the reference that another search finds."""

from __future__ import annotations

import pytest

from benchmarks.harness.data import draw_sample
from benchmarks.harness.judgement import cache_folder
from benchmarks.harness.reference import find_reference
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import family
from scenarios.scenario import load


@pytest.mark.parametrize("name", ["nested", "ushaped", "unequal", "three", "small"])
def test_no_start_misses_where_half_of_the_others_do(name: str) -> None:
    scenario = load(name)
    sample = draw_sample(scenario, 1, seed=0)
    floor = scenario.specification.spread_floor
    reference = find_reference(sample, scenario.components, floor, cache_folder())
    direct = parse("direct").prepare(sample, sample.family, scenario.components)
    for seed in range(3):
        sample.evaluations = 0.0
        start = Start.of(policy("screened"), sample, scenario.components, seed)
        assert sample.evaluations > 10  # what it cost is on record
        fit = direct.fit(start, 0, lambda copy: None)
        # 0.025 nats are an excess of a hundredth for five parameters.
        assert sample.log_likelihood(fit.mixture) > reference.log_likelihood - 0.025


def test_screening_needs_a_sketch() -> None:
    reason = policy("screened").supports(family("student_t"), 2)
    assert reason is not None
    assert "no exponential family" in reason
