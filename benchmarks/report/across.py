"""What the page says of all scenarios together: tables and figures of judged trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import aggregates
from benchmarks.harness.metrics import COLUMNS, GOOD, OVERALL, display, duration
from benchmarks.report.drawing import MARKERS, log_axes, svg
from benchmarks.report.figures import of_series, series
from benchmarks.report.tables import Column, Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

WORDS = ("fitter", "start", "others")
BUDGETS = {
    "seconds": tuple(10.0**power for power in range(-3, 4)),
    "evaluations": tuple(10.0**power for power in range(6)),
}
MEASURES = {"seconds": "seconds, finding the start included", "evaluations": "passes"}


def comparison(summary: pd.DataFrame, label: str, names: tuple[str, ...] | None = None) -> Table:
    """Summary rows as people read them; ``names`` are the columns, by default all."""
    chosen = names if names is not None else tuple(COLUMNS)
    columns = [
        Column(name, COLUMNS[name][0], name in WORDS, metric=name, fold=name == "others")
        for name in chosen
    ]
    return Table(label, columns, [display(row) for row in summary.itertuples()])


def overall(ranking: pd.DataFrame) -> Table:
    """The ranking over all scenarios."""
    return comparison(ranking, "Ranking over all scenarios", OVERALL)


@dataclass(frozen=True)
class MapRow:
    """One fitter and start: how many of its restarts converged on each scenario."""

    label: str
    cells: tuple[tuple[int, int], ...]


def convergence_map(trials: pd.DataFrame) -> tuple[list[str], list[MapRow]]:
    """(scenarios, rows) with the counts converged and planned of every pair."""
    scenarios = [str(name) for name in trials["scenario"].unique()]
    good = trials["status"].isin(GOOD)
    table = good.groupby([trials[name] for name in ("fitter", "start", "scenario")]).agg(
        ["sum", "size"]
    )
    counts = {key: (int(good), int(planned)) for key, good, planned in table.itertuples()}
    rows = [
        MapRow(label, tuple(counts.get((fitter, start, name), (0, 0)) for name in scenarios))
        for fitter, start, label, *_ in series(trials)
    ]
    return scenarios, rows


def profile_figure(trials: pd.DataFrame) -> str:
    """Share of all (trial, target) pairs reached, against time and against passes."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, measure in zip(panels, BUDGETS, strict=True):
            for fitter, start, label, colour, dash in series(trials):
                x, share = aggregates.profile(of_series(trials, fitter, start), measure)
                if x.size:
                    x = np.maximum(x, 1e-5 if measure == "seconds" else 0.1)
                    end = max(x[-1], 1.0)
                    axes.step(
                        np.append(x, end), np.append(share, share[-1]), where="post",
                        color=colour, ls=dash, lw=1.7, label=label,
                    )  # fmt: skip
            log_axes(axes, "x")
            axes.set_ylim(0.0, 1.02)
            axes.set_xlabel(MEASURES[measure])
        panels[0].set_ylabel("share of targets reached")
        handles, labels = panels[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=9)

    return svg(draw, (6.6, 3.4), "profile", "Share of targets reached against cost")


def profile_numbers(trials: pd.DataFrame) -> Table:
    """What ``profile_figure`` shows, at round budgets."""
    columns = [Column("who", "fitter", left=True)]
    for measure, budgets in BUDGETS.items():
        for budget in budgets:
            unit = duration(budget) if measure == "seconds" else f"{budget:,.0f} passes"
            columns.append(Column(f"{measure}{budget}", unit))
    rows = []
    for fitter, start, label, *_ in series(trials):
        row = {"who": label}
        for measure, budgets in BUDGETS.items():
            x, share = aggregates.profile(of_series(trials, fitter, start), measure)
            for budget in budgets:
                reached = np.searchsorted(x, budget, side="right")
                row[f"{measure}{budget}"] = f"{share[reached - 1]:.0%}" if reached else "0%"
        rows.append(row)
    return Table("Share of targets reached within a cost", columns, rows)


