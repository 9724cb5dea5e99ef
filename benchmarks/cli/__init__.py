"""The command line: it parses options, calls the functions of ``mixturebench``, and prints.

Everything heavy is imported inside the commands, so that ``--help`` answers at once. Each module
of commands adds its own to ``app``.
"""

from benchmarks.cli import fit, measure, results, upkeep
from benchmarks.cli.app import app

__all__ = ["app", "fit", "main", "measure", "results", "upkeep"]


def main() -> None:
    """Run the command line."""
    app()
