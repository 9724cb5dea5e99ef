"""The methods on a user's own data: the figures are the run's, and the sentence is the figures'."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import mixturebench as mb
from benchmarks.fit import methods
from benchmarks.fit.answer import Answer
from benchmarks.fit.methods import Methods, measure_methods
from tests.conftest import mixturebench

X = np.random.default_rng(3).normal([0.0, 6.0], [1.0, 2.0], size=(120, 2)).ravel()


def row(fitter: str, start: str, found: int, restarts: int, ert: float, **given: Any) -> dict:
    """A row of the table; its interval is Wilson's."""
    interval = stats.binomtest(found, restarts).proportion_ci(method="wilson")
    figures = dict.fromkeys(methods.FIGURES, 0.0)
    return {
        **figures, "fitter": fitter, "start": start, "found": found, "restarts": restarts,
        "found_rate": found / restarts, "found_rate_low": interval.low,
        "found_rate_high": interval.high, "ert_found_seconds": ert, "others": "", **given,
    }  # fmt: skip


def told(*rows: dict, **given: Any) -> Methods:
    chosen = {
        "log_likelihood": -10.0, "own_log_likelihood": -10.0, "same_optimum": True,
        "why_not": "", "notes": [], **given,
    }  # fmt: skip
    return Methods(table=pd.DataFrame(rows), **chosen)


EM = row("em", "quantile", 9, 10, 0.002)
DIRECT = row("direct", "screened", 10, 10, 0.03)
GRADIENT = row("gradient", "quantile", 2, 2, 1.5)
RARE = row("newton", "quantile", 2, 10, 0.001)
NEVER = row("gradient", "screened", 0, 2, np.inf)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [EM, DIRECT],
            "em from quantile starts finds this optimum (log likelihood -10.000) at the least "
            "cost: in 9 of 10 restarts (95 % interval 60 to 98 %), with 2 ms to a success, "
            "failures and starts included; the next method is direct from screened starts, 10 of "
            "10 with 30 ms to a success.",
        ),
        (
            [RARE, EM, DIRECT, NEVER],
            "newton from quantile starts finds this optimum (log likelihood -10.000) at the least "
            "cost: in 2 of 10 restarts (95 % interval 6 to 51 %), with 1 ms to a success, failures "
            "and starts included; direct from screened starts finds it more often, 10 of 10 with "
            "30 ms to a success; never: gradient from screened starts (0 of 2).",
        ),
        (
            [EM, row("em", "screened", 10, 10, 0.1)],
            "em from quantile starts finds this optimum (log likelihood -10.000) at the least "
            "cost: in 9 of 10 restarts (95 % interval 60 to 98 %), with 2 ms to a success, "
            "failures and starts included.",
        ),
        (
            [NEVER],
            "No method finds this optimum (log likelihood -10.000) from any start.",
        ),
    ],
)
def test_the_sentence_is_that_of_the_figures(rows: list, sentence: str) -> None:
    assert told(*rows).sentence == sentence


def test_few_restarts_are_no_evidence_of_more() -> None:
    assert "more often" not in told(EM, GRADIENT).sentence
    assert "the next method is gradient" in told(EM, GRADIENT).sentence


def test_another_optimum_than_the_answers_is_said() -> None:
    above = told(EM, own_log_likelihood=-13.25, same_optimum=False)
    assert "finds the best known optimum (log likelihood -10.000)" in above.sentence
    assert above.difference == (
        "This is not the answer's own optimum: its log likelihood is 3.25 nats above the answer's "
        "-13.250; more `--restarts` may reach it."
    )
    below = replace(above, own_log_likelihood=-6.75).difference
    assert below.endswith("is 3.25 nats below the answer's -6.750.")
    assert told(EM).difference == ""


def test_without_rates_nothing_is_compared() -> None:
    none = told(EM, why_not="no reference", log_likelihood=np.nan, same_optimum=False)
    assert none.sentence == "No method can be compared on these data: no reference."
    assert none.difference == ""


@pytest.fixture(scope="module")
def answer() -> Answer:
    return mb.fit(X, family="normal", components=2, restarts=4)


