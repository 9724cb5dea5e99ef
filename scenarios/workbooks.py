"""Columns of numbers in Excel workbooks, by the optional package openpyxl."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from scenarios.data_columns import Column
from scenarios.errors import UserError
from scenarios.registry import choose
from scenarios.table_layout import HEAD, Layout, Rows

SUFFIXES = (".xlsx", ".xlsm")


def workbook_column(path: Path, column: str | None) -> Column:
    """Read a column of a workbook: numbers, and numbers that are stored as text.

    If several sheets have cells, ``column`` is SHEET!COLUMN. A formula has the value that was
    stored with it; without one it is no number. Raises ``UserError`` for what is no workbook, and
    as ``scenarios.data_files.read`` does.
    """
    with _readable(path):
        sheets = _sheets(path)
    sheet, column = _pick_sheet(path, list(sheets), column)
    rows = sheets[sheet]
    layout = Layout.of(str(path), rows, column, "row")
    begin, width = rows[0][0] + int(layout.titled), len(rows[0][1])

    def cells() -> Iterator[tuple[int, Any]]:
        blank: list[int] = []
        for row, values in _rows(path, sheet):
            if row < begin:
                continue
            if all(value is None for value in values):
                # An empty row between the values of a single column is a missing value.
                blank += [row] if width == 1 else []
                continue
            for place in blank:
                yield place, None
            blank.clear()
            value = values[layout.index] if layout.index < len(values) else None
            yield row, value.strip() if isinstance(value, str) else value

    with _readable(path):
        return layout.read(cells, "row")


def _pick_sheet(path: Path, sheets: list[str], column: str | None) -> tuple[str, str | None]:
    if not sheets:
        raise UserError(f"{path} is empty: give at least one number")
    if len(sheets) == 1:
        return sheets[0], column
    sheet, mark, name = (column or "").rpartition("!")
    if not mark:
        raise UserError(
            f"{path} has several sheets: name the sheet and the column by --column "
            f"SHEET!COLUMN (sheets: {', '.join(sheets)})"
        )
    return choose("sheet", sheet, sheets), name


def _sheets(path: Path) -> dict[str, Rows]:
    """The first rows of every sheet with cells, without empty rows; each as wide as the widest."""
    with _opened(path, True) as book:
        names = [sheet.title for sheet in book.worksheets]
    sheets: dict[str, Rows] = {}
    for name in names:
        filled = (
            (row, cells) for row, cells in _rows(path, name) if any(c is not None for c in cells)
        )
        rows = list(islice(filled, HEAD))
        width = max((len(cells) for _, cells in rows), default=0)
        if rows:
            sheets[name] = [(row, [*cells, *[None] * (width - len(cells))]) for row, cells in rows]
    return sheets


def _rows(path: Path, sheet: str) -> Iterator[tuple[int, list[Any]]]:
    """The rows of a sheet with their numbers: values, or formulas where no value is stored."""
    with ExitStack() as stack:
        pair = [stack.enter_context(_opened(path, values)) for values in (True, False)]
        tables = []
        for book in pair:
            table = book[sheet]
            table.reset_dimensions()  # those that the file claims may leave out cells
            tables.append(table.iter_rows(values_only=True))
        for row, (values, formulas) in enumerate(zip(*tables, strict=True), 1):
            yield row, [f if v is None else v for v, f in zip(values, formulas, strict=True)]


@contextmanager
def _opened(path: Path, values: bool) -> Iterator[Any]:
    """A workbook, with the stored values of its formulas, or with the formulas."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise UserError(
            f"{path} is read by the optional package openpyxl: pip install 'mixturebench[xlsx]', "
            "or save the sheet as .csv"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions, which hold no numbers
        book = load_workbook(path, read_only=True, data_only=values)
        try:
            yield book
        finally:
            book.close()


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever openpyxl raises for a damaged file
        raise UserError(f"{path} can't be read as an Excel workbook: {error}") from error
