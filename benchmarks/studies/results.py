"""Publish a run of the profile ``standard``: its folder, a page on its results, README's answer.

The pages are written from the published scores alone, and their figures decide which of their
sentences appear.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare.run import Run
from benchmarks.files import replace_file, write_text
from benchmarks.reference.cache import REFERENCES, packed_references
from benchmarks.reference.search import reference_path
from benchmarks.report.columns import COMPARISON, NARROW, times
from benchmarks.report.tables import joined, markdown_table
from benchmarks.runner.journal import read, read_run, write_packed
from benchmarks.runner.plan import Plan
from benchmarks.runner.provenance import code_state, code_text
from benchmarks.runner.status import FOUND
from benchmarks.scoring.published import FOLDER, SUMS, file_sum, results
from benchmarks.studies.rendering import rendered
from scenarios.cache_folder import cache_folder
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.scoring.data_set import DataSet

MAXIMISERS = ("em", "newton", "direct")
"""The methods that maximise the likelihood of all the data and stop by a test of their own."""
SAMPLER = "mcmc:bins=256"
FITTERS = (*MAXIMISERS, "gradient", SAMPLER)
RELIABLE = 0.95
"""The rate from which a method converges reliably."""
COLUMNS = {column.name: column for column in (*COMPARISON, *NARROW)}
BLOCK = re.compile(r"(<!-- results -->\n).*?(<!-- end -->)", re.DOTALL)


def publish(folder: Path, out: Path = FOLDER) -> None:
    """Write the complete run in ``folder`` to ``out``: facts, references, scores, page and sums.

    Raises ``UserError`` unless it is a complete run of ``standard`` by committed code, today's.
    """
    run, records = read(folder)
    plan = Plan.of(run["plan"])
    if plan.profile != "standard" or len(records) < plan.size():
        raise UserError(
            f"the run in {folder} is no complete run of the profile standard "
            f"({plan.profile}, {len(records)} of {plan.size()} trials): complete it first"
        )
    state = code_state()
    if run["code"]["digest"] != state["digest"] or not run["code"]["clean"]:
        raise UserError(
            f"the run in {folder} is of {code_text(run['code'])}, and today's is "
            f"{code_text(state)}: commit, and run again"
        )
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        path.unlink()
    write_packed(out, run, plan.ordered(records))
    published = Run(out)
    published.write_scores()
    published.write_report()
    files = {key: _reference_file(each) for key, each in published.scored.data_sets.items()}
    found = {key: path for key, path in files.items() if path.exists()}
    replace_file(out / REFERENCES, packed_references(found))
    write_sums(out)


def _reference_file(data_set: DataSet) -> Path:
    components, cache = data_set.scenario.components, cache_folder()
    return reference_path(data_set.sample, components, data_set.min_spread, cache)


def write_sums(folder: Path) -> None:
    """Write the SHA-256 sums of the files in ``folder``."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    lines = [f"{file_sum(path)}  {path.name}\n" for path in files]
    replace_file(folder / SUMS, "".join(lines).encode())


def write_pages(page: Path, readme: Path) -> None:
    """Write the published results' ``page``, and the block <!-- results --> of ``readme``."""
    found = findings(results())
    text = readme.read_text("utf-8")
    if BLOCK.search(text) is None:
        raise UserError(f"--readme {readme}: it has no line <!-- results -->")
    write_text(page, rendered("results.md.jinja", **found, run=read_run(FOLDER)), "--page")
    short = rendered("results_short.md.jinja", **found)
    write_text(
        readme, BLOCK.sub(lambda block: f"{block[1]}\n{short}\n{block[2]}", text), "--readme"
    )


def findings(trials: pd.DataFrame) -> dict[str, Any]:
    """The figures of the pages, from scored ``trials`` of ``standard``."""
    from benchmarks.runner.progress import duration
    from benchmarks.scoring.summary import counted, summarise

    rated, summary = counted(trials), summarise(trials)
    rows = {(row.scenario, row.fitter): row for row in summary.itertuples() if row.restarts}
    overall = {row.fitter: row for row in summarise(trials, ("fitter", "start")).itertuples()}
    scenarios = list(dict.fromkeys(scenario for scenario, _ in rows))
    easy = [name for name in scenarios if _is_easy(name, rows)]
    best = {name: _best(name, rows) for name in scenarios if name not in easy}
    hard = sorted(best, key=lambda name: -best[name].found / best[name].restarts)
    return {
        "scenarios": scenarios, "easy": easy, "hard": hard, "best": best, "rows": rows,
        "fitters": FITTERS, "maximisers": MAXIMISERS, "sampler": SAMPLER, "overall": overall,
        "costs": {fitter: _cost_ratio(fitter, easy, rows) for fitter in FITTERS},
        "misses": {fitter: _misses(rated[rated["fitter"] == fitter]) for fitter in FITTERS},
        "best_of": {name: _best_of_restarts(rated, name) for name in scenarios},
        "setup": trials.groupby("fitter")["cold_setup_seconds"].max().to_dict(),
        "sampled": [name for name in hard if _is_clearly_best(SAMPLER, name, rows)],
        "unsampled": [n for n in scenarios if (n, SAMPLER) in rows and not rows[n, SAMPLER].found],
        "health": _health(rated), "outside": _outside(trials),
        "tables": _tables(rows, overall, hard),
        "data_sets": int(trials.groupby("scenario")["replicate"].nunique().max()),
        "trials": len(trials), "disturbed": int(trials["disturbed"].sum()),
        "duration": duration, "times": times,
        "names": lambda names: joined([f"`{name}`" for name in names]),
    }  # fmt: skip


