"""What the commands do, once the command line has been read."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.harness.judgement import Judgement
    from benchmarks.harness.plan import Choices, Plan
    from benchmarks.harness.run import Source


def run(
    choices: Choices,
    out: Path | None,
    workers: int | None,
    dask: str | None,
    against: str | None,
    report: bool,
) -> None:
    """Plan or take up again, run, judge, print the table, write the page and name it.

    Without ``report`` it ends with the run: ``judge_folder`` and the page can follow later.
    The plan is checked before anything slow is imported, so that a typing error is
    answered at once.
    """
    from benchmarks.harness.journal import RUN, read_run
    from benchmarks.harness.plan import Plan

    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers}: it takes a whole number of at least 1")
    if workers is not None and dask is not None:
        raise UserError("--workers is for this machine; with --dask the cluster's threads decide")
    if against is not None and (workers is not None or dask is not None):
        raise UserError("--against runs one trial at a time: leave out --workers and --dask")
    if out is not None and choices.nothing() and (out / RUN).is_file():
        plan = Plan.of(read_run(out)["plan"])
    else:
        plan = choices.plan()
    if out is None:
        stamp = datetime.now().strftime("%Y-%m-%dT%H%M%S")
        out = Path("results") / "runs" / f"{stamp}-{plan.profile}"
    if against is not None:
        _run_against(plan, out, against, report)
        return
    _carry_out(plan, out, workers or _cores(), dask)
    if not report:
        print(f"Run: {out}; its report: mixturebench report {out}")
        return
    from benchmarks.report.page import Page, html

    judgement = _judged(out)
    _write_parquet(judgement.trials, out / "trials.parquet")
    _print_judgement(judgement)
    page = write_text(out / "report.html", html(Page(judgement)), "--out")
    print(f"\nReport: {page}")


def judge(folder: Path) -> None:
    """Judge an old run again: its table is printed, and its Parquet file replaced."""
    judgement = _judged(folder)
    _write_parquet(judgement.trials, folder / "trials.parquet")
    _print_judgement(judgement)


def status(folder: Path) -> None:
    """Print what a run has done, what is left, what failed and why."""
    from benchmarks import terminal
    from benchmarks.harness.run import how_to_resume
    from benchmarks.harness.status import status_of

    terminal.show_status(status_of(folder), folder, how_to_resume(folder))


def report(folder: Path, out: Path | None, figures: Path | None, form: str) -> None:
    """Judge an old run again and write its page, and its figures by themselves if asked.

    Markdown and CSV are printed, unless there is a file to write them to.
    """
    from benchmarks.report import page

    told = page.Page(_judged(folder))
    if figures is not None:
        for name, svg in told.figures():
            write_text(figures / f"{name}.svg", svg, "--figures")
        print(f"Figures: {figures}", file=sys.stderr)
    if form == "html":
        out = out or folder / "report.html"
    text = {"html": page.html, "md": page.markdown, "csv": page.csv}[form](told)
    if out is None:
        print(text, end="")
    else:
        print(f"Report: {write_text(out, text, '--out')}")


def compare(base: Path, new: Path, alpha: float, form: str, out: Path | None) -> None:
    """Print or write the gate's verdict on two runs; its word is the exit status."""
    from benchmarks import terminal
    from benchmarks.gate import show
    from benchmarks.gate.pairs import pair
    from benchmarks.gate.verdict import compare as verdict_of

    if not 0.0 < alpha < 0.5:
        raise UserError(f"--alpha {alpha:g}: it takes a number above 0 and below 0.5")
    pairs = pair(base, new, terminal.say)
    terminal.say("")
    comparison = verdict_of(pairs, alpha)
    if form == "json":
        told = show.as_json(comparison)
    elif form == "markdown":
        told = show.markdown(comparison)
    else:
        told = terminal.comparison_text(comparison)
    if out is None:
        print(told.rstrip())
    else:
        write_text(out, told, "--out")
        print(f"{show.sentence(comparison)} All of it: {out}")
    raise SystemExit(comparison.exit_code)


def baseline(folder: Path, out: Path) -> None:
    """Keep a complete run's facts, without its traces."""
    from benchmarks.gate.baseline import keep

    count, size = keep(folder, out)
    print(f"{count} trials in {out}, {size / 1e3:.0f} kB")


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


def _carry_out(plan: Plan, folder: Path, workers: int, dask: str | None) -> None:
    """Do what is left of the plan; an interruption says what is safe and how to go on."""
    from benchmarks import terminal
    from benchmarks.harness.run import how_to_resume, in_workers, note_session, open_run

    source: Source = in_workers(plan, workers)
    if dask is not None:
        from benchmarks.harness.cluster import Cluster

        cluster = Cluster(dask)
        source, workers = cluster.source(plan), cluster.threads
    with open_run(plan, folder) as opened:
        before, began = len(opened.done), time.monotonic()
        if before == plan.size():
            print(f"All {before} trials are in {folder} already", file=sys.stderr)
            return
        told = f"{plan.size()} trials into {folder}"
        print(told + (f", {before} of them done" if before else ""), file=sys.stderr)
        try:
            with terminable(), terminal.RunProgress(opened) as progress:
                opened.carry_out(source, progress)
        except BaseException:
            safe = f"{len(opened.done)} of {plan.size()} trials are safe in {folder}"
            print(f"{safe}; to go on: {how_to_resume(folder)}", file=sys.stderr)
            raise
        finally:
            note_session(folder, began, workers, len(opened.done) - before)


def _run_against(plan: Plan, out: Path, ref: str, report: bool) -> None:
    """Both sides by turns, into ``base`` and ``new`` below ``out``; then ends as ``compare`` does.

    Without ``report`` it ends with the runs.
    """
    from benchmarks import terminal
    from benchmarks.gate import ALPHA
    from benchmarks.gate.against import run_by_turns

    print(f"2 × {plan.size()} trials into {out}", file=sys.stderr)
    with terminable():
        base, new = run_by_turns(plan, out, ref, terminal.RunProgress)
    print(f"Runs: {base} and {new}; their comparison: mixturebench compare {base} {new}")
    if not report:
        return
    compare(base, new, ALPHA, "text", None)


@contextmanager
def terminable() -> Iterator[None]:
    """Within it a request to terminate, as a batch system sends, ends in good order too."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _cores() -> int:
    """The cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _judged(folder: Path) -> Judgement:
    from benchmarks import terminal
    from benchmarks.harness.judgement import judge_folder

    judgement = judge_folder(folder, terminal.say)
    terminal.say("")
    if judgement.trials.empty:
        raise UserError(f"the run in {folder} has no trials yet: there is nothing to judge")
    return judgement


def _print_judgement(judgement: Judgement) -> None:
    """The comparison, and what the reader must know of it."""
    from benchmarks import terminal

    terminal.show_comparison(judgement.trials)
    for note in judgement.notes:
        print(f"Note: {note}.")


def _write_parquet(trials: pd.DataFrame, path: Path) -> None:
    """Whole, or not at all."""
    from io import BytesIO

    from benchmarks.harness.journal import replace_file

    content = BytesIO()
    trials.to_parquet(content, index=False)
    try:
        replace_file(path, content.getvalue())
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}; make room for it") from error


def write_text(path: Path, text: str, option: str) -> Path:
    """Write a file that a user asked for by ``option``; ``UserError`` if it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{option}: {path} can't be written: {error.strerror}; name a place that can"
        ) from error
    return path
