"""The code of a run: its commit, whether that is clean, and the digest of its files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.runner.provenance import code_state, source_digest

FILES = ("scenarios/a.toml", "scenarios/__init__.py", "fitters/__init__.py", "benchmarks/x.py")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the three packages, each of one or two files."""
    for name in (*FILES, "benchmarks/runner/__init__.py", "docs/page.md"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "tree"


def git(tree: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", "-C", str(tree), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_digest_depends_on_names_and_contents_of_the_code(tree: Path) -> None:
    package = tree / "scenarios"
    digests = [source_digest(package)]
    (package / "a.toml").write_text("n = 2")
    digests.append(source_digest(package))
    (package / "a.toml").rename(package / "b.toml")
    digests.append(source_digest(package))
    assert len(set(digests)) == 3
    (package / "notes.md").write_text("no code")
    assert source_digest(package) == digests[-1]
    link = tree.parent / "scenarios"
    link.symlink_to(package, target_is_directory=True)
    assert source_digest(link) == digests[-1]
    assert source_digest(package, tree / "fitters") != source_digest(tree / "fitters", package)


def test_outside_a_checkout_there_is_a_digest_alone(tree: Path) -> None:
    state = code_state(tree)
    assert (state["commit"], state["clean"]) == (None, None)
    assert len(state["digest"]) == 64
    git(tree, "init", "-q")  # as where a wheel is installed inside a checkout
    assert code_state(tree) == state


def test_a_checkout_is_clean_until_one_of_the_packages_changes(tree: Path) -> None:
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "first")
    state = code_state(tree)
    assert (state["commit"], state["clean"]) == (git(tree, "rev-parse", "HEAD"), True)
    (tree / "docs" / "page.md").write_text("changed")
    assert code_state(tree) == state
    (tree / "benchmarks" / "x.py").write_text("changed")
    assert code_state(tree) == {**state, "clean": False}  # it is not part of the digest
    (tree / "fitters" / "new.py").write_text("")
    assert code_state(tree)["digest"] != state["digest"]
