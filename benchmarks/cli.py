"""The command line: it parses the options of each command and calls a function of ``commands``.

That imports what is heavy inside functions, so that ``--help`` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from benchmarks import commands
from benchmarks.compare import ALPHA
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
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time until help is printed
    help="Measure methods that fit mixture distributions: how often they find the optimum, how "
    "exactly, and at what cost.",
    epilog="Start here: mixturebench run",
)


def option(help: str, *names: str, **settings: Any) -> Any:
    """An option of a command, with its help and, where needed, its names."""
    return typer.Option(*names, help=help, **settings)


SPEC_HELP = (
    "A method, with settings if any: em, direct:method=BFGS, newton:bins=1024, "
    "gradient:learning_rate=0.1,max_epochs=500, gradient:preset=article. Repeat for more."
)
Kind = Literal["scenarios", "fitters", "families", "starts"]
Fitters = Annotated[list[str] | None, option(SPEC_HELP)]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `run` made.")]
Figures = Annotated[Path | None, option("A folder to write each figure to, as an SVG file too.")]


@app.command("list")
def list_(kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)]) -> None:
    """List what there is to run, plug-ins included."""
    commands.list_(kind)


Profile = Annotated[
    str | None,
    option(
        "A ready-made plan: quick (minutes; the default), check (what `make check` runs), "
        "standard (hours), full (days)."
    ),
]
Scenarios = Annotated[
    list[str] | None, option("A scenario of the catalogue, or a TOML file. Repeat for more.")
]
Starts = Annotated[
    list[str] | None,
    option("A start policy of `mixturebench list starts`. Repeat for more."),
]
Restarts = Annotated[int | None, option("Restarts of every fitter from every start policy.")]
DataSets = Annotated[int | None, option("Data sets drawn from every scenario.")]
Seed = Annotated[int | None, option("Random seed for data sets and starts; 0 by default.")]
Timeout = Annotated[float | None, option("Seconds after which a trial is stopped; 600 by default.")]
SetupTimeout = Annotated[
    float | None, option("Seconds that a fitter may take to prepare; 600 by default.")
]
Memory = Annotated[float | None, option("MB that a worker may hold; 4000 by default.")]
Workers = Annotated[
    int | None,
    option(
        "Trials at once, each in a process with one thread; by default one a core. Use 1 where "
        "timings matter."
    ),
]
Dask = Annotated[
    str | None,
    option("Run on the dask.distributed cluster at this address instead.", metavar="ADDRESS"),
]
Against = Annotated[
    str | None,
    option(
        "Run everything twice, interleaved: with the fitters and scenarios of this git revision "
        "(or of a folder that has both), and with today's; then compare.",
        metavar="REF",
    ),
]
RunOut = Annotated[
    Path | None,
    option(
        "A new or empty folder, or that of an unfinished run to continue; otherwise a new one "
        "below results/runs/."
    ),
]
WriteReport = Annotated[
    bool,
    option(
        "After the trials, score them and write the page, or leave both to `mixturebench "
        "report`; with --against, compare the two runs or leave that.",
        "--report/--no-report",
    ),
]


@app.command()
def run(
    profile: Profile = None,
    scenario: Scenarios = None,
    fitter: Fitters = None,
    start: Starts = None,
    restarts: Restarts = None,
    data_sets: DataSets = None,
    seed: Seed = None,
    timeout: Timeout = None,
    setup_timeout: SetupTimeout = None,
    memory: Memory = None,
    workers: Workers = None,
    dask: Dask = None,
    against: Against = None,
    out: RunOut = None,
    report: WriteReport = True,
) -> None:
    """Run fitters on scenarios, measure every fit, and write a report.

    Options replace the profile's own values. Every fitter meets the same data and the same
    starts. A trial that fails, hangs, crashes or exhausts the memory is a row in the results,
    and the run continues. After an interruption `run --out DIR` continues it, and `status DIR`
    shows its progress.

    Try: mixturebench run --scenario founding --fitter em --fitter direct --restarts 20
    """
    from benchmarks.runner.plan import Choices

    choices = Choices(
        profile=profile,
        scenarios=tuple(scenario or ()),
        fitters=tuple(fitter or ()),
        starts=tuple(start or ()),
        restarts=restarts,
        data_sets=data_sets,
        seed=seed,
        timeout=timeout,
        setup_timeout=setup_timeout,
        memory=memory,
    )
    commands.run(choices, out, workers, dask, against, report)


@app.command()
def fit(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A .csv, .tsv, .parquet or .npy file, or - for standard input."
        ),
    ],
    column: Annotated[str | None, option("The column; needed where several hold numbers.")] = None,
    family: Annotated[
        str, option("beta, normal, gamma, ...; auto tries all that the data allow.")
    ] = "auto",
    components: Annotated[
        str, option("How many: a number, or a range such as 1..5 to choose from by BIC.")
    ] = "1..4",
    fitter: Annotated[
        list[str] | None,
        option(SPEC_HELP + " By default Newton's method. mcmc gives a posterior."),
    ] = None,
    restarts: Annotated[int, option("Starts for each family and number of components.")] = 20,
    seed: Annotated[int, option("Random seed for the starts.")] = 0,
    drop_missing: Annotated[
        bool, option("Leave out cells that hold no finite number.", "--drop-missing")
    ] = False,
    json: Annotated[bool, option("Print the answer as JSON.", "--json")] = False,
    out: Annotated[Path | None, option("The page's file; otherwise FILE's name.fit.html.")] = None,
    figures: Figures = None,
) -> None:
    """Fit a mixture to data of your own, and say how far to trust it.

    Many starts, every optimum scored afresh; estimates with standard errors, a choice of family
    and number by BIC, warnings where the answer is fragile, and a page with the pictures.

    Try: mixturebench fit measurements.csv --column seconds --components 1..3
    """
    from benchmarks.fit.options import Options, component_counts

    options = Options(family, component_counts(components), tuple(fitter or ()), restarts, seed)
    commands.fit(source, column, drop_missing, options, json, out, figures)


@app.command()
def status(folder: RunFolder) -> None:
    """Show what a run has done, what is left, what failed and why."""
    commands.status(folder)


@app.command()
def score(folder: RunFolder) -> None:
    """Score a run again by today's references, and print its table."""
    commands.score(folder)


