"""The options of the commands: their names, their values and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def option(help: str, *names: str, **settings: Any) -> Any:
    """An option of a command, with its help and, where needed, its names."""
    return typer.Option(*names, help=help, **settings)


def names(kind: str) -> list[str]:
    """The names that a shell offers for completion."""
    import mixturebench as mb

    return [str(name) for name in getattr(mb, kind)().iloc[:, 0]]


SPEC_HELP = (
    "A method, with settings if any: em, direct:method=BFGS, newton:bins=1024, "
    "gradient:learning_rate=0.1,max_epochs=500, gradient:preset=article; or one of your own in a "
    "file: ./mine.py, ./mine.py:Mine:steps=50. Repeat for more."
)
KINDS = ("scenarios", "fitters", "families", "starts")
Fitters = Annotated[
    list[str] | None,
    option(SPEC_HELP, metavar="FITTER", autocompletion=lambda: names("fitters")),
]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `run` made.")]
Figures = Annotated[
    Path | None,
    option("A folder to write each figure to, as an SVG file too.", metavar="FOLDER"),
]
Wide = Annotated[
    bool, option("All columns, wider than 80 characters.", "--wide", show_default=False)
]
Profile = Annotated[
    str | None,
    option(
        "A ready-made plan: quick (minutes; the default), check (what `make check` runs), "
        "standard (a quarter of an hour), full (days).",
        metavar="quick|check|standard|full",
        autocompletion=lambda: ["quick", "check", "standard", "full"],
    ),
]
Scenarios = Annotated[
    list[str] | None,
    option(
        "A scenario of the catalogue, or a TOML file. Repeat for more.",
        metavar="SCENARIO",
        autocompletion=lambda: names("scenarios"),
    ),
]
Starts = Annotated[
    list[str] | None,
    option(
        "A start policy of `mixturebench list starts`. Repeat for more.",
        metavar="START",
        autocompletion=lambda: names("starts"),
    ),
]
Restarts = Annotated[
    int | None, option("Restarts of every fitter from every start policy.", metavar="NUMBER")
]
DataSets = Annotated[int | None, option("Data sets drawn from every scenario.", metavar="NUMBER")]
Seed = Annotated[
    int | None,
    option("Random seed for data sets and starts; 0 by default.", metavar="NUMBER"),
]
Timeout = Annotated[
    float | None,
    option("Time after which a trial is stopped; 600 s by default.", metavar="SECONDS"),
]
SetupTimeout = Annotated[
    float | None,
    option("Time that a fitter may take to prepare; 600 s by default.", metavar="SECONDS"),
]
Memory = Annotated[
    float | None, option("Memory that a worker may hold; 4000 MB by default.", metavar="MB")
]
Workers = Annotated[
    int | None,
    option(
        "Trials at once, each in a process with one thread; by default one a core. Use 1 where "
        "timings matter.",
        metavar="NUMBER",
    ),
]
Dask = Annotated[
    str | None,
    option("Run on the dask.distributed cluster at this address instead.", metavar="ADDRESS"),
]
Against = Annotated[
    list[str] | None,
    option(
        "Compare with the fitters and scenarios of this git revision, or of a folder that has "
        "both: each cell runs with them and with today's, on fresh data. Or with a run's folder, "
        "on its data; repeat for more. More data sets are run until the comparison is decided.",
        metavar="REF|DIR",
    ),
]
Budget = Annotated[
    str | None,
    option(
        "With --against, its time: 90s, 20m, 1h; 10m by default. If it ends undecided, the verdict "
        "is inconclusive.",
        metavar="TIME",
    ),
]
Verdict = Annotated[
    Path | None,
    option(
        "With --against, a file for the comparison as Markdown, in place of the terminal.",
        metavar="FILE",
    ),
]
RunOut = Annotated[
    Path | None,
    option(
        "A new or empty folder, or that of a run to resume or extend; otherwise a new one below "
        "results/runs/.",
        metavar="DIR",
    ),
]
WriteReport = Annotated[
    bool,
    option(
        "After the trials, score them and write the page, or leave both to `mixturebench "
        "report`; with --against, compare the two runs or leave that.",
        "--report/--no-report",
    ),
]
DataFile = Annotated[
    str | None,
    option(
        "Data of your own in place of scenarios: a .csv, .tsv, .xlsx, .parquet or .npy file, or - "
        "for standard input; with --family.",
        metavar="FILE",
    ),
]
Column = Annotated[
    str | None, option("The file's column; needed where several hold numbers.", metavar="NAME")
]
Family = Annotated[
    str | None,
    option(
        "The components' distribution, for --data: beta, normal, gamma, ...",
        metavar="FAMILY",
        autocompletion=lambda: names("families"),
    ),
]
Components = Annotated[
    int | None, option("How many components, for --data; 2 by default.", metavar="NUMBER")
]
DryRun = Annotated[
    bool,
    option(
        "Print the plan, its trials and an estimate of the time, and run nothing.",
        "--dry-run",
        show_default=False,
    ),
]
