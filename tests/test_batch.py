"""Restarts at once: to where each goes alone, and no further harm where one kills them all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.harness.journal import read
from benchmarks.harness.plan import key_of
from benchmarks.harness.seeds import derive
from fitters.newton import climb, newton_steps, trust_region_steps
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import family
from scenarios.sample import Sample
from scenarios.scenario import load
from scenarios.stack import Stack
from tests.conftest import EXPONENTIAL, mixture, mixturebench, sample


@pytest.fixture(scope="module", params=["overlapping_hard", "five", "gamma_pair"])
def bound(request: pytest.FixtureRequest) -> tuple[Sample, list[Start]]:
    scenario = load(request.param)
    data = Sample.of(scenario.observations(0, 0), scenario.family)
    chosen = policy("quantile")
    return data, [Start.of(chosen, data, scenario.components, seed) for seed in range(24)]


@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_kernels_take_many_mixtures_as_they_take_one(name: str, count: int) -> None:
    data = sample(name)
    m = mixture(name, count).within(data.family)
    shifts = np.random.default_rng(0).normal(0.0, 0.1, (7, m.dimension))
    stack = Stack.from_coordinates(data.family, count, m.coordinates() + shifts)
    for seen in (data, data.sketch(64)):
        for many, one in (("expectations", "expectation"), ("hessians", "hessian")):
            seen.evaluations = 0.0
            together = getattr(seen, many)(stack)
            assert seen.evaluations == pytest.approx(7 * len(seen.counts) / seen.size)
            for index, each in enumerate(stack):
                for a, b in zip(together, getattr(seen, one)(each), strict=True):
                    assert_allclose(a[index], b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spec", ["direct:method=newton,bins=1024", "em:bins=1024"])
def test_a_batch_leads_each_start_where_it_goes_alone(
    spec: str, bound: tuple[Sample, list[Start]]
) -> None:
    data, starts = bound
    components = starts[0].mixture.components
    prepared = parse(f"{spec},batch=24").prepare(data, data.family, components)
    data.evaluations = 0.0
    many = prepared.fit_many(starts, [0] * len(starts))
    assert sum(fit.evaluations for fit in many) == pytest.approx(data.evaluations)
    for start, fit in zip(starts, many, strict=True):
        alone = prepared.fit(start, 0, lambda copy: None)
        # em stops 1e-4 nats short of the top, and rounding may tell it so a step later.
        assert_allclose(fit.mixture.coordinates(), alone.mixture.coordinates(), atol=1e-3)
        ends = [data.log_likelihood(f.mixture) for f in (fit, alone)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-3)
        assert fit.converged == alone.converged


def test_newton_finds_the_tops_that_scipy_finds(bound: tuple[Sample, list[Start]]) -> None:
    data, starts = bound
    seen = data.sketch(1024)
    ends, found, _ = climb(seen, Stack.of([s.mixture for s in starts], seen.family), 1e-6, 1000)
    assert found.all()
    scipys = parse("direct").prepare(seen, seen.family, starts[0].mixture.components)
    best = max(seen.log_likelihood(scipys.fit(s, 0, lambda copy: None).mixture) for s in starts)
    values, gradients, hessians = seen.hessians(ends)
    assert values.max() == pytest.approx(best, abs=1e-4)
    # Each is a top: flat, and curved down in every direction.
    assert np.abs(gradients / seen.size).max() < 1e-6
    assert (np.linalg.eigvalsh(hessians / seen.size) < 1e-9).all()


def test_newton_never_goes_down_whatever_the_start() -> None:
    data = sample("beta", 2000)
    generator = np.random.default_rng(1)
    wild = mixture("beta", 2).coordinates() + generator.normal(0.0, 1.5, (40, 5))
    starts = Stack.from_coordinates(data.family, 2, wild)
    reached = [climb(data, starts, 1e-9, most)[0] for most in range(12)]
    heights = np.array([data.expectations(stack)[0] for stack in reached])
    assert (np.diff(heights, axis=0) >= -1e-7).all()
    # Some steps were refused, so that there was something to go down by.
    stood = np.array([stack.coordinates() for stack in reached])
    refused = (stood[1:6] == stood[:5]).all(axis=2)
    assert refused.any()


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


def test_newton_steps_lead_to_the_tops_of_quadratics() -> None:
    generator = np.random.default_rng(3)
    roots = generator.normal(size=(5, 4, 4))
    hessians = -roots @ roots.swapaxes(1, 2) - 0.1 * np.eye(4)
    tops = generator.normal(size=(5, 4))
    gradients = (-hessians @ tops[..., None])[..., 0]
    steps, gains = newton_steps(gradients, hessians)
    assert_allclose(steps, tops, rtol=1e-8)
    assert_allclose(gains, 0.5 * (gradients * tops).sum(axis=1), rtol=1e-8)
    # At a saddle it goes along the wrong curvature as along a right one of the same size.
    steps, gains = newton_steps(np.array([[8.0, 0.5]]), np.diag([-4.0, 1.0])[None])
    assert_allclose(steps, [[2.0, 0.5]])
    assert np.isinf(gains).all()
    steps, gains = newton_steps(gradients, hessians)
    # A saddle has no top, and something that isn't a number has nothing.
    hessians[0, 0, 0], gradients[1] = 50.0, np.nan
    steps, gains = newton_steps(gradients, hessians, longest=0.1)
    assert np.isinf(gains[:2]).all()
    assert np.isfinite(gains[2:]).all()
    assert gradients[0] @ steps[0] > 0.0  # uphill all the same
    assert np.isnan(steps[1]).all()
    assert (np.linalg.norm(steps[[0, 2, 3, 4]], axis=1) <= 0.1 + 1e-12).all()


def test_only_newton_takes_batches() -> None:
    for spec, name, word in (
        ("direct:batch=4,method=BFGS", "beta", "one restart at a time"),
        ("direct:batch=4", "weibull", "exact Hessian"),
        ("direct:method=newton", "weibull", "exact Hessian"),
    ):
        reason = parse(spec).supports(family(name), 2)
        assert reason is not None
        assert word in reason
    assert parse("direct:batch=4").supports(family("beta"), 2) is None


def test_a_run_in_batches_has_the_records_of_a_run_one_by_one(tmp_path: Path) -> None:
    specs = ("em:bins=256", "em:bins=256,batch=4")
    chosen = [part for spec in specs for part in ("--fitter", spec)]
    done = mixturebench(
        "run", "--no-report", "--scenario", "unequal", "--restarts", "10",
        "--out", str(tmp_path / "run"), *chosen,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = {key_of(record): record for record in read(tmp_path / "run")[1]}
    for restart in range(10):
        alone, together = (records["unequal", 0, spec, "quantile", restart] for spec in specs)
        assert together["start_digest"] == alone["start_digest"]
        assert together["evaluations"] == pytest.approx(alone["evaluations"])
        assert_allclose(together["parameters"], alone["parameters"], rtol=1e-3)
        assert together["batch"] == (4 if restart < 8 else 2)
        assert alone["trace"]
        assert not together["trace"]


def test_one_that_kills_its_batch_is_found_out(hostile: Path, tmp_path: Path) -> None:
    spec = "hostile:how=exits_at_times,batch=5"
    done = mixturebench(
        "run", "--no-report", "--scenario", "unequal", "--restarts", "10", "--fitter", spec,
        "--out", str(tmp_path / "run"), site=hostile,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = sorted(read(tmp_path / "run")[1], key=lambda record: record["restart"])
    assert len(records) == 10
    # It dies of every fourth seed: each of those is a row of its own, and costs no other.
    digest = load("unequal").digest()
    dies = [derive("fit", 0, digest, 0, restart) % 4 == 0 for restart in range(10)]
    assert 0 < sum(dies) < 10
    assert [record["outcome"] == "crashed" for record in records] == dies
    sizes = {record["restart"]: record["batch"] for record in records if "batch" in record}
    assert set(sizes) == {restart for restart in range(10) if not dies[restart]}
