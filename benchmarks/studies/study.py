"""The commands of ``python -m benchmarks.studies``: each prints tables or writes pages."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.report.tables import Table

app = typer.Typer(
    name="studies",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Studies of the methods and of the project itself.",
)


Page = Annotated[
    Path | None, typer.Option(help="A page whose blocks of that title get the tables.")
]


@app.command()
def article(
    out: Annotated[
        Path, typer.Option(help="The page; its figure is written to the same folder.")
    ] = Path("docs/article.md"),
    restarts: Annotated[
        int, typer.Option(min=2, help="Restarts of each fitter from each start policy.")
    ] = 50,
    run: Annotated[
        Path | None, typer.Option(help="An earlier run of this study, in place of a new one.")
    ] = None,
) -> None:
    """Fit the founding article's data by several methods, and write a page on the results."""
    from benchmarks.studies.article import run_article, write_page

    folder = run or run_article(restarts)
    write_page(folder, out)
    print(f"Page: {out}, of the run in {folder}")


@app.command()
def peers(
    size: Annotated[int, typer.Option(help="Draws from two normals.")] = 100_000,
    repeats: Annotated[int, typer.Option(help="Timed fits of every method.")] = 7,
) -> None:
    """Time our fitters and other libraries' on the same data from the same start, interleaved.

    The data are in memory; times include preparation, such as a sketch. Short of best: in nats of
    the total log likelihood.
    """
    from benchmarks.runner.progress import duration
    from benchmarks.studies.peers import peer_times

    formats = {"median time": duration, "short of best": "{:.2g}".format}
    formats |= dict.fromkeys(("time ÷ first", "lowest", "highest"), "{:.3g}".format)
    show(peer_times(size, repeats), f"two normals, n = {size:,}", formats)


@app.command()
def passes(
    size: Annotated[int, typer.Option(min=2, help="Draws.")] = 10_000,
    bins: Annotated[int, typer.Option(min=16, help="Rows of the sketch.")] = 1024,
    seconds: Annotated[float, typer.Option(min=0.0, help="Time for each kind of step.")] = 1.0,
    page: Page = None,
) -> None:
    """Time compiled passes beside numpy's on the same rows, interleaved; ÷ is their ratio."""
    from benchmarks.runner.progress import duration
    from benchmarks.studies.passes import STEPS, pass_times

    formats: dict[str, Callable[[Any], str]] = {}
    for step in STEPS:
        formats |= {f"{step}, numpy": duration, step: duration, f"{step} ÷": "{:.1f}".format}
    show(pass_times(size, bins, seconds), f"passes, n = {size:,}", formats, page)


@app.command()
def epoch(
    size: Annotated[
        int, typer.Option(min=2, help="Draws from the two betas of `founding`.")
    ] = 10_000,
    epochs: Annotated[int, typer.Option(min=2, help="Epochs of each timed fit.")] = 200,
    repeats: Annotated[int, typer.Option(min=1, help="Timed fits of each kind.")] = 7,
    page: Page = None,
) -> None:
    """Time an epoch of `gradient` by density, beside a plain torch loop and a bare trainer.

    Columns: a torch loop with Adam, Lightning's trainer with the same step, and `gradient`. Its
    parts are torch (the loop with an empty loss: optimiser and autograd), the density, Lightning,
    and bookkeeping (passes, traces, the rule that stops).
    """
    from benchmarks.runner.progress import duration
    from benchmarks.studies.epoch import epoch_times

    times = epoch_times(size, epochs, repeats)
    formats = dict.fromkeys(times.columns[1:], duration)
    show(times, f"an epoch of gradient, n = {size:,}", formats, page)


@app.command()
def scaling(
    max_size: Annotated[
        int, typer.Option(help="The largest n, a power of ten; a value takes 8 bytes.")
    ] = 10**7,
    repeats: Annotated[int, typer.Option(help="Timings of each step; the median counts.")] = 3,
    exact_to: Annotated[int, typer.Option(help="The largest n for direct on all data.")] = 10**6,
    figure: Annotated[Path | None, typer.Option(help="An SVG file for the plot.")] = None,
) -> None:
    """Time `newton:bins=1024` on ½ Beta(10, 1.5) + ½ Beta(1.5, 10) for n = 10⁴, 10⁵, ...

    The data are in a mapped file. Columns: reading (a sum over the data), a pass (log likelihood
    and gradient), sample (checks and statistics), sketch, climb (the fit on the sketch), polish
    (Newton steps on all the data), sketched (the last four together), ÷ pass (that over a pass),
    and exact (`direct` on all the data).
    """
    from benchmarks.files import write_text
    from benchmarks.runner.progress import duration
    from benchmarks.studies.scaling import growth_figure, step_times

    times = step_times(max_size, repeats, exact_to)
    formats: dict[str, Callable[[Any], str]] = dict.fromkeys(times, duration)
    show(times, "newton:bins=1024", {**formats, "n": "{:,}".format, "÷ pass": "{:.1f}".format})
    if figure is not None:
        write_text(figure, growth_figure(times), "--figure")


