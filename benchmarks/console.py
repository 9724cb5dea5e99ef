"""What the commands print: tables and texts on standard output, progress on standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from types import TracebackType
from typing import TYPE_CHECKING, Self

from benchmarks.report.tables import Column, Table, text_width

if TYPE_CHECKING:
    import pandas as pd
    from rich.progress import Progress as RichProgress

    from benchmarks.compare.run import Run
    from benchmarks.reference.bound import Bound
    from benchmarks.reference.certificate import Reference
    from benchmarks.runner.estimate import Estimate
    from benchmarks.runner.progress import Progress

STATUS_COLUMNS = (
    Column("fitter", "fitter", left=True, fold=True),
    Column("cells", "cells", "{cells_done}/{cells}".format_map),
    Column("trials", "trials", "{trials_done}/{trials}".format_map),
    Column("failures", "failures", left=True, fold=True),
)


class Bar:
    """The progress of a run: a bar in a terminal, and a line at its beginning and at its end.

    It is called with each ``Progress``. After an interruption it says how to go on.
    """

    def __init__(self) -> None:
        self._last: Progress | None = None
        self._rich: RichProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        first, self._last = self._last is None, progress
        if first and progress.done == progress.planned:
            print(f"All {progress.done} trials are in {progress.folder} already", file=sys.stderr)
        elif first:
            done = f", {progress.done} of them done" if progress.done else ""
            print(f"{progress.planned} trials into {progress.folder}{done}", file=sys.stderr)
            self._rich = _started_bar(progress)
        if self._rich is not None:
            from benchmarks.runner.progress import count_text

            failures = count_text(progress.failures)
            self._rich.update(
                self._rich.task_ids[0],
                completed=progress.done,
                total=progress.planned,
                cells=f"{progress.cells_done}/{progress.cells}",
                failures=f"({failures})" if failures else "",
            )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rich is not None:
            self._rich.stop()
        last = self._last
        if error is not None and last is not None and last.done < last.planned:
            from benchmarks.runner.session import resume_command

            safe = f"{last.done} of {last.planned} trials are safe in {last.folder}"
            print(f"{safe}; to go on: {resume_command(last.folder)}", file=sys.stderr)


def _started_bar(progress: Progress) -> RichProgress:
    from rich import progress as rich
    from rich.console import Console

    console = Console(stderr=True)
    bar = rich.Progress(
        rich.SpinnerColumn(),
        rich.TextColumn("{task.fields[cells]} cells"),
        rich.BarColumn(bar_width=24),
        rich.MofNCompleteColumn(),
        rich.TextColumn("trials"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("elapsed, about"),
        rich.TimeRemainingColumn(),
        rich.TextColumn("left {task.fields[failures]}"),
        console=console,
        disable=not console.is_terminal,
    )
    bar.add_task("", total=progress.planned, completed=progress.done, cells="", failures="")
    bar.start()
    return bar


def show_estimate(estimated: Estimate) -> None:
    """Print the trials of a plan, and about how long those not on record take."""
    from benchmarks.runner.progress import duration

    columns = (
        Column("fitter", "fitter", left=True, fold=True),
        Column("restarts", "restarts"),
        Column("trials", "trials"),
        Column("done", "done"),
        Column("seconds", "time", lambda row: duration(row["seconds"])),
    )
    print(Table.of("", columns, estimated.fitters).text(text_width()))
    print(estimated)


def show_status(run: Run) -> None:
    """Print the status of a run: a table, the causes of failure, and the time spent."""
    from benchmarks.runner.session import resume_command

    status, folder = run.status, run.folder
    print(f"{folder}: {status.headline}")
    print(Table.of("", STATUS_COLUMNS, status.fitters).text(text_width()))
    for cause in status.causes[:20]:
        print(cause)
    if len(status.causes) > 20:
        print(f"and {len(status.causes) - 20} other causes: see the messages in trials.jsonl")
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in status.times.items())
    if status.seconds:
        share = status.times["fits"] / (status.seconds * status.workers)
        times += f"; {status.seconds:.1f} s passed with workers: {status.workers}, "
        times += f"{share:.0%} of them inside fits"
    print(f"Time: {times}.")
    if status.state == "interrupted":
        print(f"To go on: {resume_command(folder)}")
    elif status.state == "finished":
        print(f"To see it: mixturebench report {folder}")


def show_comparison(run: Run, wide: bool) -> None:
    """Print the conclusion, the comparison on each scenario and over all, and the notes."""
    from benchmarks.report.columns import COMPARISON, NARROW, of_scenario
    from benchmarks.report.page import data_sets

    columns = COMPARISON if wide else NARROW
    over_all = [column for column in columns if column.overall]
    room = max(text_width(), 200) if wide else text_width()
    print(fill(run.page.verdict[0].replace("`", ""), text_width()))
    models = {section.name: section.model for section in run.page.sections}
    for scenario, rows in run.summary().groupby("scenario", sort=False):
        count, label = data_sets(rows), f"{scenario}: {models[str(scenario)]}"
        if count == 1:
            label += " (intervals: these data)"
        print("\n" + Table.of(label, of_scenario(columns, count), rows).text(room))
    if run.trials["scenario"].nunique() > 1:
        overall = run.summary(("fitter", "start"))
        print("\n" + Table.of("all scenarios together", over_all, overall).text(room))
    for note in run.scored.notes:
        print(fill(f"Note: {note}.", text_width()))


def show_reference(name: str, found: Reference) -> None:
    """Print the best known optimum of a scenario's data, and its certificate."""
    from benchmarks.reference.certificate import SAME_OPTIMUM
    from scenarios.families import family

    names, n = family(found.family).parameter_names(), found.size
    print(f"{name}, n = {n:,}: the best admissible {found.family} mixture found")
    components = zip(found.weights, found.parameters, strict=True)
    for weight, row in sorted(components, key=lambda component: component[1]):
        values = ", ".join(f"{key} {value:.6g}" for key, value in zip(names, row, strict=True))
        print(f"  {weight:.6f} · {found.family}({values})")
    print(
        f"log likelihood {found.log_likelihood:.6f}, NLL {-found.log_likelihood / n:.10f}, attained"
    )
    if found.fewer_components:
        print(f"  no admissible optimum with {found.components} components is better than this")
    for limit in found.limits:
        print(f"  {limit}")
    for text in found.verdict:
        print(fill(text, text_width(), subsequent_indent="  "))
    print(
        f"{found.ascents} ascents; {found.predicted_gain:.1e} nats left to gain there; smallest "
        f"curvature {found.smallest_eigenvalue:.3g}"
    )
    gaps = [found.log_likelihood - optimum.log_likelihood for optimum in found.admissible]
    below = [gap for gap in gaps if gap >= SAME_OPTIMUM]
    if below:
        print(f"the next admissible optimum of {len(gaps)} is {below[0]:.2f} nats lower")


