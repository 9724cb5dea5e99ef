"""The formats of the columns of results."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.report.columns import COMPARISON, duration
from benchmarks.report.tables import Column, Table

SUMMARY_ROW = {
    "fitter": "f", "start": "q", "converged": 1, "restarts": 4, "rate": 0.25, "rate_low": 0.05,
    "rate_high": 0.7, "found": 2, "nll": -0.123456, "excess": 1e-9,
    "worst_relative_error": np.nan, "information_error": 1.2345, "hellinger": 0.01,
    "seconds": 0.0123, "setup_seconds": 150.0, "passes": 12345.6, "spent_seconds": 9.0,
    "ert_seconds": 9.0, "claims": 0, "false_claims": 0, "others": "2 local",
}  # fmt: skip


def test_a_summary_row_is_formatted_for_people() -> None:
    assert [column.cell(SUMMARY_ROW) for column in COMPARISON] == [
        "f", "q", "1/4", "25% [5%–70%]", "2/4", "-0.12346", "0", "–", "1.23", "0.0100", "12.3 ms",
        "2.5 min", "12,346", "9 s", "–", "2 local",
    ]  # fmt: skip
    row = {**SUMMARY_ROW, "converged": 0, "claims": 3, "passes": 2.34, "excess": 0.25}
    cells = {column.name: column.cell(row) for column in COMPARISON}
    assert [cells[name] for name in ("ert", "claims", "passes", "excess")] == [
        "> 9 s", "0/3", "2.3", "0.25",
    ]  # fmt: skip


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
