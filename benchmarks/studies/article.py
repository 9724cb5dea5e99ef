"""The founding article repeated: its data fitted by every method, and a page on the results.

The page's numbers are those of the scored trials, and they decide which of its sentences appear.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.scoring.score import ScoredRun

PRESET = "gradient:preset=article"
SLOWER = "gradient:preset=article,learning_rate=0.1,max_epochs=500"
MCMC = "mcmc:bins=256"
FITTERS = (PRESET, SLOWER, "gradient", "direct", "em", MCMC)
STARTS = ("article", "quantile")
SHOWN_SEED = 1
"""The article's hand-picked seed, which is the restart's index."""
MAX_MCMC_RESTARTS = 4
MERGED = 0.01
"""A fit is one beta in effect if its NLL differs by less than this from that of one beta."""
EMPTY = 0.01
"""A component with less weight than this leaves one beta for all the data."""
CONFIDENCE = 0.95
TABLE_COLUMNS = (
    "fitter", "converged", "rate", "found", "nll", "excess", "worst_relative_error",
    "hellinger", "seconds", "setup_seconds", "passes", "ert", "claims", "others",
)  # fmt: skip


def run_article(restarts: int) -> Path:
    """Run the page's trials one at a time, since it states times; returns the run's folder."""
    from benchmarks.runner.execution import execute_plan
    from benchmarks.runner.plan import Choices
    from benchmarks.runner.supervisor import LocalBackend

    choices = Choices(scenarios=("founding",), fitters=FITTERS, starts=STARTS, restarts=restarts)
    plan = choices.plan()
    plan = replace(plan, restarts={**plan.restarts, MCMC: min(restarts, MAX_MCMC_RESTARTS)})
    folder = Path("results") / "runs" / f"{datetime.now():%Y-%m-%dT%H%M%S}-article"
    execute_plan(plan, folder, LocalBackend(plan.limits, 1))
    return folder


def write_page(folder: Path, out: Path) -> None:
    """Score the run in ``folder`` and write its page and its figure.

    Raises ``UserError`` for a run that lacks any of the page's trials.
    """
    from benchmarks.files import write_text
    from benchmarks.runner.progress import say
    from benchmarks.scoring.score import score_run

    scored = score_run(folder, say)
    say("")
    figure = f"{out.stem}-loss"
    text, svg = page(scored, figure)
    scored.trials.to_parquet(folder / "trials.parquet", index=False)
    write_text(out, text, "--out")
    write_text(out.with_name(f"{figure}.svg"), svg, "--out")


@dataclass(frozen=True, eq=False)
class Group:
    """The trials of one fitter from one start policy."""

    trials: pd.DataFrame
    row: Any
    """Their row of the summary."""
    stuck: int
    """How many are one beta in effect."""

    @property
    def share(self) -> float:
        """The share that found the optimum."""
        return float(self.row.found / self.row.restarts)

    @property
    def needed(self) -> int | None:
        """Restarts of which one finds the optimum with ``CONFIDENCE``; None if none or all did."""
        if not 0.0 < self.share < 1.0:
            return None
        return int(np.ceil(np.log(1.0 - CONFIDENCE) / np.log(1.0 - self.share)))


def page(scored: ScoredRun, figure: str) -> tuple[str, str]:
    """The page as Markdown and its figure, named ``figure``, as SVG."""
    from benchmarks.report.columns import comparison_columns, duration
    from benchmarks.report.figures.traces import Traces
    from benchmarks.report.section import Section
    from benchmarks.report.tables import Table
    from benchmarks.scoring.summary import summarise

    trials, key = scored.trials, ("founding", 0)
    required = {(fitter, start) for fitter in FITTERS for start in STARTS}
    present = set(zip(trials.get("fitter", ()), trials.get("start", ()), strict=True))
    truth = scored.data_sets[key].truth if key in scored.data_sets else None
    if truth is None or not required <= present:
        raise UserError(
            "this run lacks some of the article's fitters or starts: make one by "
            "python -m benchmarks.studies article"
        )
    data_set, reference = scored.data_sets[key], scored.references[key]
    n, merged = data_set.sample.size, merged_nll(scored)
    summary = summarise(trials)
    groups = {}
    for row in summary.itertuples():
        group = trials[(trials["fitter"] == row.fitter) & (trials["start"] == row.start)]
        groups[row.fitter, row.start] = Group(group, row, int(stuck(group, merged).sum()))
    article = groups[PRESET, "article"]
    shown = article.trials[article.trials["restart"] == SHOWN_SEED].iloc[0]
    spurious = article.trials[article.trials["status"] == "spurious"]["weights"]
    columns = comparison_columns(*TABLE_COLUMNS)
    text = _rendered(
        groups=groups,
        article=article,
        shown=shown,
        components=sorted(zip(shown.weights, map(list, shown.parameters), strict=True), key=_shape),
        truth=sorted(zip(truth.weights, truth.parameters.tolist(), strict=True), key=_shape),
        best=min(float(trials["reference_nll"].min()), -reference.log_likelihood / n),
        merged=merged,
        n=n,
        figure=f"{figure}.svg",
        tables={
            start: Table.of("", columns, summary[summary["start"] == start]).markdown()
            for start in STARTS
        },
        starts=_starts(groups),
        duration=duration,
        run=scored.run,
        preset=PRESET,
        slower=SLOWER,
        mcmc=MCMC,
        confidence=CONFIDENCE,
        spurious=len(spurious),
        spurious_weight=float(spurious.map(min).max()) if len(spurious) else 0.0,
    )
    section = Section(data_set, reference, article.trials, scored.traces)
    return text, Traces(section, PRESET).svg()


def merged_nll(scored: ScoredRun) -> float:
    """The lowest NLL of one beta on the article's data."""
    from benchmarks.reference.search import cache_folder, find_reference

    data_set = scored.data_sets["founding", 0]
    one = find_reference(data_set.sample, 1, data_set.floor, cache_folder())
    return -one.log_likelihood / data_set.sample.size


def stuck(trials: pd.DataFrame, merged: float) -> pd.Series:
    """Which trials are one beta in effect, by their NLL or because a component is empty."""
    empty = trials["weights"].map(lambda weights: weights is not None and min(weights) < EMPTY)
    return ((trials["nll"] - merged).abs() < MERGED) | empty


def _shape(component: tuple[float, list[float]]) -> float:
    """The first parameter of a (weight, parameters) component, to sort by."""
    return component[1][0]


def _rendered(**context: Any) -> str:
    """The template with its values, and its plain paragraphs filled to 100 characters."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("benchmarks.studies", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("article.md.jinja").render(**context)
    blocks = re.sub(r"\n{3,}", "\n\n", text.strip()).split("\n\n")
    filled = [
        block
        if block.startswith(("#", "|", "!", "-"))
        else fill(block, 100, break_on_hyphens=False)
        for block in blocks
    ]
    return "\n\n".join(filled) + "\n"


def _starts(groups: dict[tuple[str, str], Group]) -> str:
    """A Markdown table of how many restarts of each fitter found the optimum from each start."""
    from benchmarks.report.tables import markdown_table

    rows = []
    for fitter in FITTERS:
        counts = [groups[fitter, start].row for start in STARTS]
        cells = [f"{row.found}/{row.restarts}" for row in counts]
        rows.append([f"`{fitter}`", *cells, str(groups[fitter, "article"].needed or "–")])
    headings = ["fitter", "found from article", "found from quantile", "article starts needed"]
    return markdown_table(headings, rows, [True, False, False, False])
