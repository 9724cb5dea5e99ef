"""The file of a fit's page: named after file and column, and nobody else's."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.fit.page_name import page_path
from scenarios.data_files import read
from tests.conftest import mixturebench

PLAN = ("--family", "normal", "--components", "1", "--restarts", "1")


def pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.glob("*.html")}


def test_no_page_replaces_that_of_another_file_or_column(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(30, 2))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a b,a/b", comments="")
    np.savetxt(tmp_path / "x.tsv", 100.0 + x, delimiter="\t", header="a b\ta/b", comments="")
    (tmp_path / "sub").mkdir()
    np.savetxt(tmp_path / "sub" / "x.csv", x[:, 0] - 100.0, header="a b", comments="")
    seen: dict[str, str] = {}
    for source, column, name in [
        ("x.csv", "a b", "x.a_b.fit.html"),
        ("x.csv", "a/b", "x.a_b-2.fit.html"),
        ("x.tsv", "a b", "x.a_b-3.fit.html"),
        ("sub/x.csv", "a b", "x.a_b-4.fit.html"),
    ]:
        done = mixturebench("fit", source, "--column", column, *PLAN, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f"Page: {name}\n")
        now = pages(tmp_path)
        assert {key: now[key] for key in seen} == seen
        assert set(now) == {*seen, name}
        seen = now
    np.savetxt(tmp_path / "y.csv", x, delimiter=",")
    for column in ("1", "2"):
        done = mixturebench("fit", "y.csv", "--column", column, *PLAN, folder=tmp_path)
        assert done.stdout.endswith(f"Page: y.{column}.fit.html\n")
    seen = pages(tmp_path)
    # The same file and column, with other numbers: the page is renewed.
    np.savetxt(tmp_path / "x.tsv", 7.0 + x, delimiter="\t", header="a b\ta/b", comments="")
    path = str(tmp_path / "x.tsv")
    assert mixturebench("fit", path, "--column", "a b", *PLAN, folder=tmp_path).returncode == 0
    now = pages(tmp_path)
    assert set(now) == set(seen)
    assert {name for name in now if now[name] != seen[name]} == {"x.a_b-3.fit.html"}


def test_a_file_that_is_no_page_of_ours_stays(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv.gz", np.arange(9.0))
    (tmp_path / "x.fit.html").write_text("mine")
    (tmp_path / "x-2.fit.html").mkdir()
    done = mixturebench("fit", "x.csv.gz", *PLAN, folder=tmp_path)
    assert done.stdout.endswith("Page: x-3.fit.html\n"), done.stderr
    assert (tmp_path / "x.fit.html").read_text() == "mine"
    assert str(tmp_path) not in (tmp_path / "x-3.fit.html").read_text()


def test_pages_of_standard_input_are_told_by_their_numbers(tmp_path: Path) -> None:
    for text, name in [("1\n2\n4\n", "data"), ("1\n2\n5\n", "data-2"), ("1\n2\n4\n", "data")]:
        with contextlib.chdir(tmp_path):
            done = CliRunner().invoke(app, ["fit", "-", *PLAN], input=text)
        assert done.stdout.endswith(f"Page: {name}.fit.html\n"), done.stderr


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("a.b.csv", "x", "a.b.x.fit.html"),
        ("x.csv.gz", "../../etc", "x.etc.fit.html"),
        ("-x y.csv", "Länge [µm]", "x_y.Länge_µm.fit.html"),
        ("x.csv", "x" * 300, f"x.{'x' * 80}.fit.html"),
        ("x.csv", "é" * 300, f"x.{'é' * 40}.fit.html"),
        ("...csv", "$?", "data.fit.html"),
    ],
)
def test_a_name_is_safe(name: str, column: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(f"{column}\n1.5\n2.5\n", "utf-8")
    found = page_path(read(str(path), column), tmp_path)
    assert found == tmp_path / expected
    found.write_text("")
