"""The command line: it parses options, calls the functions of ``mixturebench``, and prints.

Everything heavy is imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchmarks.cli_options import (
    KINDS,
    SPEC_HELP,
    Against,
    Column,
    Components,
    Dask,
    DataFile,
    DataSets,
    DryRun,
    Family,
    Figures,
    Fitters,
    Memory,
    Profile,
    Restarts,
    RunFolder,
    RunOut,
    Scenarios,
    Seed,
    SetupTimeout,
    Starts,
    Timeout,
    Wide,
    Workers,
    WriteReport,
    option,
)
from benchmarks.compare import ALPHA
from benchmarks.files import write_text
from scenarios.errors import UserError


class Commands(TyperGroup):
    """The commands; a ``UserError`` is printed as one sentence, with exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            print(f"mixturebench: {error}", file=sys.stderr)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            print("mixturebench: interrupted", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="mixturebench",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time until help is printed
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure methods that fit mixture distributions: how often they find the optimum, how "
    "exactly, and at what cost.",
    epilog="Start here: mixturebench run",
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"mixturebench {version('mixturebench')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        option("Print the version.", "--version", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass


@app.command("list")
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="|".join(KINDS), help="What to list.", autocompletion=lambda: list(KINDS)
        ),
    ],
    name: Annotated[
        str | None,
        typer.Argument(metavar="[FITTER]", help="Show the settings of this fitter instead."),
    ] = None,
) -> None:
    """List what there is to run, a line each, plug-ins included.

    Try: mixturebench list fitters em
    """
    import mixturebench as mb
    from benchmarks import console
    from scenarios.registry import choose

    choose("list", kind, KINDS)
    if name is None:
        console.show_list(getattr(mb, kind)())
    elif kind == "fitters":
        console.show_settings(mb.settings(name))
    else:
        raise UserError(f"list {kind} {name}: only fitters have settings: list fitters NAME")


@app.command()
def run(
    profile: Profile = None,
    scenario: Scenarios = None,
    fitter: Fitters = None,
    start: Starts = None,
    restarts: Restarts = None,
    data_sets: DataSets = None,
    data: DataFile = None,
    column: Column = None,
    family: Family = None,
    components: Components = None,
    seed: Seed = None,
    timeout: Timeout = None,
    setup_timeout: SetupTimeout = None,
    memory: Memory = None,
    workers: Workers = None,
    dask: Dask = None,
    against: Against = None,
    out: RunOut = None,
    report: WriteReport = True,
    wide: Wide = False,
    dry_run: DryRun = False,
) -> None:
    """Run fitters on scenarios, measure every fit, and write a report.

    Options replace the profile's own values. Every fitter meets the same data and the same
    starts. A trial that fails, hangs, crashes or exhausts the memory is a row in the results,
    and the run continues. `run --out DIR` resumes a run that is there; with a larger number of
    restarts or data sets, or another fitter, start or scenario, it extends the run. `status DIR`
    shows its progress.

    Try: mixturebench run --scenario founding --fitter em --fitter direct --restarts 20
    """
    import mixturebench as mb
    from benchmarks import console

    chosen: dict[str, Any] = {
        "profile": profile, "scenarios": scenario or (), "fitters": fitter or (),
        "starts": start or (), "restarts": restarts, "data_sets": data_sets, "data": data,
        "column": column, "family": family, "components": components, "seed": seed,
        "timeout": timeout, "setup_timeout": setup_timeout, "memory": memory, "out": out,
    }  # fmt: skip
    if dry_run:
        console.show_estimate(mb.estimate(workers=workers, **chosen))
        return
    if against is not None:
        if workers is not None or dask is not None:
            raise UserError("--against runs one trial at a time: leave out --workers and --dask")
        with console.Bar() as bar:
            base, new = mb.run_against(against, progress=bar, **chosen)
        print(f"Runs: {base} and {new}; their comparison: mixturebench compare {base} {new}")
        if report:
            compare(base, new, wide=wide)
        return
    with console.Bar() as bar:
        done = mb.run(workers=workers, dask=dask, progress=bar, **chosen)
    if not report:
        print(f"Run: {done.folder}; its report: mixturebench report {done.folder}")
        return
    done.write_scores()
    console.show_comparison(done, wide)
    page = write_text(done.folder / "report.html", done.report(), "--out")
    print(f"\nReport: {page}")