def _tables(
    rows: dict[tuple[str, str], Any], overall: dict[str, Any], hard: list[str]
) -> dict[str, str]:
    """Tables of scenarios by method, as Markdown; the hard scenarios come first."""

    def table(cell: Callable[[Any], str], fitters: tuple[str, ...], total: bool = True) -> str:
        names = [*hard, *dict.fromkeys(name for name, _ in rows if name not in hard)]
        body = [
            [name, *(cell(rows[name, f]) if (name, f) in rows else "–" for f in fitters)]
            for name in names
        ]
        if total:
            body.append(["all", *(cell(overall[f]) for f in fitters)])
        headings = ["scenario", *(f"`{fitter}`" for fitter in fitters)]
        return markdown_table(headings, body, [True, *[False] * len(fitters)])

    claiming = tuple(fitter for fitter in FITTERS if overall[fitter].claims)
    ranking = [
        [f"`{name}`", f"{row.found}/{row.restarts}",
         *(_cell(column, row) for column in ("converged", "cost_ratio", "silent_failures"))]
        for name, row in overall.items()
    ]  # fmt: skip
    headings = ["method", "found", "converged [95 %]", "ERT ÷ best", "silent failures"]
    return {
        "found": table(_found, FITTERS),
        "cost": table(partial(_cell, "ert"), FITTERS, total=False),
        "silent": table(partial(_cell, "silent_failures"), claiming),
        "ranking": markdown_table(headings, ranking, [True, *[False] * 4]),
    }


def _found(row: Any) -> str:
    low, high = 100.0 * row.found_rate_low, 100.0 * row.found_rate_high
    return f"{row.found}/{row.restarts} [{low:.0f}–{high:.0f} %]"


def _cell(column: str, row: Any) -> str:
    """A cell as the report has it; a row over all scenarios lacks some of the columns' values."""
    return COLUMNS[column].cell(row._asdict())


def _is_easy(scenario: str, rows: dict[tuple[str, str], Any]) -> bool:
    """Whether each method that maximises the likelihood there converges reliably."""
    applied = [rows[scenario, name] for name in MAXIMISERS if (scenario, name) in rows]
    return all(row.rate >= RELIABLE for row in applied)


def _best(scenario: str, rows: dict[tuple[str, str], Any]) -> Any:
    """The row of the method that found the optimum most often; the cheapest of equals."""
    applied = [rows[scenario, name] for name in FITTERS if (scenario, name) in rows]
    return max(applied, key=lambda row: (row.found / row.restarts, -row.ert_found_seconds))


def _is_clearly_best(fitter: str, scenario: str, rows: dict[tuple[str, str], Any]) -> bool:
    """Whether its interval is above those of all other methods."""
    others = [rows[scenario, f] for f in FITTERS if f != fitter and (scenario, f) in rows]
    low = rows[scenario, fitter].found_rate_low if (scenario, fitter) in rows else 0.0
    return low > max(row.found_rate_high for row in others)


def _best_of_restarts(rated: pd.DataFrame, scenario: str) -> dict[str, str]:
    """By fitter the data sets on which any of its restarts found the optimum, of all."""
    rows = rated[rated["scenario"] == scenario]
    found = rows["status"].isin(FOUND).groupby([rows["fitter"], rows["replicate"]]).any()
    return {
        str(fitter): f"{int(group.sum())}/{len(group)}"
        for fitter, group in found.groupby(level="fitter")
    }


def _cost_ratio(
    fitter: str, scenarios: list[str], rows: dict[tuple[str, str], Any]
) -> tuple[float, bool]:
    """ERT ÷ that of the cheapest method, geometric mean over ``scenarios``; whether it is a bound.

    Without a success on a scenario the ERT is above all time that was spent there.
    """
    logs, bound = [], False
    for scenario in scenarios:
        costs = {name: rows[scenario, name] for name in FITTERS if (scenario, name) in rows}
        if fitter not in costs:
            continue
        cost = costs[fitter].ert_seconds
        if not math.isfinite(cost):
            cost, bound = costs[fitter].spent_seconds, True
        logs.append(math.log(cost / min(row.ert_seconds for row in costs.values())))
    return float(np.exp(np.mean(logs))), bound


def _misses(rated: pd.DataFrame) -> dict[str, int]:
    """Restarts that did not find the optimum, and how many of them claim convergence."""
    missed = rated[~rated["status"].isin(FOUND)]
    claimed = missed["claimed"].eq(True) & missed["weights"].notna()
    return {"all": len(missed), "claimed": int(claimed.sum())}


def _health(rated: pd.DataFrame) -> dict[str, int]:
    """Sampled posteriors: how many are healthy, and of those that did not find the optimum."""
    sampled = rated[rated["ess"].notna()]
    healthy, found = sampled["healthy"].eq(True), sampled["status"].isin(FOUND)
    return {
        "runs": len(sampled), "healthy": int(healthy.sum()), "missed": int((~found).sum()),
        "healthy_missed": int((healthy & ~found).sum()),
    }  # fmt: skip


def _outside(trials: pd.DataFrame) -> list[str]:
    """Data sets in no rate, by scenario and reason."""
    outside = trials[trials["outside_rates"] != ""]
    groups = outside.groupby(["scenario", "outside_rates"], sort=False)["replicate"].nunique()
    planned = trials.groupby("scenario")["replicate"].nunique()
    return [
        f"{count} of {planned[scenario]} of `{scenario}` ({reason})"
        for (scenario, reason), count in groups.items()
    ]
