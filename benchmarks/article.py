"""The founding article re-told by running it: ``python -m benchmarks.article``.

Every number on the page is of the judged trials, and so is the choice of its sentences.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.harness.judgement import Judgement

PRESET = "gradient:preset=article"
SLOWER = "gradient:preset=article,learning_rate=0.1,max_epochs=500"
FITTERS = (PRESET, SLOWER, "gradient", "direct", "em", "mcmc:bins=256")
STARTS = ("article", "quantile")
SHOWN_SEED = 1
"""The article's hand-picked seed, which is the restart's index."""
MOST_MCMC = 4
MERGED = 0.01
"""A fit whose NLL is nearer than this to that of one beta alone has merged its two."""
EMPTY = 0.01
"""A component of less weight than this says nothing: the other is one beta for all."""
SURE = 0.95
TOLD = (
    "fitter", "converged", "rate", "close", "nll", "excess", "parameter_error",
    "hellinger", "seconds", "setup", "passes", "cost", "claims", "others",
)  # fmt: skip


def write(
    out: Annotated[Path, typer.Option(help="The page; its figure is put beside it.")] = Path(
        "docs/article.md"
    ),
    restarts: Annotated[int, typer.Option(min=2, help="Of each fitter from each start.")] = 50,
    run: Annotated[
        Path | None, typer.Option(help="A run of this page's that is there already.")
    ] = None,
) -> None:
    """Run the article's problem by every method, and write what came of it as a page."""
    from benchmarks import terminal
    from benchmarks.commands import write_text
    from benchmarks.harness.judgement import judge_folder
    from scenarios.errors import UserError

    try:
        folder = run or _run(restarts)
        judgement = judge_folder(folder, terminal.say)
        terminal.say("")
        text, figure = page(judgement, f"{out.stem}-loss")
    except UserError as error:
        raise SystemExit(f"Error: {error}") from error
    judgement.trials.to_parquet(folder / "trials.parquet", index=False)
    write_text(out, text, "--out")
    write_text(out.with_name(f"{out.stem}-loss.svg"), figure, "--out")
    print(f"Page: {out}, of the run in {folder}")


def _run(restarts: int) -> Path:
    """The run that the page is made of, one trial at a time since it tells times."""
    from benchmarks.harness.plan import Choices
    from benchmarks.harness.run import in_workers, open_run
    from benchmarks.terminal import RunProgress

    choices = Choices(scenarios=("founding",), fitters=FITTERS, starts=STARTS, restarts=restarts)
    plan = choices.plan()
    fewer = {FITTERS[-1]: min(restarts, MOST_MCMC)}
    plan = replace(plan, restarts={**plan.restarts, **fewer})
    folder = Path("results") / "runs" / f"{datetime.now():%Y-%m-%dT%H%M%S}-article"
    with open_run(plan, folder) as opened, RunProgress(opened) as progress:
        opened.carry_out(in_workers(plan, 1), progress)
    return folder


@dataclass(frozen=True, eq=False)
class Group:
    """The trials of one fitter from one start, as the page speaks of them."""

    trials: pd.DataFrame
    row: Any
    """Their row of the summary."""
    stuck: int
    """How many ended with what is one beta."""

    @property
    def share(self) -> float:
        """The share that came close."""
        return float(self.row.close / self.row.restarts)

    @property
    def needed(self) -> int | None:
        """Restarts until one comes close with 95 % probability; None if none or all did."""
        import numpy as np

        if not 0.0 < self.share < 1.0:
            return None
        return int(np.ceil(np.log(1.0 - SURE) / np.log(1.0 - self.share)))


