"""Columns of numbers in .npy and .parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.data_columns import CHUNK, Column, check_exact, pick
from scenarios.errors import UserError
from scenarios.families.base import Array

BUFFER = 1 << 20
"""Bytes read at once: without it a column is read by whole row groups, however large they are."""


def array_column(path: Path, column: str | None) -> Column:
    """Read a column of a .npy file; one of float64 is mapped, and not copied."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        reason = "it holds no array of numbers" if "pickle" in str(error) else error
        raise UserError(f"{path} can't be read as a .npy file: {reason}") from error
    if not isinstance(stored, np.ndarray):
        stored.close()
        raise UserError(f"{path} is an archive of several arrays: save one with numpy.save")
    if stored.dtype.kind not in "iuf":
        raise UserError(f"{path} holds {stored.dtype}, and not numbers: save it as float64")
    if stored.ndim > 2:
        raise UserError(f"{path} has {stored.ndim} dimensions: save one column of numbers")
    name = ""
    if stored.ndim == 2 and stored.shape[1] > 1:
        names = [str(index + 1) for index in range(stored.shape[1])]
        name = pick(str(path), names, names, column)
        stored = stored[:, names.index(name)]
    elif column not in (None, "1"):
        raise UserError(f"{path} has one column, without a name: leave out --column {column!r}")
    return Column(str(path), name, as_float64(str(path), stored.reshape(-1)))


def as_float64(where: str, stored: NDArray) -> Array:
    """Numbers (n,) as float64; ``UserError`` for integers that it would round."""
    check_exact(where, stored)
    with np.errstate(over="ignore"):  # a number beyond its range is infinite, which is refused
        return np.asarray(stored, dtype=np.float64)


def parquet_column(path: Path, column: str | None) -> Column:
    """Read a column of a .parquet file, NaN for null."""
    file, name = _open(path, column)
    return Column(str(path), name, np.concatenate([np.empty(0), *_chunks(path, file, name)]))


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
    file, name = _open(path, column)
    return _filled_chunks(path, file, name)


def _filled_chunks(path: Path, file: Any, name: str) -> Iterator[Array]:
    empty = 0
    for values in _chunks(path, file, name):
        empty += int(np.isnan(values).sum())
        if not empty:
            yield values
    if empty:
        raise UserError(
            f"in column {name!r} of {path} {empty} of {file.metadata.num_rows} values are empty "
            "(null or NaN), and none is left out silently: fill them in, or remove their rows"
        )


def _open(path: Path, column: str | None) -> tuple[Any, str]:
    """An open Parquet file, and the name of the column to read."""
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    with _readable(path):
        file = ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    schema, kinds = file.schema_arrow, (types.is_integer, types.is_floating, types.is_decimal)
    numeric = [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]
    name = pick(str(path), schema.names, numeric, column)
    if name not in numeric:
        raise UserError(
            f"column {name!r} of {path} is not all numbers, but {schema.field(name).type}; "
            f"those with numbers are: {', '.join(numeric) or 'none'}"
        )
    return file, name


def _chunks(path: Path, file: Any, name: str) -> Iterator[Array]:
    """A column in chunks of float64, NaN for null."""
    from pyarrow import float64, types

    row = 0
    with _readable(path), file:
        for batch in file.iter_batches(CHUNK, columns=[name], use_threads=False):
            stored = batch.column(name)
            if types.is_integer(stored.type):
                filled = stored.fill_null(0).to_numpy(zero_copy_only=False)
                check_exact(f"column {name!r} of {path}", filled, row)
            yield stored.cast(float64(), safe=False).to_numpy(zero_copy_only=False)
            row += len(stored)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError) as error:
        reason = str(error).partition(". ")[0]
        raise UserError(f"{path} can't be read as Parquet: {reason}") from error