def scatter_figure(summary: pd.DataFrame, trials: pd.DataFrame) -> str:
    """Median excess against median time, a point for each scenario, fitter and start."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (fitter, start, label, colour, _) in enumerate(series(trials)):
            rows = of_series(summary, fitter, start)
            rows = rows[np.isfinite(rows["excess"]) & np.isfinite(rows["seconds"])]
            axes.plot(
                rows["seconds"], np.maximum(rows["excess"], 1e-8), ls="", ms=6, color=colour,
                marker=MARKERS[index % len(MARKERS)], alpha=0.85, label=label,
            )  # fmt: skip
        log_axes(axes, "xy")
        axes.set_ylim(top=max(10.0, axes.get_ylim()[1]))
        for level, word in ((0.01, "converged"), (1.0, "close")):
            axes.axhline(level, lw=1.0, ls=(0, (4, 3)), color=axes.xaxis.label.get_color())
            axes.annotate(
                f"{word} below", (1.0, level), xycoords=("axes fraction", "data"),
                xytext=(-2, 3), textcoords="offset points", ha="right", fontsize=8.5,
            )  # fmt: skip
        axes.set_xlabel("median seconds of a restart")
        axes.set_ylabel("median excess")
        figure.legend(loc="outside upper center", ncols=3, fontsize=9)

    return svg(draw, (6.6, 3.4), "scatter", "Accuracy against time")


def scatter_numbers(summary: pd.DataFrame) -> Table:
    """The points of ``scatter_figure``."""
    columns = [Column("scenario", "scenario", left=True)]
    columns += [
        Column(name, COLUMNS[name][0], name in WORDS, metric=name)
        for name in ("fitter", "start", "seconds", "excess")
    ]
    rows = [{"scenario": row.scenario, **display(row)} for row in summary.itertuples()]
    return Table("Accuracy and time", columns, rows)


def duels(trials: pd.DataFrame, by: str) -> Table | None:
    """Every two fitters, or start policies, against each other."""
    told = aggregates.duels(trials, by)
    if told.empty:
        return None
    columns = [
        Column("first", "first", left=True),
        Column("second", "second", left=True),
        Column("wins", "first alone"),
        Column("ties", "both or neither"),
        Column("losses", "second alone"),
        Column("p", "p (Holm)", metric="duel"),
        Column("faster", "second's time ÷ first's"),
    ]
    rows = [
        {
            "first": row.first,
            "second": row.second,
            "wins": str(row.wins),
            "ties": str(row.ties),
            "losses": str(row.losses),
            "p": f"{row.p_holm:.2g}",
            "faster": f"× {row.faster:.3g}" if np.isfinite(row.faster) else "–",
        }
        for row in told.itertuples()
    ]
    what = "fitters" if by == "fitter" else "start policies"
    return Table(f"Every two {what}, on the trials that both had", columns, rows)


def honesty(trials: pd.DataFrame) -> Table:
    """What the fitters claimed against what was so."""
    headings = {
        "right": "rightly converged", "false": "wrongly converged", "modest": "close, unclaimed",
        "admitted": "admitted failure", "silent": "no claim", "returned": "fits returned",
    }  # fmt: skip
    columns = [Column("fitter", "fitter", left=True, metric="fitter")]
    columns += [Column(name, heading, metric="claims") for name, heading in headings.items()]
    rows = aggregates.honesty(trials).astype(str).to_dict("records")
    return Table("Claims against what was so", columns, rows)


def failures(trials: pd.DataFrame) -> Table | None:
    """How often each cause of failure came, most often first: messages alike but for numbers."""
    failed = trials[~trials["status"].isin(("converged", "basin", "local", "unfinished"))]
    if failed.empty:
        return None
    cause = failed["message"].str.replace(r"\d[\d.e+-]*", "#", regex=True)
    grouped = failed.groupby(["scenario", "fitter", "status", cause], sort=False)["message"]
    counted = grouped.agg(["size", "first"])
    counted = counted.rename_axis(["scenario", "fitter", "status", "cause"])
    table = counted.reset_index().sort_values("size", ascending=False, kind="stable")
    columns = [
        Column("size", "trials"),
        Column("scenario", "scenario", left=True),
        Column("fitter", "fitter", left=True),
        Column("status", "became", left=True, metric="others"),
        Column("first", "because (the first)", left=True, fold=True),
    ]
    return Table("What failed, and why", columns, table.astype(str).to_dict("records"))


def posteriors(trials: pd.DataFrame) -> Table | None:
    """How well the sampling went, where a fitter samples."""
    told = aggregates.posteriors(trials)
    if told.empty:
        return None
    columns = [
        Column("scenario", "scenario", left=True),
        Column("fitter", "fitter", left=True, metric="fitter"),
        Column("trials", "trials"),
        Column("r_hat", "worst R̂", metric="r_hat"),
        Column("ess", "median ESS", metric="ess"),
        Column("rate", "ESS/s", metric="ess"),
        Column("with_setup", "ESS/s with setup", metric="ess"),
        Column("divergences", "divergences", metric="divergences"),
        Column("held_50", "50 % intervals held", metric="coverage"),
        Column("held_90", "90 % intervals held", metric="coverage"),
    ]
    rows = [
        {
            "scenario": row.scenario,
            "fitter": row.fitter,
            "trials": str(row.trials),
            "r_hat": f"{row.r_hat:.3f}" if np.isfinite(row.r_hat) else "–",
            "ess": f"{row.ess:,.0f}",
            "rate": f"{row.ess_per_second:,.3g}",
            "with_setup": f"{row.ess_per_second_with_setup:,.3g}",
            "divergences": str(row.divergences),
            "held_50": f"{row.held_50}/{row.values}" if row.values else "–",
            "held_90": f"{row.held_90}/{row.values}" if row.values else "–",
        }
        for row in told.itertuples()
    ]
    return Table("Sampling of posteriors", columns, rows)
