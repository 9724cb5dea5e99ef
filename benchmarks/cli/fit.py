"""The command that fits data of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import SPEC_HELP, Column, Figures, option
from benchmarks.files import write_text

if TYPE_CHECKING:
    from benchmarks.fit.answer import Answer

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A .csv, .tsv, .xlsx, .parquet or .npy file, or - for standard input; text may be "
        "packed (.csv.gz).",
    ),
]
FamilyOrAuto = Annotated[
    str, option("beta, normal, gamma, ...; auto tries all that the data allow.", metavar="FAMILY")
]
Counts = Annotated[
    str,
    option(
        "How many: a number, or a range such as 1..5 to choose from by BIC.",
        metavar="NUMBER|RANGE",
    ),
]
OwnFitters = Annotated[
    list[str] | None,
    option(SPEC_HELP + " By default Newton's method. mcmc gives a posterior.", metavar="FITTER"),
]
StartCount = Annotated[
    int,
    option("Starts of the family and number that are chosen; others get fewer.", metavar="NUMBER"),
]
StartSeed = Annotated[int, option("Random seed for starts and bootstraps.", metavar="NUMBER")]
DropMissing = Annotated[bool, option("Leave out cells that are empty or NA.", "--drop-missing")]
Methods = Annotated[
    bool, option("Say which method finds this optimum, how often, at what cost.", "--methods")
]
By = Annotated[
    str,
    option(
        "Whose shares, means and cuts: of each group (the components under one peak) or component.",
        metavar="group|component",
    ),
]
Groups = Annotated[
    Path | None,
    option(
        "A .csv file for the rows: value, probability of each group, group, certain or not.",
        metavar="CSV",
    ),
]
Costs = Annotated[
    list[float] | None,
    option(
        "What a misplaced row of a group costs, from the left group to the right, for the cuts. "
        "Repeat for each group.",
        metavar="NUMBER",
    ),
]
Test = Annotated[
    bool, option("Test one component fewer by a bootstrap, even where BIC is clear.", "--test")
]
Bootstrap = Annotated[bool, option("Errors of groups by the parametric bootstrap.", "--bootstrap")]
Json = Annotated[bool, option("Print the answer as JSON.", "--json")]
Out = Annotated[
    Path | None, option("The page's file; otherwise FILE.COLUMN.fit.html.", metavar="PAGE")
]


@app.command()
def fit(
    source: Source,
    column: Column = None,
    family: FamilyOrAuto = "auto",
    components: Counts = "1..4",
    fitter: OwnFitters = None,
    restarts: StartCount = 20,
    seed: StartSeed = 0,
    drop_missing: DropMissing = False,
    methods: Methods = False,
    by: By = "group",
    groups: Groups = None,
    cost: Costs = None,
    test: Test = False,
    bootstrap: Bootstrap = False,
    json: Json = False,
    out: Out = None,
    figures: Figures = None,
) -> None:
    """Fit a mixture to data of your own: how many groups, where to cut, how sure is it?

    Groups are the components under one peak of the density, as far as tests confirm it.
    Family and number of components are chosen by BIC from many starts. A page has the pictures.

    Try: mixturebench fit measurements.csv --column seconds --groups rows.csv
    """
    import mixturebench as mb
    from benchmarks import console
    from benchmarks.fit.page_name import page_path
    from benchmarks.runner.progress import say

    _check_outputs(source, {"--groups": groups, "--out": out, "--figures": figures})
    answer = mb.fit(
        source, family, components, column=column, fitters=fitter or (), restarts=restarts,
        seed=seed, drop_missing=drop_missing, methods=methods, by=by, test=test,
        bootstrap=bootstrap, costs=cost or (),
    )  # fmt: skip
    page = out if json or out else page_path(answer.data)
    printed, text = _texts(answer, json, page is not None, say)
    if groups is not None:
        write_text(groups, answer.groups.to_csv(), "--groups")
    if figures is not None:
        console.write_figures(figures, {drawn.name: drawn.svg for drawn in answer.figures})
    if page is not None:
        write_text(page, text, "--out")
    print(printed)
    if page is not None and not json:
        print(f"\nPage: {page}")


def _check_outputs(source: str, outputs: dict[str, Path | None]) -> None:
    """Raise ``UserError`` before a fit that would write over its data, or one file over another."""
    from scenarios.errors import UserError

    taken = {Path(source).resolve(): "the data"}
    for name, path in outputs.items():
        if path is None:
            continue
        place = path.resolve()
        if place in taken:
            raise UserError(f"{name}: {path} is also {taken[place]}; name another place")
        if name == "--figures" and place.is_file():
            raise UserError(f"{name}: {path} is a file; name a folder")
        if name != "--figures" and place.is_dir():
            raise UserError(f"{name}: {path} is a folder; name a file in it")
        taken[place] = name


def _texts(answer: Answer, json: bool, page: bool, say: Callable[[str], object]) -> tuple[str, str]:
    """What is printed, and the page's text: what can fail does so before a file is written."""
    try:
        answer.test(say)
        return answer.json() if json else str(answer), answer.report() if page else ""
    finally:
        say("")
