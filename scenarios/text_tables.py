"""Text with a column of numbers: comma, semicolon or tab, packed by gzip or not.

``pyarrow`` reads a column whose cells are plain numbers or missing. All others, and all lines that
a message names, come from the ``csv`` module, cell by cell.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from scenarios.data_columns import EXACT, Column
from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.number_text import MISSING, has_decimal_comma, is_missing, is_number
from scenarios.table_layout import HEAD, Layout
from scenarios.text_source import BLOCK, Text, Utf8

SEPARATORS = {".csv": ",", ".tsv": "\t"}
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
BLANK_ENDS = (b"\n\n", b"\n\r\n", b"\n\r", b"\r\r", b"\r\r\n")
"""The last bytes of text whose last line is blank."""
LONGEST = 1 << 20
"""Characters of a line, at most."""


def text_column(text: Text, column: str | None) -> Column:
    """Read a column of text; defaults and errors are those of ``scenarios.data_files.read``."""
    text = replace(text, separator=_separator(text))
    rows, after = _first_rows(text)
    width = len(rows[0][1])
    _check_spaces(text, rows)
    if column is None:
        _check_commas(text, rows)
    layout = Layout.of(text.name, rows, column)
    begin, index = after if layout.titled else rows[0][0], layout.index

    def cells() -> Iterator[tuple[int, str]]:
        blank: list[int] = []
        for line, row in text.rows():
            if line < begin:
                continue
            if not row:
                # A blank line between the values of a single column is a missing value.
                if width == 1:
                    blank.append(line)
                continue
            if len(row) > width and any(map(str.strip, row[width:])):
                raise UserError(_ragged(text, line, row, rows[0]))
            if blank:
                yield from ((place, "") for place in blank)
                blank.clear()
            yield line, row[index].strip() if index < len(row) else ""

    def slowly() -> Column:
        return layout.read(cells)

    # Where decimal commas are about, points may separate thousands.
    if not layout.decimal_commas:
        values = _fast(text, layout, begin, ".")
    elif any(has_decimal_comma(row[index]) for _, row in rows if len(row) == width):
        values = _fast(text, layout, begin, ",")
    else:
        values = None
    if values is None:
        return slowly()
    return Column(text.name, layout.title, values, again=slowly)


def _first_rows(text: Text) -> tuple[list[tuple[int, list[str]]], int]:
    """The first rows that are not blank, and the line that follows the first of them."""
    rows: list[tuple[int, list[str]]] = []
    after = 0
    for line, cells in text.rows():
        if rows and not after:
            after = line
        if cells:
            rows.append((line, list(map(str.strip, cells))))
        if len(rows) == HEAD:
            break
    return rows, after or rows[0][0] + 1


def _fast(text: Text, layout: Layout, begin: int, decimal: str) -> Array | None:
    """A column of numbers without separators of thousands, NaN where one is missing.

    None if the column may be anything else.
    """
    from pyarrow import ArrowException, float64
    from pyarrow import csv as arrow_csv

    names = [str(index) for index in range(len(layout.columns))]
    chosen = names[layout.index]
    missing = {form for word in MISSING for form in (word, word.upper(), word.title())} | {"NaN"}
    parts: list[Array] = []
    try:
        with (
            text.open() as raw,
            Utf8(raw, text.name) as checked,
            arrow_csv.open_csv(
                checked,
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK, skip_rows=begin - 1, column_names=names
                ),
                arrow_csv.ParseOptions(
                    delimiter=text.separator,
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,
                ),
                arrow_csv.ConvertOptions(
                    column_types={chosen: float64()}, include_columns=[chosen],
                    null_values=sorted(missing), strings_can_be_null=True, decimal_point=decimal,
                ),
            ) as reader,
        ):  # fmt: skip
            for batch in reader:
                part = batch.column(0).to_numpy(zero_copy_only=False)
                finite = np.abs(part) < EXACT  # a larger number is a label, or infinite
                if part.size - np.count_nonzero(finite) != batch.column(0).null_count:
                    return None
                parts.append(part)
            if checked.quotes % 2:
                return None
    except ArrowException:
        return None
    # A blank line at the end of a single column is no missing value.
    if len(names) == 1 and checked.end.endswith(BLANK_ENDS):
        return None
    values = np.concatenate([np.empty(0), *parts])
    return None if np.isnan(values).all() else values


def _separator(text: Text) -> str:
    """The separator of the first lines; ``UserError`` if they are empty or leave several."""
    lines: list[str] = []
    with text.open() as raw, Utf8(raw, text.name) as checked:
        decoded = io.TextIOWrapper(io.BufferedReader(checked, BLOCK), "utf-8-sig", newline="")
        for number in count(1):
            line = decoded.readline(LONGEST)
            if len(line) == LONGEST:
                raise UserError(
                    f"line {number} of {text.name} has {LONGEST:,} characters or more: write one "
                    "value a line"
                )
            lines += [line] if line.strip(" \r\n") else []
            if not line or len(lines) == HEAD:
                break
    if not any(map(str.strip, lines)):
        raise UserError(f"{text.name} is empty: give at least one number")
    split = {separator: _split(lines, separator) for separator in NAMES}
    widths = {separator: len(rows[0]) for separator, rows in split.items() if len(rows[0]) > 1}
    fit = {
        separator: sum(len(row) == width for row in split[separator]) / len(split[separator])
        for separator, width in widths.items()
        if not any(any(map(str.strip, row[width:])) for row in split[separator])
    }
    if text.separator in fit and text.separator == "\t":
        return "\t"
    if not fit:
        return max(widths, key=widths.__getitem__, default=text.separator)
    best = [separator for separator, share in fit.items() if share == max(fit.values())]
    read = {separator: _numbers(split[separator]) for separator in best}
    best = [separator for separator in best if read[separator] == max(read.values())]
    if len(best) > 1:
        names = " or ".join(NAMES[separator] for separator in best)
        raise UserError(
            f"the columns of {text.name} may be separated by {names}: put cells "
            "that have them in quotation marks"
        )
    return best[0]


def _split(lines: list[str], separator: str) -> list[list[str]]:
    """The cells of the first lines; the last line may end within a cell."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    try:
        return [row for row in reader if row]
    except csv.Error:  # reading all rows says where
        return [lines[:1]]


