"""A column of a Parquet file, a chunk at a time: the file may be larger than the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.registry import choose

CHUNK = 1 << 17
"""Rows of a chunk, at most."""
BUFFER = 1 << 20
"""Bytes read at once: without it a column is read by whole row groups, however large they are."""


def column_chunks(path: Path | str, column: str | None = None) -> Iterator[Array]:
    """The numbers of one column, by default the first, in order, in chunks (m,) of float64.

    Raises ``UserError`` for a file that is missing or not Parquet and for a column that is
    missing or holds no numbers; and, once the last chunk has come, for one that has
    empty values (null or NaN), which it counts. From the first of them on nothing is given.
    """
    return _chunks(*_opened(Path(path), column))


def read_column(path: Path | str, column: str | None = None) -> Array:
    """The same numbers in one array (n,), of which there is no second copy on the way.

    Raises as ``column_chunks`` does.
    """
    file, path, name = _opened(Path(path), column)
    values, at = np.empty(file.metadata.num_rows), 0
    for chunk in _chunks(file, path, name):
        values[at : at + chunk.size] = chunk
        at += chunk.size
    return values


def numeric_columns(path: Path | str) -> list[str]:
    """The names of the columns that hold numbers; ``UserError`` for a file that is not Parquet."""
    from pyarrow.parquet import read_schema

    with _readable(Path(path)):
        return _numeric(read_schema(path))


def _numeric(schema: Any) -> list[str]:
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_decimal)
    return [field.name for field in schema if any(of_kind(field.type) for of_kind in kinds)]


def _opened(path: Path, column: str | None) -> tuple[Any, Path, str]:
    from pyarrow.parquet import ParquetFile

    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path")
    with _readable(path):
        file = ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    schema = file.schema_arrow
    if not schema.names:
        raise UserError(f"{path} has no columns: name another file")
    try:
        name = choose("column", schema.names[0] if column is None else column, schema.names)
    except UserError as error:
        raise UserError(f"in {path} {error}") from error
    if schema.names.count(name) > 1:
        raise UserError(f"{path} has several columns {name!r}: rename all but one of them")
    fit = _numeric(schema)
    if name not in fit:
        raise UserError(
            f"column {name!r} of {path} is not all numbers, but {schema.field(name).type}; "
            f"those with numbers are: {', '.join(fit) or 'none'}"
        )
    return file, path, name


def _chunks(file: Any, path: Path, name: str) -> Iterator[Array]:
    from pyarrow import float64

    empty = 0
    with _readable(path), file:
        for batch in file.iter_batches(CHUNK, columns=[name], use_threads=False):
            # A cast that would round is an error: an integer of more than 53 bits is a label.
            values = batch.column(name).cast(float64()).to_numpy(zero_copy_only=False)
            empty += int(np.isnan(values).sum())
            if empty == 0:
                yield values
    if empty:
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
