"""What the commands print: tables and texts on standard output."""

from __future__ import annotations

from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from benchmarks.report.tables import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.fit.answer import Answer
    from benchmarks.reference.certificate import Reference
    from benchmarks.runner.run_status import RunStatus

STATUS_COLUMNS = (
    Column("fitter", "fitter", left=True),
    Column("cells", "cells", "{cells_done}/{cells}".format_map),
    Column("trials", "trials", "{trials_done}/{trials}".format_map),
    Column("failures", "failures", left=True),
)


def show_status(status: RunStatus, folder: Path, resume: str) -> None:
    """Print the status of a run: a table, the causes of failure, and the time spent."""
    done = f"{status.trials_done} of {status.trials} trials"
    print(f"{folder}: {status.state}, {done}, begun {status.begun}")
    print(Table.of("", STATUS_COLUMNS, status.fitters).text())
    for count, fitter, scenario, outcome, message in status.reasons[:20].itertuples(index=False):
        print(f"{count} × {fitter} on {scenario}: {outcome}: {message}")
    if len(status.reasons) > 20:
        print(f"and {len(status.reasons) - 20} other reasons: see the messages in trials.jsonl")
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in status.times.items())
    if status.seconds:
        share = status.times["fits"] / (status.seconds * status.workers)
        times += f"; {status.seconds:.1f} s passed with workers: {status.workers}, "
        times += f"{share:.0%} of them inside fits"
    print(f"Time: {times}.")
    if status.state == "interrupted":
        print(f"To go on: {resume}")
    elif status.state == "finished":
        print(f"To see it: mixturebench report {folder}")


def show_comparison(trials: pd.DataFrame) -> None:
    """Print the comparison on each scenario, and over all of them if there are several."""
    from benchmarks.report.columns import COMPARISON, OVERALL
    from benchmarks.scoring.summary import KEYS, summarise

    for scenario, rows in summarise(trials).groupby("scenario", sort=False):
        print("\n" + Table.of(str(scenario), COMPARISON, rows).text())
    if trials["scenario"].nunique() > 1:
        overall = summarise(trials, KEYS[1:])
        print("\n" + Table.of("all scenarios together", OVERALL, overall).text())


def show_answer(answer: Answer, warnings: list[str]) -> None:
    """Print a fit to a user's data: the estimate, the candidates, and the warnings."""
    from benchmarks.fit import page

    print(page.headline(answer))
    tables = [page.estimate_table(answer), page.posterior_table(answer)]
    if len(answer.candidates) > 1:
        tables.append(page.candidate_table(answer))
    for table in tables:
        if table is not None:
            print("\n" + table.text())
    left_out = [f"Left out: {answer.data.dropped}"] if answer.data.dropped else []
    for sentence in [*answer.untried, *left_out, *(f"Warning: {each}" for each in warnings)]:
        print(f"{sentence}.")


def show_reference(name: str, n: int, found: Reference) -> None:
    """Print the best known optimum of ``n`` observations, and its certificate."""
    from scenarios.families import family

    names = family(found.family).parameter_names()
    print(f"{name}, n = {n:,}: the best admissible {found.family} mixture found")
    components = zip(found.weights, found.parameters, strict=True)
    for weight, row in sorted(components, key=lambda component: component[1]):
        values = ", ".join(f"{key} {value:.6g}" for key, value in zip(names, row, strict=True))
        print(f"  {weight:.6f} · {found.family}({values})")
    print(f"  log likelihood {found.log_likelihood:.6f}, NLL {-found.log_likelihood / n:.10f}")
    if found.fewer_components:
        print(f"  no admissible optimum with {found.components} components is better than this")
    unseen = "" if found.unseen is None else f"; about {found.unseen:.1f} more are still unseen"
    print(
        "certificate",
        f"still to be gained, by the quadratic model: {found.predicted_gain:.1e} nats",
        f"smallest eigenvalue of the mean observed information: {found.smallest_eigenvalue:.3g}",
        f"found by: {found.method}",
        f"{found.searches} searches met {len(found.optima)} distinct optima{unseen}",
        sep="\n  ",
    )
    if found.directional is not None:
        print(
            f"  sup D = {found.directional:.4g}: no mixture of any number of components gains "
            f"more than {n * max(found.directional, 0.0):.4g} nats"
        )
    print("optima met, best first (log likelihood, searches that ended there)")
    for optimum in found.optima[:10]:
        reason = f"  not admissible: {optimum.rejection_reason}" if optimum.rejection_reason else ""
        print(f"  {optimum.log_likelihood:14.4f}  {optimum.times:5d}{reason}")
    if len(found.optima) > 10:
        print(f"  and {len(found.optima) - 10} more")


def show_frame(frame: pd.DataFrame) -> None:
    """Print a data frame of strings; long cells take several lines."""
    columns = [Column(str(name), str(name), left=True, fold=True) for name in frame]
    print(Table.of("", columns, frame).text(get_terminal_size().columns))
