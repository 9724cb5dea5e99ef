"""The exact layer: what breaks a trial, what is accepted, and which records are identical."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.compare.accepted import accepted_trials, trial_name
from benchmarks.compare.changes import names_of, summarise_changes, with_changes
from benchmarks.compare.pairs import FIGURES, _with_inputs, are_identical, paired_table
from benchmarks.runner.plan import TRIAL
from scenarios.errors import UserError

RECORD = {
    "outcome": "returned", "claimed": True, "iterations": 12, "passes": {"expectation": 12.0},
    "weights": [0.25, 0.75], "parameters": [[1.0, 2.0], [3.0, 4.0]], "message": "done",
}  # fmt: skip


def key(restart: int) -> dict:
    return dict(zip(TRIAL, ("nested", 3, "em", "quantile", restart), strict=True))


def side(restart: int, status: str, excess: float, cost: float = 10.0) -> dict:
    figures = dict.fromkeys(FIGURES, np.nan)
    return {**figures, **key(restart), "status": status, "excess": excess, "cost": cost,
            "outside_rates": "", "identical": False}  # fmt: skip


@pytest.mark.parametrize(
    ("base", "new", "change"),
    [
        (("converged", 0.001), ("local", 30.0), "broken"),
        (("found", 0.5), ("error", np.nan), "broken"),
        (("found", 0.5), ("spurious", 0.4), "broken"),
        (("converged", 0.001), ("found", 0.03), "broken"),  # the excess rose by .029
        (("converged", 0.001), ("found", 0.0205), "changed"),  # by .0195: as rounding may
        (("local", 30.0), ("local", 30.5), "broken"),
        (("local", 30.0), ("converged", 0.0), "mended"),
        (("unfinished", 0.5), ("unfinished", 0.2), "mended"),
        (("error", np.nan), ("error", np.nan), "changed"),
        (("error", np.nan), ("local", 30.0), "mended"),
        (("local", 30.0), ("timeout", np.nan), "broken"),
    ],
)
def test_a_trial_breaks_when_it_is_lost_or_worse_by_more_than_rounding(
    base: tuple[str, float], new: tuple[str, float], change: str
) -> None:
    table = with_changes(paired_table([side(0, *base)], [side(0, *new)]), {})
    assert table["change"].tolist() == [change]


def test_accepted_trials_are_counted_apart_and_named_as_they_are_written(tmp_path: Path) -> None:
    base = [side(i, "converged", 0.0) for i in range(3)]
    new = [side(0, "local", 9.0), side(1, "local", 9.0), side(2, "converged", 0.0, 20.0)]
    path = tmp_path / "accepted.toml"
    path.write_text(
        '[[accepted]]\nfitter = "em"\nreason = "a shorter step"\n'
        'trials = ["nested data set 3 restart 1"]\n'
    )
    table = paired_table(base, new)
    found = with_changes(table, accepted_trials(0, path))
    assert found["change"].tolist() == ["broken", "accepted", "changed"]
    assert names_of(found, "broken") == ["nested data set 3 restart 0"]
    summary = summarise_changes(found)
    assert (summary["broken"], summary["accepted"], summary["changed"]) == (1, 1, 3)
    assert summary["cost"] == pytest.approx(40.0 / 30.0)  # one data set
    # They are accepted on the data of their seed alone, and by the fitter that is named.
    assert accepted_trials(1, path) == {}
    other = with_changes(table.assign(fitter="direct"), accepted_trials(0, path))
    assert other["change"].tolist() == ["broken", "broken", "changed"]
    assert accepted_trials(0, tmp_path / "none.toml") == {}
    assert trial_name({**key(1), "start": "kmeans"}) == "nested data set 3 restart 1 from kmeans"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[accepted]]\nfitter = "em"\ntrials = ["nested data set 3 restart 1"]', "reason"),
        ('[[accepted]]\nfitter = "em"\nreason = ""\ntrials = []', "reason"),
        ('[[accepted]]\nfitter = "em"\nreason = "r"\ntrials = ["nested 3/1"]', "nested 3/1"),
        ('[[accept]]\nfitter = "em"', "accept"),
        ("[[accepted", "can't be read"),
    ],
)
def test_a_file_that_accepts_nothing_clearly_is_an_error(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        accepted_trials(0, path)


@pytest.mark.parametrize(
    ("change", "identical"),
    [
        ({}, True),
        ({"message": "other words", "seconds": 3.0}, True),
        ({"weights": [0.25 * (1 + 1e-12), 0.75]}, True),  # another processor's rounding
        ({"weights": [0.25 * (1 + 1e-7), 0.75]}, False),
        ({"parameters": [[1.0, 2.0], [3.0, 4.1]]}, False),
        ({"parameters": [[1.0, 2.0]]}, False),
        ({"iterations": 13}, False),
        ({"passes": {"expectation": 12.0, "hessian": 1.0}}, False),
        ({"passes": {"expectation": 11.0}}, False),
        ({"claimed": None}, False),
        ({"outcome": "error"}, False),
    ],
)
def test_records_are_identical_when_the_fitter_did_and_returned_the_same(
    change: dict, identical: bool
) -> None:
    assert are_identical(RECORD, {**RECORD, **change}) is identical
    assert are_identical({**RECORD, **change}, RECORD) is identical


def test_trials_that_were_lost_in_the_same_way_are_identical() -> None:
    lost = {"outcome": "timeout", "message": "it took 3 s", "seconds": 3.0}
    assert are_identical(lost, {**lost, "seconds": 3.1})
    assert not are_identical(lost, RECORD)


def test_inputs_that_a_baseline_describes_once_are_those_of_every_fitter() -> None:
    start = {"start_weights": [0.5, 0.5], "start_parameters": [[1.0, 2.0], [3.0, 4.0]]}
    first = {**key(0), **start, "data": {"n": 3}}
    found = _with_inputs([first, {**key(1), "fitter": "em"}, {**key(0), "fitter": "direct"}])
    other = found[("nested", 3, "direct", "quantile", 0)]
    assert {name: other[name] for name in (*start, "data")} == {**start, "data": {"n": 3}}
    assert "start_weights" not in found[("nested", 3, "em", "quantile", 1)]  # another start
    assert found[("nested", 3, "em", "quantile", 1)]["data"] == {"n": 3}
