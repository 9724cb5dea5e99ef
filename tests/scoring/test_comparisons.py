"""Comparisons, targets and posteriors against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.scoring.comparisons import claim_confusion, optima_reached, pairwise_comparisons
from benchmarks.scoring.posterior import coverage_table, posterior_summary
from benchmarks.scoring.summary import summarise
from benchmarks.scoring.targets import TARGETS, ecdf, profile, target_costs
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


def test_claims_are_a_confusion_matrix() -> None:
    cases = [(True, "converged"), (True, "found"), (True, "local"), (True, "invalid"),
             (True, "local"), (False, "converged"), (False, "unfinished"), (False, "local"),
             (None, "local")]  # fmt: skip
    trials = pd.DataFrame([trial(claimed=c, status=s) for c, s in cases])
    trials.loc[len(trials)] = trial(claimed=None, status="error", weights=None)
    (row,) = claim_confusion(trials).to_dict("records")
    counts = {k: row[k] for k in ("right", "false", "modest", "admitted", "silent", "returned")}
    assert counts == {
        "right": 2, "false": 3, "modest": 1, "admitted": 2, "silent": 1, "returned": 9,
    }  # fmt: skip


def test_pairs_are_matched_and_signed() -> None:
    # By restart: f, g = (good, good), 6 x (good, bad), (bad, good), (bad, bad), and one g alone.
    cases = ["gg"] + 6 * ["gb"] + ["bg", "bb"]
    status = {"g": "converged", "b": "local"}
    # The second takes twice as long where both converged, and three times as long elsewhere.
    rows = [trial(fitter="e", restart=999)]  # no other fitter has this trial
    rows += [
        trial(fitter=fitter, restart=index, status=status[case[place]],
              seconds=1.0 + place * (1.0 if case == "gg" else 2.0))
        for index, case in enumerate(cases)
        for place, fitter in enumerate("fg")
    ]  # fmt: skip
    rows += [trial(fitter="g", restart=99)]
    rows += [trial(fitter="h", restart=index) for index in range(9)]
    table = pairwise_comparisons(pd.DataFrame(rows)).set_index(["first", "second"])
    row = table.loc[("f", "g")]
    assert row[["wins", "ties", "losses"]].tolist() == [6, 2, 1]
    assert row["p"] == pytest.approx(stats.binomtest(6, 7).pvalue)
    assert row["faster"] == 2.0
    p = [stats.binomtest(*counts).pvalue for counts in ((6, 7), (0, 2), (0, 7))]
    assert table.loc[("g", "h"), "p_holm"] == pytest.approx(3.0 * min(p))
    assert table.loc[("f", "h"), ["wins", "losses"]].tolist() == [0, 2]
    assert set(table.index.get_level_values("first")) == {"f", "g"}


def test_equal_wins_and_losses_have_a_p_value_of_one() -> None:
    rows = [trial(fitter=f, restart=r, status="local" if (f == "f") == (r == 0) else "converged")
            for f in "fg" for r in (0, 1)]  # fmt: skip
    (row,) = pairwise_comparisons(pd.DataFrame(rows)).to_dict("records")
    assert (row["wins"], row["losses"], row["p"], row["p_holm"]) == (1, 1, 1.0, 1.0)


def test_times_to_targets_follow_the_trace() -> None:
    # n = 100, p = 2: excess = 100 (nll - reference).
    points = [(0.1, 1.0, 0.0), (0.2, 2.0, -0.95), (0.3, 3.0, -0.99995)]
    row = trial(n=100, nll=-0.999995, seconds=0.5, passes=5.0)
    times = target_costs(points, row)
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
    failed = target_costs(points, trial(n=100, nll=np.nan, status="spurious"))
    assert np.isinf(failed["target_seconds"]).all()


def test_a_profile_counts_every_target_and_the_start() -> None:
    trials = pd.DataFrame(
        [
            trial(target_seconds=[1.0, 3.0], start_seconds=0.5),
            trial(target_seconds=[2.0, np.inf], start_seconds=np.nan),
        ]
    )
    x, share = profile(trials, "seconds")
    assert x.tolist() == [1.5, 2.0, 3.5]
    assert share.tolist() == [0.25, 0.5, 0.75]


def test_an_ecdf_counts_infinite_values() -> None:
    x, share = ecdf(np.array([3.0, np.inf, 1.0, np.inf]))
    assert x.tolist() == [1.0, 3.0]
    assert share.tolist() == [0.25, 0.5]


def test_an_ecdf_of_one_value_and_of_none() -> None:
    assert [part.tolist() for part in ecdf(np.array([3.0]))] == [[3.0], [1.0]]
    assert [part.tolist() for part in ecdf(np.array([]))] == [[], []]


def test_setup_counts_once_in_ess_per_second() -> None:
    facts = {"r_hat": 1.0, "divergences": 1.0, "setup_seconds": 8.0, "seconds": 2.0}
    covered = {"covered_50": [True, False], "covered_90": [True, True]}
    trials = pd.DataFrame(
        [
            trial(ess=400.0, restart=0, **facts, **covered),
            trial(ess=600.0, restart=1, **{**facts, "r_hat": 1.2}, **covered),
            trial(fitter="em", ess=np.nan, **{**facts, "r_hat": np.nan}),
        ]
    )
    (row,) = posterior_summary(trials).to_dict("records")
    assert row["ess_per_second"] == 250.0
    assert row["ess_per_second_with_setup"] == pytest.approx(1000.0 / 12.0)
    assert (row["r_hat"], row["ess"], row["divergences"]) == (1.2, 500.0, 2)
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
    costs = {"start_seconds": 0.0, "setup_seconds": 0.0, "start_passes": 0.0, "hellinger": 0.0,
             "worst_relative_error": 0.0, "information_error": 1.0}  # fmt: skip
    rows = [trial(fitter="em", restart=r, **costs) for r in range(10)]
    rows += [trial(fitter="other", restart=r, status="unsupported", **costs) for r in range(10)]
    trials = pd.DataFrame(rows)
    assert summarise(trials)["fitter"].tolist() == ["em"]
    assert pairwise_comparisons(trials).empty
    assert summarise(trials[trials["fitter"] == "other"]).empty
