"""Verdicts on pairs of trials that are written by hand, and how they are rendered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.compare.lines import LINES
from benchmarks.compare.paired_tests import log_e_value, max_t_p
from benchmarks.compare.pairs import FIGURES, Pairs, paired_table
from benchmarks.compare.render import as_json, markdown, sentence, text
from benchmarks.compare.verdict import Comparison, compare
from benchmarks.runner.plan import TRIAL

SOUND = {"status": "converged", "excess": 1e-3, "information_error": 1.0, "hellinger": 0.01,
         "outside_rates": "", "cost": 10.0, "seconds": 0.1, "cpu_share": 1.0}  # fmt: skip
LOOKS = {"f": (4, 12, 36)}


def pairs_of(data_sets: int, new: dict[str, Callable], restarts: int = 2, **settings: Any) -> Pairs:
    """Interleaved pairs of a sound fitter ``f`` with one whose figures ``new`` draws.

    Data sets are of six scenarios in turn. A trial is identical where every figure but its time is.
    """
    generator = np.random.default_rng(0)
    trials = [
        dict(zip(TRIAL, (f"s{i % 6}", i // 6, "f", "quantile", restart), strict=True))
        for i in range(data_sets)
        for restart in range(restarts)
    ]
    base_rows, new_rows = [], []
    for trial in trials:
        drawn = {**SOUND, **{name: draw(generator) for name, draw in new.items()}}
        identical = all(drawn[name] == SOUND[name] for name in SOUND if name != "seconds")
        base_rows.append({**trial, **SOUND, "identical": identical})
        new_rows.append({**trial, **drawn, "identical": identical})
    return Pairs(paired_table(base_rows, new_rows), **{"interleaved": True, **settings})


def row(comparison: Comparison, line: str) -> Any:
    """The row of a line in the comparison of one fitter."""
    (found,) = [r for r in comparison.lines.itertuples() if r.line == line]
    return found


def fitter(comparison: Comparison) -> Any:
    (found,) = comparison.fitters.itertuples()
    return found


def lost(share: float) -> Callable:
    """A status that is lost so often."""
    return lambda g: "error" if g.uniform() < share else "converged"


def test_trials_are_paired_whatever_their_order_and_others_are_left_out() -> None:
    keys = [("s", 0, "f", "quantile", 0), ("s", 0, "f", "quantile", 1), ("s", 1, "f", "kmeans", 0)]
    rows = [{**dict(zip(TRIAL, key, strict=True)), **SOUND, "cost": float(i), "identical": i == 1}
            for i, key in enumerate(keys)]  # fmt: skip
    table = paired_table(rows[:2], [rows[2], rows[1], {**rows[0], "cost": 7.0}])
    assert table["base_cost"].tolist() == [0.0, 1.0]
    assert table["new_cost"].tolist() == [7.0, 1.0]
    assert table["identical"].tolist() == [False, True]
    sides = {f"{s}_{name}" for s in ("base", "new") for name in FIGURES}
    assert set(table) == {*TRIAL, "identical", *sides}


def test_a_broken_trial_of_a_fitter_that_repeats_is_a_regression() -> None:
    # One of 432 is no matter for statistics: 0.2 points.
    pairs = pairs_of(216, {}, repeats={"f": True}, looks=LOOKS, interleaved=False)
    pairs.table.loc[7, ["new_status", "new_excess", "identical"]] = ["local", 9.0, False]
    comparison = compare(pairs, 0.01)
    assert comparison.exit_code == 1
    assert sentence(comparison) == "Regressed: f broke 1 of 432 trials and mended 0."
    assert "f: 1 broke: s3 data set 0 restart 1" in text(comparison)
    assert len(comparison.lines) == 0  # no statistics where nothing is random
    (change,) = json.loads(as_json(comparison))["changes"]
    assert (change["trial"], change["change"]) == ("s3 data set 0 restart 1", "broken")
    # The same trial is nothing where the fitter draws: a loss of ten points is excluded.
    drawn = compare(replace(pairs, repeats={"f": False}), 0.01)
    assert drawn.verdict == "passed"
    assert row(drawn, "found").estimate == pytest.approx(1 / 432)
    # And nothing where it is accepted.
    key = ("s3", 0, "f", "quantile", 1)
    accepted = compare(pairs, 0.01, {key: "a shorter step"})
    assert accepted.exit_code == 0
    assert "f: 1 broke, as accepted: s3 data set 0 restart 1" in text(accepted)


def test_what_is_accepted_and_did_not_break_is_noted() -> None:
    pairs = pairs_of(24, {}, repeats={"f": True}, interleaved=False)
    comparison = compare(pairs, 0.01, {("s3", 0, "f", "quantile", 1): "reason"})
    assert comparison.exit_code == 0
    (note,) = comparison.notes
    assert note.endswith("names trials that did not break: f: s3 data set 0 restart 1")


def test_the_cost_of_a_fitter_that_repeats_is_compared_as_it_is() -> None:
    dearer = {"cost": lambda g: 10.6}
    pairs = pairs_of(24, dearer, repeats={"f": True}, interleaved=False)
    comparison = compare(pairs, 0.01)
    assert comparison.exit_code == 1
    assert sentence(comparison) == "Regressed: f: cost × 1.06, and × 1.05 is tolerated."
    pairs.table.loc[7, ["new_status", "new_excess", "identical"]] = ["local", 9.0, False]
    both = sentence(compare(pairs, 0.01))
    assert both.startswith("Regressed: f broke 1 of 48 trials and mended 0; f: cost × 1.06")
    pairs = pairs_of(24, {"cost": lambda g: 10.4}, repeats={"f": True}, interleaved=False)
    assert compare(pairs, 0.01).exit_code == 0


def test_identical_trials_of_a_fitter_that_draws_pass_at_once() -> None:
    pairs = pairs_of(12, {}, interleaved=False)
    assert compare(pairs, 0.01).exit_code == 0
    assert fitter(compare(pairs, 0.01)).details == "all trials identical"
    # Its times are compared all the same, where they can be.
    slower = compare(pairs_of(24, {"seconds": lambda g: 0.2}), 0.01)
    assert sentence(slower).startswith("Regressed: f: time × 2")
    # One that repeats exactly passes when so many data sets show it: 24 do not.
    for data_sets, verdict in ((24, "inconclusive"), (72, "passed")):
        pairs = pairs_of(data_sets, {}, repeats={"f": True})
        assert compare(pairs, 0.01).verdict == verdict
        assert row(compare(pairs, 0.01), "found").unequal == 0


def test_a_line_that_is_worse_everywhere_has_regressed() -> None:
    comparison = compare(pairs_of(24, {"cost": lambda g: 13.0 + g.uniform(0.0, 0.1)}), 0.01)
    assert comparison.exit_code == 1
    found = row(comparison, "cost")
    assert found.verdict == "regressed"
    assert np.log(1.3) < found.estimate < np.log(1.32) < found.high
    assert "f: cost × 1.3" in sentence(comparison)
    assert text(comparison).endswith(sentence(comparison))
    assert row(comparison, "found").verdict == "inconclusive"  # of 24, none lost


def test_a_small_change_is_tolerated_however_sure() -> None:
    comparison = compare(pairs_of(96, {"cost": lambda g: 10.3 + g.uniform(0.0, 0.01)}), 0.01)
    assert comparison.verdict == "passed"
    assert row(comparison, "cost").p_holm > 0.5


def test_a_loss_of_ten_points_in_whole_data_sets_is_a_regression() -> None:
    pairs = pairs_of(216, {"cost": lambda g: 10.0 + g.uniform()})
    places = pairs.table["replicate"] * 6 + pairs.table["scenario"].str[1:].astype(int)
    pairs.table.loc[places % 10 == 0, ["new_status"]] = "local"
    comparison = compare(pairs, 0.01)
    found = row(comparison, "found")
    assert found.verdict == "regressed"
    assert found.estimate == pytest.approx(22 / 216)
    assert (found.data_sets, found.unequal) == (216, 22)
    # By hand: the four lines share the signs of a data set, and one fitter has Holm's factor 1.
    losses = np.zeros(216)
    losses[:22] = 1.0
    alone = max_t_p(losses[:, None] - 0.02, 0)[0]
    assert alone <= found.p_holm <= 4.0 * alone + 1e-4
    assert found.log_e == pytest.approx(log_e_value(losses, 0.1))


def test_holms_correction_runs_over_fitters() -> None:
    one = pairs_of(24, {"cost": lambda g: 10.0 + g.uniform(0.0, 1.25)})
    others = [one.table.assign(fitter=name) for name in "fgh"]
    three = replace(one, table=paired_and_stacked(others))
    alone, together = (compare(pairs, 0.01) for pairs in (one, three))
    (p,) = {r.p_holm for r in alone.lines.itertuples() if r.line == "cost"}
    assert p < 1.0
    for found in together.lines.itertuples():
        if found.line == "cost":
            assert found.p_holm == pytest.approx(min(1.0, 3.0 * p), rel=0.2)


def paired_and_stacked(tables: list) -> Any:
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def test_a_look_may_spend_its_share_of_the_level_and_takes_its_own_data_sets() -> None:
    # 12 of 24 data sets are lost at the first look; p is about 1/4096 = .00024.
    pairs = pairs_of(30, {"cost": lambda g: 10.0 + 0.001 * g.uniform()}, looks=LOOKS)
    pairs.table.loc[pairs.table["replicate"].isin([0, 1]), "new_status"] = "local"
    comparison = compare(pairs, 0.01)
    assert (fitter(comparison).look, fitter(comparison).data_sets) == (1, 24)
    assert comparison.verdict == "regressed"
    p = row(comparison, "found").p_holm
    # The first look's share of a level is a seventh.
    for share, verdict in ((1.2, "regressed"), (0.9, "inconclusive")):
        at = compare(pairs, min(0.4, 7.0 * share * p))
        assert row(at, "found").verdict == verdict
    # Without looks, all 30 data sets count, at the whole level.
    whole = compare(replace(pairs, looks={}), 0.01)
    assert fitter(whole).data_sets == 30


def test_a_budget_that_ends_before_the_first_look_is_inconclusive() -> None:
    comparison = compare(pairs_of(18, {}, looks=LOOKS), 0.01)
    assert comparison.exit_code == 3
    assert fitter(comparison).look == 0
    assert "budget" in text(comparison)
    # Nor does a comparison pass without a fitter that was to be run and was not.
    pairs = pairs_of(24, {}, looks={**LOOKS, "g": (2, 6, 18)}, interleaved=False)
    left_out = compare(pairs, 0.01)
    verdicts = left_out.fitters.set_index("fitter")["verdict"].to_dict()
    assert verdicts == {"f": "passed", "g": "inconclusive"}
    assert left_out.exit_code == 3
    assert left_out.undecided() == ["g"]


def test_failures_and_killed_trials_count_in_rates_and_costs() -> None:
    comparison = compare(pairs_of(72, {"status": lost(0.3)}), 0.01)
    assert row(comparison, "found").verdict == "regressed"
    assert row(comparison, "converged").verdict == "regressed"
    killed = pairs_of(72, {"cost": lambda g: np.nan if g.uniform() < 0.2 else 10.0})
    found = row(compare(killed, 0.01), "cost")
    assert found.verdict == "regressed"
    places = killed.table["new_cost"].isna().groupby(
        [killed.table["scenario"], killed.table["replicate"]]
    ).any()  # fmt: skip
    assert found.estimate == pytest.approx(np.log(10.0) * places.mean())
    both = killed.table.assign(base_cost=killed.table["new_cost"])
    assert row(compare(replace(killed, table=both), 0.01), "cost").estimate == 0.0


def test_few_data_sets_are_inconclusive_and_the_details_say_what_is_needed() -> None:
    comparison = compare(pairs_of(4, {"cost": lambda g: 20.0 + g.uniform()}), 0.01)
    assert comparison.exit_code == 3
    assert "more data sets" in row(comparison, "cost").details
    found = row(comparison, "found")
    # As (1 + .65 × .1 / .9)^m shows: see the test of the bets.
    assert found.details == "needs about 67 data sets"
    assert "needs about 67" in " ".join(text(comparison).split())


def test_times_count_only_where_both_sides_were_interleaved_and_undisturbed() -> None:
    slower = pairs_of(24, {"seconds": lambda g: 0.2, "cost": lambda g: 10.0 + 1e-3 * g.uniform()})
    assert row(compare(slower, 0.01), "time").verdict == "regressed"
    apart = compare(replace(slower, interleaved=False), 0.01)
    assert "time" not in set(apart.lines["line"])
    busy = replace(slower, table=slower.table.assign(new_cpu_share=0.94))
    disturbed = compare(busy, 0.01)
    assert row(disturbed, "time").verdict == "disturbed"
    assert disturbed.verdict == "inconclusive"  # by its other lines
    assert any("decide nothing" in note for note in disturbed.notes)
    assert "time" not in sentence(disturbed)


def test_nothing_to_compare_is_no_pass() -> None:
    nothing = paired_table([], [])
    comparison = compare(Pairs(nothing, {"f": (0, 10)}), 0.01)
    assert comparison.exit_code == 4
    assert comparison.notes[0].startswith("f: 0 trials are in the base only and 10 in the new")
    assert sentence(comparison).startswith("Measured nothing")
    assert compare(Pairs(nothing, {"f": (10, 0)}), 0.01).exit_code == 4
    assert compare(Pairs(nothing), 0.01).exit_code == 4
    assert compare(Pairs(nothing, {"f": (0, 10)}, looks=LOOKS), 0.01).exit_code == 4
    # Nor do fits that failed on both sides pass what only a success has.
    failed = pairs_of(72, {"status": lambda g: "error"})
    failed.table["base_status"] = "error"
    shown = compare(failed, 0.01).shown
    assert shown["ratio"].isna().all()
    assert set(compare(failed, 0.01).lines["line"]) == {line.name for line in LINES}


def test_errors_are_shown_and_decide_nothing() -> None:
    worse = pairs_of(72, {"information_error": lambda g: 9.0, "hellinger": lambda g: 0.03})
    comparison = compare(worse, 0.01)
    assert comparison.verdict == "passed"
    ratios = dict(zip(comparison.shown["figure"], comparison.shown["ratio"], strict=True))
    assert ratios == pytest.approx({"information_error": 9.0, "hellinger": 3.0})
    assert "f, shown only: information error × 9, Hellinger distance × 3" in text(comparison)


def test_markdown_leads_with_the_verdict_and_the_exact_layer() -> None:
    pairs = pairs_of(24, {}, repeats={"f": True})
    pairs.table.loc[7, ["new_status", "new_excess", "identical"]] = ["local", 9.0, False]
    shown = markdown(compare(pairs, 0.01))
    places = [shown.index(words) for words in (
        "**Regressed: f broke 1 of 48 trials", "| fitter |", "s3 data set 0 restart 1", "| line |",
        "All 4 lines",
    )]  # fmt: skip
    assert places == sorted(places)


def test_every_form_has_the_same_figures() -> None:
    comparison = compare(pairs_of(24, {"cost": lambda g: 10.0 + 0.5 * g.uniform()}), 0.01)
    content = json.loads(as_json(comparison))
    assert [line["line"] for line in content["lines"]] == [line.name for line in LINES]
    for name in ("estimate", "high", "p_holm", "verdict"):
        stored = [line[name] for line in content["lines"]]
        assert stored == pytest.approx(comparison.lines[name].tolist())
    assert content["verdict"] == comparison.verdict == "inconclusive"
    assert content["exit_code"] == 3
    assert content["seed"] == comparison.seed == compare(
        pairs_of(24, {"cost": lambda g: 10.0 + 0.5 * g.uniform()}), 0.01
    ).seed  # fmt: skip
    wide = text(comparison, wide=True)
    for heading in ("at most", "look", "data sets", "details"):
        assert heading in wide
