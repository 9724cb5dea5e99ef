"""The reference's ascents: EM steps that stay among admissible components, and Newton's method."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.admissible import Region
from benchmarks.reference.ascent import ascend, ascend_all, em_steps, observed_information
from benchmarks.reference.newton import newton_ascents
from scenarios.families import families, family
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample
from tests.conftest import mixture


def sample_of(name: str, n: int = 400) -> Sample:
    return Sample.of(mixture(name, 2).sample(n, 1), family(name))


def batch_of(sample: Sample, count: int = 8) -> MixtureBatch:
    """Mixtures around the true one."""
    truth, generator = mixture(sample.family.name, 2), np.random.default_rng(0)
    points = truth.within(sample.family).coordinates()
    points = points + generator.normal(scale=0.15, size=(count, points.size))
    return MixtureBatch.from_coordinates(sample.family, 2, points)


@pytest.mark.parametrize("name", families())
def test_em_steps_increase_the_likelihood(name: str) -> None:
    sample = sample_of(name)
    batch, region = batch_of(sample), Region.of(sample, 0.02)
    for _ in range(5):
        before = sample.log_likelihoods(batch)
        batch = em_steps(sample, batch, 1, region)
        after = sample.log_likelihoods(batch)
        assert (after > before - 1e-9).all()
    assert (after > sample.log_likelihoods(batch_of(sample)) + 0.1).all()


@pytest.mark.parametrize("name", families())
def test_em_steps_stay_among_the_admissible_components(name: str) -> None:
    x = np.concatenate(
        [mixture(name, 2).sample(200, 1), np.full(150, mixture(name, 2).sample(1)[0])]
    )
    sample = Sample.of(x, family(name))
    region, at = Region.of(sample, 0.2), x[-1]
    near = np.sort(x)[np.argsort(np.abs(np.sort(x) - at))[:200]]
    rows = np.stack([sample.family.moment_estimate(part) for part in (x, near)])
    # A component that begins on 150 equal values shrinks to nothing unless it is held.
    while not region.relative_spreads(rows)[1] >= 0.2:
        near = np.sort(x)[np.argsort(np.abs(np.sort(x) - at))[: near.size + 10]]
        rows[1] = sample.family.moment_estimate(near)
    start = MixtureBatch(sample.family, np.array([[0.8, 0.2]]), rows[None])
    held = em_steps(sample, start, 200, region)
    free = em_steps(sample, start, 200)
    assert (region.relative_spreads(held.parameters) >= 0.2).all()
    assert sample.log_likelihoods(held)[0] > sample.log_likelihoods(start)[0]
    assert not (region.relative_spreads(free.parameters) >= 0.2).all()


@pytest.mark.parametrize("name", families())
def test_many_ascents_end_where_single_ones_do(name: str) -> None:
    sample = sample_of(name)
    batch = batch_of(sample, 4)
    for end, start in zip(ascend_all(sample, batch), batch, strict=True):
        alone = ascend(sample, start)
        assert end.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-6)
        assert end.predicted_gain < 1e-6
        assert end.log_likelihood > sample.log_likelihood(start)


@pytest.mark.parametrize("name", families())
def test_the_end_of_an_ascent_is_described_by_its_derivatives(name: str) -> None:
    sample = sample_of(name)
    ends = newton_ascents(sample, batch_of(sample, 3), 1e-4, 3)  # on their way
    for index in range(3):
        end = ends[index]
        hessian = observed_information(sample, end.mixture)
        _, gradient = sample.gradient(end.mixture)
        smallest = np.linalg.eigvalsh(hessian)[0] / sample.size
        assert end.smallest_eigenvalue == pytest.approx(smallest, rel=1e-6, abs=1e-9)
        if smallest > 1e-6:
            gain = 0.5 * gradient @ np.linalg.solve(hessian, gradient)
            assert end.predicted_gain == pytest.approx(gain, rel=1e-4)
        else:
            assert end.predicted_gain == np.inf or abs(smallest) < 1e-6


def test_held_coordinates_do_not_move() -> None:
    sample = sample_of("gamma")
    batch = batch_of(sample, 2)
    held = np.zeros((2, 5), dtype=bool)
    held[0, 1] = held[1, 4] = True
    ends = newton_ascents(sample, batch, 1e-9, 100, held=held)
    before, after = batch.coordinates(), ends.mixtures.coordinates()
    assert_allclose(after[held], before[held], rtol=1e-12)
    assert (np.abs(after - before)[~held] > 1e-6).all()
    assert (ends.predicted_gains < 1e-9).all()


def test_a_component_far_from_zero_and_narrow_is_no_maximum() -> None:
    # One observation under a narrow component: its shape grows without bound, with a slope of 1/2.
    x = np.concatenate([np.random.default_rng(0).gamma(4.0, 0.25, 200), [1080.0]])
    sample = Sample.of(x, family("gamma"))
    rows = np.array([[4.0, 4.0], [2.5e9, 2.5e9 / 1080.0]])
    far = Mixture(sample.family, np.array([200 / 201, 1 / 201]), rows)
    _, gradient, hessian = sample.hessian(far)
    both = np.array([0.0, 0.0, 0.0, 1.0, 1.0])  # shape and rate together
    assert gradient @ both == pytest.approx(0.5, abs=1e-3)
    assert both @ hessian @ both == pytest.approx(0.0, abs=1e-3)
    (end,) = newton_ascents(sample, MixtureBatch.of([far], sample.family), 1e-6, 0).predicted_gains
    assert end > 1.0
