"""Runs with the fewest fields and with unknown ones are read; runs of schema 3 are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import stats

from benchmarks.reference.search import find_reference
from benchmarks.runner import SCHEMA
from benchmarks.runner.journal import RUN, TRIALS, from_line, read, to_line
from benchmarks.runner.plan import Cell
from benchmarks.runner.trial import CellRunner
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.scored_run import score_run
from fitters import CONTRACT
from fitters.base import Fit, Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.model import Model
from scenarios.scenario import load
from tests.conftest import mixturebench, sample

UNKNOWN = {"colour": "blue", "nested": {"list": [1, None]}}
# The first line of a baseline that schema 3 wrote, and the head of its run.json.
LINE_3 = (
    b'{"schema": 3, "scenario": "unequal", "data_set": 0, "fitter": "em", "start": "quantile", '
    b'"restart": 0, "data_digest": '
    b'"2fbae7383ff0067f75444f86ade8849ae8e3abaa3012c68a1d9ca7891fe70ec9", "setup_seconds": '
    b'1.750200317474082e-05, "counted_by": "sample", "start_seconds": 0.0007971569939400069, '
    b'"start_evaluations": 0.0, "start_digest": '
    b'"4d1ca9b7a8e9f9a42dabe96fc991054cef70f7c0b6f5a2e2378b3e0f7ba1c0d8", "outcome": "returned", '
    b'"weights": [0.8999234126089531, 0.10007658739104683], "parameters": [[2.039339673418222, '
    b'10.135277139130432], [12.325539016485969, 3.0969755291491152]], "claimed": true, '
    b'"iterations": 26, "evaluations": 27.0, "message": "about 2.8e-09 nats left", "batch": 1, '
    b'"seconds": 0.0500064250009018, "cpu_seconds": 0.019185098999999983, "peak_mb": 90.107904, '
    b'"check": "ff498a23"}\n'
)
RUN_3 = {"schema": 3, "plan": {"profile": "check", "seed": 0, "data_sets": 3}, "contract": 1}


def write(folder: Path, unknown: dict[str, Any]) -> Path:
    """A run of four trials: required fields only, and ``unknown`` ones wherever JSON has them."""
    data_set = DataSet.of(load("small"), 0, 0)
    reference = find_reference(data_set.sample, 2, data_set.min_spread)
    scenario = {"name": "small", "content": load("small").content, **unknown}
    plan = {
        "profile": "by hand", "seed": 0, "data_sets": 1, "fitters": ["em", "direct"],
        "starts": ["quantile"], "restarts": {"em": 2, "direct": 2}, "scenarios": [scenario],
    }  # fmt: skip
    folder.mkdir()
    run = {"schema": SCHEMA, "contract": CONTRACT, "plan": {**plan, **unknown}, **unknown}
    (folder / RUN).write_text(json.dumps(run))
    best = {
        "outcome": "returned",
        "weights": np.asarray(reference.weights).tolist(),
        "parameters": np.asarray(reference.parameters).tolist(),
    }
    worse = {"outcome": "returned", "weights": [0.5, 0.5], "parameters": [[3.0, 3.0], [2.0, 2.0]]}
    outcomes = [best, worse, best, {"outcome": "timeout"}]
    keys = [(fitter, restart) for fitter in ("em", "direct") for restart in (0, 1)]
    trial = {"schema": SCHEMA, "scenario": "small", "replicate": 0, "start": "quantile", **unknown}
    lines = [
        to_line({**trial, "fitter": fitter, "restart": restart, **outcome})
        for (fitter, restart), outcome in zip(keys, outcomes, strict=True)
    ]
    (folder / TRIALS).write_bytes(b"".join(lines))
    return folder


@pytest.fixture(scope="module", params=[{}, UNKNOWN], ids=["fewest", "unknown"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("runs") / "run", request.param)


def test_they_are_read_and_missing_facts_are_unknown(folder: Path) -> None:
    run, records = read(folder)
    assert len(records) == 4
    assert (run["begun"], run["machine"]["system"]) == ("unknown", "unknown")
    assert run["versions"] == {"mixturebench": "unknown"}


def test_they_are_scored(folder: Path) -> None:
    scored = score_run(folder)
    trials, x = scored.trials, scored.data_sets["small", 0].observations
    assert trials["status"].tolist() == ["converged", "unfinished", "converged", "timeout"]
    density = 0.5 * stats.beta.pdf(x, 3.0, 3.0) + 0.5 * stats.beta.pdf(x, 2.0, 2.0)
    assert trials["nll"][1] == pytest.approx(-np.log(density).mean(), rel=1e-12)
    assert trials[["seconds", "passes", "setup_seconds"]].isna().all(axis=None)


@pytest.mark.parametrize("form", ["html", "md", "csv"])
def test_they_are_reported(folder: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "page"
    done = mixturebench("report", str(folder), "--format", form, "--out", str(out))
    assert done.returncode == 0, done.stderr
    if form != "csv":
        assert "mixturebench unknown, profile by hand" in out.read_text(encoding="utf-8")
        assert "begun unknown" in out.read_text(encoding="utf-8")


def test_their_status_is_shown(folder: Path) -> None:
    done = mixturebench("status", str(folder))
    assert done.returncode == 0, done.stderr
    assert "finished, 4 of 4 trials, begun unknown" in done.stdout
    assert "1 × direct on small: timeout" in done.stdout


def test_they_are_compared_and_become_a_baseline(folder: Path, tmp_path: Path) -> None:
    done = mixturebench("compare", str(folder), str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    done = mixturebench("baseline", str(folder), "--out", str(tmp_path / "base"))
    assert done.returncode == 0, done.stderr
    assert len(read(tmp_path / "base")[1]) == 4


def test_they_are_complete_and_can_be_resumed(folder: Path) -> None:
    done = mixturebench("run", "--no-report", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    assert "All 4 trials are in" in done.stderr


@dataclass(frozen=True)
class LaterModel(Model):
    constraint: str = "none"


@dataclass(frozen=True, eq=False)
class LaterFit(Fit):
    temperature: float = 1.0


@pytest.mark.parametrize("spec", ["em", "newton", "direct"])
def test_a_later_model_with_another_field_is_fitted(spec: str) -> None:
    data, fitter, mixtures = sample("beta"), parse(spec), []
    for cls in (Model, LaterModel):
        model = cls(data.family, 2)
        assert fitter.supports(model) is None
        start = Start.of(policy("quantile"), data, model, 3)
        mixtures.append(fitter.prepare(data, model).fit(start, 3, lambda copy: None).mixture)
    assert_array_equal(mixtures[0].parameters, mixtures[1].parameters)


def test_a_later_fit_with_another_field_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(Prepared):
        def fit(self, start: Start, seed: int, observe: Any) -> Fit:
            return LaterFit(start.mixture, True, 1, {}, temperature=2.0)

    data = sample("beta")
    runner = CellRunner(Cell(load("small"), 0, "em", 0, (("quantile", 0),)), data)
    monkeypatch.setattr(type(runner.fitter), "prepare", lambda *arguments: Later())
    runner.prepare(None)
    (record,) = runner.run(runner.cell.trials)
    assert (record["outcome"], record["claimed"]) == ("returned", True)


COMMANDS = [
    ("run", "--out", "{old}"),
    ("status", "{old}"),
    ("score", "{old}"),
    ("report", "{old}"),
    ("baseline", "{old}", "--out", "base"),
    ("compare", "{old}", "{new}"),
    ("compare", "{new}", "{old}"),
]


@pytest.mark.parametrize("arguments", [*COMMANDS, ("run", "--scenario", "small", "--out", "{old}")])
def test_a_run_of_schema_3_is_refused(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert_refused(json.dumps(RUN_3), folder, tmp_path, arguments)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_records_of_schema_3_are_refused(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert_refused((folder / RUN).read_text(), folder, tmp_path, arguments)


def assert_refused(run: str, folder: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A command ends with exit status 2 and one sentence, and changes nothing."""
    assert from_line(LINE_3)  # its checksum is right
    old = tmp_path / "old"
    old.mkdir()
    (old / RUN).write_text(run)
    (old / TRIALS).write_bytes(LINE_3)
    done = mixturebench(*(a.format(old=old, new=folder) for a in arguments), folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("mixturebench: ")
    assert done.stderr.count("\n") == 1
    assert f"has schema 3, and this version of mixturebench reads schema {SCHEMA}" in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["old", RUN, TRIALS]
