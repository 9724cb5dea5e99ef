"""What the commands do, once the command line has been read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.harness.judgement import Judgement
    from benchmarks.harness.plan import Cell, Plan


def run(
    profile: str,
    scenarios: list[str],
    fitters: list[str],
    starts: list[str],
    restarts: int | None,
    data_sets: int | None,
    seed: int,
    out: Path | None,
) -> None:
    """Plan, run, judge, print the table, write the page and name it."""
    from benchmarks.harness import plan as planning
    from benchmarks.harness import run as running

    plan = planning.make_plan(profile, scenarios, fitters, starts, restarts, data_sets, seed)
    running.check_scenarios(plan)
    stamp = datetime.now().strftime("%Y-%m-%dT%H%M%S")
    folder = out if out is not None else Path("results") / "runs" / f"{stamp}-{profile}"
    running.make_folder(folder)
    _carry_out(plan, folder)

    from benchmarks.harness.judgement import judge_folder

    judgement = judge_folder(folder, _say)
    _write_parquet(judgement.trials, folder / "trials.parquet")
    _print_judgement(judgement)
    page = _write_page(judgement, folder / "report.html")
    print(f"\nReport: {page}")


def judge(folder: Path) -> None:
    """Judge an old run again: its table is printed, and its Parquet file replaced."""
    judgement = _judged(folder)
    _write_parquet(judgement.trials, folder / "trials.parquet")
    _print_judgement(judgement)


def report(folder: Path, out: Path | None, figures: Path | None) -> None:
    """Judge an old run again and write its page, and its figures by themselves if asked."""
    judgement = _judged(folder)
    page = _write_page(judgement, out if out is not None else folder / "report.html")
    if figures is not None:
        from benchmarks.report.page import Page

        for name, svg in Page(judgement).figures():
            _write_text(figures / f"{name}.svg", svg, "--figures")
        print(f"Figures: {figures}")
    print(f"Report: {page}")


def check(spec: str) -> None:
    """Run the contract test and print each of its points."""
    from benchmarks.harness.contract import check_fitter

    failed = 0
    for point, problem in check_fitter(spec):
        failed += problem is not None
        print(f"{'ok  ' if problem is None else 'FAIL'} {point}{f': {problem}' if problem else ''}")
        sys.stdout.flush()
    if failed:
        print(f"{spec} breaks {failed} of the contract's points")
        raise SystemExit(1)
    print(f"{spec} keeps the contract")


def _carry_out(plan: Plan, folder: Path) -> None:
    """Run with a progress line on a terminal, and a line for each cell elsewhere."""
    from benchmarks.harness.run import run as carry_out

    console = Console(stderr=True)
    console.print(f"{plan.size()} trials into {folder}", highlight=False)
    failures: dict[str, int] = {}
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("trials"),
        TimeElapsedColumn(),
        TextColumn("elapsed, about"),
        TimeRemainingColumn(),
        TextColumn("left {task.fields[failures]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=plan.size(), failures="")

        def progress(cell: Cell, record: dict[str, Any] | None) -> None:
            if record is None:
                what = f"{cell.fitter} on {cell.scenario.name}"
                if plan.data_sets > 1:
                    what += f", data set {cell.data_set}"
                bar.update(task, description=what)
                if not console.is_terminal:
                    console.print(f"  {what}: {len(cell.trials)} trials", highlight=False)
                return
            if record["outcome"] != "returned":
                failures[record["outcome"]] = failures.get(record["outcome"], 0) + 1
            told = ", ".join(f"{count} {name}" for name, count in failures.items())
            bar.update(task, advance=1, failures=f"({told})" if told else "")

        carry_out(plan, folder, progress)


def _judged(folder: Path) -> Judgement:
    from benchmarks.harness.judgement import judge_folder

    judgement = judge_folder(folder, _say)
    if judgement.trials.empty:
        raise UserError(f"the run in {folder} has no trials yet: there is nothing to judge")
    return judgement


def _say(what: str) -> None:
    """Progress of what takes seconds, on a terminal alone."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def _print_judgement(judgement: Judgement) -> None:
    """The comparison, and what the reader must know of it."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    _print_table(judgement.trials)
    for note in judgement.notes:
        print(f"Note: {note}.")


def _print_table(trials: pd.DataFrame) -> None:
    """The comparison, one block a scenario, and the ranking over all of them."""
    from benchmarks.harness.metrics import COLUMNS, KEYS, OVERALL, display, summarise

    console = Console(width=None if sys.stdout.isatty() else 200)

    def show(title: str, rows: pd.DataFrame, names: Iterable[str]) -> None:
        table = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
        for name in names:
            left = name in ("fitter", "start", "others")
            justify: Literal["left", "right"] = "left" if left else "right"
            table.add_column(COLUMNS[name][0], justify=justify, no_wrap=name != "others")
        for row in rows.itertuples():
            told = display(row)
            table.add_row(*(told[name] for name in names))
        console.print(table, highlight=False)

    for scenario, block in summarise(trials).groupby("scenario", sort=False):
        show(str(scenario), block, COLUMNS)
    if trials["scenario"].nunique() > 1:
        show("all scenarios together", summarise(trials, KEYS[1:]), OVERALL)


def _write_parquet(trials: pd.DataFrame, path: Path) -> None:
    """Written beside and moved into place, so that a half-written table is never found."""
    beside = path.with_suffix(".parquet.part")
    trials.to_parquet(beside, index=False)
    beside.replace(path)


def _write_page(judgement: Judgement, path: Path) -> Path:
    from benchmarks.report.page import render

    return _write_text(path, render(judgement), "--out")


def _write_text(path: Path, text: str, option: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{option}: {path} can't be written: {error.strerror}; name a place that can"
        ) from error
    return path