@app.command()
def power(
    count: Annotated[
        int, typer.Option(min=1, help="Simulated comparisons without a regression.")
    ] = 3000,
    series: Annotated[int, typer.Option(min=1, help="Series of twenty renewals.")] = 100,
    out: Annotated[Path, typer.Option(help="The folder of the rows.")] = Path("results/power"),
    workers: Annotated[int, typer.Option(min=1, help="Simulations at once.")] = os.cpu_count() or 1,
    minutes: Annotated[float, typer.Option(help="No simulation begins later.")] = 60.0,
    only: Annotated[
        str | None,
        typer.Option(help="Run planted defects whose name contains this, and no simulation."),
    ] = None,
    budget: Annotated[str, typer.Option(help="For each planted defect.")] = "20m",
    page: Page = None,
) -> None:
    """Size and power of comparisons: on simulated pairs of runs, and on planted defects.

    First simulated comparisons, settled look after look; then renewals of a baseline that lose two
    points each; then copies of the fitters with defects, gross to slight, which run interleaved
    with the sound ones as `run --against` does. Each row is added to a file in the folder: to go
    on, run the command again.
    """
    from benchmarks.runner.progress import duration, seconds_of
    from benchmarks.studies.planted import run_detections
    from benchmarks.studies.power import renewals, simulate

    if only is None:
        table = simulate(count, out, workers, minutes, print)
        shares = ("regressed", "95 % from", "95 % to", "passed", "inconclusive")
        formats: dict[str, Callable[[Any], str]] = dict.fromkeys(shares, "{:.1%}".format)
        formats["data sets"] = "{:.0f}".format
        for kind, rows in table.groupby("kind", sort=False):
            show(rows.drop(columns="kind"), f"simulated comparisons: {kind}", formats, page)
        firsts = dict.fromkeys(("first, median", "first, at the latest"), _finite("{:.0f}"))
        show(renewals(series), "twenty renewals, two points worse each", firsts, page)
    defects = run_detections(only or "", seconds_of(budget), out, print)
    show(defects.drop(columns="fitter"), "planted defects", {"seconds": duration},
         page if only is None else None)  # fmt: skip


@app.command()
def rounding(
    data_sets: Annotated[int, typer.Option(min=1, help="Data sets of every scenario.")] = 36,
    fitter: Annotated[
        list[str] | None, typer.Option(help="By default those of `check` that repeat and are fast.")
    ] = None,
    page: Page = None,
) -> None:
    """How many trials break through rounding: the same data in another order, and the like.

    The fitters are compared trial by trial with themselves, on the scenarios of `check`.
    """
    from benchmarks.studies.rounding import rounding_changes

    fitters = tuple(fitter or ("em", "em:newton=true", "direct", "newton:bins=1024,batch=2"))
    show(rounding_changes(fitters, data_sets), "changes by rounding", page=page)


@app.command()
def reference(
    problems: Annotated[int, typer.Option(min=1, help="Random problems.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the problems; any two have other ones.")] = 0,
    out: Annotated[Path, typer.Option(help="The folder of the rows.")] = Path("results/reference"),
    workers: Annotated[int, typer.Option(min=1, help="Problems at once.")] = 2,
    minutes: Annotated[float, typer.Option(help="No problem begins later.")] = 9.0,
    bound: Annotated[
        float, typer.Option(min=0, help="Also bound the likelihood, for so many seconds each.")
    ] = 0.0,
) -> None:
    """How often a longer search of another kind beats the reference, by more than .001 nats.

    That rival has ten times the reference's passes over the data: at least 2,000, and at most
    200,000, or as many as cost 10⁹ densities. In families that are not exponential a density
    costs more, and the least is 6,000 and the most a third. A row says whether it was capped so.

    Each problem's row is added to a file in the folder, one file for each version of the code: to
    go on, run the command again. Times are medians of the problems.
    """
    from benchmarks.runner.progress import duration
    from benchmarks.studies.reference import (
        beaten_by_certificate,
        beaten_by_family,
        bounds_by_kind,
        found_by_recipe,
        run_study,
    )

    rows = run_study(problems, seed, out, workers, minutes, bound, print)
    if rows:
        formats = dict.fromkeys(("share", "95 % from", "95 % to"), "{:.1%}".format)
        times = {"largest loss, nats": "{:.3g}".format, "reference": duration, "rival": duration}
        show(beaten_by_family(rows), f"seed {seed}", {**formats, **times})
        show(beaten_by_certificate(rows), "by what the certificate said", formats)
        show(found_by_recipe(rows), "the recipe that led to the reference first", formats)
        if any(row["bound"] for row in rows):
            bounds = bounds_by_kind(rows)
            names = ["nats above, 10 %", "median", "90 %", "seconds"]
            show(bounds, "upper bounds", dict.fromkeys(names, "{:.1f}".format))


