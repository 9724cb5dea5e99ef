"""A run is of one code: it is not resumed, nor compared, as a mixture of several."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mixturebench as mb
from benchmarks.runner.journal import RUN, TRIALS
from tests.conftest import ROOT, mixturebench

PLAN = ("--scenario", "small", "--fitter", "em", "--restarts", "3")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("code") / "run"
    mb.run(["small"], ["em"], restarts=3, out=out, workers=1)
    return out


def copied(run: Path, out: Path, **changes: Any) -> Path:
    """A copy of a run whose last trial is missing and whose ``run.json`` is changed."""
    shutil.copytree(run, out)
    content = json.loads((out / RUN).read_text())
    (out / RUN).write_text(json.dumps({**content, **changes}))
    lines = (out / TRIALS).read_bytes().splitlines(keepends=True)
    (out / TRIALS).write_bytes(b"".join(lines[:-1]))
    return out


def test_a_run_is_resumed_by_its_own_code(run: Path, tmp_path: Path) -> None:
    cut = copied(run, tmp_path / "cut")
    done = mixturebench("run", "--out", str(cut), "--no-report")
    assert done.returncode == 0, done.stderr
    assert mb.load(cut).status.state == "finished"


def test_a_run_is_not_resumed_by_other_code(run: Path, tmp_path: Path) -> None:
    code = json.loads((run / RUN).read_text())["code"]
    versions = json.loads((run / RUN).read_text())["versions"]
    other = copied(run, tmp_path / "code", code={**code, "digest": "0" * 64})
    older = copied(run, tmp_path / "scipy", versions={**versions, "scipy": "1.0.0"})
    for folder, words in ((other, "code 000000000000"), (older, "scipy 1.0.0, not")):
        before = (folder / TRIALS).read_bytes()
        done = mixturebench("run", "--out", str(folder))
        assert done.returncode == 2
        assert "were run by other code" in done.stderr
        assert words in done.stderr
        assert (folder / TRIALS).read_bytes() == before


def test_a_side_of_two_codes_is_not_compared(run: Path, tmp_path: Path) -> None:
    content = json.loads((run / RUN).read_text())
    (session,) = content["sessions"]
    later = {**session, "code": {**session["code"], "digest": "1" * 64}}
    mixed = copied(run, tmp_path / "mixed", sessions=[session, later])
    for pair in ((run, mixed), (mixed, run)):
        done = mixturebench("compare", *map(str, pair))
        assert done.returncode == 2
        assert "are of more than one code" in done.stderr
        assert "111111111111" in done.stderr
    done = mixturebench("compare", str(run), str(run))
    digest = session["code"]["digest"][:12]
    assert f"base: code {digest}" in " ".join(done.stdout.split())


def test_the_base_of_an_interrupted_comparison_is_not_resumed_by_todays_code(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    for package in ("fitters", "scenarios"):
        shutil.copytree(ROOT / package, tree / package)
    (tree / "fitters" / "em.py").open("a").write("\n# another version\n")
    command = ("run", *PLAN, "--data-sets", "1", "--against", str(tree), "--out", "pair")
    done = mixturebench(*command, folder=tmp_path)
    assert done.returncode == 3, done.stderr  # one data set decides nothing
    base = tmp_path / "pair" / "base"
    lines = (base / TRIALS).read_bytes().splitlines(keepends=True)
    (base / TRIALS).write_bytes(b"".join(lines[:-1]))
    # The status of the folder has both sides, and the command that resumes both.
    status = mixturebench("status", "pair", folder=tmp_path)
    assert status.returncode == 0, status.stderr
    assert "pair/base: interrupted, 2 of 3 trials" in status.stdout
    assert "pair/new: finished, 3 of 3 trials" in status.stdout
    assert f"To go on: mixturebench run --against {tree} --out pair" in status.stdout
    done = mixturebench("run", "--out", "pair/base", folder=tmp_path)
    assert done.returncode == 2
    assert "were run by other code" in done.stderr
    done = mixturebench(*command, folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert len((base / TRIALS).read_bytes().splitlines()) == 3
