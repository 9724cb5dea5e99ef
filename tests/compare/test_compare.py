"""The command `compare`, baselines and interleaved runs, on runs of a fitter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runner.journal import RUN, TRIALS, from_line, read, to_line
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
    assert done.stdout.rstrip().split("\n\n")[-1].startswith("Passed")


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
    plan = ("--scenario", "unequal", "--data-sets", "12", "--restarts", "2", "--out", "run")
    poor = "em:accelerate=false,max_iterations=3"
    done = mixturebench(
        "run", "--no-report", *plan, "--fitter", "em", "--fitter", poor, folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    worse = mixturebench("compare", "run", "--fitters", "em", poor, folder=tmp_path)
    assert worse.returncode == 1, worse.stderr
    assert f"Regressed: {poor} against em: found fell" in " ".join(worse.stdout.split())
    better = mixturebench("compare", "run", "--fitters", poor, "em", "--json", folder=tmp_path)
    lines = {row["line"]: row for row in json.loads(better.stdout)["lines"]}
    assert lines["converged"]["estimate"] < -0.9
    assert "time" not in lines
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
    assert done.stdout.startswith("Passed: no trial broke")
    assert out.read_text("utf-8").startswith("**Passed: no trial broke")


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
    content = json.loads(compared.stdout)
    assert content["verdict"] == "passed"
    # em was run again, and repeats exactly: it is compared trial by trial.
    assert [(row["layer"], row["identical"]) for row in content["fitters"]] == [("exact", 42)]
    broken = changed(em, tmp_path / "broken", "parameters", 1.1)
    worse = mixturebench("compare", str(out), str(broken))
    assert worse.returncode == 1
    assert "Regressed: em broke 1 of 42 trials" in worse.stdout
    assert "1 broke: " in worse.stdout  # of the first cell that ended
    other = changed(em, tmp_path / "start", "start_parameters", 1.0 + 1e-6)
    assert mixturebench("compare", str(out), str(other)).returncode == 2
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


def run_against(base: Path | str, *options: str, folder: Path) -> Any:
    return mixturebench("run", "--against", str(base), "--out", "run", *options, folder=folder)


def test_an_interleaved_run_detects_a_planted_defect(tmp_path: Path) -> None:
    defect = next(d for d in DEFECTS if "E-steps" in d.name)
    tree = plant(defect, "10", tmp_path / "tree")
    # Data differ with every change of the code: on these, ten steps are always too few.
    plan = ("--scenario", "overlapping", "--scenario", "nested", "--fitter", "em")
    done = run_against(tree, *plan, folder=tmp_path)
    # The tree is the base here: today's em mends trials, and takes more steps for it.
    assert done.returncode == 1, done.stderr
    assert "Regressed: em: cost × " in " ".join(done.stdout.split())
    out = tmp_path / "run"
    base, new = (read(out / name)[0] for name in ("base", "new"))
    assert base["interleaved_with"] == new["interleaved_with"]
    assert base["repeats"] == {"em": True}
    assert base["plan"]["seed"] == new["plan"]["seed"] != 0  # of the code of both sides
    assert Path(base["packages"]["fitters"]["file"]).is_relative_to(tree.resolve())
    assert base["packages"]["benchmarks"] == new["packages"]["benchmarks"]
    assert base["packages"]["fitters"]["digest"] != new["packages"]["fitters"]["digest"]
    assert {r["iterations"] for r in read(out / "base")[1]} <= set(range(13))
    assert len(read(out / "base")[1]) == len(read(out / "new")[1])
    turned = mixturebench("compare", str(out / "new"), str(out / "base"), "--json")
    assert turned.returncode == 1
    content = json.loads(turned.stdout)
    assert {line["line"]: line["verdict"] for line in content["lines"]}["found"] == "regressed"
    # The same command again has nothing to run, and gives the same verdict.
    again = run_against(tree, *plan, folder=tmp_path)
    assert again.returncode == 1
    assert "are in run already" in again.stderr
    assert len(read(out / "base")[1]) == len(read(out / "new")[1])


def spoil(run: Path) -> None:
    """Replace the mixture of the first trial of a run by a poor one."""
    records = read(run)[1]
    for record in records:
        if (record["replicate"], record["restart"]) == (0, 0):
            record |= {"parameters": [[3.0, 3.0], [2.0, 2.0]], "iterations": 1}
    (run / TRIALS).write_bytes(b"".join(map(to_line, records)))


def test_a_run_is_compared_with_recorded_runs_on_their_data(tmp_path: Path) -> None:
    plan = ("--profile", "check", "--scenario", "small", "--fitter", "em", "--data-sets", "4")
    made = mixturebench("run", "--no-report", *plan, "--out", "sound", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    kept = mixturebench("baseline", "sound", "--out", "release", folder=tmp_path)
    assert kept.returncode == 0, kept.stderr
    shutil.copytree(tmp_path / "release", tmp_path / "baseline")
    both = ("--against", "release", *plan)
    done = run_against("baseline", *both, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Against baseline" in done.stdout
    assert "Against release" in done.stdout
    assert read(tmp_path / "run")[0]["against"] == ["baseline", "release"]
    assert read(tmp_path / "run")[0]["plan"]["seed"] == 0
    assert "Again: mixturebench compare baseline run --alpha 0.005" in done.stdout
    # A trial that broke since the release, and was renewed away in the baseline.
    for folder in ("baseline", "run"):
        spoil(tmp_path / folder)
    done = run_against("baseline", *both, "--verdict", "verdict.md", folder=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Against baseline: Passed" in done.stdout
    assert "Against release: Regressed: em broke 1 of 8 trials" in done.stdout
    written = (tmp_path / "verdict.md").read_text("utf-8")
    assert written.startswith("### Against baseline\n\n**Passed")
    (tmp_path / "results").mkdir(exist_ok=True)
    (tmp_path / "results" / "accepted.toml").write_text(
        '[[accepted]]\nfitter = "em"\nreason = "a poor mixture, on purpose"\n'
        'trials = ["small data set 0 restart 0"]\n'
    )
    assert run_against("baseline", *both, folder=tmp_path).returncode == 0


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


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--against", "HEAD", "--budget", "20"), "--budget 20"),
        (("--against", "HEAD", "--budget", "0s"), "--budget 0"),
        (("--against", "HEAD", "--against", "main"), "one revision"),
        (("--against", "HEAD", "--workers", "2"), "leave out --workers"),
        (("--against", "HEAD", "--dask", "here"), "leave out --dask"),
        (("--against", "HEAD", "--dry-run"), "leave out --dry-run"),
        (("--budget", "5m"), "--budget 5m: it is for --against"),
        (("--verdict", "v.md"), "--verdict v.md: it is for --against"),
    ],
)
def test_a_wrong_option_of_a_comparison_is_one_sentence(
    options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = mixturebench("run", *options, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
