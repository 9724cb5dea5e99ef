"""Summaries against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.scoring.statistics import wilson
from benchmarks.scoring.summary import rate_interval, summarise

NO_SCORES = dict.fromkeys(
    ["nll", "excess", "worst_relative_error", "hellinger", "information_error"], np.nan
)


def trial(**values: object) -> dict:
    base = {"scenario": "s", "replicate": 0, "fitter": "f", "start": "q", "restart": 0,
            "status": "converged", "claimed": True, "weights": [1.0], "optimum": -1.0,
            "nll": -1.0, "reference_nll": -1.0, "seconds": 1.0, "passes": 10.0,
            "excess": 0.0, "covered_50": None, "covered_90": None, "n": 1000, "p": 2}  # fmt: skip
    return {**base, **values}


def test_failures_stay_in_the_denominator() -> None:
    statuses = ["converged", "found", "error", "timeout"]
    rows = [
        {"scenario": "s", "replicate": 0, "fitter": "f", "start": "q", "status": status,
         "seconds": 2.0, "start_seconds": 1.0, "setup_seconds": 5.0, "passes": 7.0,
         "start_passes": 3.0, "claimed": claimed, **NO_SCORES}
        for status, claimed in zip(statuses, [True, False, True, None], strict=True)
    ]  # fmt: skip
    (row,) = summarise(pd.DataFrame(rows)).to_dict("records")
    assert (row["converged"], row["found"], row["restarts"]) == (1, 2, 4)
    assert row["rate"] == 0.25
    assert row["ert_seconds"] == 4 * 3.0 + 5.0  # every restart paid for, setup once
    assert row["ert_passes"] == 4 * 10.0
    assert row["others"] == "1 error, 1 timeout"
    assert (row["claims"], row["false_claims"]) == (2, 1)


def test_the_cost_of_a_success_is_shared_by_all_and_infinite_without_one() -> None:
    def rows(statuses: list[str], fitter: str) -> list[dict]:
        return [
            {"scenario": "s", "replicate": 0, "fitter": fitter, "start": "q", "status": status,
             "seconds": 2.0, "start_seconds": 1.0, "setup_seconds": 5.0, "passes": 7.0,
             "start_passes": 3.0, "claimed": None, **NO_SCORES}
            for status in statuses
        ]  # fmt: skip

    trials = rows(["converged", "converged", "local"], "f") + rows(["local", "error"], "g")
    table = summarise(pd.DataFrame(trials)).set_index("fitter")
    assert table.loc["f", "ert_seconds"] == (3 * 3.0 + 5.0) / 2
    assert table.loc["f", "ert_passes"] == 3 * 10.0 / 2
    assert table.loc["g", ["ert_seconds", "ert_passes"]].tolist() == [np.inf, np.inf]
    assert table.loc["g", ["spent_seconds", "spent_passes"]].tolist() == [2 * 3.0 + 5.0, 20.0]


def test_summaries_are_ranked_and_count_passes() -> None:
    found = dict.fromkeys(["worst_relative_error", "hellinger", "information_error"], np.nan)
    found |= {"start_seconds": 1.0, "setup_seconds": 5.0, "start_passes": 3.0}
    cases = {"slow": ["converged"] * 2, "fast": ["converged"] * 2, "bad": ["converged", "local"]}
    trials = pd.DataFrame(
        [trial(fitter=f, restart=r, status=s, seconds=9.0 if f == "slow" else 2.0, **found)
         for f, of in cases.items() for r, s in enumerate(of)]
    )  # fmt: skip
    rows = summarise(trials).to_dict("records")
    assert [row["fitter"] for row in rows] == ["fast", "slow", "bad"]
    assert [row["ert_seconds"] for row in rows] == [5.5, 12.5, 11.0]
    assert [row["ert_passes"] for row in rows] == [13.0, 13.0, 26.0]
    assert rows[2]["false_claims"] == 1


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