@app.command()
def reference(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario of the catalogue, or a TOML file.")
    ],
    components: Annotated[
        int | None, option("Components to fit; otherwise the scenario's own number.")
    ] = None,
    data_sets: Annotated[
        int, option("More than 1: print only how far the references are from the truth.")
    ] = 1,
    seed: Annotated[int, option("Random seed for the data.")] = 0,
) -> None:
    """Show the best known optimum of a scenario's data, and its certificate.

    With --data-sets, print the mean information error of the references over many data sets: 1
    where the optima attain the Cramér-Rao bound, which checks the measure itself.
    """
    commands.reference(scenario, components, data_sets, seed)


@app.command()
def report(
    folder: RunFolder,
    out: Annotated[
        Path | None, option("Where to write it; otherwise DIR/report.html, or the terminal.")
    ] = None,
    form: Annotated[
        str,
        option(
            "html, a page; md, its tables for a pull request; csv, the comparison's figures.",
            "--format",
        ),
    ] = "html",
    figures: Figures = None,
) -> None:
    """Write the page of a run: one HTML file that needs nothing beside it."""
    commands.report(folder, out, figures, form)


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="A folder that `run` made.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another, of the same trials.")],
    alpha: Annotated[
        float, option("The probability of a false alarm, over all metrics together.")
    ] = ALPHA,
    form: Annotated[
        Literal["text", "markdown", "json"],
        option("Markdown is for a pull request, JSON for machines.", "--format"),
    ] = "text",
    json: Annotated[bool, option("The same as --format json.", "--json")] = False,
    out: Annotated[Path | None, option("A file to write it to, in place of the terminal.")] = None,
) -> None:
    """Say whether NEW is worse than BASE, trial by trial, and how certain that is.

    Both are scored by the better of their references. Exit status: 0 passed (no regression of
    the size that the comparison must detect), 1 regressed, 3 inconclusive (it says what would
    settle it), 4 measured nothing, 2 for runs that can't be compared.
    """
    commands.compare(base, new, alpha, "json" if json else form, out)


@app.command()
def baseline(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A complete run.")],
    out: Annotated[Path, option("The folder; what is there is replaced.")] = Path(
        "results/baseline"
    ),
) -> None:
    """Keep a run's facts, small enough to commit, as the base of later comparisons."""
    commands.baseline(folder, out)


@app.command()
def check(fitter: Annotated[str, typer.Argument(metavar="FITTER", help=SPEC_HELP)]) -> None:
    """Test that a fitter, yours or the project's, meets the contract; exit 1 if it does not."""
    commands.check(fitter)


def main() -> None:
    """Run the command line."""
    app()
