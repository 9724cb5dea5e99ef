"""The formats of the columns of results."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.report.columns import COMPARISON, duration, of_scenario
from benchmarks.report.tables import Column, Table

SUMMARY_ROW = {
    "fitter": "f", "start": "q", "data_sets": 3, "converged": 1, "restarts": 4, "rate": 0.25,
    "rate_low": 0.05, "rate_high": 0.7, "found": 2, "found_rate": 0.5, "found_rate_low": 0.15,
    "found_rate_high": 0.85, "nll": -0.123456, "nll_worst": -0.1, "nll_finite": "4/4",
    "excess": 1e-9, "excess_worst": 2.5, "excess_finite": "4/4", "worst_relative_error": np.nan,
    "information_ratio": 1.01, "information_low": 0.98, "information_high": 1.04,
    "mean_reference_error": 1.2345, "hellinger": 0.01, "hellinger_worst": 0.02,
    "hellinger_finite": "4/4", "seconds": 0.0123, "setup_seconds": 150.0, "passes": 12345.6,
    "spent_seconds": 9.0, "spent_passes": 80.0, "ert_seconds": 9.0, "ert_found_seconds": 4.5,
    "ert_passes": 80.0, "first_answer": 159.0, "claims": 0, "false_claims": 0,
    "silent_failures": 0, "others": "2 local",
}  # fmt: skip


def test_a_summary_row_is_formatted_for_people() -> None:
    columns = [column for column in COMPARISON if column.scenario]
    assert [column.cell(SUMMARY_ROW) for column in columns] == [
        "f", "q", "50% [15–85], 2/4", "25% [5–70], 1/4", "-0.12346", "0", "–",
        "1.010 [0.980–1.040]", "1.23", "0.0100", "12.3 ms", "2.5 min", "12,346", "9 s", "4.5 s",
        "80", "2.6 min", "–", "–", "2 local",
    ]  # fmt: skip


def cells_of(**values: object) -> dict[str, str]:
    row = {**SUMMARY_ROW, "cost_ratio": np.nan, "cost_is_bound": False, **values}
    return {column.name: column.cell(row) for column in COMPARISON}


def test_a_cost_without_success_is_more_than_was_spent() -> None:
    nothing = {"converged": 0, "ert_seconds": np.inf, "ert_passes": np.inf, "first_answer": np.inf}
    cells = cells_of(**nothing, claims=3, false_claims=1, silent_failures=2, passes=2.34)
    names = ["ert", "ert_passes", "first_answer", "ert_found", "false_claims", "silent_failures"]
    assert [cells[n] for n in names] == ["> 9 s", "> 80", "> 9 s", "4.5 s", "1/3", "2/3"]
    assert cells["passes"] == "2.3"


def test_a_ratio_to_the_best_has_three_digits_and_says_where_it_is_a_bound() -> None:
    assert cells_of(cost_ratio=2.3456)["cost_ratio"] == "× 2.35"
    assert cells_of(cost_ratio=1190.4, cost_is_bound=True)["cost_ratio"] == "> × 1,190"


def test_an_infinite_median_says_the_worst_finite_value_and_how_many_there_are() -> None:
    assert cells_of(excess=np.inf, excess_finite="2/5")["excess"] == "> 2.5 (2/5)"
    failed = cells_of(excess=np.inf, excess_worst=np.nan, excess_finite="0/5")
    assert failed["excess"] == "–"
    assert cells_of(excess=0.25)["excess"] == "0.25"


def test_nothing_is_said_where_no_data_set_can_tell() -> None:
    unknown = dict.fromkeys(
        ["rate", "rate_low", "rate_high", "found_rate", "found_rate_low", "found_rate_high",
         "ert_seconds", "information_ratio", "information_low"], np.nan,
    )  # fmt: skip
    cells = cells_of(restarts=0, converged=0, found=0, **unknown)
    names = ["found", "converged", "ert", "information_ratio", "cost_ratio"]
    assert [cells[name] for name in names] == ["–"] * 5


def test_a_heading_says_that_an_interval_holds_for_these_data_alone() -> None:
    headings = {n: [c.heading for c in of_scenario(COMPARISON, n)] for n in (1, 2)}
    assert "converged [95 %, these data]" in headings[1]
    assert "converged [95 %]" in headings[2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(np.nan, "–"), (5e-4, "500 µs"), (1e-3, "1 ms"), (1.0, "1 s"), (119.0, "119 s"),
     (120.0, "2.0 min")],
)  # fmt: skip
def test_durations_are_in_the_unit_with_the_fewest_digits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_no_cell_is_cut_off_where_a_table_is_wider_than_the_terminal() -> None:
    columns = [Column(f"{name}", name * 30) for name in "abc"]
    columns.append(Column("d", "long", left=True, fold=True))
    row = {"a": "x" * 40, "b": "y", "c": "z", "d": "folded " * 20}
    lines = Table("", columns, [row]).text(60).splitlines()
    assert all(column.heading in lines[0] for column in columns)
    assert "x" * 40 in lines[1]
