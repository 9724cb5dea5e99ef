"""Run a plan beside a base, another version of the fitters or recorded runs, until decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.compare.looks import Looks, looks_of, plan_of
from benchmarks.compare.settle import BUDGET, Settled, settle
from benchmarks.compare.sides import Interleaved, Recorded
from benchmarks.compare.trees import fresh_seed, roots_of
from benchmarks.runner.choices import Choices
from benchmarks.runner.execution import available_cores, planned, stored_plan, terminable
from benchmarks.runner.journal import RUN, read_run
from benchmarks.runner.plan import Plan
from benchmarks.runner.progress import Progress, show_line
from scenarios.errors import UserError


def run_against(
    bases: str | Path | Iterable[str | Path],
    *,
    out: str | Path | None = None,
    budget: float = BUDGET,
    workers: int | None = None,
    progress: Callable[[Progress], object] = show_line,
    **choices: Any,
) -> Settled:
    """Run choices, as ``mixturebench.run`` takes them, and compare with ``bases`` until decided.

    A base is the folder of a run, such as a committed baseline. Or there is one base that is a
    git revision, or a folder with ``fitters`` and ``scenarios``: then both sides run, interleaved,
    on fresh data, whose seed is derived from both sides' code. Without ``data_sets`` the
    comparison takes as many as it needs, or as ``budget`` seconds allow. The profile is ``check``
    by default. Raises ``UserError`` as ``Choices.plan``, ``open_session`` and ``pair`` do.
    """
    chosen, names = Choices.of(choices), _names(bases)
    if chosen.data is not None:
        raise UserError("--against runs scenarios: put --data into a scenario's file")
    if not budget > 0.0:
        raise UserError(f"--budget {budget:g}: it takes a time above 0")
    recorded = [Path(name) for name in names if (Path(name) / RUN).is_file()]
    if len(recorded) not in (0, len(names)) or (not recorded and len(names) > 1):
        raise UserError(
            f"--against {', '.join(names)}: name folders of runs, or one revision or tree alone"
        )
    if recorded:
        return _against_runs(chosen, recorded, out, budget, workers, progress)
    if workers is not None:
        raise UserError("--against a revision runs one trial at a time: leave out --workers")
    return interleave(chosen, names[0], roots_of(names[0]), out, budget, progress)


def _against_runs(
    chosen: Choices,
    bases: list[Path],
    out: str | Path | None,
    budget: float,
    workers: int | None,
    progress: Callable[[Progress], object],
) -> Settled:
    """Compare with recorded runs, on their data."""
    seed = Plan.of(read_run(bases[0])["plan"]).seed
    plan, looks, folder = _planned(chosen, seed, None if out is None else Path(out), "")
    sides = Recorded(folder, bases, looks, workers or available_cores(), plan.limits, progress)
    with closing(sides), terminable():
        return Settled(folder, settle(plan, looks, sides, budget))


def interleave(
    chosen: Choices,
    ref: str,
    roots: Mapping[str, Path],
    out: str | Path | None,
    budget: float,
    progress: Callable[[Progress], object],
) -> Settled:
    """Compare two versions of the fitters and scenarios, ``base`` and ``new`` among the roots."""
    seed = fresh_seed(roots)
    plan, looks, folder = _planned(chosen, seed, None if out is None else Path(out), "new")
    sides = Interleaved(folder, ref, roots, looks, plan.limits, progress)
    with closing(sides), terminable():
        return Settled(folder / "new", settle(plan, looks, sides, budget))


def _names(bases: str | Path | Iterable[str | Path]) -> list[str]:
    given = [bases] if isinstance(bases, str | Path) else list(bases)
    if not given:
        raise UserError("--against: name a run's folder, a revision or a tree")
    return [str(base) for base in given]


def _planned(chosen: Choices, seed: int, out: Path | None, side: str) -> tuple[Plan, Looks, Path]:
    """The plan of some choices or of an earlier session, its looks, and the folder.

    A new plan has ``seed`` unless one is chosen. The run is in the folder's ``side``. There are no
    looks where the number of data sets is given.
    """
    stored = None if out is None else stored_plan(out / side)
    if out is not None and stored is not None:
        begun = {name: tuple(s) for name, s in read_run(out / side).get("looks", {}).items()}
        plan = chosen.plan(stored)
        if begun and set(plan.fitters) - set(begun):
            raise UserError(
                f"--out {out}: the comparison that is there began without some of these fitters: "
                "name another folder"
            )
        return plan, begun, out
    if chosen.profile is None:
        chosen = replace(chosen, profile="check")
    if chosen.seed is None:
        chosen = replace(chosen, seed=seed)
    plan, folder = planned(chosen, out)
    if chosen.data_sets is not None:
        return plan, {}, folder
    real = [scenario.name for scenario in plan.scenarios if scenario.truth is None]
    if real:
        raise UserError(
            f"--against draws new data sets until it is decided, and {real[0]} is real data, of "
            "which there is one: give --data-sets 1"
        )
    looks = looks_of(plan.fitters, len(plan.scenarios))
    return plan_of(plan, {name: sizes[0] for name, sizes in looks.items()}), looks, folder
