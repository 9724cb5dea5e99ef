"""Sketches: they don't depend on chunks, and a fit of one is a fit of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.reference.admissible import sample_spread
from benchmarks.reference.ascent import ascend
from benchmarks.runner.datasets import draw_sample
from fitters.sketching import sketch_excess
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import ExponentialFamily, family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.random_part import random_part
from scenarios.sample import Sample
from scenarios.scenario import load
from scenarios.sketch import BLOCK, Sketch, blocks
from tests.conftest import EXPONENTIAL, mixture

PAIRS = {
    "beta": [[10.0, 1.5], [1.5, 10.0], [30.0, 30.0], [60.0, 8.0], [2.0, 40.0]],
    "normal": [[-1.0, 0.7], [1.5, 0.5], [4.0, 0.4], [-4.0, 0.5], [8.0, 1.0]],
    "lognormal": [[-1.5, 0.5], [1.5, 0.5], [4.0, 0.4], [-4.0, 0.5], [7.0, 0.6]],
    "gamma": [[2.0, 1.0], [60.0, 6.0], [400.0, 16.0], [900.0, 20.0], [9.0, 30.0]],
}


def drawn(name: str, components: int, size: int, seed: int) -> Sample:
    rows = np.array(PAIRS[name][:components])
    truth = Mixture(family(name), np.full(components, 1 / components), rows)
    return Sample.of(truth.sample(size, seed), truth.family)


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_a_sketch_keeps_counts_and_sums(name: str) -> None:
    sample = drawn(name, 2, 50_000, 0)
    sketch = sample.sketch(256)
    assert 128 < len(sketch.counts) <= 256
    assert sketch.counts.sum() == sketch.size == sample.size
    scale = np.abs(sample.rows).sum(axis=0)
    assert_allclose(sketch.counts @ sketch.rows, sample.rows.sum(axis=0), atol=1e-13 * scale.max())
    one = sample.sketch(2)
    assert len(one.counts) <= 2


@pytest.mark.parametrize("name", EXPONENTIAL)
@given(cuts=st.lists(st.integers(0, 3 * BLOCK), max_size=5))
@settings(max_examples=5, deadline=None)
def test_chunks_change_nothing(name: str, cuts: list[int]) -> None:
    chosen = family(name)
    assert isinstance(chosen, ExponentialFamily)
    x = mixture(name).sample(3 * BLOCK, 1)
    whole = Sample.stream([x], chosen, 512)
    pieces = Sample.stream(np.split(x, sorted(cuts)), chosen, 512)
    assert_array_equal(pieces.rows, whole.rows)
    assert_array_equal(pieces.counts, whole.counts)
    assert_array_equal(pieces.observations, whole.observations)
    assert pieces.log_base == whole.log_base


def test_the_ends_of_the_support_are_rows_like_any_other() -> None:
    x = np.concatenate([np.linspace(0.01, 0.99, 5000), [5e-324, 1e-300, 1.0 - 1e-16]])
    sample = Sample.of(x, family("beta"))
    sketch = sample.sketch(512)
    assert np.isfinite(sketch.rows).all()
    assert_allclose(sketch.counts @ sketch.rows, sample.rows.sum(axis=0), rtol=1e-12)
    assert sketch.counts.max() < 100  # three outliers leave the rows to the bulk


def test_values_on_both_sides_of_zero_and_all_alike() -> None:
    normal = family("normal")
    for x in (np.array([-1e-3, 1e-3] * 500), np.full(1000, 3.25), np.linspace(-1e9, 1e9, 1000)):
        sketch = Sketch(normal.anchored(x))  # type: ignore[arg-type]
        sketch.add(x)
        rows, counts = sketch.rows(16)
        assert counts.sum() == 1000
        assert len(counts) <= 16
        assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize("components", [1, 2, 3, 4, 5])
def test_a_fit_of_a_sketch_is_the_fit_of_the_data(name: str, components: int) -> None:
    for seed in range(3):
        sample = drawn(name, components, 40_000, seed)
        # From the truth, so that all lead to the same optimum.
        rows = np.array(PAIRS[name][:components])
        truth = Mixture(family(name), np.full(components, 1 / components), rows)
        start = Start(truth, policy("quantile"), 0)

        def fitted(spec: str, sample: Sample = sample, start: Start = start) -> Mixture:
            prepared = parse(spec).prepare(sample, Model(sample.family, components))
            return prepared.fit(start, 0, lambda copy: None).mixture

        exact = fitted("direct:tolerance=1e-9")
        _, gradient, hessian = sample.hessian(exact)
        errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
        optimum = exact.coordinates() + np.linalg.solve(-hessian, gradient)  # to the last digit
        within = {"em:bins=1024,tolerance=1e-13": 0.02, "newton:bins=1024": 1e-4}
        if components == 1:
            within["em:bins=1024,tolerance=1e-13"] = 1e-5  # nothing is lost
        for spec, limit in within.items():
            gap = np.abs(fitted(spec).coordinates() - optimum) / errors
            assert gap.max() < limit, (spec, seed)


def test_a_sketchs_passes_are_counted_by_its_sample() -> None:
    sample = drawn("beta", 2, 10_000, 0)
    model = Model(sample.family, 2)
    start = Start.of(policy("quantile"), sample, model, 1)
    sample.passes.clear()
    fit = parse("newton:bins=1000").prepare(sample, model).fit(start, 0, lambda c: None)
    assert sample.passes == pytest.approx(fit.passes)
    # Steps on all the data are whole passes, those on the sketch about tenths of one.
    small = len(sample.sketch(1000).counts) / sample.size
    assert any(
        sum(sample.passes.values()) == pytest.approx(exact + steps * small)
        for exact in range(1, 4)
        for steps in range(1, 40)
    )


def test_a_large_sample_computes_its_rows_and_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = drawn("gamma", 2, 30_000, 5)
    np.save(tmp_path / "x.npy", small.observations)
    for limit in ("IN_MEMORY", "STORED"):
        monkeypatch.setattr(f"scenarios.sample.{limit}", 10_000)
    monkeypatch.setattr("scenarios.random_part.THINNED", 1000)
    mapped = Sample.of(np.load(tmp_path / "x.npy", mmap_mode="r"), small.family)
    assert mapped.stored_rows is None
    assert mapped.digest() == small.digest()
    m = mixture("gamma", 2)
    for kernel in ("expectation", "gradient", "hessian"):
        for one, two in zip(getattr(mapped, kernel)(m), getattr(small, kernel)(m), strict=True):
            assert_allclose(one, two, rtol=1e-9, atol=1e-7)
    assert len(mapped.ordered) <= 1000
    assert_allclose(np.mean(mapped.ordered), np.mean(small.observations), rtol=0.1)


def test_blocks_hold_all_in_order() -> None:
    x = np.arange(2.5 * BLOCK)
    parts = list(blocks([x[:7], x[7:BLOCK], np.array([]), x[BLOCK:]]))
    assert [part.size for part in parts] == [BLOCK, BLOCK, BLOCK // 2]
    assert_array_equal(np.concatenate(parts), x)


def test_only_exponential_families_are_sketched() -> None:
    for spec in ("gradient:bins=64", "mcmc:bins=64"):
        reason = parse(spec).supports(Model(family("weibull"), 2))
        assert reason is not None
        assert "no sketch" in reason
    sample = Sample.of(np.linspace(0.1, 2.0, 50), family("weibull"))
    with pytest.raises(TypeError, match="no exponential family"):
        sample.sketch()


def two_normals_and_a_far_one(seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    parts = [generator.normal(-5.0, 0.5, 15_000), generator.normal(5.0, 0.8, 15_000),
             generator.normal(1e6, 100.0, 60)]  # fmt: skip
    return np.concatenate(parts)


@pytest.mark.parametrize("spec", ["em:bins=1024", "em:bins=256"])
def test_values_far_away_leave_the_cells_of_the_others_as_they_are(spec: str) -> None:
    x = two_normals_and_a_far_one()
    sample = Sample.of(x, family("normal"))
    assert np.sum(np.abs(sample.sketch(256).rows[:, 0]) < 1e3) > 0
    truth = Mixture(
        sample.family, np.array([0.5, 0.498, 0.002]), np.array([[-5, 0.5], [5, 0.8], [1e6, 100.0]])
    )
    start = Start(truth, policy("quantile"), 0)
    fit = parse(spec).prepare(sample, Model(sample.family, 3)).fit(start, 0, lambda copy: None)
    # Each component by its own observations: they do not overlap.
    best = [(part.mean(), part.std()) for part in (x[x < 0], x[(x > 0) & (x < 1e3)], x[x > 1e3])]
    values = np.array(best)
    errors = values[:, [1]] / np.sqrt([[15_000], [15_000], [60]])
    assert fit.claimed
    assert np.max(np.abs(fit.mixture.parameters - values) / errors) < 0.2


def test_a_sketch_does_not_depend_on_order_or_chunks_with_tails() -> None:
    x = two_normals_and_a_far_one()
    shuffled = np.random.default_rng(1).permutation(x)
    normal = family("normal").anchored(x)
    tables = []
    for values, pieces in ((x, 1), (shuffled, 1), (shuffled, 7)):
        sketch = Sketch(normal)  # type: ignore[arg-type]
        for part in np.array_split(values, pieces):
            sketch.add(part)
        tables.append(sketch.rows(512))
    for rows, counts in tables[1:]:
        assert counts.tolist() == tables[0][1].tolist()
        assert_allclose(rows, tables[0][0], rtol=1e-9, atol=1e-9)


def test_a_coarser_grid_is_made_of_unions_however_the_data_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So few cells that every block makes the grid coarser, and a window that most lie outside.
    monkeypatch.setattr("scenarios.sketch.CELLS", 300)
    monkeypatch.setattr("scenarios.sketch.WINDOW", 64)
    monkeypatch.setattr("scenarios.sketch.BLOCK", 500)
    x = np.random.default_rng(2).normal(size=20_000)
    x[::100] *= 1e4
    normal = family("normal").anchored(x)
    levels, tables = set(), []
    for values in (x, np.sort(x), x[::-1], np.random.default_rng(3).permutation(x)):
        sketch = Sketch(normal)  # type: ignore[arg-type]
        sketch.add(values)
        levels.add(sketch.cell_width)
        _, counts = sketch.rows(100)
        assert counts.sum() == x.size
        assert len(counts) <= 100
        tables.append(counts.tolist())
    assert len(levels) == 1
    assert all(counts == tables[0] for counts in tables)
    # The finest level at which so few cells are occupied.
    (width,) = levels
    assert np.unique(np.floor(x / width)).size <= 300
    assert np.unique(np.floor(2.0 * x / width)).size > 300


@pytest.mark.parametrize("name", ["founding", "five", "normal_claw", "gamma_pair"])
@pytest.mark.parametrize("bins", [32, 256])
def test_what_a_sketch_costs_on_the_data_is_estimated(name: str, bins: int) -> None:
    scenario = load(name)
    sample = draw_sample(scenario, 0, 0)
    view = sample.sketch(bins)
    assert scenario.truth is not None
    start = ascend(view, scenario.truth, tolerance=1e-10).mixture
    top = ascend(sample, start).log_likelihood
    excess = 2.0 * (top - sample.log_likelihood(start)) / start.dimension
    assert sketch_excess(view, start) == pytest.approx(excess, rel=0.5, abs=1e-7)
    assert sketch_excess(sample, start) == 0.0


def test_a_fit_of_too_coarse_a_sketch_says_so() -> None:
    scenario = load("five")
    sample = draw_sample(scenario, 0, 0)
    assert scenario.truth is not None
    start = Start(scenario.truth, policy("quantile"), 0)
    descent = "gradient:max_epochs=50,bins"
    for spec, fine in (("em:bins=16", False), ("em:bins=2048", True), (f"{descent}=16", False)):
        sample.passes.clear()
        prepared = parse(spec).prepare(sample, scenario.model)
        fit = prepared.fit(start, 0, lambda copy: None)
        assert fit.claimed is fine
        assert ("costs an excess of" in fit.message) is not fine
        assert sum(fit.passes.values()) == pytest.approx(sum(sample.passes.values()))
    # A stream has no data to compare with; its grid is finer than its rows.
    stream = Sample.stream([sample.observations], sample.family, bins=16)  # type: ignore[arg-type]
    fit = parse("em").prepare(stream, scenario.model).fit(start, 0, lambda copy: None)
    assert fit.claimed is False
    assert "the sketch of" in fit.message


def test_a_grid_that_floats_can_not_resolve_is_no_base_of_a_claim() -> None:
    x = np.append(np.random.default_rng(0).normal(size=30_000), 1e300)
    with np.errstate(all="ignore"):
        sample = Sample.of(x, family("normal"))
        view = sample.sketch(256)
        one = Mixture(sample.family, np.ones(1), np.array([[0.0, 1.0]]))
        assert sketch_excess(view, one) == np.inf


def test_a_part_of_many_observations_does_not_depend_on_their_order() -> None:
    # Rows of two sensors in turn: every second one would show a single peak.
    generator = np.random.default_rng(0)
    x = np.stack([generator.normal(-2.0, 0.3, 200_000), generator.normal(2.0, 0.3, 200_000)], 1)
    x = x.ravel()
    part = random_part(x)
    assert part.size == 1 << 17
    share = np.mean(part > 0.0)
    assert abs(share - 0.5) < 5.0 * 0.5 / np.sqrt(part.size)
    assert np.isin(part, x).all()
    assert np.unique(part).size == part.size
    stream = Sample.stream(np.array_split(x, 7), family("normal"))  # type: ignore[arg-type]
    share = np.mean(stream.observations > 0.0)
    assert abs(share - 0.5) < 5.0 * 0.5 / np.sqrt(stream.observations.size)
    same = Sample.stream([x], family("normal"))  # type: ignore[arg-type]
    assert same.observations.tolist() == stream.observations.tolist()
    assert sample_spread(np.tile(x, 4)) == pytest.approx(sample_spread(x), rel=0.02)
