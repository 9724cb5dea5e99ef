"""Summaries against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.scoring.statistics import wilson
from benchmarks.scoring.summary import counted, rate_interval, summarise, thresholds


def trial(**values: object) -> dict:
    base = {"scenario": "s", "replicate": 0, "fitter": "f", "start": "q", "restart": 0,
            "status": "converged", "claimed": True, "weights": [1.0], "optimum": -1.0,
            "nll": -1.0, "reference_nll": -1.0, "seconds": 1.0, "passes": 10.0,
            "start_seconds": 0.0, "start_passes": 0.0, "cold_setup_seconds": 0.0,
            "excess": 0.0, "gain_left": 0.0, "hellinger": 0.1, "worst_relative_error": 0.2,
            "information_error": 1.0, "reference_information_error": 1.0, "no_error_because": "",
            "outside_rates": "", "covered_50": None, "covered_90": None, "n": 1000,
            "p": 2}  # fmt: skip
    return {**base, **values}


FAILED = dict.fromkeys(
    ["nll", "excess", "gain_left", "optimum", "worst_relative_error", "hellinger",
     "information_error"], np.nan,
)  # fmt: skip


def rows_of(statuses: list[str], **values: object) -> list[dict]:
    """A trial for each status; those that are no fit have no scores."""
    return [
        trial(restart=index, status=status, **{**values, **(FAILED if status == "error" else {})})
        for index, status in enumerate(statuses)
    ]


def test_failures_stay_in_the_denominator() -> None:
    trials = rows_of(["converged", "found", "error", "timeout"])
    (row,) = summarise(pd.DataFrame(trials)).to_dict("records")
    assert (row["converged"], row["found"], row["restarts"]) == (1, 2, 4)
    assert (row["rate"], row["found_rate"]) == (0.25, 0.5)
    assert (row["rate_low"], row["rate_high"]) == wilson(1, 4)
    assert (row["found_rate_low"], row["found_rate_high"]) == wilson(2, 4)
    assert row["others"] == "1 error, 1 timeout"


def test_an_expected_time_is_that_of_simulated_restarts() -> None:
    # Restarts succeed 3 times of 5, cost 2 + 1 s each, and a setup comes first.
    statuses = ["converged", "local", "converged", "error", "converged"]
    costs = {"seconds": 2.0, "start_seconds": 1.0, "passes": 7.0, "start_passes": 3.0}
    (row,) = summarise(pd.DataFrame(rows_of(statuses, **costs, cold_setup_seconds=5.0))).to_dict(
        "records"
    )
    tries = np.random.default_rng(0).geometric(0.6, 200_000)
    error = 4.0 * tries.std() / np.sqrt(tries.size)
    assert row["ert_seconds"] == pytest.approx(3.0 * tries.mean(), abs=3.0 * error)
    assert row["ert_passes"] == pytest.approx(10.0 * tries.mean(), abs=10.0 * error)
    assert row["first_answer"] == row["ert_seconds"] + 5.0
    # More restarts of the same kind change neither: the setup is not shared among successes.
    more = rows_of(statuses * 4, **costs, cold_setup_seconds=5.0)
    (again,) = summarise(pd.DataFrame(more)).to_dict("records")
    assert again["first_answer"] == pytest.approx(row["first_answer"])


def test_a_cost_without_success_is_infinite_and_what_was_spent_is_known() -> None:
    costs = {"seconds": 2.0, "start_seconds": 1.0, "passes": 7.0, "start_passes": 3.0}
    (row,) = summarise(pd.DataFrame(rows_of(["found", "error"], **costs))).to_dict("records")
    assert (row["ert_seconds"], row["ert_passes"]) == (np.inf, np.inf)
    assert (row["spent_seconds"], row["spent_passes"]) == (6.0, 20.0)
    assert (row["ert_found_seconds"], row["ert_found_passes"]) == (6.0, 20.0)


@pytest.mark.parametrize("name", ["nll", "excess", "hellinger", "worst_relative_error"])
def test_a_failure_is_infinite_in_every_median(name: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(size=7)
    good = [trial(restart=r, **{name: value}) for r, value in enumerate(values)]
    bad = [trial(restart=9 + r, status="spurious", **FAILED) for r in range(8)]
    for failures in (0, 2, 6, 8):
        (row,) = summarise(pd.DataFrame(good + bad[:failures])).to_dict("records")
        # Twice the weight of the largest finite number stands in for infinity.
        middle = np.median([*values, *[1e300] * failures])
        assert row[name] == (middle if middle < 1e299 else np.inf)
        assert row[f"{name}_worst"] == values.max()
        assert row[f"{name}_finite"] == f"7/{7 + failures}"


def test_a_score_that_is_not_defined_is_no_failure() -> None:
    trials = [trial(no_error_because="no truth", hellinger=np.nan, worst_relative_error=np.nan)]
    (row,) = summarise(pd.DataFrame(trials)).to_dict("records")
    assert np.isnan([row["hellinger"], row["worst_relative_error"]]).all()
    trials = [trial(no_error_because="not identifiable at this n", worst_relative_error=np.nan)]
    (row,) = summarise(pd.DataFrame(trials)).to_dict("records")
    assert row["hellinger"] == 0.1
    assert np.isnan(row["worst_relative_error"])


def test_data_sets_that_cannot_tell_are_in_no_rate() -> None:
    outside = {"replicate": 1, "outside_rates": "not distinguishable", "status": "local"}
    trials = pd.DataFrame([trial(), trial(**outside, seconds=100.0)])
    (row,) = summarise(trials).to_dict("records")
    assert (row["converged"], row["restarts"], row["others"]) == (1, 1, "")
    assert row["ert_seconds"] == 1.0
    assert len(counted(trials)) == 1
    (row,) = summarise(trials[1:]).to_dict("records")
    assert row["restarts"] == 0
    assert np.isnan([row["rate"], row["found_rate"], row["spent_seconds"]]).all()
    assert row["excess"] == 0.0  # what the fits are is shown


def test_summaries_are_in_the_order_of_the_ranking_over_all_scenarios() -> None:
    # By scenario: statuses and seconds. "fast" and "slow" tie in the rate.
    cases = {
        "bad": {"a": (["converged", "local"], 1.0), "b": (["converged", "converged"], 1.0)},
        "slow": {"a": (["converged", "converged"], 9.0), "b": (["converged", "converged"], 1.0)},
        "fast": {"a": (["converged", "converged"], 2.0), "b": (["converged", "converged"], 2.0)},
    }
    trials = pd.DataFrame(
        [row for fitter, by in cases.items() for name, (of, seconds) in by.items()
         for row in rows_of(of, scenario=name, fitter=fitter, seconds=seconds)]
    )  # fmt: skip
    table = summarise(trials)
    assert table["fitter"].tolist() == ["fast", "slow", "bad"] * 2
    assert table["ert_seconds"].tolist() == [2.0, 9.0, 2.0, 2.0, 1.0, 1.0]
    assert summarise(trials, ("scenario",))["restarts"].tolist() == [6, 6]
    assert summarise(trials, ("fitter",))["restarts"].tolist() == [4, 4, 4]
    overall = summarise(trials, ("fitter", "start"))
    assert overall["fitter"].tolist() == ["fast", "slow", "bad"]
    # ERT ÷ the best (2 on a, 1 on b), geometric mean: it can't be added over scenarios.
    assert overall["cost_ratio"].tolist() == pytest.approx(
        [np.sqrt(1 * 2), np.sqrt(4.5 * 1), np.sqrt(1 * 1)]
    )
    assert overall["ert_seconds"].isna().all()
    assert not overall["cost_is_bound"].any()


def test_a_cost_ratio_with_a_scenario_without_success_is_a_bound() -> None:
    trials = pd.DataFrame([
        trial(scenario="a", fitter="f"), trial(scenario="b", fitter="f"),
        trial(scenario="a", fitter="g"),
        trial(scenario="b", fitter="g", status="local", seconds=8.0),
        trial(scenario="c", fitter="f", status="local"),  # nobody succeeds there
        trial(scenario="c", fitter="g", status="local"),
    ])  # fmt: skip
    overall = summarise(trials, ("fitter", "start")).set_index("fitter")
    assert overall.loc["g", "cost_ratio"] == pytest.approx(np.sqrt(8.0))
    assert overall["cost_is_bound"].to_dict() == {"f": False, "g": True}


def test_information_errors_are_a_ratio_of_means_over_the_same_data_sets() -> None:
    trials = pd.DataFrame([
        trial(replicate=0, information_error=1.2, reference_information_error=1.0),
        trial(replicate=1, information_error=0.4, reference_information_error=0.5),
        trial(replicate=2, information_error=900.0, reference_information_error=2.0,
              status="local"),
        trial(replicate=3, information_error=np.nan, status="found"),
    ])  # fmt: skip
    (row,) = summarise(trials).to_dict("records")
    assert row["information_ratio"] == pytest.approx(1.6 / 1.5)
    assert row["information_error"] == pytest.approx(0.8)
    assert row["mean_reference_error"] == pytest.approx(0.75)
    assert row["information_low"] < 1.6 / 1.5 < row["information_high"]


def test_claims_are_of_stationarity() -> None:
    trials = pd.DataFrame([
        trial(), trial(status="local"), trial(status="local", gain_left=0.011),
        trial(status="found", gain_left=0.5), trial(status="unfinished", claimed=None, gain_left=9),
        trial(status="spurious", **FAILED), trial(status="error", weights=None, **FAILED),
    ])  # fmt: skip
    (row,) = summarise(trials).to_dict("records")
    assert (row["claims"], row["false_claims"], row["silent_failures"]) == (5, 2, 1)


def test_rates_are_counted_at_four_excesses_and_just_outside() -> None:
    # n = 1000: the ascent ends at the reference, or .06 nats from it.
    excesses = [0.0, 5e-5, 1.5e-4, 0.005, 0.015, 0.15, 1.5, 3.0]
    trials = [trial(excess=e, status="converged" if e <= 0.01 else "unfinished") for e in excesses]
    trials += [trial(optimum=-1.0 + 6e-5), trial(status="spurious"), trial(status="error")]
    (row,) = thresholds(pd.DataFrame(trials)).to_dict("records")
    assert [row[f"within_{index}"] for index in range(4)] == [6, 5, 4, 2]
    assert [row[f"outside_{index}"] for index in range(4)] == [1, 1, 1, 1]
    assert row["restarts"] == len(trials)


def test_over_data_sets_the_interval_is_as_wide_as_they_differ() -> None:
    # Ten data sets, five always solved and five never: binomial error over 100 restarts
    # would be ±10 %; over ten data sets it is ±31 %.
    rows = [
        {"scenario": "s", "replicate": d, "status": "converged" if d < 5 else "local"}
        for d in range(10)
        for _ in range(10)
    ]
    low, high = rate_interval(pd.DataFrame(rows))
    assert low == pytest.approx(0.5 - 0.31, abs=0.1)
    assert high == pytest.approx(0.5 + 0.31, abs=0.1)


def test_two_data_sets_are_enough_for_an_interval_over_data_sets() -> None:
    rows = [trial(replicate=d, restart=r, status="converged" if d else "local")
            for d in (0, 1) for r in range(50)]  # fmt: skip
    # Of two data sets, one solved and one not: their mean may be anything from 0 to 1.
    low, high = rate_interval(pd.DataFrame(rows))
    assert low < 0.001
    assert high > 0.999
    # Where both are solved, 100 trials are worth 100/(1 + .1 · 49) independent ones.
    alike = [trial(replicate=d, restart=r) for d in (0, 1) for r in range(50)]
    assert rate_interval(pd.DataFrame(alike)) == pytest.approx((0.025 ** (5.9 / 100), 1.0))
    # One data set of each of two scenarios: the interval holds for these data sets.
    two = [trial(scenario=s, restart=r) for s in "ab" for r in range(50)]
    assert rate_interval(pd.DataFrame(two)) == wilson(100, 100)
