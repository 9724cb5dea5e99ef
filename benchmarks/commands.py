"""The commands of ``mixturebench``: each function prints and writes the results of one."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import console
from benchmarks.files import replace_file, write_text
from scenarios.errors import UserError

if TYPE_CHECKING:
    from benchmarks.fit.options import Options
    from benchmarks.runner.plan import Choices, Plan
    from benchmarks.runner.session import Backend
    from benchmarks.scoring.score import ScoredRun


def list_(kind: str) -> None:
    """Print all scenarios, fitters, families or starts."""
    from benchmarks.report import inventory

    console.show_frame(getattr(inventory, kind)().replace("`|\\*", "", regex=True))


def run(
    choices: Choices,
    out: Path | None,
    workers: int | None,
    dask: str | None,
    against: str | None,
    report: bool,
) -> None:
    """Run a new plan, or resume the one in ``out``; then score it and write its page.

    Without ``report`` it ends with the run. The plan is checked before anything slow is
    imported, so that a typing error is answered at once.
    """
    from benchmarks.runner.journal import RUN, read_run
    from benchmarks.runner.plan import Plan

    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers}: it takes a whole number of at least 1")
    if workers is not None and dask is not None:
        raise UserError("--workers is for this machine; with --dask the cluster's threads decide")
    if against is not None and (workers is not None or dask is not None):
        raise UserError("--against runs one trial at a time: leave out --workers and --dask")
    if out is not None and choices.is_empty() and (out / RUN).is_file():
        plan = Plan.of(read_run(out)["plan"])
    else:
        plan = choices.plan()
    if out is None:
        stamp = datetime.now().strftime("%Y-%m-%dT%H%M%S")
        out = Path("results") / "runs" / f"{stamp}-{plan.profile}"
    if against is not None:
        _run_against(plan, out, against, report)
        return
    from benchmarks.runner.execution import available_cores, execute_plan
    from benchmarks.runner.supervisor import LocalBackend

    backend: Backend = LocalBackend(plan.limits, workers or available_cores())
    if dask is not None:
        from benchmarks.runner.dask_backend import DaskBackend

        backend = DaskBackend(dask, plan.limits)
    execute_plan(plan, out, backend)
    if not report:
        print(f"Run: {out}; its report: mixturebench report {out}")
        return
    from benchmarks.report.formats.base import formats
    from benchmarks.report.page import Page

    scored = score(out)
    page = write_text(out / "report.html", formats()["html"].render(Page(scored)), "--out")
    print(f"\nReport: {page}")


def score(folder: Path) -> ScoredRun:
    """Score a run, write its scores to ``trials.parquet``, and print its tables and notes."""
    from io import BytesIO

    scored, path, content = _scored(folder), folder / "trials.parquet", BytesIO()
    scored.trials.to_parquet(content, index=False)
    try:
        replace_file(path, content.getvalue())
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}; make room for it") from error
    console.show_comparison(scored.trials)
    for note in scored.notes:
        print(f"Note: {note}.")
    return scored


def fit(
    source: str,
    column: str | None,
    drop_missing: bool,
    options: Options,
    as_json: bool,
    out: Path | None,
    figures: Path | None,
) -> None:
    """Fit a mixture to a column of a file, print the answer, and write its page."""
    from pydantic_core import to_json

    from benchmarks.fit import page
    from benchmarks.fit.figures import density_figure, quantile_figure
    from benchmarks.fit.find import find_mixture
    from benchmarks.fit.warnings import warnings
    from benchmarks.runner.progress import say
    from scenarios.data_files import STANDARD_INPUT, read

    data = read(source, column, drop_missing)
    try:
        answer = find_mixture(data, options, say)
    finally:
        say("")
    sentences = warnings(answer)
    if as_json:
        print(to_json(answer.content(sentences), indent=1, inf_nan_mode="null").decode())
        path = out
    else:
        console.show_answer(answer, sentences)
        path = out or Path(f"{'data' if source == STANDARD_INPUT else Path(source).stem}.fit.html")
    if path is None and figures is None:
        return
    drawn = [density_figure(answer), quantile_figure(answer)]
    if figures is not None:
        for figure in drawn:
            write_text(figures / f"{figure.name}.svg", figure.svg, "--figures")
    if path is not None:
        write_text(path, page.html(answer, sentences, drawn), "--out")
        if not as_json:
            print(f"\nPage: {path}")


def status(folder: Path) -> None:
    """Print what a run has done, what is left, what failed and why."""
    from benchmarks.runner.run_status import status_of
    from benchmarks.runner.session import resume_command

    console.show_status(status_of(folder), folder, resume_command(folder))


def report(folder: Path, out: Path | None, figures: Path | None, form: str) -> None:
    """Score a run again and write its report, and each figure as a file if asked.

    A format for terminals, such as Markdown, is printed unless a file is named.
    """
    from benchmarks.report.formats.base import formats
    from benchmarks.report.page import Page
    from scenarios.registry import choose

    known = formats()
    chosen = known[choose("format", form, known)]
    page = Page(_scored(folder))
    if figures is not None:
        for drawn in page.all_figures:
            write_text(figures / f"{drawn.name}.svg", drawn.svg, "--figures")
        print(f"Figures: {figures}", file=sys.stderr)
    if out is None and not chosen.printed:
        out = folder / f"report.{chosen.extension}"
    text = chosen.render(page)
    if out is None:
        print(text, end="")
    else:
        print(f"Report: {write_text(out, text, '--out')}")


def reference(name: str, components: int | None, data_sets: int, seed: int) -> None:
    """Print the reference of data set 0, or the information errors of many data sets."""
    from benchmarks.reference.search import cache_folder, find_reference
    from benchmarks.runner.datasets import draw_sample
    from benchmarks.scoring.truth_errors import information_errors
    from scenarios.model import Model
    from scenarios.scenario import load

    scenario = load(name)
    for option, value in (("--components", components), ("--data-sets", data_sets)):
        if value is not None and value < 1:
            raise UserError(f"{option} {value}: it takes a whole number of at least 1")
    count = components if components is not None else scenario.components
    if data_sets > 1:
        if components is not None and components != scenario.components:
            raise UserError(
                f"--data-sets compares with the truth, which has {scenario.components} "
                f"components, not {components}: leave --components out"
            )
        errors = information_errors(name, data_sets, seed)
        mean, error = float(errors.mean()), float(errors.std(ddof=1)) / errors.size**0.5
        print(f"information error of the reference over {errors.size} data sets of {name}:")
        print(f"mean {mean:.3f} ± {error:.3f} (1 is the Cramér–Rao bound, for large samples)")
        return
    sample = draw_sample(scenario, 0, seed)
    if sample.size < Model(sample.family, count).dimension:
        raise UserError(f"{sample.size} observations are too few for {count} components")
    min_spread = scenario.specification.spread_floor
    console.show_reference(
        name, sample.size, find_reference(sample, count, min_spread, cache_folder())
    )


def compare(base: Path, new: Path, alpha: float, form: str, out: Path | None) -> None:
    """Print or write the comparison of two runs; its verdict is the exit status."""
    from benchmarks.compare import render
    from benchmarks.compare.pairs import pair
    from benchmarks.compare.verdict import compare as verdict_of
    from benchmarks.runner.progress import say

    if not 0.0 < alpha < 0.5:
        raise UserError(f"--alpha {alpha:g}: it takes a number above 0 and below 0.5")
    pairs = pair(base, new, say)
    say("")
    comparison = verdict_of(pairs, alpha)
    text = render.FORMATS[form](comparison)
    if out is None:
        print(text.rstrip())
    else:
        write_text(out, text, "--out")
        print(f"{render.sentence(comparison)} All of it: {out}")
    raise SystemExit(comparison.exit_code)


def baseline(folder: Path, out: Path) -> None:
    """Write a complete run's facts, without its traces, as a baseline."""
    from benchmarks.compare.baseline import write_baseline

    count, size = write_baseline(folder, out)
    print(f"{count} trials in {out}, {size / 1e3:.0f} kB")


