"""How good the gate is: ``python -m benchmarks.gate.study`` (neutral, planted or effects)."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
QUICK = ("em", "direct", "direct:bins=1024,batch=5")


@app.command()
def neutral(
    count: Annotated[int, typer.Option(help="Comparisons for each variant.")] = 50,
    fitter: Annotated[
        list[str] | None, typer.Option(help="By default em, direct, and direct on a sketch.")
    ] = None,
    variant: Annotated[list[str] | None, typer.Option(help="By default all but the seed.")] = None,
    restarts: Annotated[int, typer.Option(help="Of every fitter on every data set.")] = 5,
    workers: Annotated[int, typer.Option(help="Comparisons at once.")] = os.cpu_count() or 1,
) -> None:
    """False alarms: fitters against variants of themselves that change nothing that matters."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from scipy.stats import binomtest

    from benchmarks.gate.neutral import VARIANTS, Outcome, outcomes
    from fitters.spec import parse
    from scenarios.registry import choose

    chosen = tuple(fitter or QUICK)
    for spec in chosen:
        parse(spec)
    known = dict.fromkeys(VARIANTS)
    kinds = tuple(choose("variant", name, known) for name in variant or ()) or tuple(
        name for name in VARIANTS if name != "another seed"
    )
    found: dict[str, list[Outcome]] = defaultdict(list)
    come = outcomes(kinds, chosen, restarts, count, workers)
    stderr = Console(stderr=True)
    for outcome in track(
        come, "comparisons", count * len(kinds), console=stderr, disable=not stderr.is_terminal
    ):
        found[outcome.variant].append(outcome)
        found["all"].append(outcome)
    table = Table(title=", ".join(chosen), title_justify="left", box=None)
    for heading in ("variant", "comparisons", "discordant", "false alarms", "[95 %]", "passed"):
        table.add_column(heading, justify="left" if heading == "variant" else "right")
    for name in (*kinds, "all"):
        told = found[name]
        alarms = sum(outcome.word == "regressed" for outcome in told)
        passed = sum(outcome.word == "passed" for outcome in told)
        share = sum(o.discordant for o in told) / sum(o.pairs for o in told)
        interval = binomtest(alarms, len(told)).proportion_ci(method="exact")
        table.add_row(
            name, str(len(told)), f"{share:.2%}", str(alarms),
            f"{interval.low:.1%}–{interval.high:.1%}", f"{passed / len(told):.1%}",
        )  # fmt: skip
    Console(width=120).print(table, highlight=False)


@app.command()
def planted(
    only: Annotated[str, typer.Option(help="Defects of whose name this is a part.")] = "",
    restarts: Annotated[int, typer.Option(help="Of the fitter on every data set.")] = 5,
) -> None:
    """Detection: defects planted in a copy of the fitters, from gross to slight.

    Sound and defective run by turns, on the data sets of the profile `check`.
    """
    from rich.console import Console
    from rich.table import Table

    from benchmarks.gate.planted import DEFECTS, plant

    table = Table(box=None)
    for heading in ("defect", "fitter", "exit", "what the gate said"):
        table.add_column(heading, overflow="fold")
    console = Console(width=140, highlight=False)
    for defect in DEFECTS:
        if only not in defect.name:
            continue
        for size in defect.sizes:
            with tempfile.TemporaryDirectory() as folder:
                tree = plant(defect, size, Path(folder) / "tree")
                code, told = _gate(tree, defect.fitter, restarts, Path(folder) / "run")
            table.add_row(defect.name.format(size), defect.fitter, str(code), told)
            console.print(f"{defect.name.format(size)}: exit {code}, {told}", markup=False)
    console.print(table)


@app.command()
def effects(
    repeats: Annotated[int, typer.Option(help="Simulated comparisons for each figure.")] = 400,
) -> None:
    """The least effect that is found four times in five, by the size of the design: simulated."""
    from rich.console import Console

    from benchmarks.gate.effects import least_losses, least_ratios

    console = Console(width=100, highlight=False)
    console.print(least_losses(repeats))
    console.print(least_ratios(repeats))


def _gate(tree: Path, fitter: str, restarts: int, out: Path) -> tuple[int, str]:
    """The gate's exit status and sentence on the fitters in ``tree``, with today's as the base."""
    from contextlib import nullcontext

    from benchmarks.gate import ALPHA, show
    from benchmarks.gate.against import run_by_turns
    from benchmarks.gate.pairs import pair
    from benchmarks.gate.verdict import compare
    from benchmarks.harness.plan import Choices
    from scenarios.errors import UserError

    plan = Choices(profile="check", fitters=(fitter,), restarts=restarts).plan()
    quiet = lambda run: nullcontext(lambda record: None)  # noqa: E731
    # The tree is the base of the run by turns: for the verdict the sides change places.
    defective, sound = run_by_turns(plan, out, str(tree), quiet)
    try:
        comparison = compare(pair(sound, defective), ALPHA)
    except UserError as error:
        return 2, str(error)
    return comparison.exit_code, show.sentence(comparison)


if __name__ == "__main__":
    app()
