"""The trials of a cell, in process: records of fits, failures and costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.runner.plan import Cell
from benchmarks.runner.seeds import derive
from benchmarks.runner.trial import CellRunner, Observer
from fitters.base import Fit, Fitter, Prepared
from fitters.spec import fitters
from fitters.starts import Start, policy
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load

Answer = Callable[[Sample, Start], Any]


class Answers(Fitter):
    """A fitter that returns the values of ``answer``, in batches of ``size``."""

    name = "answers"
    answer: Answer
    size = 1
    pause = 0.0

    def prepare(self, sample: Sample, model: Model) -> Prepared:
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
    return Fit(start.mixture, True, 3, {"likelihood": 1.0}, "stayed")


def prepared_runner(
    monkeypatch: pytest.MonkeyPatch, answer: Answer = stays, start: str = "quantile", **more: Any
) -> CellRunner:
    """A prepared cell of four trials on ``small``."""
    cls = type("Chosen", (Answers,), {"answer": staticmethod(answer), **more})
    monkeypatch.setitem(fitters(), "answers", cls)
    scenario = load("small")
    sample = Sample.of(scenario.observations(1, 5), scenario.family)
    cell = Cell(scenario, 1, "answers", 7, tuple((start, restart) for restart in range(4)))
    runner = CellRunner(cell, sample)
    runner.prepare(None)
    return runner


def records(runner: CellRunner) -> list[dict[str, Any]]:
    """The cell's records, run in batches as a worker does."""
    trials, size = runner.cell.trials, runner.batch
    return [r for i in range(0, len(trials), size) for r in runner.run(trials[i : i + size])]


def test_a_trial_records_its_start_and_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = prepared_runner(monkeypatch)
    found = records(runner)
    x = np.sort(load("small").observations(1, 5))
    for restart, record in enumerate(found):
        seed = derive("start", 7, load("small").digest(), 1, restart)
        expected = policy("quantile").draw(runner.sample, runner.model, seed)
        assert record["start_weights"] == expected.weights.tolist()
        assert record["start_parameters"] == expected.parameters.tolist()
        assert_allclose(record["parameters"], expected.parameters)
        assert (record["restart"], record["replicate"]) == (restart, 1)
        assert (record["data"]["n"], record["data"]["order"][-1]) == (x.size, x[-1])
        assert_allclose([record["data"]["mean"], record["data"]["sd"]], [x.mean(), x.std()])
    assert len({str(record["start_parameters"]) for record in found}) == 4


def test_the_facts_of_a_fit_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    for record in records(prepared_runner(monkeypatch)):
        facts = ("outcome", "claimed", "iterations", "message", "batch")
        assert [record[name] for name in facts] == ["returned", True, 3, "stayed", 1]
        assert record["passes"] == {"likelihood": 1.0}


def test_a_batch_shares_its_seconds_and_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = prepared_runner(monkeypatch, size=4, pause=0.4)
    assert runner.batch == 4
    found = records(runner)
    assert 0.4 <= sum(record["seconds"] for record in found) < 0.8
    assert {record["batch"] for record in found} == {4}
    assert [record["passes"] for record in found] == [{"likelihood": 1.0}] * 4


def test_passes_that_do_not_add_up_are_counted_by_the_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def understates(sample: Sample, start: Start) -> Fit:
        for _ in range(3):
            sample.log_likelihood(start.mixture)
        return Fit(start.mixture, None, 1, {"likelihood": 0.5})

    for size in (1, 4):
        found = records(prepared_runner(monkeypatch, understates, size=size))
        assert [record["passes"] for record in found] == [{"likelihood": 3.0}] * 4
        assert {record["claimed"] for record in found} == {None}


def test_passes_of_a_fitter_that_counts_itself_are_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def counts(sample: Sample, start: Start) -> Fit:
        sample.log_likelihood(start.mixture)
        return Fit(start.mixture, None, 1, {"gradient": 4.0, "hessian": 0.5})

    for record in records(prepared_runner(monkeypatch, counts, counted_by="fitter")):
        assert record["passes"] == {"gradient": 4.0, "hessian": 0.5}


