"""The published results against their own facts, recomputed without our kernels and scores."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixturebench as mb
from benchmarks.reference.cache import (
    REFERENCES,
    read_packed,
    stored_reference,
    unpack_references,
)
from benchmarks.runner.journal import read
from benchmarks.runner.plan import Plan
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.published import FOLDER, SCORES, SUMS, results
from benchmarks.scoring.scored_run import by_data_set, score_data_set
from scenarios.errors import UserError

SIZE = 10_000_000
"""Bytes that the folder may have, since every clone has it."""


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    return mb.results()


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan.of(read(FOLDER)[0]["plan"])


def test_it_is_a_whole_run_of_the_profile(trials: pd.DataFrame, plan: Plan) -> None:
    assert plan.profile == "standard"
    assert len(trials) == plan.size()
    assert read(FOLDER)[0]["code"]["clean"]
    assert trials["scenario"].nunique() == len(plan.scenarios)
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=FOLDER, check=True)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= SIZE


def test_the_scores_are_those_of_the_facts_by_scipy(trials: pd.DataFrame, plan: Plan) -> None:
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}
    rows = trials[(trials["status"] == "converged") & (trials["scenario"].isin(["small", "rare"]))]
    for row in rows.drop_duplicates(["scenario", "replicate", "fitter"]).itertuples():
        x = DataSet.of(scenarios[row.scenario], row.replicate, plan.seed).observations
        densities = [
            weight * stats.beta.pdf(x, *parameters)
            for weight, parameters in zip(row.weights, row.parameters, strict=True)
        ]
        nll = -np.log(np.sum(densities, axis=0)).mean()
        assert row.nll == pytest.approx(nll, abs=1e-10)
        assert row.excess == pytest.approx(2 * x.size * (nll - row.reference_nll) / 5, abs=1e-7)
        assert row.excess <= 0.01


def test_the_statuses_are_those_of_the_facts_by_the_published_references(
    trials: pd.DataFrame, plan: Plan
) -> None:
    scenarios = {scenario.name: scenario for scenario in plan.scenarios}
    references = read_packed(FOLDER / REFERENCES)
    assert references.keys() == {(s.name, r) for s in plan.scenarios for r in range(8)}
    groups = by_data_set([record for record in read(FOLDER)[1] if record["scenario"] == "small"])
    for (name, replicate), records in groups.items():
        data_set = DataSet.of(scenarios[name], replicate, plan.seed)
        rows, _ = score_data_set(records, data_set, references[name, replicate][1])
        again = pd.DataFrame(rows).set_index(["fitter", "restart"])["status"]
        stored = trials[(trials["scenario"] == name) & (trials["replicate"] == replicate)]
        stored = stored.set_index(["fitter", "restart"])["status"]
        assert again.sort_index().to_dict() == stored.sort_index().to_dict()


def test_the_references_are_added_to_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXTUREBENCH_CACHE", str(tmp_path))
    published = read_packed(FOLDER / REFERENCES)
    first, *others = published.values()
    (tmp_path / first[0]).write_text("{}")  # what is there stays
    unpack_references(FOLDER / REFERENCES)
    assert (tmp_path / first[0]).read_text() == "{}"
    assert mb.cache().references == len(published)
    assert all(stored_reference(tmp_path / name) == reference for name, reference in others)


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "standard")
    assert len(results(tmp_path / "standard")) == len(results())
    with (tmp_path / "standard" / SCORES).open("ab") as file:
        file.write(b" ")
    with pytest.raises(UserError, match=r"trials\.parquet is not the file .*git checkout"):
        results(tmp_path / "standard")
    (tmp_path / "standard" / SCORES).unlink()
    with pytest.raises(UserError, match=r"trials\.parquet is not the file"):
        results(tmp_path / "standard")


def test_outside_a_checkout_an_error_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in a checkout of the repository alone"):
        results(tmp_path)
