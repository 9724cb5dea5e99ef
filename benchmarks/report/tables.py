"""Tables: columns with their formats, rows of values, and their text and Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]
TEXT_WIDTH = 80
"""Characters of a line where the output is no terminal."""
GAP = 2
"""Spaces between two columns."""


@dataclass(frozen=True)
class Column:
    """One column of a table: a value of each row, its heading, and its format."""

    name: str
    """The value of a row that the column shows."""
    heading: str
    form: str | Callable[[Row], str] = ""
    """A format specification of the value, or a function from the row to the cell's text."""
    meaning: str = ""
    """The entry in the page's glossary, to which the heading then links."""
    left: bool = False
    """Whether cells are aligned left, as text is."""
    fold: bool = False
    """Whether long cells are broken into several lines."""
    overall: bool = True
    """Whether the value can be compared over scenarios of different size and truth."""
    scenario: bool = True
    """Whether the value has a meaning on one scenario."""

    def cell(self, row: Row) -> str:
        """Return the text of the column in a row.

        "–" stands for a value that is missing, and for an infinite one unless ``form`` is a
        function, which says more.
        """
        value = row.get(self.name)
        if isinstance(value, float):
            shown = not math.isnan(value) if callable(self.form) else math.isfinite(value)
            if not shown:
                return "–"
        return self.form(row) if callable(self.form) else format(value, self.form)


@dataclass(frozen=True)
class Table:
    """A table that terminal, Markdown and page show alike: its columns format its rows."""

    label: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    fitters: Sequence[str] = ("fitter",)
    """The values of a row that name fitters."""

    @classmethod
    def of(
        cls, label: str, columns: Sequence[Column], frame: pd.DataFrame,
        fitters: Sequence[str] = ("fitter",),
    ) -> Self:  # fmt: skip
        """Make a table of a data frame's rows."""
        return cls(label, columns, frame.to_dict("records"), fitters)

    def fitters_of(self, row: Row) -> list[str]:
        """The fitters that a row is about."""
        return [str(row[name]) for name in self.fitters if name in row]

    @classmethod
    def of_numbers(
        cls, label: str, headings: Sequence[str], rows: Iterable[Iterable[float]]
    ) -> Self:
        """Make a table of numbers, shown to four digits."""
        columns = [Column(heading, heading, ".4g") for heading in headings]
        return cls(label, columns, [dict(zip(headings, row, strict=True)) for row in rows])

    @property
    def cells(self) -> list[list[str]]:
        """The text of the cells, row by row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        headings = [column.heading for column in self.columns]
        return markdown_table(headings, self.cells, [column.left for column in self.columns])

    def text(self, width: int = 200) -> str:
        """Return the table as plain text of at most ``width`` characters a line.

        Columns with ``fold`` take several lines where the table would be wider. Where the others
        alone are wider, so is the table: no cell is cut off.
        """
        from rich.console import Console
        from rich.table import Table as RichTable

        table = RichTable(title=self.label or None, title_justify="left", box=None, pad_edge=False)
        for column in self.columns:
            justify: Literal["left", "right"] = "left" if column.left else "right"
            table.add_column(
                column.heading, justify=justify, no_wrap=not column.fold, overflow="fold"
            )
        for row in self.cells:
            table.add_row(*row)
        needed = sum(
            len(column.heading) if column.fold else max(map(len, [column.heading, *cells]))
            for column, *cells in zip(self.columns, *self.cells, strict=True)
        )
        width = max(width, needed + GAP * (len(self.columns) - 1))
        console = Console(width=width, color_system=None, highlight=False, markup=False)
        with console.capture() as capture:
            console.print(table)
        return "\n".join(line.rstrip() for line in capture.get().splitlines())


@dataclass(frozen=True)
class Drawn:
    """A figure as SVG, with its file name, its caption and its numbers."""

    name: str
    svg: str
    caption: str
    numbers: Table
    fitter: str = ""
    """The fitter that it shows alone, if so."""
    full_width: bool = False
    """Whether a page gives it a whole line."""


def text_width() -> int:
    """Characters of a line: those of the terminal, and at least ``TEXT_WIDTH``."""
    return max(TEXT_WIDTH, get_terminal_size((TEXT_WIDTH, 24)).columns)


def joined(names: Sequence[str]) -> str:
    """The names in words: "beta, gamma and weibull"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def folded(summary: str, content: str) -> str:
    """Return Markdown that is folded under a line of summary."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def markdown_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool] | None = None
) -> str:
    """Return headings and rows as a Markdown table; by default all cells are aligned left."""
    rule = ["---" if side else "---:" for side in left or [True] * len(headings)]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in [headings, *rows]]
    return "\n".join(f"| {line} |" for line in [lines[0], " | ".join(rule), *lines[1:]])
