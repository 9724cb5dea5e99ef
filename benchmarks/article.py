"""The founding article told again, from a run: ``python -m benchmarks.article``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

ARTICLE = "gradient:preset=article"
PLAN = {
    "scenarios": ("founding",),
    "fitters": (ARTICLE, "gradient", "direct", "em"),
    "starts": ("article", "quantile"),
    "restarts": 50,
}
SHOWN = 1
"""The restart of the ``article`` start whose seed the article shows."""
STUCK = 1e-3
"""NLL from the merged optimum's within which a fit has stuck there."""


def tell(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="A run of it; otherwise one is made.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page; its picture goes beside it.")] = Path(
        "docs/article.md"
    ),
) -> None:
    """Run what the article did and what it left for another day, and tell what came of it."""
    if folder is None:
        from benchmarks import commands
        from benchmarks.harness.plan import Choices

        folder = Path("results") / "runs" / "article"
        commands.run(Choices(**PLAN), folder, None, None, None)  # type: ignore[arg-type]
    retell(folder, out)
    print(f"Page: {out}")


def retell(folder: Path, out: Path) -> None:
    """Write the page of the run in ``folder``, with its picture beside it.

    Raises ``UserError`` if the run lacks the article's own fitter on its own start.
    """
    from benchmarks.harness import judge
    from benchmarks.harness.judgement import cache_folder, judge_folder
    from benchmarks.harness.metrics import summarise
    from benchmarks.harness.reference import find_reference
    from benchmarks.report import across, figures
    from benchmarks.report.template import render

    judgement = judge_folder(folder)
    trials = judgement.trials[judgement.trials["scenario"] == "founding"]
    own = trials[(trials["fitter"] == ARTICLE) & (trials["start"] == "article")]
    if own.empty or SHOWN not in set(own["restart"]):
        raise UserError(
            f"the run in {folder} lacks restart {SHOWN} of {ARTICLE} from article starts on "
            "founding: leave out DIR, and one is made"
        )
    problem = judgement.problems["founding", 0]
    merged = find_reference(problem.sample, 1, problem.floor, cache_folder())
    merged_nll = judge.nll(merged.judged, problem.observations)
    summary = summarise(trials)
    names = ("fitter", "start", "converged", "rate", "close", "excess", "seconds", "passes",
             "cost", "claims", "others")  # fmt: skip
    picture = out.with_name(f"{out.stem}-traces.svg")
    drawn = figures.trace_figure(problem, judgement.traces, own, ARTICLE, "article")
    text = render(
        "article.md.jinja",
        run=judgement.run,
        n=problem.sample.size,
        best=float(own["reference_nll"].iloc[0]),
        merged=merged_nll,
        merged_shapes=merged.parameters[0],
        own=_counts(own, merged_nll),
        shown=own.set_index("restart").loc[SHOWN],
        rows={key: _row(summary, *key) for key in _keys(summary)},
        table=across.comparison(summary, "What came of it", names).markdown(),
        picture=picture.name,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(drawn, encoding="utf-8")
    out.write_text(text.rstrip() + "\n", encoding="utf-8")


def _counts(own: pd.DataFrame, merged: float) -> dict[str, int]:
    """What became of the article's restarts."""
    return {
        "restarts": len(own),
        "converged": int((own["status"] == "converged").sum()),
        "close": int(own["status"].isin(("converged", "basin")).sum()),
        "stuck": int(((own["nll"] - merged).abs() < STUCK).sum()),
        "merging": int(((own["optimum"] - merged).abs() < STUCK).sum()),
        "spurious": int((own["status"] == "spurious").sum()),
    }


def _keys(summary: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(summary["fitter"], summary["start"], strict=True))


def _row(summary: pd.DataFrame, fitter: str, start: str) -> Any:
    return next(summary[(summary["fitter"] == fitter) & (summary["start"] == start)].itertuples())


if __name__ == "__main__":
    typer.run(tell)
