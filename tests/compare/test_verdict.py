"""Verdicts on pairs of trials that are written by hand, and how they are rendered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.compare.pairs import FIGURES, Pairs, paired_table
from benchmarks.compare.render import as_json, markdown, sentence, text
from benchmarks.compare.verdict import METRICS, Comparison, compare
from benchmarks.runner.plan import TRIAL
from benchmarks.scoring import statistics

SOUND = {"status": "converged", "excess": 1e-3, "information_error": 1.0,
         "hellinger": 0.01, "passes": 10.0, "seconds": 0.1}  # fmt: skip


def pairs_of(
    data_sets: int, restarts: int, new: dict[str, Callable], base: dict | None = None
) -> Pairs:
    """Interleaved pairs of a sound fitter with one whose figures ``new`` draws.

    ``base`` has the figures of the base that are not those of ``SOUND``.
    """
    generator = np.random.default_rng(0)
    trials = [
        dict(zip(TRIAL, ("s", replicate, "f", "quantile", restart), strict=True))
        for replicate in range(data_sets)
        for restart in range(restarts)
    ]
    drawn = [
        {**SOUND, **{name: new[name](generator) for name in SOUND if name in new}} for _ in trials
    ]
    base_rows = [{**trial, **SOUND, **(base or {})} for trial in trials]
    new_rows = [{**trial, **figures} for trial, figures in zip(trials, drawn, strict=True)]
    return Pairs(paired_table(base_rows, new_rows), {}, True, [])


def row(comparison: Comparison, metric: str) -> Any:
    """The row of a metric in the comparison of one fitter."""
    (found,) = [r for r in comparison.table.itertuples() if r.metric == metric]
    return found


def test_trials_are_paired_whatever_their_order_and_others_are_left_out() -> None:
    keys = [("s", 0, "f", "quantile", 0), ("s", 0, "f", "quantile", 1), ("s", 1, "f", "kmeans", 0)]
    rows = [{**dict(zip(TRIAL, key, strict=True)), **SOUND, "passes": float(i)}
            for i, key in enumerate(keys)]  # fmt: skip
    table = paired_table(rows[:2], [rows[2], rows[1], {**rows[0], "passes": 7.0}])
    assert table["base_passes"].tolist() == [0.0, 1.0]
    assert table["new_passes"].tolist() == [7.0, 1.0]
    assert set(table) == {*TRIAL, *(f"{s}_{name}" for s in ("base", "new") for name in FIGURES)}


def test_equal_pairs_pass_and_are_reported_as_equal() -> None:
    comparison = compare(pairs_of(3, 2, {}), 0.01)
    assert comparison.verdict == "passed"
    assert set(comparison.table["unequal"]) == {0}
    assert set(comparison.table["details"]) == {"all pairs equal"}
    assert "all pairs equal" in markdown(comparison)
    assert sentence(comparison).startswith("Passed: no regression of the size")


def test_a_figure_that_is_worse_everywhere_has_regressed() -> None:
    worse = {"passes": lambda g: 13.0 + g.uniform(0.0, 0.1)}
    comparison = compare(pairs_of(14, 3, worse), 0.01)
    assert comparison.exit_code == 1
    assert row(comparison, "excess").verdict == "passed"
    found = row(comparison, "passes")
    assert found.verdict == "regressed"
    assert found.low <= found.estimate <= found.high
    assert 1.3 < found.estimate < 1.32
    assert "f: passes × 1.3" in sentence(comparison)
    assert text(comparison).endswith(sentence(comparison))


def test_a_small_change_is_tolerated_however_sure() -> None:
    worse = {"passes": lambda g: 10.2 + g.uniform(0.0, 0.01)}
    comparison = compare(pairs_of(14, 3, worse), 0.01)
    assert comparison.verdict == "passed"
    assert row(comparison, "passes").p_holm < 0.01


def test_few_data_sets_are_inconclusive_and_the_details_say_what_is_needed() -> None:
    comparison = compare(pairs_of(4, 50, {"passes": lambda g: 20.0 + g.uniform()}), 0.01)
    assert comparison.exit_code == 3
    found = row(comparison, "passes")
    assert found.details == "needs at least 7 data sets"
    assert found.high == np.inf
    assert json.loads(as_json(comparison))["verdicts"][5]["high"] is None
    lines = text(comparison, wide=True).splitlines()
    (line,) = [line for line in lines if line.startswith("f       passes")]
    assert "2.0" in line
    assert "to anything" in line
    assert "nothing" in line  # is the smallest detectable change


def test_failures_count_even_where_the_remaining_figures_are_good() -> None:
    fails = {"status": lambda g: "error" if g.uniform() < 0.3 else "converged"}
    comparison = compare(pairs_of(14, 5, fails), 0.01)
    assert row(comparison, "converged").verdict == "regressed"
    assert row(comparison, "found").verdict == "regressed"
    assert row(comparison, "excess").verdict == "passed"
    loss = row(comparison, "converged")
    assert loss.details == f"on s {loss.unequal}"
    assert f"f: converged fell by {100 * loss.estimate:.1f} points" in sentence(comparison)


def test_a_rate_is_bounded_by_the_outcomes_of_both_sides() -> None:
    outcomes = 30 * ["both"] + 8 * ["worse"] + 3 * ["better"] + 9 * ["neither"]
    pairs = pairs_of(50, 1, {})
    good, bad = "converged", "local"
    pairs.table["base_status"] = [good if o in ("both", "worse") else bad for o in outcomes]
    pairs.table["new_status"] = [good if o in ("both", "better") else bad for o in outcomes]
    found = row(compare(pairs, 0.01), "converged")
    assert (found.low, found.high) == statistics.loss_bounds(30, 8, 3, 9, 0.01)
    assert (found.estimate, found.unequal, found.pairs) == (0.1, 11, 50)
    assert found.data_sets == 50
    assert found.p == pytest.approx(stats.binom.sf(7, 11, 0.5))
    assert found.verdict == "inconclusive"
    # So many trials would bring the upper bound down to a loss of .2, at the same rates.
    needed = np.ceil(50 * ((found.high - 0.1) / 0.1) ** 2)
    assert found.details == f"needs about {needed:.0f} trials"


def test_the_details_of_an_inconclusive_verdict_say_how_much_is_needed() -> None:
    generator = np.random.default_rng(0)
    some = pairs_of(14, 3, {"status": lambda g: "error" if g.uniform() < 0.12 else "converged"})
    rate = row(compare(some, 1e-6), "converged")
    room = (rate.high - rate.estimate) / (0.2 - rate.estimate)
    assert rate.verdict == "inconclusive"
    assert rate.details == f"needs about {int(np.ceil(42 * room**2))} trials"
    assert rate.where == f"on s {rate.unequal}"
    many = pairs_of(14, 3, {"status": lambda g: "error" if g.uniform() < 0.3 else "converged"})
    assert row(compare(many, 1e-9), "converged").details.startswith("needs more trials")
    worse = {"passes": lambda g: 10.0 * np.exp(generator.normal(0.05, 0.8))}
    ratio = row(compare(pairs_of(14, 1, worse), 0.01), "passes")
    room = np.log(ratio.high / ratio.estimate) / (np.log(1.5) - np.log(ratio.estimate))
    assert ratio.details == f"needs about {int(np.ceil(14 * room**2))} data sets"
    erratic = {"passes": lambda g: 10.0 * np.exp(generator.normal(1.0, 3.0))}
    assert row(compare(pairs_of(7, 1, erratic), 0.01), "passes").details.startswith(
        "needs more data sets"
    )


def test_times_that_were_not_interleaved_are_advisory() -> None:
    slower = pairs_of(14, 3, {"seconds": lambda g: 0.2})
    for interleaved, verdict in ((True, "regressed"), (False, "passed")):
        comparison = compare(replace(slower, interleaved=interleaved), 0.01)
        assert comparison.verdict == verdict
        table = comparison.table
        assert table[table["advisory"]]["metric"].tolist() == [] if interleaved else ["time"]
        assert [("--against" in note) for note in comparison.notes] == [True] * (not interleaved)
        assert row(comparison, "time").verdict == "regressed"
        assert ("regressed (advisory)" in text(comparison)) is not interleaved
        # The level of Holm's first test of seven or six is that share of alpha.
        level = 0.01 / (7 if interleaved else 6)
        detectable = row(comparison, "found").min_detectable
        assert detectable == pytest.approx(statistics.min_detectable_loss(42, level))


def test_holms_correction_runs_over_what_is_measured_and_not_advisory() -> None:
    slower = {"seconds": lambda g: 0.2, "passes": lambda g: 13.0}
    pairs = replace(pairs_of(14, 3, slower), interleaved=False)
    pairs.table["new_hellinger"] = np.nan
    comparison = compare(pairs, 0.01)
    # Of seven metrics the time is advisory and Hellinger has no pairs.
    assert row(comparison, "passes").p_holm == pytest.approx(5 * row(comparison, "passes").p)
    assert row(comparison, "time").p_holm == row(comparison, "time").p


def test_a_loss_of_three_in_a_hundred_is_a_regression_where_it_is_sure() -> None:
    pairs = pairs_of(200, 5, {})
    pairs.table.loc[:29, "new_status"] = "local"
    assert row(compare(pairs, 0.01), "converged").verdict == "regressed"
    pairs.table.loc[10:29, "new_status"] = "converged"
    # One in a hundred is tolerated.
    assert row(compare(pairs, 0.01), "converged").verdict == "passed"


def test_nothing_to_compare_is_no_pass() -> None:
    comparison = compare(Pairs(paired_table([], []), {"f": (10, 0)}, False, []), 0.01)
    assert comparison.exit_code == 4
    assert comparison.notes[0].startswith("f: 10 trials are in the base only and 0 in the new")
    assert sentence(comparison).startswith("Measured nothing")
    assert compare(Pairs(paired_table([], []), {}, True, []), 0.01).exit_code == 4
    gone = compare(pairs_of(14, 3, {"status": lambda g: "error"}, {"status": "error"}), 0.01)
    nothing = row(gone, "excess")
    assert nothing.verdict == "measured nothing"
    assert (nothing.p, nothing.p_holm, nothing.pairs) == (1.0, 1.0, 0)
    assert nothing.details == "needs fits that found the optimum on both sides"
    assert row(gone, "converged").verdict == "passed"  # no worse than before


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_alpha_says() -> None:
    alarms, figures = 0, ("information_error", "passes", "seconds")
    generator = np.random.default_rng(5)
    for _ in range(300):
        pairs = pairs_of(12, 1, {})
        for name in figures:  # the same scatter on both sides
            draw = 10.0 * np.exp(generator.normal(0.0, 0.3, (2, len(pairs.table))))
            pairs.table[f"base_{name}"], pairs.table[f"new_{name}"] = draw
        alarms += compare(pairs, 0.05).verdict == "regressed"
    assert alarms <= stats.binom.ppf(0.999, 300, 0.05)


def test_verdicts_have_the_same_order_and_figures_in_every_form() -> None:
    worse = {"passes": lambda g: 10.0 + 0.5 * g.uniform()}
    comparison = compare(pairs_of(14, 3, worse), 0.01)
    content = json.loads(as_json(comparison))
    names = [verdict["metric"] for verdict in content["verdicts"]]
    assert names == [metric.name for metric in METRICS]
    places = [markdown(comparison).rindex(f"| f | {name} |") for name in names]
    assert all(one < two for one, two in pairwise(places))
    shown = text(comparison, wide=True)
    places = [shown.index(f"f       {name} ") for name in names]
    assert all(one < two for one, two in pairwise(places))
    for heading in ("min. detectable", "details"):
        assert heading in shown
        assert heading in markdown(comparison)
    stored = pd.DataFrame(content["verdicts"])
    for name in ("estimate", "low", "p", "p_holm"):
        assert_allclose(stored[name].astype(float), comparison.table[name])
    assert content["verdict"] == comparison.verdict == "passed"
    assert content["exit_code"] == 0
