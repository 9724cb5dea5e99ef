"""CONTRIBUTING.md: each example is added to a copy of the project, and used."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, environment

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FENCED = re.compile(r"^```\w*\n(# ([^\s,]+)[^\n]*\n.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = {name: text for text, name in FENCED.findall(PAGE)}
FILES = [name for name in EXAMPLES if name.endswith(".py") and not (ROOT / name).exists()]
MAX_LINES = 20


class Tree:
    """A copy of the project to which the page's files are added."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for room in ("scenarios", "fitters", "benchmarks"):
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / room, root / room, ignore=skip)
        for name in FILES:
            (root / name).write_text(EXAMPLES[name], "utf-8")

    def __call__(self, *arguments: str) -> str:
        """Run the command line of the copy, and return its standard output."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "benchmarks", *arguments],
            env=environment() | {"PYTHONPATH": str(self.root)},
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return Tree(tmp_path_factory.mktemp("copy"))


def test_the_page_is_short() -> None:
    assert len(PAGE.split()) <= 900
    for name, text in EXAMPLES.items():
        lines = [line for line in text.splitlines()[1:] if line.strip()]
        assert len(lines) <= MAX_LINES, name


def test_the_page_adds_one_file_of_each_kind() -> None:
    folders = [str(Path(name).parent) for name in FILES]
    assert folders == [
        "fitters", "fitters/starts", "scenarios/families", "benchmarks/report/figures",
    ]  # fmt: skip


def test_the_files_are_listed(tree: Tree) -> None:
    for kind, name in (("fitters", "mine"), ("starts", "equal"), ("families", "inverse_gamma")):
        assert re.search(rf"^{name} ", tree("list", kind), re.M), kind


def test_the_fitter_meets_the_contract(tree: Tree) -> None:
    assert "FAIL" not in tree("check", "mine")


def test_the_family_is_fitted_by_every_general_method(tree: Tree) -> None:
    (tree.root / "two.toml").write_text(
        'title = "Two inverse gammas"\nfamily = "inverse_gamma"\nn = 2000\n'
        "[[components]]\nweight = 0.5\nalpha = 8.0\nbeta = 4.0\n"
        "[[components]]\nweight = 0.5\nalpha = 30.0\nbeta = 90.0\n"
    )
    chosen = ["--fitter", "direct", "--fitter", "gradient:learning_rate=1"]
    tree("run", "--scenario", "two.toml", "--restarts", "1", "--out", "inverse_gamma", *chosen)
    trials = pd.read_parquet(tree.root / "inverse_gamma" / "trials.parquet")
    assert set(trials["status"]) <= {"converged", "found"}
    assert (trials["excess"] > -0.01).all()
    assert trials["worst_relative_error"].max() < 0.2


@pytest.fixture(scope="module")
def run(tree: Tree) -> str:
    """What a run of the page's scenario with its fitter, start and column prints."""
    for name, after in (
        ("benchmarks/scoring/summary.py", '        "restarts": len(rated),\n'),
        ("benchmarks/report/columns.py", "COMPARISON = (\n"),
    ):
        path = tree.root / name
        text, entry = path.read_text("utf-8"), EXAMPLES[name].split("\n", 1)[1]
        assert text.count(after) == 1
        path.write_text(text.replace(after, after + entry), "utf-8")
    (tree.root / "mine.toml").write_text(EXAMPLES["mine.toml"], "utf-8")
    chosen = ["--fitter", "mine", "--fitter", "em", "--start", "equal", "--restarts", "2"]
    return tree("run", "--scenario", "mine.toml", "--out", "run", "--wide", *chosen)


def test_the_scenario_runs_with_the_fitter_and_the_start(tree: Tree, run: str) -> None:
    trials = pd.read_parquet(tree.root / "run" / "trials.parquet")
    assert set(trials["fitter"]) == {"mine", "em"}
    assert set(trials["start"]) == {"equal"}
    assert set(trials["n"]) == {2000}
    assert set(trials["status"]) <= {"converged", "found"}
    assert set(trials[trials["fitter"] == "mine"]["passes"]) == {300.0}


def test_the_column_is_in_the_terminals_table_and_on_the_page(tree: Tree, run: str) -> None:
    assert "slowest" in run
    page = (tree.root / "run" / "report.html").read_text("utf-8")
    assert "Wall time of the slowest fit." in page


def test_the_figure_is_on_the_page_with_its_numbers(tree: Tree, run: str) -> None:
    page = (tree.root / "run" / "report.html").read_text("utf-8")
    assert "Wall times on mine" in page
