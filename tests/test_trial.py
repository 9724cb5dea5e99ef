"""A worker's trials, in process: what is put on record of fits, failures and costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.harness.plan import Cell
from benchmarks.harness.seeds import derive
from benchmarks.harness.trial import Bench, Observer
from fitters.base import Fit, Fitter, Prepared
from fitters.spec import fitters
from fitters.starts import Start, policy
from scenarios.digest import digest
from scenarios.families import Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import load

Answer = Callable[[Sample, Start], Any]


class Answers(Fitter):
    """A fitter whose fits are what ``answer`` says, a batch after another."""

    name = "answers"
    answer: Answer
    size = 1
    pause = 0.0

    def prepare(self, sample: Any, family: Family, components: int) -> Prepared:
        return _Answering(self, sample)


class _Answering(Prepared):
    def __init__(self, fitter: Answers, sample: Sample) -> None:
        self.fitter, self.sample = fitter, sample

    @property
    def batch(self) -> int:
        return self.fitter.size

    def fit(self, start: Start, seed: int, observe: Any) -> Any:
        observe(lambda: start.mixture)
        return type(self.fitter).answer(self.sample, start)

    def fit_many(self, starts: Sequence[Start], seeds: Sequence[int]) -> Any:
        time.sleep(self.fitter.pause)
        return [type(self.fitter).answer(self.sample, start) for start in starts]


def stays(sample: Sample, start: Start) -> Fit:
    """The start, after a pass over the data."""
    sample.log_likelihood(start.mixture)
    return Fit(start.mixture, True, 3, 1.0, "stayed")


def bench(
    monkeypatch: pytest.MonkeyPatch, answer: Answer = stays, start: str = "quantile", **more: Any
) -> Bench:
    """A prepared cell of four trials on ``small``."""
    cls = type("Chosen", (Answers,), {"answer": staticmethod(answer), **more})
    monkeypatch.setitem(fitters(), "answers", cls)
    scenario = load("small")
    sample = Sample.of(scenario.observations(1, 5), scenario.family)
    cell = Cell(scenario, 1, "answers", 7, tuple((start, restart) for restart in range(4)))
    made = Bench(cell, sample)
    made.prepare(None)
    return made


def records(made: Bench) -> list[dict[str, Any]]:
    """The cell's records, done as a worker does them."""
    trials, size = made.cell.trials, made.batch
    return [r for i in range(0, len(trials), size) for r in made.trials(trials[i : i + size])]


def test_a_trial_has_its_own_start_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(monkeypatch)
    seen = set()
    for restart, record in enumerate(records(made)):
        seed = derive("start", 7, load("small").digest(), 1, restart)
        expected = policy("quantile").draw(made.sample, 2, seed)
        assert record["start_digest"] == digest(expected.weights, expected.parameters)
        assert_allclose(record["parameters"], expected.parameters)
        assert (record["restart"], record["data_set"]) == (restart, 1)
        seen.add(record["start_digest"])
    assert len(seen) == 4


def test_facts_of_a_fit_are_those_that_it_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    for record in records(bench(monkeypatch)):
        facts = ("outcome", "claimed", "iterations", "evaluations", "message", "batch")
        assert [record[name] for name in facts] == ["returned", True, 3, 1.0, "stayed", 1]


def test_a_batch_shares_its_seconds_and_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(monkeypatch, size=4, pause=0.4)
    assert made.batch == 4
    found = records(made)
    assert 0.4 <= sum(record["seconds"] for record in found) < 0.8
    assert {record["batch"] for record in found} == {4}
    assert [record["evaluations"] for record in found] == [1.0] * 4


def test_passes_that_do_not_add_up_are_counted_by_the_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def boasts(sample: Sample, start: Start) -> Fit:
        for _ in range(3):
            sample.log_likelihood(start.mixture)
        return Fit(start.mixture, None, 1, 0.5)

    for one in (records(bench(monkeypatch, boasts)), records(bench(monkeypatch, boasts, size=4))):
        assert [record["evaluations"] for record in one] == [3.0] * 4
        assert {record["claimed"] for record in one} == {None}


def test_a_cell_that_lost_a_batch_is_done_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(monkeypatch, size=4)
    alone = Cell(made.cell.scenario, 1, "answers", 7, made.cell.trials, 0, True)
    again = Bench(alone, made.sample)
    again.prepare(made.prepared)
    assert again.batch == 1


def raises(sample: Sample, start: Start) -> Fit:
    raise MemoryError("no room")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (raises, "MemoryError: no room"),
        (lambda sample, start: "converged", "returned a str, not a Fit"),
        (lambda sample, start: None, "returned a NoneType, not a Fit"),
        (lambda sample, start: Fit(start.mixture, True, "many", 1.0), "ValueError"),
    ],
)
@pytest.mark.parametrize("size", [1, 4])
def test_what_a_fitter_must_not_do_is_an_error_of_its_trial(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, word: str, size: int
) -> None:
    for record in records(bench(monkeypatch, answer, size=size)):
        assert record["outcome"] == "error"
        assert word in record["message"]
        assert record["seconds"] >= 0.0
        assert "weights" not in record


def test_a_batch_of_the_wrong_size_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(monkeypatch, size=4)
    monkeypatch.setattr(_Answering, "fit_many", lambda self, starts, seeds: [])
    assert all("returned 0 fits from 4 starts" in r["message"] for r in records(made))


@pytest.mark.parametrize("when", ["supports", "prepare"])
def test_a_fitter_that_is_not_ready_is_on_record_for_every_trial(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def fails(self: Any, *arguments: Any) -> str:
        if when == "supports":
            return "no betas"
        raise OSError("no licence")

    expected = {
        "supports": ("unsupported", "no betas"),
        "prepare": ("error", "prepare: OSError: no licence"),
    }[when]
    for record in records(bench(monkeypatch, **{when: fails})):
        assert (record["outcome"], record["message"]) == expected
        assert "seconds" not in record


def test_a_start_that_does_not_apply_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = type(policy("article"))
    monkeypatch.setattr(cls, "supports", lambda self, family, components: "not for these")
    for record in records(bench(monkeypatch, start="article")):
        assert (record["outcome"], record["message"]) == ("unsupported", "not for these")


def test_article_starts_have_the_restart_for_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench(monkeypatch, start="article")
    for restart, record in enumerate(records(made)):
        expected = policy("article").draw(made.sample, 2, restart)
        assert_allclose(record["parameters"], expected.parameters)


def test_a_posterior_or_trace_that_can_not_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def claims(sample: Sample, start: Start) -> Fit:
        return Fit(start.mixture, True, 1, 1.0, "", "a chain")

    found = records(bench(monkeypatch, claims))
    assert all("its trace or posterior" in record["message"] for record in found)


def test_traces_have_log_spaced_points() -> None:
    scenario = load("small")
    sample = Sample.of(scenario.observations(0, 0), scenario.family)
    start = policy("quantile").draw(sample, 2, 0)
    observer = Observer(sample)
    for _ in range(2000):
        sample.evaluations += 1.0
        observer(lambda: Mixture(sample.family, start.weights, start.parameters))
    passes = np.array([point[1] for point in observer.trace()])
    assert passes[:4].tolist() == [1.0, 2.0, 3.0, 4.0]
    steps = np.diff(passes)
    assert (steps >= np.maximum(1.0, 0.2 * passes[:-1]) - 1e-9).all()
    assert (steps <= np.maximum(1.0, 0.2 * passes[:-1]) + 1.0).all()
    assert len(passes) < 64
