"""What `mixturebench status` counts, from a journal written by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.harness import SCHEMA
from benchmarks.harness.journal import RUN, Journal, write_run
from benchmarks.harness.plan import Choices, Plan
from benchmarks.harness.run import open_run
from benchmarks.harness.status import status_of
from scenarios.errors import UserError
from tests.conftest import mixturebench

CHOICES = Choices(scenarios=("small",), fitters=("em", "direct"), restarts=2, data_sets=2)


def record(fitter: str, data_set: int, restart: int, outcome: str, **facts: object) -> dict:
    return {
        "schema": SCHEMA, "scenario": "small", "data_set": data_set, "fitter": fitter,
        "start": "quantile", "restart": restart, "outcome": outcome, "message": "why", **facts,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six of eight trials: four of em, in two cells, and two of direct, in one."""
    times = {"seconds": 1.0, "start_seconds": 0.25, "setup_seconds": 0.5}
    with open_run(CHOICES.plan(), tmp_path):
        pass
    with Journal(tmp_path) as journal:
        for data_set in (0, 1):
            for restart in (0, 1):
                journal.append(record("em", data_set, restart, "returned", **times))
        journal.append(record("direct", 0, 0, "timeout", seconds=7.0))
        journal.append(record("direct", 0, 1, "error"))
    return tmp_path


def test_counts_times_and_reasons(folder: Path) -> None:
    status = status_of(folder)
    assert (status.trials, status.trials_done, status.finished, status.running) == (
        8,
        6,
        False,
        False,
    )
    em, direct = status.fitters
    assert (em.fitter, em.cells, em.cells_done, em.trials, em.trials_done) == ("em", 2, 2, 4, 4)
    assert (direct.cells, direct.cells_done, direct.trials, direct.trials_done) == (2, 1, 4, 2)
    assert em.failures == Counter()
    assert direct.failures == Counter(timeout=1, error=1)
    assert sorted(status.reasons) == [
        (1, "direct", "small", "error", "why"), (1, "direct", "small", "timeout", "why"),
    ]  # fmt: skip
    # Setup is paid once a cell, and by trials that say nothing of it not at all.
    assert status.times == {"fits": 11.0, "starts": 1.0, "setup": 1.0}
    assert status.seconds is None  # no session has said how long it took


def test_the_most_frequent_reason_comes_first(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.append(record("direct", 1, 0, "error"))
    assert status_of(folder).reasons[0] == (2, "direct", "small", "error", "why")


def test_seconds_are_those_of_sessions_that_account_for_all_trials(folder: Path) -> None:
    plan = {"schema": SCHEMA, "plan": CHOICES.plan().content(), "begun": "then"}
    sessions = [
        {"trials": 4, "seconds": 3.0, "workers": 1},
        {"trials": 2, "seconds": 2.0, "workers": 8},
    ]
    write_run(folder, {**plan, "sessions": sessions})
    status = status_of(folder)
    assert status.seconds == 5.0
    assert status.workers == 4  # of eight, no more than there are cells
    write_run(folder, {**plan, "sessions": sessions[:1]})
    assert status_of(folder).seconds is None
    with Journal(folder):
        assert status_of(folder).running


def test_a_folder_without_a_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run in"):
        status_of(tmp_path)


def test_records_come_once_whoever_sends_them(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em",), restarts=3).plan()
    records = [record("em", 0, restart, "returned") for restart in range(3)]
    other = record("em", 5, 0, "returned")
    sent = [records[0], records[0], None, other, records[1], records[0], records[2]]
    shown: list[dict] = []
    with open_run(plan, tmp_path) as opened:
        opened.carry_out(lambda cells: (each for each in sent), shown.append)
        assert opened.left() == []
    assert shown == records
    assert status_of(tmp_path).finished


def test_trials_that_do_not_come_back_are_an_error(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em",), restarts=3).plan()
    first = record("em", 0, 0, "returned")
    with open_run(plan, tmp_path) as opened:
        with pytest.raises(UserError, match="2 trials were given up"):
            opened.carry_out(lambda cells: (each for each in [first]), lambda record: None)
        (left,) = opened.left()
        assert left.trials == (("quantile", 1), ("quantile", 2))
    assert status_of(tmp_path).trials_done == 1


def test_other_data_than_the_rest_of_the_run_had_are_refused(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em",), restarts=2).plan()
    sent = [record("em", 0, i, "returned", data_digest=str(i), host="node") for i in range(2)]
    with (
        open_run(plan, tmp_path) as opened,
        pytest.raises(UserError, match="node had other data than the rest of the run"),
    ):
        opened.carry_out(lambda cells: (each for each in sent), lambda record: None)
    assert status_of(tmp_path).trials_done == 1


def test_a_plan_is_read_back_from_its_folder(folder: Path) -> None:
    plan = CHOICES.plan()
    assert "begun" in (folder / RUN).read_text()
    with open_run(plan, folder) as opened:
        assert isinstance(opened.plan, Plan)
        assert [cell.data_set for cell in opened.left()] == [1]
    assert "interrupted, 6 of 8 trials" in mixturebench("status", str(folder)).stdout