def test_figures_are_those_of_a_run(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(methods, "FITTERS", ("em", "direct"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lines: list[str] = []
    measured = measure_methods(answer, lines.append)
    assert list(tmp_path.iterdir()) == []  # the folder is removed
    assert "40 of 40 trials of the methods" in lines
    table = measured.table
    pairs = {(f, s) for f in ("em", "direct") for s in ("quantile", "screened")}
    assert set(zip(table["fitter"], table["start"], strict=True)) == pairs
    assert set(table["restarts"]) == {10}
    # Of normals that are far apart, nearly every restart finds the one admissible optimum.
    assert (table["found"] >= 8).all()
    for each in table.itertuples():
        wilson = stats.binomtest(each.found, 10).proportion_ci(method="wilson")
        assert each.found_rate_low == pytest.approx(wilson.low)
        assert each.found_rate_high == pytest.approx(wilson.high)
    assert_allclose(table["ert_found_seconds"], table["spent_seconds"] / table["found"])
    assert table["ert_found_seconds"].is_monotonic_increasing
    weights, rows = answer.mixture.weights, answer.mixture.parameters
    value = np.log(weights @ stats.norm.pdf(X, rows[:, [0]], rows[:, [1]])).sum()
    assert measured.log_likelihood == pytest.approx(value, abs=1e-6)
    assert measured.same_optimum
    assert measured.difference == ""
    best = table.iloc[0]
    assert measured.sentence.startswith(f"{best['fitter']} from {best['start']} starts finds this")
    run = mb.run(
        data=X, family="normal", components=2, fitters=["em", "direct"], restarts=10,
        starts=["quantile", "screened"], out=tmp_path / "run",
    )  # fmt: skip
    same = run.summary(("fitter", "start")).set_index(["fitter", "start"]).sort_index()
    found = table.set_index(["fitter", "start"]).sort_index()
    for name in ("found", "converged", "passes", "others"):
        assert found[name].tolist() == same[name].tolist(), name


def test_an_answer_at_another_optimum_is_said(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "FITTERS", ("em",))
    worse = replace(answer.best, log_likelihood=answer.best.log_likelihood - 2.5)
    measured = measure_methods(replace(answer, chosen=replace(answer.chosen, optima=[worse])))
    assert not measured.same_optimum
    assert "2.5 nats above the answer's" in measured.difference


def test_what_does_not_apply_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "FITTERS", ("direct", "em"))
    answer = mb.fit(np.abs(X) + 0.1, family="student_t", components=1, restarts=2)
    measured = measure_methods(answer)
    assert set(measured.table["fitter"]) == {"direct"}
    assert set(measured.table["start"]) == {"quantile"}
    assert any(note.startswith("em does not apply: ") for note in measured.notes)
    assert any(note.startswith("Starts by screened do not apply: ") for note in measured.notes)


def test_a_method_of_ones_own_is_compared_too(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "FITTERS", ("em",))
    own = ("em", mb.Direct(method="BFGS"))
    measured = measure_methods(replace(answer, options=replace(answer.options, fitters=own)))
    assert set(measured.table["fitter"]) == {"em", "direct:method=BFGS"}


def test_the_command_prints_the_sentence_and_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "FITTERS", ("em",))
    np.savetxt(tmp_path / "x.csv", X)
    plan = ("fit", "x.csv", "--family", "normal", "--components", "2", "--restarts", "4")
    done = mixturebench(*plan, "--methods", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "starts finds this optimum" in " ".join(done.stdout.split())
    lines = done.stdout.split("Which method finds this optimum")[1].splitlines()
    assert lines[1].split()[:2] == ["method", "start"]
    assert lines[2].split()[2:5] == ["10/10", "[72–100", "%]"]
    assert {tuple(line.split()[:2]) for line in lines[2:4]} == {
        ("em", "quantile"), ("em", "screened"),
    }  # fmt: skip
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    content = json.loads(mixturebench(*plan, "--methods", "--json", folder=tmp_path).stdout)
    assert [row["found"] for row in content["methods"]["methods"]] == [10, 10]
    assert content["methods"]["same_optimum"] is True
    assert json.loads(mixturebench(*plan, "--json", folder=tmp_path).stdout)["methods"] is None


@pytest.mark.slow
def test_the_whole_roster_runs(answer: Answer) -> None:
    measured = answer.with_methods().methods
    assert measured is not None
    counts = measured.table.groupby("fitter")["restarts"].unique()
    assert {name: list(values) for name, values in counts.items()} == {
        "em": [10], "newton": [10], "direct": [10], "gradient": [2], "mcmc:bins=256": [1],
    }  # fmt: skip
    assert (measured.table["found"] > 0).all()
