"""Comparisons, targets and posteriors against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.scoring.comparisons import claim_confusion, optima_reached, pairwise_comparisons
from benchmarks.scoring.posterior import coverage_table, posterior_summary
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.targets import SIMULATED, TARGETS, ecdf, profile, target_costs
from tests.scoring.test_summary import trial


def test_optima_are_counted_by_start() -> None:
    trials = pd.DataFrame(
        [
            trial(start="q", optimum=-1.0),
            trial(start="q", optimum=-1.0 + 1e-5),  # .01 nats off: the same optimum
            trial(start="q", optimum=-0.5),
            trial(start="a", optimum=-0.5),
            trial(start="a", optimum=np.nan, status="error"),
        ]
    )
    rows = optima_reached(trials).set_index(["rank", "start"])
    assert rows["times"].to_dict() == {(0, "q"): 2, (1, "q"): 1, (1, "a"): 1}
    assert rows.loc[(1, "a"), "nll"] == -0.5


def test_claims_are_counted_by_what_the_fits_are() -> None:
    # (claimed, status, gain left)
    cases = [(True, "converged", 0.0), (True, "found", 0.5), (True, "local", 0.01),
             (True, "invalid", np.nan), (True, "unfinished", 0.02), (False, "converged", 0.0),
             (False, "unfinished", 3.0), (None, "local", 0.0), (None, "unmixed", 2.0)]  # fmt: skip
    trials = pd.DataFrame([trial(claimed=c, status=s, gain_left=g) for c, s, g in cases])
    trials.loc[len(trials)] = trial(claimed=None, status="error", weights=None)
    trials.loc[len(trials)] = trial(outside_rates="not distinguishable")
    rows = claim_confusion(trials).set_index("claim")
    names = ["at_optimum", "elsewhere", "moving", "unjudged", "returned"]
    assert rows.index.tolist() == ["yes", "no", "none"]
    assert rows.loc["yes", names].tolist() == [1, 1, 2, 1, 5]
    assert rows.loc["no", names].tolist() == [1, 0, 1, 0, 2]
    assert rows.loc["none", names].tolist() == [0, 1, 1, 0, 2]


def test_pairs_are_compared_by_data_set() -> None:
    # Of ten restarts on each of nine data sets, f and g converge in so many.
    counts = [(10, 10), *6 * [(10, 3)], (0, 1), (2, 2)]
    rows = [trial(fitter="e", restart=999)]  # no other fitter has this trial
    rows += [
        trial(fitter=fitter, replicate=index, restart=restart,
              status="converged" if restart < count else "local",
              # The second takes twice as long where both converged.
              seconds=1.0 if fitter == "f" else 2.0 if restart < min(pair) else 5.0)
        for index, pair in enumerate(counts)
        for fitter, count in zip("fg", pair, strict=True)
        for restart in range(10)
    ]  # fmt: skip
    rows += [trial(fitter="h", replicate=index, restart=0) for index in range(9)]
    table = pairwise_comparisons(pd.DataFrame(rows)).set_index(["first", "second"])
    row = table.loc[("f", "g")]
    assert row["unit"] == "data set"
    assert row[["wins", "ties", "losses"]].tolist() == [6, 2, 1]
    assert row["p"] == pytest.approx(stats.binomtest(6, 7).pvalue)
    assert row["faster"] == pytest.approx(2.0)
    p = [table.loc[key, "p"] for key in (("f", "g"), ("f", "h"), ("g", "h"))]
    assert table.loc[("f", "g"), "p_holm"] == pytest.approx(min(1.0, 3.0 * min(p)))
    assert table.loc[("f", "h"), ["wins", "losses"]].tolist() == [0, 1]
    assert set(table.index.get_level_values("first")) == {"f", "g"}


def test_pairs_over_scenarios_are_compared_by_scenario() -> None:
    # g loses every data set of a, and wins the only one of b: one scenario each.
    rows = [
        trial(scenario=name, replicate=index, fitter=fitter,
              status="converged" if fitter == good else "local")
        for name, count, good in (("a", 8, "f"), ("b", 1, "g"))
        for index in range(count)
        for fitter in "fg"
    ]  # fmt: skip
    (row,) = pairwise_comparisons(pd.DataFrame(rows)).to_dict("records")
    assert (row["unit"], row["wins"], row["ties"], row["losses"]) == ("scenario", 1, 0, 1)
    assert (row["p"], row["p_holm"]) == (1.0, 1.0)
    assert np.isnan(row["faster"])


def test_times_to_targets_follow_the_trace() -> None:
    # n = 100, p = 2: excess = 100 (nll - reference).
    points = [(0.1, 1.0, 0.0), (0.2, 2.0, -0.95), (0.3, 3.0, -0.99995)]
    row = trial(n=100, nll=-0.999995, seconds=0.5, passes=5.0)
    times = target_costs(points, row, lambda index: True)
    assert dict(zip(TARGETS, times["target_passes"], strict=True)) == {
        100.0: 1.0,  # excess 100 at the first point
        10.0: 2.0,  # 5 at the second
        1.0: 3.0,
        0.1: 3.0,
        0.01: 3.0,  # 0.005 at the third
        0.001: 5.0,  # 0.0005 at the end
        0.0001: np.inf,
    }
    assert times["target_seconds"] == [0.1, 0.2, 0.3, 0.3, 0.3, 0.5, np.inf]


def test_an_iterate_that_is_not_admissible_reaches_no_target() -> None:
    points = [(0.1, 1.0, 0.0), (0.2, 2.0, -0.95), (0.3, 3.0, -9.0)]
    failed = trial(n=100, nll=np.nan, status="spurious")
    times = target_costs(points, failed, lambda index: index != 2)
    # What it reached before it became spurious counts.
    assert times["target_seconds"] == [0.1, 0.2, *[np.inf] * 5]
    times = target_costs(points, failed, lambda index: False)
    assert np.isinf(times["target_passes"]).all()


def test_a_profile_is_the_runtime_of_restarts() -> None:
    # One of two trials reaches the first target, after .5 + 1 s; the other costs 4 s in all.
    trials = pd.DataFrame(
        [
            trial(target_seconds=[1.0, np.inf], start_seconds=0.5, seconds=9.0),
            trial(target_seconds=[np.inf, np.inf], start_seconds=np.nan, seconds=4.0),
        ]
    )
    x, share = profile(trials, "seconds")
    # After k failures it takes 1.5 + 4 k s, with probability ½^(k + 1); half the targets never.
    for failures in range(4):
        expected = 0.5 * (1.0 - 0.5 ** (failures + 1))
        at = share[np.searchsorted(x, 1.5 + 4.0 * failures, side="right") - 1]
        assert at == pytest.approx(expected, abs=4.0 * 0.5 / np.sqrt(2 * SIMULATED))
    assert share[-1] == 0.5
    cold, _ = profile(trials.assign(cold_setup_seconds=7.0), "seconds", cold=True)
    assert cold == pytest.approx(x + 7.0)


def test_an_ecdf_counts_infinite_values() -> None:
    x, share = ecdf(np.array([3.0, np.inf, 1.0, np.inf]))
    assert x.tolist() == [1.0, 3.0]
    assert share.tolist() == [0.25, 0.5]


def test_an_ecdf_of_one_value_and_of_none() -> None:
    assert [part.tolist() for part in ecdf(np.array([3.0]))] == [[3.0], [1.0]]
    assert [part.tolist() for part in ecdf(np.array([]))] == [[], []]


def test_a_posterior_has_its_own_columns() -> None:
    facts = {"r_hat": 1.0, "divergences": 1.0, "cold_setup_cpu_seconds": 8.0, "cpu_seconds": 2.0,
             "ess_tail": 300.0, "predictive_kl": 0.01, "reference_kl": 0.02}  # fmt: skip
    covered = {"covered_50": [True, False], "covered_90": [True, True]}
    trials = pd.DataFrame(
        [
            trial(ess=400.0, restart=0, healthy=True, **facts, **covered),
            trial(ess=600.0, restart=1, healthy=False, **{**facts, "r_hat": 1.2}, **covered),
            trial(ess=800.0, restart=2, healthy=True, status="local", **facts, **covered),
            trial(fitter="em", ess=np.nan, healthy=None, **{**facts, "r_hat": np.nan}),
        ]
    )
    (row,) = posterior_summary(trials).to_dict("records")
    assert (row["trials"], row["healthy"], row["healthy_elsewhere"]) == (3, 2, 1)
    assert row["ess_per_second"] == 300.0
    # Each of three trials would need a setup of its own.
    assert row["ess_per_second_cold"] == pytest.approx(1800.0 / (6.0 + 24.0))
    assert (row["r_hat"], row["ess"], row["ess_tail"], row["divergences"]) == (1.2, 600, 300, 3)
    assert (row["predictive_kl"], row["plug_in_kl"]) == (0.01, 0.02)
    assert (row["covered_50"], row["covered_90"], row["values"]) == (1, 2, 2)


def test_coverage_counts_parameters_over_data_sets() -> None:
    trials = pd.DataFrame(
        [trial(replicate=d, covered_50=[d < 5, True], covered_90=[True, d < 9]) for d in range(10)]
    )
    rows = coverage_table(trials).set_index(["level", "parameter"])["covered"].to_dict()
    assert rows == {(0.5, 0): 5, (0.5, 1): 10, (0.9, 0): 10, (0.9, 1): 9}
    # Another fitter is counted by itself, in the order in which they come; restarts are not.
    late = trials.assign(fitter="a", covered_50=[[False, False]] * 10)
    again = trials.assign(restart=1, covered_50=[[False, False]] * 10)
    both = coverage_table(pd.concat([trials, again, late]))
    assert both["fitter"].tolist() == 4 * ["f"] + 4 * ["a"]
    assert both["covered"].tolist() == [5, 10, 10, 9, 0, 0, 10, 9]
    assert set(both["data_sets"]) == {10}


def test_what_does_not_apply_is_in_no_rate_and_no_test() -> None:
    rows = [trial(fitter="em", restart=r) for r in range(10)]
    rows += [trial(fitter="other", restart=r, status="unsupported") for r in range(10)]
    trials = pd.DataFrame(rows)
    assert summarise(trials)["fitter"].tolist() == ["em"]
    assert pairwise_comparisons(trials).empty
    assert summarise(trials[trials["fitter"] == "other"]).empty
