"""The commands that test a fitter and show what is cached."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from benchmarks.cli.app import app
from benchmarks.cli.options import SPEC_HELP, option


@app.command()
def check(fitter: Annotated[str, typer.Argument(metavar="FITTER", help=SPEC_HELP)]) -> None:
    """Test that a fitter, yours or the project's, meets the contract; exit 1 if it does not."""
    import mixturebench as mb

    failed = 0
    for point, wrong in mb.check_fitter(fitter):
        failed += wrong is not None
        print(f"{'ok  ' if wrong is None else 'FAIL'} {point}{f': {wrong}' if wrong else ''}")
        sys.stdout.flush()
    if failed:
        print(f"{fitter} breaks {failed} of the contract's points")
        raise SystemExit(1)
    print(f"{fitter} meets the contract")


@app.command()
def cache(
    clear: Annotated[
        bool, option("Delete the stored references.", "--clear", show_default=False)
    ] = False,
) -> None:
    """Show what is cached: the references, which a score would otherwise search for again."""
    import mixturebench as mb

    if clear:
        print(f"Deleted: {mb.clear_cache()}")
    else:
        print(mb.cache())
