"""Run one plan with two versions of the fitters, interleaved on one machine."""

from __future__ import annotations

import hashlib
import re
import subprocess
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import benchmarks
import fitters
from benchmarks.runner.journal import RUN, read_run
from benchmarks.runner.plan import Plan
from benchmarks.runner.provenance import PACKAGES, ROOT, code_state, source_digest
from benchmarks.runner.session import open_session
from benchmarks.runner.supervisor import Supervisor
from scenarios.errors import UserError

TREES = Path("results") / "trees"


def run_interleaved(
    plan: Plan, out: Path, ref: str, progress: Callable[[Any], Any]
) -> tuple[Path, Path]:
    """Run ``plan`` into ``out/base``, with the fitters and scenarios of ``ref``, and into
    ``out/new``, with today's; returns both folders.

    Each cell is run by both sides in succession, in one process at a time; which side is first
    alternates. Both sides use today's runner. ``ref`` is a git revision, or a folder with
    ``fitters`` and ``scenarios``. Raises ``UserError`` if it is neither, if its contract is
    another, or as ``open_session`` does.
    """
    tree = Path(ref) if Path(ref).is_dir() else checkout(ref)
    roots = {"base": import_root(tree), "new": ROOT}
    pair_id = _pair_id(out)
    with ExitStack() as stack:
        runs, supervisors = {}, {}
        for side, root in roots.items():
            facts = {"interleaved_with": pair_id, "packages": _package_digests(root)}
            facts["code"] = code_state(root)
            runs[side] = stack.enter_context(open_session(plan, out / side, facts))
            supervisors[side] = stack.enter_context(closing(Supervisor(plan.limits, 1, root)))
        progress_bar = stack.enter_context(progress(runs["new"]))
        order = ["base", "new"]
        for cell in plan.cells():
            for side in order:
                on_record = progress_bar if side == "new" else (lambda record: None)
                runs[side].execute(supervisors[side], on_record, [cell])
            order.reverse()
    return out / "base", out / "new"


def checkout(ref: str) -> Path:
    """The tree of a git revision, checked out below ``results/trees``."""
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
    """A folder of links to the tree's ``fitters`` and ``scenarios`` and to our ``benchmarks``.

    Raises ``UserError`` where the tree lacks one, or has another contract.
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
    benchmarks_folder = Path(str(benchmarks.__file__)).parent
    for package in PACKAGES:
        target = benchmarks_folder if package == "benchmarks" else tree / package
        link = root / package
        link.unlink(missing_ok=True)
        link.symlink_to(target.resolve(), target_is_directory=True)
    return root.resolve()


def _package_digests(root: Path) -> dict[str, dict[str, str]]:
    """The file of each package below ``root``, links resolved, and the SHA-256 of its code."""
    folders = {package: (root / package).resolve() for package in PACKAGES}
    return {
        package: {"file": str(folder / "__init__.py"), "digest": source_digest(folder)}
        for package, folder in folders.items()
    }


def _contract(tree: Path) -> int | None:
    """The ``CONTRACT`` of a tree's fitters, read from the source without running it."""
    source = (tree / "fitters" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r"^CONTRACT = (\d+)$", source, re.MULTILINE)
    return int(found[1]) if found else None


def _pair_id(out: Path) -> str:
    """The identifier that both runs of a pair record: that of an earlier session, or a new one."""
    base = out / "base"
    recorded = read_run(base).get("interleaved_with") if (base / RUN).is_file() else None
    return str(recorded or uuid.uuid4().hex)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"--against needs git: {error}") from error
