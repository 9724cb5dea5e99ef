"""Newton's method: its steps on quadratic models, and the maxima that it finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fitters.newton import newton_ascent
from fitters.spec import parse
from fitters.starts import Start, policy
from fitters.trust_region import safeguarded_steps, trust_region_steps
from scenarios.families import family
from scenarios.families.weibull import Weibull
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load
from tests.conftest import mixture, sample


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        *((name, "direct") for name in ("overlapping_hard", "five", "gamma_pair")),
        # Without the Hessian, a wrong one can't mislead both.
        *((name, "direct:method=L-BFGS-B") for name in ("weibull_pair", "student_pair")),
    ],
)
def test_newton_finds_the_maxima_that_scipy_finds(name: str, peer: str) -> None:
    scenario = load(name)
    data = Sample.of(scenario.observations(0, 0), scenario.family)
    model = Model(data.family, scenario.components)
    view = data.sketch(1024) if model.exponential else data
    starts = [Start.of(policy("quantile"), view, model, seed) for seed in range(24)]
    batch = MixtureBatch.of([start.mixture for start in starts], view.family)
    ends, converged, _ = newton_ascent(view, batch, 1e-6, 1000)
    assert converged.all()
    direct = parse(peer).prepare(view, model)
    best = max(
        view.log_likelihood(direct.fit(start, 0, lambda copy: None).mixture) for start in starts
    )
    values, gradients, hessians = view.hessians(ends)
    assert values.max() == pytest.approx(best, abs=1e-4)
    # Each is a maximum: flat, and curved down in every direction.
    assert np.abs(gradients / view.size).max() < 1e-6
    assert (np.linalg.eigvalsh(hessians / view.size) < 1e-9).all()


@pytest.mark.parametrize("name", ["weibull_pair", "student_pair"])
def test_scipys_trust_region_needs_fewer_passes_than_its_gradient_method(name: str) -> None:
    scenario = load(name)
    data = Sample.of(scenario.observations(0, 0), scenario.family)
    model = Model(data.family, scenario.components)
    start = Start.of(policy("quantile"), data, model, 1)
    first, second = (
        parse(spec).prepare(data, model).fit(start, 0, lambda copy: None)
        for spec in ("direct", "direct:method=L-BFGS-B")
    )
    assert first.claimed
    assert set(first.passes) == {"hessian"}
    assert set(second.passes) == {"gradient"}
    found = [data.log_likelihood(fit.mixture) for fit in (first, second)]
    assert found[0] == pytest.approx(found[1], abs=1e-4)
    # Steps that follow the curvature are few.
    assert first.passes["hessian"] <= 0.5 * second.passes["gradient"]


def test_newton_never_loses_likelihood_whatever_the_start() -> None:
    data = sample("beta", 2000)
    generator = np.random.default_rng(1)
    points = mixture("beta", 2).coordinates() + generator.normal(0.0, 1.5, (40, 5))
    starts = MixtureBatch.from_coordinates(data.family, 2, points)
    ends = [newton_ascent(data, starts, 1e-9, steps)[0] for steps in range(12)]
    likelihoods = np.array([data.expectations(batch)[0] for batch in ends])
    assert (np.diff(likelihoods, axis=0) >= -1e-7).all()
    # Some steps were rejected, so that some would have lost likelihood.
    coordinates = np.array([batch.coordinates() for batch in ends])
    rejected = (coordinates[1:6] == coordinates[:5]).all(axis=2)
    assert rejected.any()


def test_newton_shows_each_iterate() -> None:
    data = sample("beta", 2000)
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    copies: list[Mixture] = []
    fit = parse("newton").prepare(data, model).fit(start, 0, lambda copy: copies.append(copy()))
    assert len(copies) == fit.iterations + 1
    values = [data.log_likelihood(copy) for copy in copies]  # the copies do not change later
    assert values[0] == pytest.approx(data.log_likelihood(start.mixture))
    assert (np.diff(values) >= -1e-7).all()
    assert values[-1] == pytest.approx(data.log_likelihood(fit.mixture))
    assert values[-1] > values[0] + 1.0


def test_a_maximum_on_the_sketch_is_polished_on_all_the_data() -> None:
    scenario = load("overlapping")
    data = Sample.of(scenario.observations(0, 0), scenario.family)
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    coarse, exact = (
        parse(spec).prepare(data, model).fit(start, 0, lambda copy: None)
        for spec in ("newton:bins=64", "newton:tolerance=1e-10")
    )
    assert coarse.claimed
    assert_allclose(coarse.mixture.coordinates(), exact.mixture.coordinates(), atol=1e-6)
    # It costs few whole passes, beside those over 64 rows.
    assert coarse.passes["hessian"] < 5.0 < exact.passes["hessian"]


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("radius", [0.05, 1.0, 20.0])
def test_a_trust_region_step_is_the_best_within_its_radius(dimension: int, radius: float) -> None:
    generator = np.random.default_rng(dimension)
    hessians = generator.normal(size=(20, dimension, dimension))
    hessians += hessians.swapaxes(1, 2)  # most of them have curvature of both signs
    gradients = generator.normal(size=(20, dimension))
    steps, gains = trust_region_steps(gradients, hessians, np.full(20, radius))
    assert (np.linalg.norm(steps, axis=1) <= radius * (1.0 + 1e-6)).all()
    for g, h, step, gain in zip(gradients, hessians, steps, gains, strict=True):
        assert -gain == pytest.approx(g @ step + 0.5 * step @ h @ step, rel=1e-9, abs=1e-12)
        # Conditions that only the best step meets (Moré & Sorensen 1983, lemma 2.1).
        push = -(h @ step + g)
        shift = push @ step / (step @ step)
        scale = np.abs(h).max() * radius + np.abs(g).max()
        assert_allclose(push, shift * step, atol=1e-5 * scale)
        assert shift >= -1e-8
        assert np.linalg.eigvalsh(h)[0] + shift >= -1e-5
        assert shift < 1e-8 or np.linalg.norm(step) == pytest.approx(radius, rel=1e-5)


def test_safeguarded_steps_lead_to_the_maxima_of_quadratics() -> None:
    generator = np.random.default_rng(3)
    roots = generator.normal(size=(5, 4, 4))
    hessians = -roots @ roots.swapaxes(1, 2) - 0.1 * np.eye(4)
    maxima = generator.normal(size=(5, 4))
    gradients = (-hessians @ maxima[..., None])[..., 0]
    steps, gains = safeguarded_steps(gradients, hessians)
    assert_allclose(steps, maxima, rtol=1e-8)
    assert_allclose(gains, 0.5 * (gradients * maxima).sum(axis=1), rtol=1e-8)
    # At a saddle the sign of the wrong curvature is reversed.
    steps, gains = safeguarded_steps(np.array([[8.0, 0.5]]), np.diag([-4.0, 1.0])[None])
    assert_allclose(steps, [[2.0, 0.5]])
    assert np.isinf(gains).all()
    # A saddle has no maximum, and NaN has no step.
    hessians[0, 0, 0], gradients[1] = 50.0, np.nan
    steps, gains = safeguarded_steps(gradients, hessians, radius=0.1)
    assert np.isinf(gains[:2]).all()
    assert np.isfinite(gains[2:]).all()
    assert gradients[0] @ steps[0] > 0.0  # uphill all the same
    assert np.isnan(steps[1]).all()
    assert (np.linalg.norm(steps[[0, 2, 3, 4]], axis=1) <= 0.1 + 1e-12).all()


class NumericWeibull(Weibull):
    """A Weibull without formulas for its derivatives."""

    exact_derivatives = False


@pytest.mark.parametrize(
    "spec", ["newton", "newton:batch=4", "newton:bins=64", "direct:method=trust-exact"]
)
def test_what_needs_a_hessian_refuses_families_without_an_exact_one(spec: str) -> None:
    reason = parse(spec).supports(Model(NumericWeibull(), 2))
    assert reason is not None
    assert "no formulas for its derivatives" in reason
    assert parse(spec).supports(Model(family("beta"), 2)) is None
    assert parse("direct").supports(Model(NumericWeibull(), 2)) is None


@pytest.mark.parametrize("name", ["weibull", "student_t"])
def test_newton_takes_families_without_statistics_but_no_sketch_of_them(name: str) -> None:
    for spec in ("newton", "newton:batch=4", "direct:method=trust-exact"):
        assert parse(spec).supports(Model(family(name), 2)) is None
    reason = parse("newton:bins=64").supports(Model(family(name), 2))
    assert reason is not None
    assert f"{name} is no exponential family, so it has no sketch: leave out bins" in reason