def show_bound(bound: Bound, attained: float) -> None:
    """Print an upper bound beside the log likelihood that is ``attained``."""
    if bound.log_likelihood is None:
        text = f"upper bound: none, because {bound.reason}"
    else:
        how = "proved" if bound.proved else "estimated"
        gain = bound.log_likelihood - attained
        text = (
            f"upper bound, {how}: {bound.log_likelihood:.2f}. Admissible components, of any "
            f"number, gain at most {gain:.2f} nats; it certifies no number of them"
        )
        text += f" ({bound.reason})" if bound.reason else ""
    print(fill(text, text_width(), subsequent_indent="  "))


def show_list(frame: pd.DataFrame) -> None:
    """Print a data frame of strings, a line a row; a terminal cuts off what it has no room for."""
    columns = [Column(str(name), str(name), left=True) for name in frame]
    plain = frame.replace("`|\\*", "", regex=True)
    room = get_terminal_size().columns
    for line in Table.of("", columns, plain).text(2000).splitlines():
        cut = sys.stdout.isatty() and len(line) > room
        print(f"{line[: room - 1]}…" if cut else line)


def show_settings(frame: pd.DataFrame) -> None:
    """Print a fitter's settings; their meanings take several lines."""
    columns = [Column(str(name), str(name), left=True, fold=True) for name in frame]
    print(Table.of("", columns, frame.replace(r"\*", "", regex=True)).text(text_width()))


def write_figures(folder: Path, figures: dict[str, str]) -> None:
    """Write SVG texts to files named after them; ``UserError`` if that fails."""
    from benchmarks.files import write_text

    for name, svg in figures.items():
        write_text(folder / f"{name}.svg", svg, "--figures")
    print(f"Figures: {folder}", file=sys.stderr)