@app.command()
def fit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A .csv, .tsv, .parquet or .npy file, or - for standard input."
        ),
    ],
    column: Column = None,
    family: Annotated[
        str,
        option("beta, normal, gamma, ...; auto tries all that the data allow.", metavar="FAMILY"),
    ] = "auto",
    components: Annotated[
        str,
        option(
            "How many: a number, or a range such as 1..5 to choose from by BIC.",
            metavar="NUMBER|RANGE",
        ),
    ] = "1..4",
    fitter: Annotated[
        list[str] | None,
        option(
            SPEC_HELP + " By default Newton's method. mcmc gives a posterior.", metavar="FITTER"
        ),
    ] = None,
    restarts: Annotated[
        int, option("Starts for each family and number of components.", metavar="NUMBER")
    ] = 20,
    seed: Annotated[int, option("Random seed for the starts.", metavar="NUMBER")] = 0,
    drop_missing: Annotated[
        bool, option("Leave out cells that hold no finite number.", "--drop-missing")
    ] = False,
    json: Annotated[bool, option("Print the answer as JSON.", "--json")] = False,
    out: Annotated[
        Path | None, option("The page's file; otherwise FILE's name.fit.html.", metavar="PAGE")
    ] = None,
    figures: Figures = None,
) -> None:
    """Fit a mixture to data of your own, and say how far to trust it.

    Many starts, every optimum scored afresh; estimates with standard errors, a choice of family
    and number by BIC, warnings where the answer is fragile, and a page with the pictures.

    Try: mixturebench fit measurements.csv --column seconds --components 1..3
    """
    import mixturebench as mb
    from benchmarks import console

    answer = mb.fit(
        source, family, components, column=column, fitters=fitter or (), restarts=restarts,
        seed=seed, drop_missing=drop_missing,
    )  # fmt: skip
    path = out
    if json:
        print(answer.json())
    else:
        print(answer)
        path = out or Path(f"{'data' if source == '-' else Path(source).stem}.fit.html")
    if figures is not None:
        console.write_figures(figures, {drawn.name: drawn.svg for drawn in answer.figures})
    if path is not None:
        write_text(path, answer.report(), "--out")
        if not json:
            print(f"\nPage: {path}")


@app.command()
def status(folder: RunFolder) -> None:
    """Show what a run has done, what is left, what failed and why."""
    import mixturebench as mb
    from benchmarks import console

    console.show_status(mb.load(folder))


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
) -> None:
    """Show the best known optimum of a scenario's data, and its certificate.

    With --data-sets, print the mean information error of the references over many data sets: 1
    where the optima attain the Cramér-Rao bound, which checks the measure itself.
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
    console.show_reference(scenario, mb.reference(scenario, components=components, seed=seed))


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
    out = out or loaded.report_file(form)
    if out is None:
        print(text, end="")
    else:
        print(f"Report: {write_text(out, text, '--out')}")


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="A folder that `run` made.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another, of the same trials.")],
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
    """Say whether NEW is worse than BASE, trial by trial, and how certain that is.

    Both are scored by the better of their references. Exit status: 0 passed (no regression of
    the size that the comparison must detect), 1 regressed, 3 inconclusive (it says what would
    settle it), 4 measured nothing, 2 for runs that can't be compared.
    """
    import mixturebench as mb

    comparison = mb.compare(base, new, alpha)
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


@app.command()
def check(fitter: Annotated[str, typer.Argument(metavar="FITTER", help=SPEC_HELP)]) -> None:
    """Test that a fitter, yours or the project's, meets the contract; exit 1 if it does not."""
    import mixturebench as mb

    failed = 0
    for point, wrong in mb.check_fitter(fitter):
        failed += wrong is not None
        print(f"{'ok  ' if wrong is None else 'FAIL'} {point}{f': {wrong}' if wrong else ''}")
        sys.stdout.flush()
    if failed:
        print(f"{fitter} breaks {failed} of the contract's points")
        raise SystemExit(1)
    print(f"{fitter} meets the contract")


@app.command()
def cache(
    clear: Annotated[
        bool, option("Delete the stored references.", "--clear", show_default=False)
    ] = False,
) -> None:
    """Show what is cached: the references, which a score would otherwise search for again."""
    import mixturebench as mb

    if clear:
        print(f"Deleted: {mb.clear_cache()}")
    else:
        print(mb.cache())


def main() -> None:
    """Run the command line."""
    app()
