"""The progress of a cell: any order of messages and losses gives each trial one record."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.runner.cell_progress import MAX_LOSSES, CellProgress
from benchmarks.runner.plan import Cell, Limits, Record, key_of
from benchmarks.runner.status import Status
from scenarios.scenario import load

TRIALS = tuple(("quantile", restart) for restart in range(6))
LIMITS = Limits(timeout=7.0, setup_timeout=50.0)


def cell(losses: int = 0) -> Cell:
    return Cell(load("small"), 2, "em", 0, TRIALS, losses)


def prepared(batch: int = 1) -> bytes:
    return json.dumps({"prepared": 0.5, "batch": batch}).encode()


def record(index: int, **more: object) -> bytes:
    return json.dumps({"record": {**cell().record(*TRIALS[index]), **more}}).encode()


def progress_after(index: int, batch: int = 1, losses: int = 0) -> CellProgress:
    """Progress with ``index`` trials on record."""
    progress = CellProgress(cell(losses))
    assert progress.receive(prepared(batch)) is None
    for done in range(index):
        assert progress.receive(record(done)) is not None
    return progress


def restarts(records: list[Record]) -> list[int]:
    return [r["restart"] for r in records]


def test_records_pass_through_in_their_order() -> None:
    progress = CellProgress(cell())
    assert progress.setting_up
    assert progress.receive(prepared()) is None
    assert not progress.setting_up
    for index in range(6):
        assert not progress.complete
        assert progress.remaining().trials == TRIALS[index:]
        found = progress.receive(record(index, outcome="returned", nll=0.25))
        assert found == {**cell().record(*TRIALS[index]), "outcome": "returned", "nll": 0.25}
    assert progress.complete


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no JSON",
        b"7",
        b"null",
        b'"record"',
        b"[]",
        b"{}",
        b'{"record": 3}',
        b'{"record": {"scenario": "small"}}',
        prepared(),  # it has prepared already
        record(0),  # it came before
        record(2),  # it is not its turn
        record(1, replicate=3),
        record(1, fitter="direct"),
        record(1, scenario="founding"),
        record(1, start="kmeans"),
    ],
)
def test_an_unexpected_message_is_an_error(line: bytes) -> None:
    progress = progress_after(1)
    with pytest.raises(ValueError, match=r".+"):
        progress.receive(line)
    assert progress.remaining().trials == TRIALS[1:]  # no trial counts as done


@pytest.mark.parametrize("line", [record(0), b'{"prepared": 1.0}', b'{"batch": "many"}', b"[1]"])
def test_the_first_message_says_that_the_worker_is_prepared(line: bytes) -> None:
    progress = CellProgress(cell())
    with pytest.raises(ValueError, match=r".+"):
        progress.receive(line)
    assert progress.setting_up


def test_a_record_after_the_last_is_an_error() -> None:
    progress = progress_after(6)
    with pytest.raises(ValueError, match="an unexpected message"):
        progress.receive(record(5))


def test_the_time_limit_is_that_of_the_current_stage() -> None:
    assert CellProgress(cell()).allowed_seconds(LIMITS) == (50.0, "--setup-timeout")
    assert progress_after(1).allowed_seconds(LIMITS) == (7.0, "--timeout")
    assert progress_after(0, batch=4).allowed_seconds(LIMITS) == (28.0, "--timeout")
    assert progress_after(4, batch=4).allowed_seconds(LIMITS) == (14.0, "--timeout")  # two are left


def test_a_loss_is_recorded_as_the_failure_of_the_current_trial() -> None:
    progress = progress_after(2)
    (lost,) = progress.lose(Status.TIMEOUT, "it took longer", 7.5)
    assert lost == {
        "schema": lost["schema"], **cell().record(*TRIALS[2]), "outcome": "timeout",
        "message": "it took longer", "lost_worker": True, "seconds": 7.5,
    }  # fmt: skip
    left = progress.remaining()
    assert left.trials == TRIALS[3:]
    assert left.losses == 1
    assert not left.unbatched


def test_the_time_of_a_loss_during_setup_is_setup_time() -> None:
    (lost,) = CellProgress(cell()).lose(Status.MEMORY, "it used 9 GB", 3.0)
    assert lost["setup_seconds"] == 3.0
    assert "seconds" not in lost


def test_after_three_losses_in_a_row_the_rest_is_not_attempted() -> None:
    progress = CellProgress(cell())
    first = progress.lose(Status.CRASHED, "SIGSEGV", 1.0)
    progress = CellProgress(progress.remaining())
    second = progress.lose(Status.CRASHED, "SIGSEGV", 1.0)
    progress = CellProgress(progress.remaining())
    assert progress.remaining().losses == 2
    third, *rest = progress.lose(Status.CRASHED, "SIGSEGV", 1.0)
    assert restarts([*first, *second, third]) == [0, 1, 2]
    assert restarts(rest) == [3, 4, 5]
    assert {r["outcome"] for r in rest} == {"not_attempted"}
    assert {r["message"] for r in rest} == {"3 workers in a row were lost on this cell"}
    assert not any("lost_worker" in r or "seconds" in r for r in rest)
    assert progress.complete


def test_a_record_resets_the_count_of_losses() -> None:
    progress = progress_after(1, losses=2)
    assert len(progress.lose(Status.ERROR, "raised", 0.1)) == 1
    assert progress.remaining().losses == 1


def test_a_lost_batch_is_repeated_one_by_one() -> None:
    progress = progress_after(1, batch=3, losses=1)
    assert progress.lose(Status.CRASHED, "exit status 7", 2.0) == []
    left = progress.remaining()
    assert left.unbatched
    assert left.trials == TRIALS[1:]  # none has failed yet
    assert not progress.complete


Event = Callable[[CellProgress], list[Record]]


def message(progress: CellProgress) -> list[Record]:
    """The worker sends the expected message."""
    if progress.setting_up:
        progress.receive(prepared())
        return []
    index = len(TRIALS) - len(progress.remaining().trials)
    found = progress.receive(record(index, outcome="returned"))
    assert found is not None
    return [found]


def loss(progress: CellProgress) -> list[Record]:
    return progress.lose(Status.CRASHED, "SIGKILL", 0.5)


@given(events=st.lists(st.sampled_from([message, loss]), min_size=40, max_size=40))
def test_every_trial_has_one_record_for_any_messages_and_losses(events: list[Event]) -> None:
    progress, records, row = CellProgress(cell()), list[Record](), 0
    for event in events:
        new = event(progress)
        records += new
        row = row + 1 if event is loss else 0 if new else row
        if progress.complete:
            break
        assert row < MAX_LOSSES
        if event is loss:
            progress = CellProgress(progress.remaining())
    keys = [key_of(r) for r in records]
    assert keys == cell().trial_keys()[: len(keys)]
    assert progress.complete == (len(keys) == len(TRIALS))
    ended = [r["outcome"] for r in records]
    if "not_attempted" in ended:
        first = ended.index("not_attempted")
        assert ended[first - MAX_LOSSES : first] == ["crashed"] * MAX_LOSSES
        assert set(ended[first:]) == {"not_attempted"}
