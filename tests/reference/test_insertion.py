"""What a component gains where it is inserted, and which components are tried."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from benchmarks.reference.admissible import Region
from benchmarks.reference.insertion import Candidates
from benchmarks.reference.scipy_mixture import ScipyMixture, log_densities
from benchmarks.reference.starts import random_starts
from benchmarks.reference.view import ROWS, coarse
from scenarios.families import families, family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from tests.conftest import mixture


def candidates(sample: Sample, min_spread: float = 0.02) -> Candidates:
    region = Region.of(sample, min_spread)
    return Candidates.of(sample, sample.ordered, region, np.random.default_rng(0))


def gain(sample: Sample, fitted: Mixture, row: np.ndarray, weight: float) -> float:
    """What the log likelihood gains by a component of this weight, by scipy's densities."""
    name, x = sample.family.name, sample.observations
    before = ScipyMixture(name, fitted.weights, fitted.parameters).density(x)
    added = np.exp(log_densities(name, np.ones((1, 1)), row[None, None], x)[0])
    return float(np.log1p(weight * (added / before - 1.0)).sum())


@pytest.mark.parametrize("name", families())
def test_the_gain_is_the_most_on_the_line(name: str) -> None:
    sample = Sample.of(mixture(name, 2).sample(400, 1), family(name))
    row = sample.family.moment_estimate(sample.observations)
    fitted = Mixture(sample.family, np.ones(1), row[None])
    best = candidates(sample).best(fitted, 5)
    assert 5 <= len(best) <= 7
    assert [each.gain for each in best] == sorted((each.gain for each in best), reverse=True)
    for each in best:
        line = optimize.minimize_scalar(
            lambda weight, at=each: -gain(sample, fitted, at.parameters, weight),
            bounds=(1e-9, 0.8), method="bounded", options={"xatol": 1e-9},
        )  # fmt: skip
        assert each.weight == pytest.approx(line.x, abs=1e-4)
        assert each.gain == pytest.approx(-line.fun, abs=1e-3)


@pytest.mark.parametrize("name", families())
def test_what_is_tried_is_admissible(name: str) -> None:
    x = np.concatenate(
        [mixture(name, 2).sample(200, 1), np.full(20, mixture(name, 2).sample(1)[0])]
    )
    sample = Sample.of(x, family(name))
    region = Region.of(sample, 0.1)
    tried = candidates(sample, 0.1).parameters
    assert len(tried) > 100
    starts = random_starts(sample.ordered, 3, 40, region, tried, np.random.default_rng(1))
    for rows in (tried, *starts.parameters):
        assert (region.relative_spreads(rows) >= 0.1).all()
        assert sample.family.valid(rows)


def test_a_few_neighbours_far_from_all_others_are_found() -> None:
    x = np.concatenate([np.random.default_rng(0).normal(0.0, 1.0, 500), [30.0, 30.4, 30.9]])
    sample = Sample.of(x, family("normal"))
    one = Mixture(sample.family, np.ones(1), np.array([[x.mean(), x.std()]]))
    best = candidates(sample).best(one, 3)
    row = np.array([x[-3:].mean(), x[-3:].std()])
    # The three alone gain this much; whatever gains more is as good.
    assert best[0].gain >= gain(sample, one, row, 3 / 503) - 1e-6
    assert any(abs(each.parameters[0] - 30.4) < 0.5 for each in best)


def test_no_two_insertions_are_nearly_the_same() -> None:
    sample = Sample.of(mixture("normal", 2).sample(400, 1), family("normal"))
    row = sample.family.moment_estimate(sample.observations)
    best = candidates(sample).best(Mixture(sample.family, np.ones(1), row[None]), 10)
    rows = np.stack([each.parameters for each in best])
    apart = np.abs(rows[:, None] - rows[None]) / rows[:, 1].min()
    assert (apart.max(axis=2)[~np.eye(len(rows), dtype=bool)] > 0.1).all()


@pytest.mark.parametrize("name", families())
def test_few_rows_stand_for_many_observations(name: str) -> None:
    truth = mixture(name, 2)
    sample = Sample.of(truth.sample(20_000, 1), family(name))
    view = coarse(sample)
    assert len(view.counts) <= ROWS
    assert view.counts.sum() == pytest.approx(sample.size)
    moved = Mixture(truth.family, np.array([0.3, 0.7]), truth.parameters * 1.1)
    on_all, on_few = (s.log_likelihood(truth) - s.log_likelihood(moved) for s in (sample, view))
    assert on_few == pytest.approx(on_all, rel=1e-3)
    small = Sample.of(truth.sample(300, 1), family(name))
    assert coarse(small) is small