@app.command()
def fit(
    count: Annotated[int, typer.Option(min=0, help="Data sets of each kind and size.")] = 200,
    covered: Annotated[int, typer.Option(min=0, help="The same for coverage.")] = 400,
    out: Annotated[Path, typer.Option(help="The folder of the rows.")] = Path("results/fit"),
    workers: Annotated[int, typer.Option(min=1, help="Data sets at once.")] = os.cpu_count() or 1,
    minutes: Annotated[float, typer.Option(help="No data set begins later.")] = 60.0,
    page: Page = None,
) -> None:
    """How often `fit` claims more than one group, and how often its 95 % intervals hold the truth.

    Data with one peak (normal, uniform, exponential, t, lognormal; a flat top, a shoulder) and two
    normals 4 standard deviations apart are fitted with all families and one to four components;
    then mixtures of two groups are fitted with their own family. Each data set's row is added to a
    file in the folder, one for each version of the code: to go on, run the command again.
    """
    from benchmarks.runner.progress import duration
    from benchmarks.studies.fit import coverage_table, groups_table, run_study

    formats: dict[str, Callable[[Any], str]] = {"fit": duration, "confirmation": duration}
    shares = ("more than one group", "before confirmation", "held", "95 % from", "95 % to")
    formats |= dict.fromkeys(shares, "{:.1%}".format)
    for part, number, table, title in (
        ("groups", count, groups_table, "more than one group"),
        ("intervals", covered, coverage_table, "coverage of 95 % intervals"),
    ):
        rows = run_study(part, number, out, workers, minutes, print)
        if rows:
            show(table(rows), title, formats, page)


@app.command()
def proofs(
    scenario: Annotated[list[str], typer.Argument(help="Scenarios of the catalogue.")],
    size: Annotated[int, typer.Option(min=2, help="Observations that are taken of each.")] = 100,
    components: Annotated[int, typer.Option(min=1, help="Components to fit.")] = 2,
    seconds: Annotated[float, typer.Option(min=0, help="For each scenario.")] = 60.0,
) -> None:
    """Prove an optimum of a few components to be the best, by branch and bound on boxes.

    Columns end with what is proved: no admissible mixture of so many components has a log
    likelihood above the best found by more than the gap.
    """
    from benchmarks.studies.branch_and_bound import proofs
    from benchmarks.studies.problems import MIN_SPREAD

    table = proofs(tuple(scenario), size, components, MIN_SPREAD, seconds)
    numbers = dict.fromkeys(table.select_dtypes("float"), "{:.2f}".format)
    show(table, f"{components} components", numbers)


@app.command()
def results(
    run: Annotated[
        Path | None, typer.Option(help="A complete run of the profile standard to publish first.")
    ] = None,
    page: Annotated[Path, typer.Option(help="The page.")] = Path("docs/results.md"),
    readme: Annotated[Path, typer.Option(help="The page with a block <!-- results -->.")] = Path(
        "README.md"
    ),
) -> None:
    """Write the pages on the published results; with --run, publish that run before.

    Publishing replaces results/standard: facts, references, scores, page, and their SHA-256 sums.
    """
    from benchmarks.studies.results import publish, write_pages

    if run is not None:
        publish(run)
    write_pages(page, readme)
    print(f"Pages: {page}, and the block <!-- results --> of {readme}")


@app.command()
def tables() -> None:
    """Write the tables of the documentation that list what the code defines."""
    from benchmarks.studies.tables import write

    write()


def show(
    frame: pd.DataFrame,
    title: str,
    formats: Mapping[str, Callable[[Any], str]] | None = None,
    page: Path | None = None,
) -> None:
    """Print a data frame as a table, and write it to the block of a ``page`` with its title.

    ``formats`` turns the values of a column into text; by default ``str`` does.
    """
    print(_table(frame, title, formats).text())
    if page is not None:
        from benchmarks.studies.blocks import write_block

        write_block(page, title, _table(frame, "", formats))


def _table(
    frame: pd.DataFrame, title: str, formats: Mapping[str, Callable[[Any], str]] | None
) -> Table:
    """The table of a data frame."""
    from benchmarks.report.tables import Column, Table

    cells = {name: frame[name].map((formats or {}).get(name, str)) for name in frame}
    text = frame.select_dtypes(exclude="number")
    columns = [Column(name, name, left=name in text, fold=name in text) for name in frame]
    return Table.of(title, columns, frame.assign(**cells))


def _finite(form: str) -> Callable[[float], str]:
    """A format that writes "none" for infinity."""
    return lambda value: form.format(value) if value < float("inf") else "none"


def main() -> None:
    """Run the command line; a ``UserError`` is one sentence and exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"benchmarks.studies: {error}", file=sys.stderr)
        raise SystemExit(2) from error
