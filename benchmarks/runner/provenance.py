"""The versions, the machine and the code that a run was made with."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import fitters
from fitters import CONTRACT

VERSIONS = (
    "mixturebench", "numpy", "scipy", "torch", "pytorch-lightning", "pymc", "nutpie", "arviz",
    "pandas",
)  # fmt: skip
PACKAGES = ("scenarios", "fitters", "benchmarks")
CODE = ("scenarios", "fitters", "benchmarks/runner")
"""The packages whose files decide what a trial does."""
ROOT = Path(str(fitters.__file__)).parent.parent
"""The folder of the packages that this process runs."""


def provenance() -> dict[str, Any]:
    """Return the fields ``contract``, ``begun``, ``versions``, ``machine`` and ``code``."""
    system, versions = platform.uname(), {"python": platform.python_version()}
    for package in VERSIONS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "contract": CONTRACT,
        "begun": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions,
        "machine": {"system": f"{system.system} {system.machine}", "cores": os.cpu_count()},
        "code": code_state(),
    }


def code_state(root: Path = ROOT) -> dict[str, Any]:
    """Identify the code below ``root``: ``commit``, ``clean`` and ``digest``.

    ``commit`` is that of the git checkout which holds ``fitters``, and ``clean`` whether its
    packages have no uncommitted change; both are None outside a checkout. ``digest`` is the
    SHA-256 of the packages in ``CODE``.
    """
    tree = (root / "fitters").resolve().parent
    commit = clean = None
    if _git(tree, "ls-files", "--", "fitters/__init__.py"):  # a wheel may lie in a checkout
        commit = _git(tree, "rev-parse", "HEAD")
        clean = _git(tree, "status", "--porcelain", "--", *PACKAGES) == ""
    digest = source_digest(*(root / package for package in CODE))
    return {"commit": commit or None, "clean": clean, "digest": digest}


def code_text(code: Mapping[str, Any] | None) -> str:
    """A ``code_state`` in a few words; "code that is not on record" for None."""
    if code is None:
        return "code that is not on record"
    digest = f"code {code['digest'][:12]}"
    if code["commit"] is None:
        return digest
    return f"{digest}, commit {code['commit'][:12]}{'' if code['clean'] else ' with changes'}"


def source_digest(*packages: Path) -> str:
    """Return the SHA-256 of the names and contents of packages' .py and .toml files."""
    digest = hashlib.sha256()
    for package in packages:
        folder = package.resolve()
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
            name = Path(package.name, path.relative_to(folder)).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _git(tree: Path, *arguments: str) -> str | None:
    """Return what a git command prints in ``tree``, or None if it fails."""
    try:
        command = ["git", "-C", str(tree), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