def test_figures_of_the_fitters_own_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def measures(sample: Sample, start: Start) -> Fit:
        return Fit(start.mixture, True, 1, {}, extra={"restarts": [1, 2]})

    def breaks(sample: Sample, start: Start) -> Fit:
        return Fit(start.mixture, True, 1, {}, extra={"gap": float("nan")})

    found = records(prepared_runner(monkeypatch, measures))
    assert [record["extra"] for record in found] == [{"restarts": [1, 2]}] * 4
    assert "extra" not in records(prepared_runner(monkeypatch))[0]
    failed = records(prepared_runner(monkeypatch, breaks))
    assert {record["outcome"] for record in failed} == {"error"}  # JSON has no NaN


def test_a_cell_that_lost_a_batch_is_run_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = prepared_runner(monkeypatch, size=4)
    unbatched = Cell(runner.cell.scenario, 1, "answers", 7, runner.cell.trials, 0, True)
    again = CellRunner(unbatched, runner.sample)
    again.prepare(runner.prepared)
    assert again.batch == 1


def raises(sample: Sample, start: Start) -> Fit:
    raise MemoryError("no room")


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (raises, "MemoryError: no room"),
        (lambda sample, start: "converged", "returned a str, not a Fit"),
        (lambda sample, start: None, "returned a NoneType, not a Fit"),
        (lambda sample, start: Fit(start.mixture, True, "many", {}), "ValueError"),
    ],
)
@pytest.mark.parametrize("size", [1, 4])
def test_a_fitter_that_breaks_the_contract_is_an_error_of_its_trial(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, word: str, size: int
) -> None:
    for record in records(prepared_runner(monkeypatch, answer, size=size)):
        assert record["outcome"] == "error"
        assert word in record["message"]
        assert record["seconds"] >= 0.0
        assert "weights" not in record


def test_a_batch_of_the_wrong_size_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = prepared_runner(monkeypatch, size=4)
    monkeypatch.setattr(_Answering, "fit_many", lambda self, starts, seeds: [])
    assert all("returned 0 fits from 4 starts" in r["message"] for r in records(runner))


@pytest.mark.parametrize("when", ["supports", "prepare"])
def test_a_fitter_that_can_not_be_prepared_fails_every_trial(
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
    for record in records(prepared_runner(monkeypatch, **{when: fails})):
        assert (record["outcome"], record["message"]) == expected
        assert "seconds" not in record


def test_a_start_that_does_not_apply_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = type(policy("article"))
    monkeypatch.setattr(cls, "supports", lambda self, model: "not for these")
    for record in records(prepared_runner(monkeypatch, start="article")):
        assert (record["outcome"], record["message"]) == ("unsupported", "not for these")


def test_article_starts_have_the_restart_for_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = prepared_runner(monkeypatch, start="article")
    for restart, record in enumerate(records(runner)):
        expected = policy("article").draw(runner.sample, runner.model, restart)
        assert_allclose(record["parameters"], expected.parameters)


def test_a_posterior_or_trace_that_can_not_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def claims(sample: Sample, start: Start) -> Fit:
        return Fit(start.mixture, True, 1, {}, "", "a chain")

    found = records(prepared_runner(monkeypatch, claims))
    assert all("its trace or posterior" in record["message"] for record in found)


def test_traces_have_log_spaced_points() -> None:
    scenario = load("small")
    sample = Sample.of(scenario.observations(0, 0), scenario.family)
    start = policy("quantile").draw(sample, Model(sample.family, 2), 0)
    observer = Observer(sample)
    for _ in range(2000):
        sample.count(1.0, "expectation")
        observer(lambda: Mixture(sample.family, start.weights, start.parameters))
    kernels = [point[1] for point in observer.trace()]
    assert all(list(counts) == ["expectation"] for counts in kernels)
    passes = np.array([counts["expectation"] for counts in kernels])
    assert passes[:4].tolist() == [1.0, 2.0, 3.0, 4.0]
    steps = np.diff(passes)
    assert (steps >= np.maximum(1.0, 0.2 * passes[:-1]) - 1e-9).all()
    assert (steps <= np.maximum(1.0, 0.2 * passes[:-1]) + 1.0).all()
    assert len(passes) < 64
