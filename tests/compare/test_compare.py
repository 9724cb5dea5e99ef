"""The command `compare`, baselines and interleaved runs, on runs of a fitter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.compare.verdict import EXIT, METRICS
from benchmarks.runner.journal import RUN, TRIALS, from_line, read, to_line
from benchmarks.runner.profiles import PROFILES
from benchmarks.scoring import statistics
from benchmarks.studies.planted import DEFECTS, plant
from tests.conftest import mixturebench

PLAN = ("--scenario", "separated", "--scenario", "unequal", "--data-sets", "7", "--restarts", "3")


@pytest.fixture(scope="module")
def em(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compare") / "em"
    done = mixturebench("run", "--no-report", *PLAN, "--fitter", "em", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def changed(run: Path, out: Path, name: str, factor: float) -> Path:
    """A copy of a run in whose first record the numbers of a field are multiplied."""
    shutil.copytree(run, out)
    first, *rest = (out / TRIALS).read_bytes().splitlines(keepends=True)
    record = from_line(first)
    assert record is not None
    record[name] = [[factor * value for value in row] for row in record[name]]
    (out / TRIALS).write_bytes(to_line(record) + b"".join(rest))
    return out


def test_a_run_compared_with_itself_passes(em: Path) -> None:
    done = mixturebench("compare", str(em), str(em))
    assert done.returncode == 0, done.stderr
    assert "all pairs equal" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("Passed")


def test_runs_with_another_start_or_contract_are_not_compared(em: Path, tmp_path: Path) -> None:
    other = changed(em, tmp_path / "start", "start_parameters", 1.0 + 1e-6)
    done = mixturebench("compare", str(em), str(other))
    assert done.returncode == 2
    assert "the start of" in done.stderr
    assert "separated" in done.stderr
    rounded = changed(em, tmp_path / "rounded", "start_parameters", 1.0 + 1e-13)
    assert mixturebench("compare", str(em), str(rounded)).returncode == 0
    older = tmp_path / "contract"
    shutil.copytree(em, older)
    run = json.loads((older / RUN).read_text())
    (older / RUN).write_text(json.dumps({**run, "contract": 0}))
    done = mixturebench("compare", str(older), str(em), "--json")
    assert done.returncode == 2
    assert "contract 0" in done.stderr
    assert mixturebench("compare", str(em), str(em), "--alpha", "0.9").returncode == 2
    assert mixturebench("compare", str(em), str(tmp_path / "none")).returncode == 2


def test_two_fitters_of_a_run_are_compared(tmp_path: Path) -> None:
    plan = ("--scenario", "unequal", "--data-sets", "2", "--restarts", "4", "--out", "run")
    poor = "em:accelerate=false,max_iterations=3"
    done = mixturebench(
        "run", "--no-report", *plan, "--fitter", "em", "--fitter", poor, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    worse = mixturebench("compare", "run", "--fitters", "em", poor, folder=tmp_path)
    assert worse.returncode == 1, worse.stderr
    assert f"Regressed: {poor} against em: converged fell" in " ".join(worse.stdout.split())
    better = mixturebench("compare", "run", "--fitters", poor, "em", "--json", folder=tmp_path)
    verdicts = {row["metric"]: row for row in json.loads(better.stdout)["verdicts"]}
    assert verdicts["converged"]["estimate"] == -1.0
    assert verdicts["time"]["advisory"]
    for words in ("run", f"run run --fitters em {poor}", "run --fitters em x"):
        wrong = mixturebench("compare", *words.split(), folder=tmp_path)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert len(wrong.stderr.splitlines()) == 1


def test_runs_without_a_scenario_in_common_are_not_compared(em: Path, tmp_path: Path) -> None:
    plan = ("--scenario", "small", "--fitter", "em", "--restarts", "1")
    other = str(tmp_path / "other")
    assert mixturebench("run", "--no-report", *plan, "--out", other).returncode == 0
    for two in ([str(em), other], [other, str(em)]):
        done = mixturebench("compare", *two)
        assert done.returncode == 2
        assert "no scenario in common" in done.stderr


def test_a_comparison_is_written_to_a_file_in_the_form_that_is_asked_for(
    em: Path, tmp_path: Path
) -> None:
    out = tmp_path / "verdict.md"
    done = mixturebench(
        "compare", str(em), str(em), "--format", "markdown", "--out", str(out)
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Passed: no regression")
    assert out.read_text("utf-8").startswith("**Passed: no regression")


def test_a_baseline_is_small_and_compares_as_its_run_does(em: Path, tmp_path: Path) -> None:
    out = tmp_path / "baseline"
    done = mixturebench("baseline", str(em), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert (out / TRIALS).stat().st_size < 0.5 * (em / TRIALS).stat().st_size
    records = sorted(
        read(em)[1], key=lambda r: (r["scenario"] != "separated", r["replicate"], r["restart"])
    )
    assert [r["parameters"] for r in read(out)[1]] == [r["parameters"] for r in records]
    compared = mixturebench("compare", str(out), str(em), "--json")
    assert compared.returncode == 0
    assert json.loads(compared.stdout)["verdict"] == "passed"
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "precious").write_text("a user's file")
    assert mixturebench("baseline", str(em), "--out", str(tmp_path / "else")).returncode == 2


def test_an_incomplete_run_is_no_baseline(em: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(em, cut)
    lines = (cut / TRIALS).read_bytes().splitlines(keepends=True)
    (cut / TRIALS).write_bytes(b"".join(lines[:-1]))
    done = mixturebench("baseline", str(cut), "--out", str(tmp_path / "baseline"))
    assert done.returncode == 2
    assert "not complete (41 of 42 trials)" in done.stderr
    assert not (tmp_path / "baseline").exists()


def test_an_interleaved_run_detects_a_planted_defect(tmp_path: Path) -> None:
    defect = next(d for d in DEFECTS if "E-steps" in d.name)
    tree = plant(defect, "10", tmp_path / "tree")
    out = tmp_path / "run"
    done = mixturebench(
        "run", *PLAN, "--fitter", "em", "--against", str(tree), "--out", str(out), folder=tmp_path
    )
    # The tree is the base here: today's em is better, which is no regression. It takes more
    # steps, whose passes and time may be more.
    found = json.loads(mixturebench("compare", f"{out}/base", f"{out}/new", "--json").stdout)
    verdicts = {row["metric"]: row["verdict"] for row in found["verdicts"]}
    assert {verdicts.pop(name) for name in ("passes", "time")} <= set(EXIT)
    assert set(verdicts.values()) == {"passed"}
    assert not any(row["advisory"] for row in found["verdicts"])
    assert done.returncode == EXIT[found["verdict"]], done.stderr
    # The runs are complete: the same command again has nothing to do, and need not compare.
    plan = (*PLAN, "--fitter", "em", "--against", str(tree), "--out", str(out))
    again = mixturebench("run", *plan, "--no-report", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"mixturebench compare {out}/base {out}/new" in again.stdout
    assert "Passed" not in again.stdout
    base, new = (read(out / name)[0] for name in ("base", "new"))
    assert base["interleaved_with"] == new["interleaved_with"]
    assert Path(base["packages"]["fitters"]["file"]).is_relative_to(tree.resolve())
    assert base["packages"]["benchmarks"] == new["packages"]["benchmarks"]
    assert base["packages"]["fitters"]["digest"] != new["packages"]["fitters"]["digest"]
    assert {r["iterations"] for r in read(out / "base")[1]} <= set(range(13))
    turned = mixturebench("compare", str(out / "new"), str(out / "base"))
    assert turned.returncode == 1
    assert "em: converged fell by" in turned.stdout
    assert len(read(out / "base")[1]) == len(read(out / "new")[1]) == 42


def test_against_takes_only_a_tree_of_this_project(tmp_path: Path) -> None:
    done = mixturebench("run", "--against", "no-such-revision", folder=tmp_path)
    assert done.returncode == 2
    assert "no git revision here and no folder" in done.stderr
    (tmp_path / "empty").mkdir()
    done = mixturebench("run", "--against", "empty", folder=tmp_path)
    assert done.returncode == 2
    assert "has no fitters/" in done.stderr
    for package in ("fitters", "scenarios"):
        (tmp_path / "older" / package).mkdir(parents=True)
        (tmp_path / "older" / package / "__init__.py").write_text('"""Docs."""\n\nCONTRACT = 1\n')
    done = mixturebench("run", "--against", "older", folder=tmp_path)
    assert done.returncode == 2
    assert "fitters.CONTRACT 1" in done.stderr


def test_the_profile_check_has_enough_data_sets() -> None:
    check = PROFILES["check"]
    counted = len(check.fitters) * (len(METRICS) - 1)
    assert len(check.scenarios) * check.data_sets >= statistics.min_pairs(0.01 / counted)
