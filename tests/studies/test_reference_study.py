"""The study of the reference: its problems, its rival search, and its rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.reference.ascent import ascend
from benchmarks.studies import reference, rival
from benchmarks.studies.problems import FAMILIES, KINDS, MIN_SPREAD, problem
from benchmarks.studies.study import app
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

SMALL = 5398
"""A seed whose first four problems are of two components and few observations."""
BOUNDED = ["proved", "proved", "proved", "proved"]
"""Their families are beta, gamma, lognormal and normal, whose densities a spread bounds."""


def test_problems_depend_on_their_number_alone_and_are_inside_the_support() -> None:
    kinds = set()
    for number in reversed(range(90)):
        task = problem(3, number)
        x = task.observations
        low, high = family(task.family).support
        assert np.isfinite(x).all()
        assert ((x > low) & (x < high)).all()
        assert task.family == FAMILIES[number % len(FAMILIES)]
        assert 1 <= task.components <= 5
        assert 50 <= x.size <= 5000
        kinds.add(task.kind)
        if number < 8:
            np.testing.assert_array_equal(problem(3, number).observations, x)
    assert kinds == set(KINDS)
    assert not np.array_equal(problem(3, 0).observations[:50], problem(4, 0).observations[:50])


def test_tied_and_rounded_problems_repeat_values() -> None:
    tasks = [problem(3, number) for number in range(90)]
    for task in tasks:
        distinct = np.unique(task.observations).size / task.observations.size
        assert (distinct < 0.95) == (task.kind in ("tied", "rounded")), task.facts()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("budget", [6_000.0, 20_000.0])
def test_the_rival_stays_within_its_budget(name: str, budget: float) -> None:
    law = family(name)
    x = Mixture(law, np.array([0.5, 0.5]), np.array(law.example)).sample(150, 2)
    sample = Sample.of(x, law)
    sample.count(123.0)  # passes of others before
    found = rival.search(sample, 2, MIN_SPREAD, budget, 0)
    assert sum(sample.passes.values()) == pytest.approx(123.0 + found.passes)
    assert 0.2 * budget < found.passes <= budget
    assert found.weights is not None
    truth = ascend(sample, Mixture(law, np.array([0.5, 0.5]), np.array(law.example)))
    assert found.log_likelihood >= truth.log_likelihood - 1e-6


def test_the_rival_finds_a_tiny_component() -> None:
    law = family("normal")
    truth = Mixture(
        law, np.array([0.7, 0.293, 0.007]), np.array([[0.0, 1.0], [1.5, 2.0], [3.0, 0.08]])
    )
    x = truth.sample(2500, 5)
    sample = Sample.of(x, law)
    best = ascend(sample, truth)
    assert best.mixture.weights.min() < 0.02
    found = rival.search(Sample.of(x, law), 3, MIN_SPREAD, 10_000.0, 0)
    assert found.log_likelihood >= best.log_likelihood - 1e-6


def test_budgets_are_ten_times_the_references_between_limits() -> None:
    assert rival.budget_for(5_000.0, 1000, 2, "normal") == (50_000.0, False)
    assert rival.budget_for(3.0, 1000, 1, "normal") == (2_000.0, False)
    assert rival.budget_for(30_000.0, 100, 3, "beta") == (200_000.0, True)
    assert rival.budget_for(30_000.0, 5000, 5, "beta") == (40_000.0, True)
    most, capped = rival.budget_for(30_000.0, 5000, 5, "weibull")
    assert most == pytest.approx(40_000.0 / 3.0)
    assert capped


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    said: list[str] = []
    assert reference.run_study(2, SMALL, tmp_path, 1, 0.0, 0.0, said.append) == []
    assert "0 of 2 problems" in said.pop()
    first = reference.run_study(2, SMALL, tmp_path, 1, 9.0, 0.0, said.append)
    (path,) = tmp_path.iterdir()
    kept = path.read_text().splitlines()
    path.write_text("\n".join([*kept, '{"number": 2, "cut o']) + "\n")
    rows = reference.run_study(4, SMALL, tmp_path, 1, 9.0, 0.0, said.append)
    assert path.read_text().splitlines()[:2] == kept == [json.dumps(row) for row in first]
    assert [row["number"] for row in rows] == [0, 1, 2, 3]
    for row in rows:
        task = problem(SMALL, row["number"])
        assert row["family"] == task.family
        assert row["rival_passes"] <= row["budget"]
        assert row["rival"] is not None
        assert row["nats"] == pytest.approx(row["rival"] - row["reference"])
        assert row["beaten"] == (row["nats"] > reference.BEATEN)
        fitted = Mixture(
            task.family, np.array(row["rival_weights"]), np.array(row["rival_parameters"])
        )
        assert fitted.log_density(task.observations).sum() == pytest.approx(row["rival"])
    assert all("run the same command" in text or "all " in text for text in said)
    done = CliRunner().invoke(
        app, ["reference", "--problems", "4", "--seed", str(SMALL), "--out", str(tmp_path)]
    )
    assert done.exit_code == 0, done.output
    assert "largest loss" in done.output
    assert "by what the certificate said" in done.output
    assert "upper bounds" not in done.output
    rows = reference.run_study(4, SMALL, tmp_path, 1, 9.0, 2.0, said.append)
    assert [row["bound"]["how"] for row in rows] == BOUNDED
    table = reference.bounds_by_kind(rows).set_index("bound")
    assert table["problems"].sum() == 4
    assert table["exceeded"].sum() == 0
    low = {**rows[0], "rival": 1e9}
    assert reference.bounded(low, 2.0)["bound"]["exceeded"]


def _row(name: str, nats: float | None, agreed: bool | None, flags: list[str]) -> reference.Row:
    return {
        "family": name,
        "nats": nats,
        "beaten": nats is None or nats > reference.BEATEN,
        "reference": None if nats is None else 1.0,
        "no_reference": "no optimum" if nats is None else None,
        "agreed": agreed,
        "flags": flags,
        "reference_seconds": 1.0,
        "rival_seconds": 2.0,
    }


def test_the_tables_count_what_was_beaten() -> None:
    rows = [
        _row("beta", 0.0, True, []),
        _row("beta", 2.5, True, ["2 of 5 searches differ"]),
        _row("beta", 0.5, False, ["3 of 7 searches differ", "at the edge"]),
        _row("normal", None, None, []),
    ]
    families = reference.beaten_by_family(rows).set_index("family")
    assert families.loc["all", ["problems", "beaten", "without"]].tolist() == [4, 3, 1]
    assert families.loc["beta", "largest loss, nats"] == 2.5
    # Clopper and Pearson's interval for 2 of 3.
    assert families.loc["beta", "95 % from"] == pytest.approx(0.0943, abs=1e-4)
    assert families.loc["beta", "95 % to"] == pytest.approx(0.9916, abs=1e-4)
    said = reference.beaten_by_certificate(rows).set_index("certificate")
    assert said["beaten"].to_dict() == {
        "agreed, flagged": 1,
        "agreed, no flag": 0,
        "no reference": 1,
        "not agreed, flagged": 1,
        "flag: at the edge": 1,
        "flag: … of … searches differ": 2,
    }