def check(spec: str) -> None:
    """Run the contract test and print each of its points."""
    from benchmarks.runner.contract import check_fitter

    failed = 0
    for point, wrong in check_fitter(spec):
        failed += wrong is not None
        print(f"{'ok  ' if wrong is None else 'FAIL'} {point}{f': {wrong}' if wrong else ''}")
        sys.stdout.flush()
    if failed:
        print(f"{spec} breaks {failed} of the contract's points")
        raise SystemExit(1)
    print(f"{spec} meets the contract")


def _run_against(plan: Plan, out: Path, ref: str, report: bool) -> None:
    """Run both sides, interleaved, into ``out/base`` and ``out/new``; compare if ``report``."""
    from benchmarks.compare import ALPHA
    from benchmarks.compare.against import run_interleaved
    from benchmarks.runner.execution import terminable
    from benchmarks.runner.progress import progress_bar

    print(f"2 × {plan.size()} trials into {out}", file=sys.stderr)
    with terminable():
        base, new = run_interleaved(plan, out, ref, progress_bar)
    print(f"Runs: {base} and {new}; their comparison: mixturebench compare {base} {new}")
    if report:
        compare(base, new, ALPHA, "text", None)


def _scored(folder: Path) -> ScoredRun:
    from benchmarks.runner.progress import say
    from benchmarks.scoring.score import score_run

    scored = score_run(folder, say)
    say("")
    if scored.trials.empty:
        raise UserError(f"the run in {folder} has no trials yet: there is nothing to score")
    return scored
