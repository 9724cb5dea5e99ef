"""Restarts in batches: each ends where it ends alone, and one that crashes costs no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.runner.journal import read
from benchmarks.runner.plan import key_of
from benchmarks.runner.seeds import derive
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.mixture import MixtureBatch
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load
from tests.conftest import EXPONENTIAL, mixture, mixturebench, sample

# Without Newton steps EM creeps along ridges, where rounding adds up: only its first steps agree.
BATCHED = ["newton:bins=1024", "em:bins=1024,newton=true"]
BATCHED += [f"em:bins=1024,max_iterations=60,accelerate={flag}" for flag in ("true", "false")]


@pytest.fixture(scope="module", params=["overlapping_hard", "five", "gamma_pair"])
def case(request: pytest.FixtureRequest) -> tuple[Sample, Model, list[Start]]:
    scenario = load(request.param)
    data = Sample.of(scenario.observations(0, 0), scenario.family)
    model = Model(data.family, scenario.components)
    return data, model, [Start.of(policy("quantile"), data, model, seed) for seed in range(24)]


@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_kernels_take_many_mixtures_as_they_take_one(name: str, count: int) -> None:
    data = sample(name)
    m = mixture(name, count).within(data.family)
    shifts = np.random.default_rng(0).normal(0.0, 0.1, (7, m.dimension))
    batch = MixtureBatch.from_coordinates(data.family, count, m.coordinates() + shifts)
    for view in (data, data.sketch(64)):
        for many, one in (("expectations", "expectation"), ("hessians", "hessian")):
            view.passes.clear()
            together = getattr(view, many)(batch)
            assert view.passes == {one: pytest.approx(7 * len(view.counts) / view.size)}
            for index, each in enumerate(batch):
                for a, b in zip(together, getattr(view, one)(each), strict=True):
                    assert_allclose(a[index], b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("spec", BATCHED)
def test_a_batch_leads_each_start_where_it_goes_alone(
    spec: str, case: tuple[Sample, Model, list[Start]]
) -> None:
    data, model, starts = case
    prepared = parse(f"{spec},batch=24").prepare(data, model)
    data.passes.clear()
    many = prepared.fit_many(starts, [0] * len(starts))
    for kernel, count in data.passes.items():
        assert sum(fit.passes[kernel] for fit in many) == pytest.approx(count)
    for start, fit in zip(starts, many, strict=True):
        alone = prepared.fit(start, 0, lambda copy: None)
        # em stops 1e-4 nats before the maximum, and by rounding an E-step sooner or later.
        assert_allclose(fit.mixture.coordinates(), alone.mixture.coordinates(), atol=1e-3)
        ends = [data.log_likelihood(f.mixture) for f in (fit, alone)]
        assert ends[0] == pytest.approx(ends[1], abs=1e-3)
        assert fit.claimed == alone.claimed


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
        for fact in ("start_weights", "start_parameters"):
            assert together[fact] == alone[fact]
        assert _positive(together["passes"]) == pytest.approx(_positive(alone["passes"]))
        assert_allclose(together["parameters"], alone["parameters"], rtol=1e-3)
        assert together["batch"] == (4 if restart < 8 else 2)
        assert alone["trace"]
        assert not together["trace"]


def _positive(passes: dict[str, Any]) -> dict[str, Any]:
    return {kernel: count for kernel, count in passes.items() if count > 0.0}


def test_a_trial_that_crashes_its_batch_is_found(hostile: Path, tmp_path: Path) -> None:
    spec = "hostile:how=exits_at_times,batch=5"
    done = mixturebench(
        "run", "--no-report", "--scenario", "unequal", "--restarts", "10", "--fitter", spec,
        "--out", str(tmp_path / "run"), site=hostile,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = sorted(read(tmp_path / "run")[1], key=lambda record: record["restart"])
    assert len(records) == 10
    # Every fourth seed ends its worker: each of those trials fails, and no other does.
    digest = load("unequal").digest()
    crashes = [derive("fit", 0, digest, 0, restart) % 4 == 0 for restart in range(10)]
    assert 0 < sum(crashes) < 10
    assert [record["outcome"] == "crashed" for record in records] == crashes
    sizes = {record["restart"]: record["batch"] for record in records if "batch" in record}
    assert set(sizes) == {restart for restart in range(10) if not crashes[restart]}
