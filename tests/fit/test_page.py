"""The page of an answer: what its picture says over the data, and its tables on narrow screens."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

import mixturebench as mb
from benchmarks.fit.answer import Answer

BIN = re.compile(
    r"<title>(\S+) to (\S+): (\S+) observations, density (\S+), fitted (\S+); (\w+) (\d) with a "
    r"probability of (\d+)%</title>"
)


@pytest.fixture(scope="module")
def answer() -> Answer:
    generator = np.random.default_rng(5)
    x = np.concatenate([generator.normal(0, 1, 100), generator.normal(6, 1, 200)])
    return mb.fit(x, family="normal", components=2)


def test_each_bar_says_what_it_holds(answer: Answer) -> None:
    bins = BIN.findall(answer.figures[0].svg)
    x, (weights, ((m, s), (n, t))) = (
        answer.data.x,
        (answer.mixture.weights, answer.mixture.parameters),
    )
    assert len(bins) >= 15
    for low, high, count, density, fitted, by, group, share in bins:
        ends = float(low), float(high)
        rounding = 1e-3 * np.abs(ends).max()
        least = ((x > ends[0] + rounding) & (x < ends[1] - rounding)).sum()
        most = ((x > ends[0] - rounding) & (x < ends[1] + rounding)).sum()
        assert least <= int(count) <= most
        assert float(density) == pytest.approx(int(count) / x.size / np.ptp(ends), rel=0.02)
        middle = np.mean(ends)
        parts = weights * [stats.norm(m, s).pdf(middle), stats.norm(n, t).pdf(middle)]
        assert float(fitted) == pytest.approx(parts.sum(), rel=0.02, abs=1e-3)
        assert (by, int(group)) == ("group", 1 + parts.argmax())
        assert int(share) / 100.0 == pytest.approx(parts.max() / parts.sum(), abs=0.02)


def test_components_of_one_group_have_one_colour() -> None:
    generator = np.random.default_rng(2)
    x = np.concatenate(
        [generator.normal([[0.0], [2.2]], 0.9, (2, 300)).ravel(), generator.normal(12, 1, 300)]
    )
    shown = mb.fit(x, family="normal", components=3)
    assert shown.by_group.count == 2
    svg = shown.figures[0].svg
    assert re.findall(r">(component \d[^<]*)</text>", svg) == [
        "component 1, group 1", "component 2, group 1", "component 3, group 2",
    ]  # fmt: skip
    by_component = mb.fit(x, family="normal", components=3, by="component").figures[0].svg
    assert re.findall(r">(component \d[^<]*)</text>", by_component) == [
        "component 1", "component 2", "component 3",
    ]  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_labels_of_cuts_that_are_close_have_a_row_each() -> None:
    generator = np.random.default_rng(3)
    places = np.array([0.0, 6.0, 12.0, 90.0])
    x = generator.normal(places[:, None], 1.0, (4, 100)).ravel()
    svg = mb.fit(x, family="normal", components=4).figures[0].svg
    labels = re.findall(r'<text[^>]* y="([-\d.]+)"[^>]*>cut ([\d.]+)</text>', svg)
    heights = {float(cut): float(y) for y, cut in labels}
    assert len(heights) == 3
    first, second, third = (heights[cut] for cut in sorted(heights))
    assert second > first + 8.0  # downwards
    assert third == pytest.approx(first)


def test_a_table_names_each_value_for_narrow_screens(answer: Answer) -> None:
    page = answer.report()
    for heading in ("share", "cut", "standard error", "log likelihood"):
        assert f'data-heading="{heading}"' in page
