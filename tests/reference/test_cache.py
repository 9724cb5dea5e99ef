"""The cache of references, which several processes use at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mixturebench as mb
from benchmarks.compare import trees
from benchmarks.files import replace_file
from benchmarks.reference.search import NoReferenceError, find_reference
from benchmarks.reference.verify import FamilyError
from benchmarks.scoring.data_set import DataSet
from scenarios.sample import Sample
from scenarios.scenario import load
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

    def links(root: Path) -> list[tuple[int, int]]:
        found = [(root / name).lstat() for name in ("fitters", "scenarios", "benchmarks")]
        return [(link.st_ino, link.st_ctime_ns) for link in found]  # an inode may be used again

    root = trees.import_root(ROOT)
    before = links(root)
    time.sleep(0.02)
    assert trees.import_root(ROOT) == root
    assert links(root) == before  # another run may read them at this moment


def test_two_processes_may_replace_a_file_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fsync = tmp_path / "file", os.fsync

    def interrupted(file: int) -> None:
        """Another process replaces the file before this one moves its own there."""
        monkeypatch.setattr("benchmarks.files.os.fsync", fsync)
        replace_file(path, b"other")

    monkeypatch.setattr("benchmarks.files.os.fsync", interrupted)
    replace_file(path, b"own")
    assert path.read_bytes() == b"own"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_reference_that_scipy_does_not_confirm_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*values: object) -> None:
        raise FamilyError("wrong")

    monkeypatch.setattr("benchmarks.reference.search.check_likelihood", refused)
    with pytest.raises(FamilyError):
        find_reference(small(), 2, 0.02, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_search_that_found_nothing_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def nothing(*values: object) -> None:
        calls.append(values)
        raise NoReferenceError("nothing")

    monkeypatch.setattr("benchmarks.scoring.data_set.find_reference", nothing)
    data_set = DataSet.of(load("small"), 0, 0)
    assert data_set.best_known is None
    for _ in range(2):
        with pytest.raises(NoReferenceError):
            _ = data_set.reference
    assert len(calls) == 1
