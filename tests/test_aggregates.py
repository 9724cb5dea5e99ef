"""Aggregates against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.harness import aggregates, metrics


def trial(**told: object) -> dict:
    base = {"scenario": "s", "data_set": 0, "fitter": "f", "start": "q", "restart": 0,
            "status": "converged", "claimed": True, "weights": [1.0], "optimum": -1.0,
            "nll": -1.0, "reference_nll": -1.0, "seconds": 1.0, "evaluations": 10.0,
            "excess": 0.0, "covered_50": None, "covered_90": None, "n": 1000, "p": 2}  # fmt: skip
    return {**base, **told}


def test_basins_are_counted_by_start() -> None:
    trials = pd.DataFrame(
        [
            trial(start="q", optimum=-1.0),
            trial(start="q", optimum=-1.0 + 1e-5),  # .01 nats off: the same optimum
            trial(start="q", optimum=-0.5),
            trial(start="a", optimum=-0.5),
            trial(start="a", optimum=np.nan, status="error"),
        ]
    )
    rows = aggregates.basins(trials).set_index(["rank", "start"])
    assert rows.loc[(0, "q"), ["times", "of"]].tolist() == [2, 3]
    assert rows.loc[(1, "q"), ["times", "of"]].tolist() == [1, 3]
    assert rows.loc[(1, "a"), ["times", "of"]].tolist() == [1, 2]
    assert rows.loc[(1, "a"), "nll"] == -0.5


def test_honesty_is_a_confusion_matrix() -> None:
    cases = [(True, "converged"), (True, "basin"), (True, "local"), (True, "invalid"),
             (False, "converged"), (False, "unfinished"), (None, "local")]  # fmt: skip
    trials = pd.DataFrame([trial(claimed=c, status=s) for c, s in cases])
    trials.loc[len(trials)] = trial(claimed=None, status="error", weights=None)
    (row,) = aggregates.honesty(trials).to_dict("records")
    counts = {k: row[k] for k in ("right", "false", "modest", "admitted", "silent", "returned")}
    assert counts == {
        "right": 2, "false": 2, "modest": 1, "admitted": 1, "silent": 1, "returned": 7,
    }  # fmt: skip


def test_arrivals_follow_the_trace() -> None:
    # n = 100, p = 2: excess = 100 (nll - reference).
    points = [(0.1, 1.0, 0.0), (0.2, 2.0, -0.95), (0.3, 3.0, -0.99995)]
    row = trial(n=100, nll=-0.999995, seconds=0.5, evaluations=5.0)
    told = aggregates.arrivals(points, row)
    assert dict(zip(aggregates.TARGETS, told["target_evaluations"], strict=True)) == {
        100.0: 1.0,  # excess 100 at the first point
        10.0: 2.0,  # 5 at the second
        1.0: 3.0,
        0.1: 3.0,
        0.01: 3.0,  # 0.005 at the third
        0.001: 5.0,  # 0.0005 at the end
        0.0001: np.inf,
    }
    assert told["target_seconds"] == [0.1, 0.2, 0.3, 0.3, 0.3, 0.5, np.inf]
    failed = aggregates.arrivals(points, trial(n=100, nll=np.nan, status="spurious"))
    assert np.isinf(failed["target_seconds"]).all()


def test_a_profile_counts_every_target_and_the_start() -> None:
    trials = pd.DataFrame(
        [
            trial(target_seconds=[1.0, 3.0], start_seconds=0.5),
            trial(target_seconds=[2.0, np.inf], start_seconds=np.nan),
        ]
    )
    x, share = aggregates.profile(trials, "seconds")
    assert x.tolist() == [1.5, 2.0, 3.5]
    assert share.tolist() == [0.25, 0.5, 0.75]


def test_duels_are_matched_and_signed() -> None:
    # By restart: f, g = (good, good), 6 x (good, bad), (bad, good), (bad, bad), and one g alone.
    cases = ["gg"] + 6 * ["gb"] + ["bg", "bb"]
    status = {"g": "converged", "b": "local"}
    rows = [
        trial(fitter=fitter, restart=index, status=status[case[place]], seconds=1.0 + place)
        for index, case in enumerate(cases)
        for place, fitter in enumerate("fg")
    ]
    rows += [trial(fitter="g", restart=99)]
    rows += [trial(fitter="h", restart=index) for index in range(9)]
    told = aggregates.duels(pd.DataFrame(rows)).set_index(["first", "second"])
    row = told.loc[("f", "g")]
    assert row[["wins", "ties", "losses"]].tolist() == [6, 2, 1]
    assert row["p"] == pytest.approx(stats.binomtest(6, 7).pvalue)
    assert row["faster"] == 2.0
    p = [stats.binomtest(*counts).pvalue for counts in ((6, 7), (0, 2), (0, 7))]
    assert told.loc[("g", "h"), "p_holm"] == pytest.approx(3.0 * min(p))
    assert told.loc[("f", "h"), ["wins", "losses"]].tolist() == [0, 2]


def test_posteriors_spend_setup_once() -> None:
    told = {"r_hat": 1.0, "divergences": 1.0, "setup_seconds": 8.0, "seconds": 2.0}
    held = {"covered_50": [True, False], "covered_90": [True, True]}
    trials = pd.DataFrame(
        [
            trial(ess=400.0, restart=0, **told, **held),
            trial(ess=600.0, restart=1, **{**told, "r_hat": 1.2}, **held),
            trial(fitter="em", ess=np.nan, **{**told, "r_hat": np.nan}),
        ]
    )
    (row,) = aggregates.posteriors(trials).to_dict("records")
    assert row["ess_per_second"] == 250.0
    assert row["ess_per_second_with_setup"] == pytest.approx(1000.0 / 12.0)
    assert (row["r_hat"], row["ess"], row["divergences"]) == (1.2, 500.0, 2)
    assert (row["held_50"], row["held_90"], row["values"]) == (1, 2, 2)


def test_ecdf_counts_those_that_never_arrive() -> None:
    x, share = aggregates.ecdf(np.array([3.0, np.inf, 1.0, np.inf]))
    assert x.tolist() == [1.0, 3.0]
    assert share.tolist() == [0.25, 0.5]


def test_quartiles_and_their_bootstrap() -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=40)
    trials = pd.DataFrame(
        [trial(data_set=d, excess=c + e) for d, c in enumerate(centres) for e in (-0.1, 0.0, 0.1)]
    )
    (row,) = aggregates.spread_of(trials, "excess").to_dict("records")
    assert row["median"] == pytest.approx(np.median(trials["excess"]))
    quartiles = np.quantile(trials["excess"], [0.25, 0.75])
    assert [row["q25"], row["q75"]] == pytest.approx(quartiles)
    assert row["low"] < np.median(centres) < row["high"]
    # The median of 40 normals has standard error 1.25/√40 = .2: the interval is about .8 wide.
    assert 0.3 < row["high"] - row["low"] < 1.4


def test_coverage_counts_parameters_over_data_sets() -> None:
    trials = pd.DataFrame(
        [trial(data_set=d, covered_50=[d < 5, True], covered_90=[True, d < 9]) for d in range(10)]
    )
    rows = aggregates.coverage(trials).set_index(["level", "parameter"])["held"].to_dict()
    assert rows == {(0.5, 0): 5, (0.5, 1): 10, (0.9, 0): 10, (0.9, 1): 9}
    # Another fitter is counted by itself, in the order in which they come; restarts are not.
    late = trials.assign(fitter="a", covered_50=[[False, False]] * 10)
    again = trials.assign(restart=1, covered_50=[[False, False]] * 10)
    both = aggregates.coverage(pd.concat([trials, again, late]))
    assert both["fitter"].tolist() == 4 * ["f"] + 4 * ["a"]
    assert both["held"].tolist() == [5, 10, 10, 9, 0, 0, 10, 9]
    assert set(both["data_sets"]) == {10}


def test_a_summary_row_is_formatted_for_people() -> None:
    row = pd.Series({
        "fitter": "f", "start": "q", "converged": 1, "restarts": 4, "rate": 0.25, "rate_low": 0.05,
        "rate_high": 0.7, "close": 2, "nll": -0.123456, "excess": 1e-9, "parameter_error": np.nan,
        "information_error": 1.2345, "hellinger": 0.01, "seconds": 0.0123, "setup_seconds": 150.0,
        "evaluations": 12345.6, "spent_seconds": 9.0, "ert_seconds": 9.0, "claims": 0,
        "false_claims": 0, "others": "2 local",
    })  # fmt: skip
    found = metrics.display(row)
    assert list(found.values()) == [
        "f", "q", "1/4", "25% [5%–70%]", "2/4", "-0.12346", "0", "–", "1.23", "0.0100", "12.3 ms",
        "2.5 min", "12,346", "9 s", "–", "2 local",
    ]  # fmt: skip
    row["converged"], row["claims"], row["evaluations"], row["excess"] = 0, 3, 2.34, 0.25
    none = metrics.display(row)
    assert (none["cost"], none["claims"], none["passes"], none["excess"]) == (
        "> 9 s",
        "0/3",
        "2.3",
        "0.25",
    )
    assert [metrics.duration(s) for s in (np.nan, 5e-4, 1e-3, 1.0, 119.0, 120.0)] == [
        "–", "500 µs", "1 ms", "1 s", "119 s", "2.0 min",
    ]  # fmt: skip


def test_summaries_are_ranked_and_count_passes() -> None:
    found = dict.fromkeys(["worst_relative_error", "hellinger", "information_error"], np.nan)
    found |= {"start_seconds": 1.0, "setup_seconds": 5.0, "start_evaluations": 3.0}
    cases = {"slow": ["converged"] * 2, "fast": ["converged"] * 2, "bad": ["converged", "local"]}
    trials = pd.DataFrame(
        [trial(fitter=f, restart=r, status=s, seconds=9.0 if f == "slow" else 2.0, **found)
         for f, of in cases.items() for r, s in enumerate(of)]
    )  # fmt: skip
    rows = metrics.summarise(trials).to_dict("records")
    assert [row["fitter"] for row in rows] == ["fast", "slow", "bad"]
    assert [row["ert_seconds"] for row in rows] == [5.5, 12.5, 11.0]
    assert [row["ert_evaluations"] for row in rows] == [13.0, 13.0, 26.0]
    assert rows[2]["false_claims"] == 1


@pytest.mark.parametrize(("data_sets", "known"), [(2, False), (3, True)])
def test_a_median_has_an_interval_over_three_data_sets(data_sets: int, known: bool) -> None:
    trials = pd.DataFrame([trial(data_set=d, excess=0.1 * d) for d in range(data_sets)])
    (row,) = aggregates.spread_of(trials, "excess").to_dict("records")
    assert np.isfinite([row["low"], row["high"]]).all() == known
    same = aggregates.spread_of(trials.assign(excess=0.1), "excess")
    assert same[["low", "high"]].isna().all(axis=None)


def test_one_value_and_none_have_a_distribution() -> None:
    assert [part.tolist() for part in aggregates.ecdf(np.array([3.0]))] == [[3.0], [1.0]]
    assert [part.tolist() for part in aggregates.ecdf(np.array([]))] == [[], []]


def test_two_data_sets_are_enough_for_an_interval_over_data_sets() -> None:
    rows = [trial(data_set=d, restart=r, status="converged" if d else "local")
            for d in (0, 1) for r in range(50)]  # fmt: skip
    # Of two data sets, one solved and one not: their mean may be anything from 0 to 1.
    assert metrics.rate_interval(pd.DataFrame(rows)) == (0.0, 1.0)
    alike = [trial(data_set=d, restart=r) for d in (0, 1) for r in range(50)]
    assert metrics.rate_interval(pd.DataFrame(alike)) == metrics.wilson(100, 100)
