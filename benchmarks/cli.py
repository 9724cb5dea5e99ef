"""The command line. Heavy imports wait inside the commands: ``--help`` answers at once."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchmarks.gate import ALPHA
from scenarios.errors import UserError


class Commands(TyperGroup):
    """The commands; a ``UserError`` in one of them is one sentence and exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
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
    rich_markup_mode=None,  # rich would double the time to the first word of help
    help="Measure methods that fit mixture distributions: how often they find the optimum, how "
    "exactly, and at what cost.",
    epilog="Start here: mixturebench run",
)

SPEC_HELP = (
    "A method, with settings if any: em, direct:method=BFGS, "
    "gradient:learning_rate=0.1,max_epochs=500, gradient:preset=article. Repeat for more."
)


class Kind(StrEnum):
    """What ``list`` lists."""

    scenarios = "scenarios"
    fitters = "fitters"
    families = "families"
    starts = "starts"


@app.command("list")
def list_(kind: Annotated[Kind, typer.Argument(help="What to list.", show_default=False)]) -> None:
    """List what there is to run, plug-ins included."""
    from benchmarks import listing

    listing.show(kind.value)


@app.command()
def run(
    profile: Annotated[
        str | None,
        typer.Option(
            help="A ready-made plan: quick (minutes; the default), check (what `make check` "
            "runs), standard (hours), full (days).",
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="A scenario of the catalogue, or a TOML file. Repeat for more."),
    ] = None,
    fitter: Annotated[list[str] | None, typer.Option(help=SPEC_HELP)] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            help="Where restarts begin: quantile, kmeans, screened, article. Repeat for more."
        ),
    ] = None,
    restarts: Annotated[
        int | None, typer.Option(help="Restarts of every fitter from every start policy.")
    ] = None,
    data_sets: Annotated[
        int | None, typer.Option(help="Data sets drawn from every scenario.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides every data set and start; 0 by default.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(help="Seconds after which a trial is given up; 600 by default."),
    ] = None,
    setup_timeout: Annotated[
        float | None,
        typer.Option(help="Seconds that a fitter may take to prepare; 600 by default."),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(help="MB that a worker may hold; 4000 by default."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Trials at once, each in a process with one thread; by default one a core. "
            "Use 1 where timings are the point.",
        ),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the dask.distributed cluster there instead."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="Run everything twice, by turns: with the fitters and scenarios of this git "
            "revision (or of a folder that has both), and with today's; then compare.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A new or empty folder, or that of an unfinished run to go on with; "
            "otherwise a new one below results/runs/.",
        ),
    ] = None,
    report: Annotated[
        bool,
        typer.Option(
            "--report/--no-report",
            help="When the trials are done, score them and write the page, or leave both to "
            "`mixturebench report`; with --against, compare the two runs or leave that.",
        ),
    ] = True,
) -> None:
    """Run fitters on scenarios, measure every fit, and write a report.

    Options that are given replace the profile's own. Every fitter meets the same data and
    the same starts. A trial that fails, hangs, crashes or eats the memory is a row in the
    results; the run goes on. Interrupted, it goes on with `run --out DIR`, and `status DIR`
    says how far it came.

    Try: mixturebench run --scenario founding --fitter em --fitter direct --restarts 20
    """
    from benchmarks import commands
    from benchmarks.harness.plan import Choices

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
    column: Annotated[
        str | None, typer.Option(help="The column; needed where several hold numbers.")
    ] = None,
    family: Annotated[
        str, typer.Option(help="beta, normal, gamma, ...; auto tries all that the data allow.")
    ] = "auto",
    components: Annotated[
        str, typer.Option(help="How many: a number, or a range such as 1..5 to choose from by BIC.")
    ] = "1..4",
    fitter: Annotated[
        list[str] | None,
        typer.Option(help=SPEC_HELP + " By default Newton's method. mcmc gives a posterior."),
    ] = None,
    restarts: Annotated[
        int, typer.Option(help="Starts for each family and number of components.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Decides the starts.")] = 0,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out cells that hold no finite number.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print it for machines.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the page; otherwise FILE's name.fit.html.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="A folder to write the figures to, as SVG files too.")
    ] = None,
) -> None:
    """Fit a mixture to data of your own, and say how far to trust it.

    Many starts, every end judged afresh; estimates with standard errors, a choice of family
    and number by BIC, warnings where the answer is fragile, and a page with the pictures.

    Try: mixturebench fit measurements.csv --column seconds --components 1..3
    """
    from benchmarks.own_data import command

    command.fit(
        source, column, family, components, tuple(fitter or ()), restarts, seed, drop_missing,
        json, out, figures,
    )  # fmt: skip


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `run` made.")],
) -> None:
    """Say what a run has done, what is left of it, what failed and why."""
    from benchmarks import commands

    commands.status(folder)


