"""Sketches: they don't depend on chunks, and a fit of one is a fit of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import ExponentialFamily, family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
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
    monkeypatch.setattr("scenarios.sample.IN_MEMORY", 10_000)
    monkeypatch.setattr("scenarios.sample.THINNED", 1000)
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
