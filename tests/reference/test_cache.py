"""The cache of references, which several processes use at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import mixturebench as mb
from benchmarks.compare import against
from benchmarks.reference.search import find_reference
from scenarios.sample import Sample
from tests.conftest import ROOT, environment, mixture


def small() -> Sample:
    truth = mixture("beta", 2)
    return Sample.of(truth.sample(200, 1), truth.family)


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_as_good_as_none(left: float, tmp_path: Path) -> None:
    first = find_reference(small(), 2, 0.02, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole))])
    assert find_reference(small(), 2, 0.02, tmp_path) == first
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", ["[]", "{}", '{"optima": 3}', "null", '{"optima": [1]}'])
def test_a_file_of_another_kind_is_as_good_as_none(content: str, tmp_path: Path) -> None:
    first = find_reference(small(), 2, 0.02, tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    assert find_reference(small(), 2, 0.02, tmp_path) == first
    assert json.loads(path.read_text())["family"] == "beta"


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_two_reports_of_one_run_at_once_make_one_page(rounds: int, tmp_path: Path) -> None:
    mb.run(["small"], ["em"], restarts=2, out=tmp_path / "run", workers=1)
    command = [sys.executable, "-m", "benchmarks", "score", "run"]
    pages = set()
    for number in range(rounds):
        cache = {**environment(), "MIXTUREBENCH_CACHE": str(tmp_path / f"cache{number}")}
        report = [*command[:3], "report", "run"]
        both = [
            subprocess.Popen(each, cwd=tmp_path, env=cache, stderr=subprocess.PIPE, text=True)
            for each in (report, report, command)
        ]
        for process in both:
            _, error = process.communicate(timeout=120)
            assert process.returncode == 0, error
        pages.add((tmp_path / "run" / "report.html").read_text("utf-8"))
        assert len(list((tmp_path / f"cache{number}").iterdir())) == 1
    assert len(pages) == 1
    assert not list((tmp_path / "run").glob("*.part"))


def test_a_tree_is_linked_once_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = against.import_root(ROOT)
    inodes = [(root / name).lstat().st_ino for name in ("fitters", "scenarios", "benchmarks")]
    assert against.import_root(ROOT) == root
    again = [(root / name).lstat().st_ino for name in ("fitters", "scenarios", "benchmarks")]
    assert again == inodes  # another run may read them at this moment
