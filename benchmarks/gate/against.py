"""Run one plan with two versions of the fitters, by turns on one machine."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import benchmarks
import fitters
from benchmarks.harness.journal import RUN, read_run
from benchmarks.harness.plan import Plan
from benchmarks.harness.run import open_run
from benchmarks.harness.supervisor import Supervisor
from scenarios.errors import UserError

ROOMS = ("benchmarks", "fitters", "scenarios")
TREES = Path("results") / "trees"


def run_by_turns(
    plan: Plan, out: Path, ref: str, progress: Callable[[Any], Any]
) -> tuple[Path, Path]:
    """Carry ``plan`` out into ``out/base``, with ``ref``'s fitters and scenarios, and
    ``out/new``, with today's; returns both folders.

    A cell is done by one side and then by the other, which of them first by turns, in one
    process at a time; the yardstick is today's for both. ``ref`` is a git revision, or a
    folder with ``fitters`` and ``scenarios``. Raises ``UserError`` if it is neither, if its
    contract is another, or as ``open_run`` does.
    """
    tree = Path(ref) if Path(ref).is_dir() else worktree(ref)
    roots = {"base": root_of(tree), "new": Path(str(fitters.__file__)).parent.parent}
    mark = _mark(out)
    with ExitStack() as stack:
        runs, supervisors = {}, {}
        for side, root in roots.items():
            facts = {"interleaved_with": mark, "packages": packages(root)}
            runs[side] = stack.enter_context(open_run(plan, out / side, facts))
            supervisors[side] = stack.enter_context(closing(Supervisor(plan.limits, 1, root)))
        shown = stack.enter_context(progress(runs["new"]))
        order = ["base", "new"]
        for cell in plan.cells():
            for side in order:
                note = shown if side == "new" else (lambda record: None)
                runs[side].carry_out(supervisors[side].run, note, [cell])
            order.reverse()
    return out / "base", out / "new"


def worktree(ref: str) -> Path:
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


def root_of(tree: Path) -> Path:
    """A folder beside which Python finds ``tree``'s fitters and scenarios, and our benchmarks.

    Raises ``UserError`` where the tree lacks one, or keeps another contract.
    """
    for room in ("fitters", "scenarios"):
        if not (tree / room / "__init__.py").is_file():
            raise UserError(f"--against: {tree} has no {room}/: name a tree of this project")
    theirs = _contract(tree)
    if theirs != fitters.CONTRACT:
        raise UserError(
            f"--against: {tree} keeps contract {theirs}, and today's harness speaks "
            f"{fitters.CONTRACT}: name a later revision"
        )
    root = TREES / f"{hashlib.sha256(str(tree.resolve()).encode()).hexdigest()[:12]}.root"
    root.mkdir(parents=True, exist_ok=True)
    own = Path(str(benchmarks.__file__)).parent
    for room in ROOMS:
        link, place = root / room, own if room == "benchmarks" else tree / room
        link.unlink(missing_ok=True)
        link.symlink_to(place.resolve(), target_is_directory=True)
    return root.resolve()


def packages(root: Path) -> dict[str, dict[str, str]]:
    """Where each of the rooms below ``root`` really is, and the SHA-256 of its files."""
    told = {}
    for room in ROOMS:
        place = (root / room).resolve()
        digest = hashlib.sha256()
        for path in sorted([*place.rglob("*.py"), *place.rglob("*.toml")]):
            digest.update(str(path.relative_to(place)).encode() + b"\0" + path.read_bytes())
        told[room] = {"file": str(place / "__init__.py"), "digest": digest.hexdigest()}
    return told


def _contract(tree: Path) -> int | None:
    """The ``CONTRACT`` that a tree's fitters state, read and not run."""
    for node in ast.parse((tree / "fitters" / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "CONTRACT" in names:
                return int(str(node.value.value))
    return None


def _mark(out: Path) -> str:
    """What both runs of a pair have in common: that of an earlier session, or a new one."""
    earlier = out / "base"
    told = read_run(earlier).get("interleaved_with") if (earlier / RUN).is_file() else None
    return str(told or uuid.uuid4().hex)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"--against needs git: {error}") from error
