"""The heading of a table of cells, and the column to read: for text and for workbooks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scenarios.data_columns import Column, check_any, pick
from scenarios.errors import UserError
from scenarios.number_text import Cells, cells_column, has_decimal_comma, is_missing, is_number

HEAD = 1000
"""Rows that decide which columns hold numbers, and whether the first row is a heading."""
Rows = Sequence[tuple[int, Sequence[Any]]]
"""The first rows of a table, with their lines; none is blank."""

_LIKE_NUMBER = re.compile(r"[<>~≈$€£+-]*\s*[.,]?[0-9]")


@dataclass(frozen=True)
class Layout:
    """The columns of a table, and which of them to read."""

    source: str
    columns: list[str]
    """Titles; without a heading the numbers of the columns, from 1."""
    numeric: list[str]
    titled: bool
    name: str
    decimal_commas: bool
    """Some cell is a number with a decimal comma, whatever its column."""

    @classmethod
    def of(cls, source: str, rows: Rows, column: str | None, line: str = "line") -> Layout:
        """Take a table apart; ``UserError`` if the column is missing or ambiguous."""
        titled = has_heading(source, rows, column, line)
        columns, numeric = numeric_columns(rows, titled)
        name = pick(source, columns, numeric, column)
        if titled and column is None and _LIKE_NUMBER.match(name):
            raise UserError(_doubt(source, rows, [name], columns, line))
        commas = any(has_decimal_comma(cell) for _, cells in rows for cell in cells)
        return cls(source, columns, numeric, titled, name, commas)

    @property
    def index(self) -> int:
        """The place of the column, from 0."""
        return self.columns.index(self.name)

    @property
    def title(self) -> str:
        """The name of the column; empty if it is the only one, and has no heading."""
        return self.name if self.titled or len(self.columns) > 1 else ""

    def read(self, cells: Cells, line: str = "line") -> Column:
        """The column, from its cells; ``UserError`` as ``cells_column`` raises it."""
        read = cells_column(self.source, self.title, cells, line, self.decimal_commas)
        return check_any(read, self.name, self.numeric)


def numeric_columns(rows: Rows, titled: bool) -> tuple[list[str], list[str]]:
    """The names of the columns, and of those in which most cells of the first rows are numbers.

    A column without a title counts only if there is no other: it has the numbers of the rows.
    """
    width = len(rows[0][1])
    names = [str(index + 1) for index in range(width)]
    if titled:
        names = ["" if is_missing(title) else str(title).strip() for title in rows[0][1]]
    numeric = []
    for index, name in enumerate(names):
        cells = [cells[index] for _, cells in rows[int(titled) :] if index < len(cells)]
        filled = [cell for cell in cells if not is_missing(cell)]
        if 2 * sum(map(is_number, filled)) > len(filled):
            numeric.append(name)
    return names, [name for name in numeric if name] or numeric


def has_heading(source: str, rows: Rows, column: str | None, line: str) -> bool:
    """Whether the first row is a heading: it has text, and no number.

    With both it is one if ``column`` is a title, and none if ``column`` is a column's number;
    otherwise ``UserError``.
    """
    filled = [cell for cell in rows[0][1] if not is_missing(cell)]
    numbers = [str(cell) for cell in filled if is_number(cell)]
    titles = [str(cell).strip() for cell in rows[0][1]]
    if len(numbers) == len(filled):
        return False
    if not numbers or column in titles:
        return True
    if column is None or (column.isdecimal() and 1 <= int(column) <= len(titles)):
        if column is None:
            raise UserError(_doubt(source, rows, numbers, titles, line))
        return False
    return True


def _doubt(
    source: str, rows: Rows, numbers: Sequence[str], titles: Sequence[str], line: str
) -> str:
    number = numbers[0]
    return (
        f"{line} {rows[0][0]} of {source} may be a heading or data, for it has {number!r}: "
        f"write a heading above it, or say --column {number!r} if it is the heading of the column"
        + (f" and --column {titles.index(number) + 1} if it is data" if len(titles) > 1 else "")
    )
