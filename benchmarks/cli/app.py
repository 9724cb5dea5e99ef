"""The application of the command line: its options, and what it does with errors."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchmarks.cli.options import option
from scenarios.errors import UserError


class Commands(TyperGroup):
    """The commands; a ``UserError`` is printed as one sentence, with exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            print(f"mixturebench: {error}", file=sys.stderr)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            print("mixturebench: interrupted", file=sys.stderr)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="mixturebench",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time until help is printed
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Measure methods that fit mixture distributions: how often they find the optimum, how "
    "exactly, and at what cost.",
    epilog="Start here: mixturebench run",
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"mixturebench {version('mixturebench')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        option("Print the version.", "--version", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    pass
