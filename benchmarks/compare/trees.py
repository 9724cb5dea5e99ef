"""Other versions of the fitters and scenarios: git revisions, and folders that hold both."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import fitters
from benchmarks.files import locked
from benchmarks.runner.provenance import PACKAGES, ROOT, source_digest
from scenarios.errors import UserError

TREES = Path("results") / "trees"


def roots_of(ref: str) -> dict[str, Path]:
    """The import roots of both sides: ``base``, a revision or a tree, and ``new``, today's.

    Raises ``UserError`` if ``ref`` is neither or has another contract.
    """
    with locked(TREES / ".lock"):  # two runs may need the same tree
        tree = Path(ref) if Path(ref).is_dir() else checkout(ref)
        return {"base": import_root(tree), "new": ROOT}


def package_digests(root: Path) -> dict[str, dict[str, str]]:
    """Return the file of each package below ``root``, and the SHA-256 of its code."""
    folders = {package: (root / package).resolve() for package in PACKAGES}
    return {
        package: {"file": str(folder / "__init__.py"), "digest": source_digest(folder)}
        for package, folder in folders.items()
    }


def fresh_seed(roots: Mapping[str, Path]) -> int:
    """A seed for data and starts, from the SHA-256 of the code of both sides.

    So every change meets data of its own, and nobody can choose a change by its data.
    """
    digest = hashlib.sha256()
    for root in roots.values():
        digest.update(source_digest(root / "fitters", root / "scenarios").encode())
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def checkout(ref: str) -> Path:
    """Check out a git revision below ``results/trees``; returns the folder."""
    commit = _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").stdout.strip()
    if not commit:
        raise UserError(
            f"--against {ref!r} is no git revision here and no folder: name one, as HEAD~1 or main"
        )
    tree = TREES / commit[:12]
    if not tree.exists():
        _git("worktree", "prune")
        added = _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        if added.returncode != 0:
            raise UserError(f"--against {ref}: git can't check it out: {added.stderr.strip()}")
    return tree


def import_root(tree: Path) -> Path:
    """Make a folder of links to the tree's fitters and scenarios and the current ``benchmarks``.

    Raises ``UserError`` if the tree lacks a package or has another contract.
    """
    for package in ("fitters", "scenarios"):
        if not (tree / package / "__init__.py").is_file():
            raise UserError(f"--against: {tree} has no {package}/: name a tree of this project")
    contract = _contract(tree)
    if contract != fitters.CONTRACT:
        raise UserError(
            f"--against: {tree} has fitters.CONTRACT {contract}, and this version runs "
            f"{fitters.CONTRACT}: name a later revision"
        )
    root = TREES / f"{hashlib.sha256(str(tree.resolve()).encode()).hexdigest()[:12]}.root"
    root.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        target = (ROOT if package == "benchmarks" else tree) / package
        link = root / package
        if not link.is_symlink() or link.resolve() != target.resolve():
            link.unlink(missing_ok=True)
            link.symlink_to(target.resolve(), target_is_directory=True)
    return root.resolve()


def _contract(tree: Path) -> int | None:
    """Read the ``CONTRACT`` of a tree's fitters from the source, without running it."""
    source = (tree / "fitters" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r"^CONTRACT = (\d+)$", source, re.MULTILINE)
    return int(found[1]) if found else None


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"--against needs git: {error}") from error