def page(judgement: Judgement, figure: str) -> tuple[str, str]:
    """The page as Markdown and its figure, called ``figure``, as SVG.

    Raises ``UserError`` for a run that has not all of the page's trials.
    """
    from benchmarks.harness.metrics import duration, summarise
    from benchmarks.report.across import comparison
    from benchmarks.report.figures import trace_figure
    from benchmarks.report.template import render
    from scenarios.errors import UserError

    trials, key = judgement.trials, ("founding", 0)
    asked = {(fitter, start) for fitter in FITTERS for start in STARTS}
    found = set(zip(trials.get("fitter", ()), trials.get("start", ()), strict=True))
    truth = judgement.problems[key].truth if key in judgement.problems else None
    if truth is None or not asked <= found:
        raise UserError(
            "this run has not all of the article's fitters and starts: make one by "
            "python -m benchmarks.article"
        )
    problem, reference = judgement.problems[key], judgement.references[key]
    merged = merged_nll(judgement)
    summary = summarise(trials)
    groups = {(row.fitter, row.start): _group(trials, row, merged) for row in summary.itertuples()}
    article = groups[PRESET, "article"]
    shown = article.trials[article.trials["restart"] == SHOWN_SEED].iloc[0]
    drawn = trace_figure(problem, judgement.traces, article.trials, PRESET, figure)
    text = render(
        "article.md.jinja",
        groups=groups,
        article=article,
        shown=shown,
        components=_components(shown),
        truth=sorted(zip(truth.weights, truth.parameters.tolist(), strict=True)),
        best=min(reference_nll(trials), -reference.log_likelihood / problem.sample.size),
        merged=merged,
        n=problem.sample.size,
        figure=f"{figure}.svg",
        tables={
            start: comparison(summary[summary["start"] == start], "", TOLD).markdown()
            for start in STARTS
        },
        starts=_starts(groups),
        duration=duration,
        run=judgement.run,
        preset=PRESET,
        slower=SLOWER,
        mcmc=FITTERS[-1],
        sure=SURE,
        spurious=_spurious(article),
    )
    return _filled(text), drawn


def _filled(text: str) -> str:
    """The text with its plain paragraphs filled anew: sentences come and go."""
    from textwrap import fill

    blocks = re.sub(r"\n{3,}", "\n\n", text.strip()).split("\n\n")
    told = [
        b if b.startswith(("#", "|", "!", "-")) else fill(b, 100, break_on_hyphens=False)
        for b in blocks
    ]
    return "\n\n".join(told) + "\n"


def merged_nll(judgement: Judgement) -> float:
    """The least NLL that one beta alone has on the article's data."""
    from benchmarks.harness.judgement import cache_folder
    from benchmarks.harness.reference import find_reference

    problem = judgement.problems["founding", 0]
    one = find_reference(problem.sample, 1, problem.floor, cache_folder())
    return -one.log_likelihood / problem.sample.size


def reference_nll(trials: pd.DataFrame) -> float:
    """The NLL of the best optimum known."""
    return float(trials["reference_nll"].min())


def stuck(trials: pd.DataFrame, merged: float) -> pd.Series:
    """Which trials ended with what is one beta: by their NLL, or since a component is empty."""
    empty = trials["weights"].map(lambda weights: weights is not None and min(weights) < EMPTY)
    return ((trials["nll"] - merged).abs() < MERGED) | empty


def _group(trials: pd.DataFrame, row: Any, merged: float) -> Group:
    from benchmarks.report.figures import of_series

    mine = of_series(trials, row.fitter, row.start)
    return Group(mine, row, int(stuck(mine, merged).sum()))


def _components(trial: Any) -> list[tuple[float, list[float]]]:
    """(weight, (α, β)) of a trial's components, α ascending."""
    told = zip(trial.weights, [list(row) for row in trial.parameters], strict=True)
    return sorted(told, key=lambda component: component[1][0])


def _spurious(group: Group) -> dict[str, float]:
    """How many are spurious, and the most weight that an empty one's lesser component has."""
    mine = group.trials[group.trials["status"] == "spurious"]
    least = mine["weights"].map(min)
    return {"count": len(mine), "weight": float(least.max()) if len(mine) else 0.0}


def _starts(groups: dict[tuple[str, str], Group]) -> str:
    """Close from either start, a row a fitter."""
    from benchmarks.report.tables import markdown_table

    def cell(group: Group) -> str:
        return f"{group.row.close}/{group.row.restarts}"

    rows = []
    for fitter in FITTERS:
        close = [cell(groups[fitter, start]) for start in STARTS]
        rows.append([f"`{fitter}`", *close, str(groups[fitter, "article"].needed or "–")])
    headings = ["fitter", "close from article", "close from quantile", "article starts needed"]
    return markdown_table(headings, rows, [True, False, False, False])


if __name__ == "__main__":
    typer.run(write)
