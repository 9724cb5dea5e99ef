"""The commands that list what there is, and run methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import (
    KINDS,
    Against,
    Budget,
    Column,
    Components,
    Dask,
    DataFile,
    DataSets,
    DryRun,
    Family,
    Fitters,
    Memory,
    Profile,
    Restarts,
    RunOut,
    Scenarios,
    Seed,
    SetupTimeout,
    Starts,
    Timeout,
    Verdict,
    Wide,
    Workers,
    WriteReport,
)
from benchmarks.files import write_text
from scenarios.errors import UserError

if TYPE_CHECKING:
    from benchmarks.compare.settle import Settled


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
        typer.Argument(
            metavar="[FITTER]",
            help="Show the settings of this fitter: a name, or ./mine.py.",
        ),
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
    budget: Budget = None,
    verdict: Verdict = None,
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

    for option_name, given in (("--budget", budget), ("--verdict", verdict)):
        if given is not None and not against:
            raise UserError(f"{option_name} {given}: it is for --against")
    chosen: dict[str, Any] = {
        "profile": profile, "scenarios": scenario or (), "fitters": fitter or (),
        "starts": start or (), "restarts": restarts, "data_sets": data_sets, "data": data,
        "column": column, "family": family, "components": components, "seed": seed,
        "timeout": timeout, "setup_timeout": setup_timeout, "memory": memory, "out": out,
    }  # fmt: skip
    if against:
        if dask is not None:
            raise UserError("--against runs on this machine: leave out --dask")
        if dry_run:
            raise UserError("--against runs until it is decided: leave out --dry-run")
        settled = _run_against(against, budget, {**chosen, "workers": workers})
        _show_settled(settled, verdict, report, wide)
        raise SystemExit(settled.exit_code)
    if dry_run:
        console.show_estimate(mb.estimate(workers=workers, **chosen))
        return
    with console.Bar() as bar:
        done = mb.run(workers=workers, dask=dask, progress=bar, **chosen)
    if not report:
        print(f"Run: {done.folder}; its report: mixturebench report {done.folder}")
        return
    done.write_scores()
    console.show_comparison(done, wide)
    print(f"\nReport: {done.write_report()}")


def _run_against(against: list[str], budget: str | None, chosen: dict[str, Any]) -> Settled:
    """Run and compare until it is decided, with the progress shown."""
    import mixturebench as mb
    from benchmarks import console
    from benchmarks.runner.progress import seconds_of

    if budget is not None:
        chosen["budget"] = seconds_of(budget)
    with console.Bar() as bar:
        return mb.run_against(against, progress=bar, **chosen)


def _show_settled(settled: Settled, verdict: Path | None, report: bool, wide: bool) -> None:
    """Print a comparison or write it to a file, and print the commands that repeat it."""
    if verdict is not None:
        write_text(verdict, settled.text("markdown"), "--verdict")
        print(f"{settled.sentence} All of it: {verdict}")
    else:
        print(settled.text(wide=wide) if report else settled.sentence)
    for base, comparison in settled.comparisons.items():
        alpha = "" if len(settled.comparisons) == 1 else f" --alpha {comparison.alpha:g}"
        print(f"Again: mixturebench compare {base} {settled.folder}{alpha}")
