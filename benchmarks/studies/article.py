"""The founding article repeated: its data fitted by every method, and a page on the results.

The page's numbers are those of the scored trials, and they decide which of its sentences appear.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.studies.rendering import rendered
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.scoring.scored_run import ScoredRun

PRESET = "gradient:preset=article"
SLOWER = "gradient:preset=article,learning_rate=0.1,max_epochs=500"
MCMC = "mcmc:bins=256"
FITTERS = (PRESET, SLOWER, "gradient", "direct", "em")
STARTS = ("article", "quantile")
SHOWN_SEED = 1
"""The article's hand-picked seed, which is the restart's index."""
MAX_MCMC_RESTARTS = 4
MERGED = 0.01
"""A fit is stuck if its NLL differs by less than this from that of one beta."""
EMPTY = 0.01
"""A fit is stuck if a component has less weight than this."""
CONFIDENCE = 0.95
TABLE_COLUMNS = (
    "fitter", "found", "converged", "nll", "excess", "worst_relative_error", "information_ratio",
    "hellinger", "seconds", "setup_seconds", "passes", "ert", "first_answer", "false_claims",
    "silent_failures", "others",
)  # fmt: skip


def run_article(restarts: int) -> Path:
    """Run the page's trials one at a time, since it states times; returns the run's folder."""
    import mixturebench as mb

    folder = Path("results") / "runs" / f"{datetime.now():%Y-%m-%dT%H%M%S}-article"
    for fitters, count in ((FITTERS, restarts), ((MCMC,), min(restarts, MAX_MCMC_RESTARTS))):
        mb.run(["founding"], fitters, starts=STARTS, restarts=count, out=folder, workers=1)
    return folder


def write_page(folder: Path, out: Path) -> None:
    """Score the run in ``folder`` and write its page and its figure.

    Raises ``UserError`` for a run that lacks any of the page's trials.
    """
    import mixturebench as mb
    from benchmarks.files import write_text

    run = mb.load(folder)
    run.write_scores()
    scored = run.scored
    figure = f"{out.stem}-loss"
    text, svg = page(scored, figure)
    write_text(out, text, "--out")
    write_text(out.with_name(f"{figure}.svg"), svg, "--out")


def page(scored: ScoredRun, figure: str) -> tuple[str, str]:
    """The page as Markdown and its figure, named ``figure``, as SVG."""
    from benchmarks.report.columns import comparison_columns, of_scenario
    from benchmarks.report.figures.traces import Traces
    from benchmarks.report.section import Section
    from benchmarks.report.tables import Table
    from benchmarks.runner.progress import duration

    groups = summary(scored)
    truth = scored.data_sets["founding", 0].truth
    assert truth is not None
    trials = scored.trials
    article = trials[(trials["fitter"] == PRESET) & (trials["start"] == "article")]
    shown = article[article["restart"] == SHOWN_SEED].iloc[0]
    spurious = article[article["status"] == "spurious"]["weights"]
    columns = of_scenario(comparison_columns(*TABLE_COLUMNS), data_sets=1)
    text = rendered(
        "article.md.jinja",
        groups={(row.fitter, row.start): row for row in groups.itertuples()},
        shown=shown,
        components=sorted(zip(shown.weights, map(list, shown.parameters), strict=True), key=_shape),
        truth=sorted(zip(truth.weights, truth.parameters.tolist(), strict=True), key=_shape),
        best=float(trials["reference_nll"].min()),
        merged=merged_nll(scored),
        n=scored.data_sets["founding", 0].sample.size,
        figure=f"{figure}.svg",
        tables={
            start: Table.of("", columns, rows).markdown() for start, rows in groups.groupby("start")
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
    section = Section(replace(scored, trials=article), "founding")
    return text, Traces(section, PRESET).svg()


def summary(scored: ScoredRun) -> pd.DataFrame:
    """The summary of the run, with three more columns.

    ``stuck`` counts fits that are no better than one beta, ``share`` is the share that found the
    optimum, and ``needed`` is ``restarts_needed`` for it. Raises ``UserError`` for a run that
    lacks any of the page's fitters or starts.
    """
    from benchmarks.scoring.summary import summarise

    trials = scored.trials
    present = set(zip(trials.get("fitter", ()), trials.get("start", ()), strict=True))
    if ("founding", 0) not in scored.data_sets or not present >= set(product(FITTERS, STARTS)):
        raise UserError(
            "this run lacks some of the article's fitters or starts: make one by "
            "python -m benchmarks.studies article"
        )
    counted = trials.assign(stuck=stuck(trials, merged_nll(scored)))
    counts = counted.groupby(["fitter", "start"], as_index=False)["stuck"].sum()
    table = summarise(trials).merge(counts, on=["fitter", "start"])
    share = table["found"] / table["restarts"]
    return table.assign(share=share, needed=share.map(restarts_needed))


def restarts_needed(share: float) -> int:
    """Restarts until one finds the optimum with ``CONFIDENCE``; 0 if none or all found it."""
    if not 0.0 < share < 1.0:
        return 0
    return int(np.ceil(np.log(1.0 - CONFIDENCE) / np.log(1.0 - share)))


def merged_nll(scored: ScoredRun) -> float:
    """The lowest NLL of one beta on the article's data."""
    from benchmarks.reference.search import find_reference
    from scenarios.cache_folder import cache_folder

    data_set = scored.data_sets["founding", 0]
    one = find_reference(data_set.sample, 1, data_set.min_spread, cache_folder())
    return -one.log_likelihood / data_set.sample.size


def stuck(trials: pd.DataFrame, merged: float) -> pd.Series:
    """Which trials have the NLL of one beta, or a component without weight; boolean, (trials,)."""
    empty = trials["weights"].map(lambda weights: weights is not None and min(weights) < EMPTY)
    return ((trials["nll"] - merged).abs() < MERGED) | empty


def _shape(component: tuple[float, list[float]]) -> float:
    """The first parameter of a (weight, parameters) component, to sort by."""
    return component[1][0]


def _starts(groups: pd.DataFrame) -> str:
    """A Markdown table of how many restarts of each fitter found the optimum from each start."""
    from benchmarks.report.tables import markdown_table

    rows = groups.set_index(["fitter", "start"])
    cells = []
    for fitter in FITTERS:
        counts = [f"{rows['found'][fitter, s]}/{rows['restarts'][fitter, s]}" for s in STARTS]
        needed = rows["needed"][fitter, "article"]
        cells.append([f"`{fitter}`", *counts, str(needed) if needed else "–"])
    headings = ["fitter", "found from article", "found from quantile", "article starts needed"]
    return markdown_table(headings, cells, [True, False, False, False])
