"""The commands that read runs: their status, scores, references, reports and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import Figures, RunFolder, Wide, option
from benchmarks.compare import ALPHA
from benchmarks.files import write_text
from scenarios.errors import UserError


@app.command()
def status(folder: RunFolder) -> None:
    """Show what a run has done, what is left, what failed and why.

    A cell is one fitter on one data set. Of a run with --against both sides are shown.
    """
    import mixturebench as mb
    from benchmarks import console

    sides = [folder / side for side in ("base", "new") if (folder / side / "run.json").is_file()]
    for each in sides or [folder]:
        console.show_status(mb.load(each))


@app.command()
def score(folder: RunFolder, wide: Wide = False) -> None:
    """Score a run again by today's references, and print its table."""
    import mixturebench as mb
    from benchmarks import console

    loaded = mb.load(folder)
    loaded.write_scores()
    console.show_comparison(loaded, wide)


@app.command()
def reference(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario of the catalogue, or a TOML file.")
    ],
    components: Annotated[
        int | None,
        option("Components to fit; otherwise the scenario's own number.", metavar="NUMBER"),
    ] = None,
    data_sets: Annotated[
        int,
        option(
            "More than 1: print only how far the references are from the truth.", metavar="NUMBER"
        ),
    ] = 1,
    seed: Annotated[int, option("Random seed for the data.", metavar="NUMBER")] = 0,
    bound: Annotated[
        bool,
        option("Also bound what any number of components could gain: up to a minute.", "--bound"),
    ] = False,
) -> None:
    """Show the best known optimum of a scenario's data, and its certificate.

    The certificate says whether whole searches of different seeds agreed, and why to doubt the
    optimum where there is a reason. With --data-sets, print the mean information error of the
    references over many data sets: 1 where the optima attain the Cramér-Rao bound, which checks
    the measure itself.
    """
    import mixturebench as mb
    from benchmarks import console

    if data_sets > 1:
        errors = mb.information_errors(scenario, data_sets, seed, components)
        mean, error = float(errors.mean()), float(errors.std(ddof=1)) / errors.size**0.5
        print(f"information error of the reference over {errors.size} data sets of {scenario}:")
        print(f"mean {mean:.3f} ± {error:.3f} (1 is the Cramér–Rao bound, for large samples)")
        return
    if data_sets < 1:
        raise UserError(f"--data-sets {data_sets}: it takes a whole number of at least 1")
    found = mb.reference(scenario, components=components, seed=seed)
    console.show_reference(scenario, found)
    if bound:
        console.show_bound(mb.upper_bound(scenario, seed=seed), found.log_likelihood)


@app.command()
def report(
    folder: RunFolder,
    out: Annotated[
        Path | None,
        option("Where to write it; otherwise DIR/report.html, or the terminal.", metavar="FILE"),
    ] = None,
    form: Annotated[
        str,
        option(
            "html, a page; md, its tables for a pull request; csv, the comparison's figures.",
            "--format",
            metavar="html|md|csv",
        ),
    ] = "html",
    figures: Figures = None,
) -> None:
    """Write the page of a run: one HTML file that needs nothing beside it."""
    import mixturebench as mb
    from benchmarks import console

    loaded = mb.load(folder)
    text = loaded.report(form)
    if figures is not None:
        drawn = {figure.name: figure.svg for figure in loaded.page.all_figures}
        console.write_figures(figures, drawn)
    if out is None and loaded.report_file(form) is None:
        print(text, end="")
    else:
        print(f"Report: {loaded.write_report(form, out)}")


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="A folder that `run` made.")],
    new: Annotated[
        Path | None, typer.Argument(metavar="NEW", help="Another, of the same trials.")
    ] = None,
    fitters: Annotated[
        tuple[str, str] | None,
        option("Compare two fitters of the run BASE, in place of two runs.", metavar="A B"),
    ] = None,
    alpha: Annotated[
        float,
        option(
            "The probability of a false alarm, over all metrics together.", metavar="PROBABILITY"
        ),
    ] = ALPHA,
    form: Annotated[
        str,
        option(
            "Markdown is for a pull request, JSON for machines.",
            "--format",
            metavar="text|markdown|json",
        ),
    ] = "text",
    json: Annotated[bool, option("The same as --format json.", "--json")] = False,
    out: Annotated[
        Path | None, option("A file to write it to, in place of the terminal.", metavar="FILE")
    ] = None,
    wide: Wide = False,
) -> None:
    """Say whether NEW is worse than BASE, or fitter B than A, trial by trial, and how surely.

    Both are scored by the better of their references. Exit status: 0 passed (no regression of
    the size that the comparison must detect), 1 regressed, 3 inconclusive (it says what would
    settle it), 4 measured nothing, 2 for runs that can't be compared.
    """
    import mixturebench as mb

    comparison = mb.compare(base, new, alpha, fitters)
    text = comparison.text("json" if json else form, wide)
    if out is None:
        print(text.rstrip())
    else:
        write_text(out, text, "--out")
        print(f"{comparison.sentence} All of it: {out}")
    raise SystemExit(comparison.exit_code)


@app.command()
def baseline(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A complete run.")],
    out: Annotated[Path, option("The folder; what is there is replaced.", metavar="FOLDER")] = Path(
        "results/baseline"
    ),
) -> None:
    """Keep a run's facts, small enough to commit, as the base of later comparisons."""
    import mixturebench as mb

    count, size = mb.write_baseline(folder, out)
    print(f"{count} trials in {out}, {size / 1e3:.0f} kB")
