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

import fitters
from benchmarks.files import locked
from benchmarks.runner.choices import Choices
from benchmarks.runner.execution import planned, stored_plan, terminable
from benchmarks.runner.journal import RUN, read_run
from benchmarks.runner.plan import Plan
from benchmarks.runner.progress import Progress, Tally, show_line
from benchmarks.runner.provenance import PACKAGES, ROOT, code_state, source_digest
from benchmarks.runner.session import open_session
from benchmarks.runner.supervisor import Supervisor
from scenarios.errors import UserError

TREES = Path("results") / "trees"


def run_against(
    ref: str,
    *,
    out: str | Path | None = None,
    progress: Callable[[Progress], object] = show_line,
    **choices: Any,
) -> tuple[Path, Path]:
    """Run choices, as ``mixturebench.run`` takes them, with the fitters of ``ref`` and today's.

    Returns the folders of the two runs; raises ``UserError`` as ``run_interleaved`` does.
    """
    chosen = Choices.of(choices)
    if chosen.data is not None:
        raise UserError("--against runs scenarios: put --data into a scenario's file")
    folder = None if out is None else Path(out)
    stored = None if folder is None else stored_plan(folder / "new")
    if folder is None or stored is None:
        plan, folder = planned(chosen, folder)
    else:
        plan = chosen.plan(stored)
    with terminable():
        return run_interleaved(plan, folder, ref, progress)


def run_interleaved(
    plan: Plan, out: Path, ref: str, progress: Callable[[Progress], object]
) -> tuple[Path, Path]:
    """Run ``plan`` with the fitters and scenarios of ``ref``, and with the current ones.

    Returns the folders ``out/base`` and ``out/new`` of the two runs. Both sides use the current
    runner and run each cell in succession, one process at a time; which side is first alternates.
    ``ref`` is a git revision, or a folder with ``fitters`` and ``scenarios``. Raises ``UserError``
    if it is neither or has another contract, or as ``open_session`` does.
    """
    with locked(TREES / ".lock"):  # two runs may need the same tree
        tree = Path(ref) if Path(ref).is_dir() else checkout(ref)
        roots = {"base": import_root(tree), "new": ROOT}
    pair_id = _pair_id(out)
    with ExitStack() as stack:
        runs, supervisors = {}, {}
        for side, root in roots.items():
            facts = {
                "interleaved_with": pair_id,
                "against": ref,
                "packages": _package_digests(root),
                "code": code_state(root),
            }
            runs[side] = stack.enter_context(open_session(plan, out / side, facts))
            supervisors[side] = stack.enter_context(closing(Supervisor(plan.limits, 1, root)))
        tally = Tally(plan, out, runs["new"].done)
        progress(tally.add([]))
        on_record = {
            "base": lambda record: None,
            "new": lambda record: progress(tally.add([record])),
        }
        order = ["base", "new"]
        for cell in plan.cells():
            for side in order:
                runs[side].execute(supervisors[side], on_record[side], [cell])
            order.reverse()
    return out / "base", out / "new"


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


def _package_digests(root: Path) -> dict[str, dict[str, str]]:
    """Return the file of each package below ``root``, and the SHA-256 of its code."""
    folders = {package: (root / package).resolve() for package in PACKAGES}
    return {
        package: {"file": str(folder / "__init__.py"), "digest": source_digest(folder)}
        for package, folder in folders.items()
    }


def _contract(tree: Path) -> int | None:
    """Read the ``CONTRACT`` of a tree's fitters from the source, without running it."""
    source = (tree / "fitters" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r"^CONTRACT = (\d+)$", source, re.MULTILINE)
    return int(found[1]) if found else None


def _pair_id(out: Path) -> str:
    """Return the identifier that both runs record: an earlier session's, or a new one."""
    base = out / "base"
    recorded = read_run(base).get("interleaved_with") if (base / RUN).is_file() else None
    return str(recorded or uuid.uuid4().hex)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"--against needs git: {error}") from error