@app.command()
def judge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `run` made.")],
) -> None:
    """Judge an old run again, by today's references, and print its table."""
    from benchmarks import commands

    commands.judge(folder)


@app.command()
def reference(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario of the catalogue, or a TOML file.")
    ],
    components: Annotated[
        int | None, typer.Option(help="How many to fit; otherwise the scenario's own number.")
    ] = None,
    data_sets: Annotated[
        int, typer.Option(help="More than 1: only how far the references are from the truth.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Decides the data.")] = 0,
) -> None:
    """Show the best known optimum of a scenario's data, and its certificate.

    With --data-sets, the mean information error of the references over many data sets: it
    is 1 where the optima attain the Cramér-Rao bound, so it checks the yardstick itself.
    """
    from benchmarks.harness import certificate

    certificate.show(scenario, components, data_sets, seed)


class Page(StrEnum):
    """What ``report`` writes."""

    html = "html"
    md = "md"
    csv = "csv"


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `run` made.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write it; otherwise DIR/report.html, or the terminal."),
    ] = None,
    form: Annotated[
        Page,
        typer.Option(
            "--format",
            help="A page; md, its tables for a pull request; or csv, the comparison's figures.",
        ),
    ] = Page.html,
    figures: Annotated[
        Path | None, typer.Option(help="A folder to write each figure to, as an SVG file too.")
    ] = None,
) -> None:
    """Write the page of a run: one HTML file that needs nothing beside it."""
    from benchmarks import commands

    commands.report(folder, out, figures, form.value)


class Form(StrEnum):
    """How ``compare`` prints."""

    text = "text"
    markdown = "markdown"
    json = "json"


@app.command()
def compare(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="A folder that `run` made.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another, of the same trials.")],
    alpha: Annotated[
        float, typer.Option(help="The chance of a false alarm, over all metrics together.")
    ] = ALPHA,
    form: Annotated[
        Form, typer.Option("--format", help="Markdown is for a pull request, JSON for machines.")
    ] = Form.text,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="A file to write it to, in place of the terminal.")
    ] = None,
) -> None:
    """Say whether NEW is worse than BASE, trial by trial, and how sure that is.

    Both are judged by the better of their references. Exit status: 0 passed (nothing became
    worse by as much as must be seen), 1 regressed, 3 inconclusive (it says what would settle
    it), 4 measured nothing, 2 for runs that can't be compared.
    """
    from benchmarks import commands

    commands.compare(base, new, alpha, "json" if json else form.value, out)


@app.command()
def baseline(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A complete run.")],
    out: Annotated[Path, typer.Option(help="Where to keep it; what is there is replaced.")] = Path(
        "results/baseline"
    ),
) -> None:
    """Keep a run's facts, small enough to commit, as the base of later comparisons."""
    from benchmarks import commands

    commands.baseline(folder, out)


@app.command()
def check(
    fitter: Annotated[str, typer.Argument(metavar="FITTER", help=SPEC_HELP)],
) -> None:
    """Test that a fitter keeps the contract, yours or ours; exit 1 if it does not."""
    from benchmarks import commands

    commands.check(fitter)


def main() -> None:
    """Run the command line."""
    app()