def _numbers(rows: list[list[str]]) -> tuple[int, int]:
    """How many rows have numbers and missing values alone, and how many cells hold a number."""
    number = [[is_number(cell.strip()) for cell in row] for row in rows]
    whole = [
        all(known or is_missing(cell) for known, cell in zip(*pair, strict=True))
        for pair in zip(number, rows, strict=True)
    ]
    return sum(whole), sum(map(sum, number))


def _check_spaces(text: Text, rows: list[tuple[int, list[str]]]) -> None:
    """Raise ``UserError`` where spaces may separate columns, not thousands."""
    parts = [cells[0].split() for _, cells in rows if len(cells) == 1]
    counts = {len(words) for words in parts}
    alike = len(parts) == len(rows) > 1 == len(counts) and max(counts) > 1
    if alike and all(is_number(part) for words in parts[1:] for part in words):
        raise UserError(
            f"every line of {text.name} has spaces, as in {rows[-1][1][0]!r}, which may separate "
            "columns or thousands: separate columns by commas, and leave out separators of "
            "thousands"
        )


def _check_commas(text: Text, rows: list[tuple[int, list[str]]]) -> None:
    """Raise ``UserError`` where each comma may separate two columns, decimals or thousands."""
    digits = all(
        len(cells) == 2 and cells[0].lstrip("+-").isdigit() and cells[1].isdigit()
        for _, cells in rows
    )
    if text.separator == "," and digits:
        line, cells = rows[0]
        raise UserError(
            f"several columns of {text.name} hold numbers, if the commas separate columns and are "
            f"not decimal ({','.join(cells)!r} in line {line}): say which to read with --column "
            "(1, 2), or write decimal points"
        )


def _ragged(text: Text, line: int, row: list[str], heading: tuple[int, list[str]]) -> str:
    hint = "put a cell that holds a separator in quotation marks"
    if text.separator == ",":
        hint += ", and if commas are decimal, separate columns by semicolons"
    return (
        f"{text.name} can't be read as a table: line {line} has {len(row)} cells, and line "
        f"{heading[0]} has {len(heading[1])}, separated by {NAMES[text.separator]}: {hint}"
    )
