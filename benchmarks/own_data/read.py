"""A column of numbers from a file or standard input; nothing is dropped silently."""

from __future__ import annotations

import csv
import hashlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.registry import choose

if TYPE_CHECKING:
    import pandas as pd

STANDARD_INPUT = "-"
SEPARATORS = {".csv": ",", ".tsv": "\t"}
SHOWN = 3
"""Bad cells that a message shows."""


@dataclass(frozen=True, eq=False)
class Data:
    """Observations, and where they came from."""

    name: str
    column: str
    """Empty where the source has no columns."""
    x: Array
    dropped: str
    """What was left out on the user's word, in words; empty if nothing."""

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers as float64."""
        return hashlib.sha256(np.ascontiguousarray(self.x).data).hexdigest()


def read(source: str, column: str | None, drop_missing: bool) -> Data:
    """The numbers of ``column`` in a .csv, .tsv, .parquet or .npy file, or "-" for text on stdin.

    Without ``column`` the only one with numbers. Cells that are empty, no numbers or not
    finite are an error that counts and names them, unless they are to be dropped. Raises
    ``UserError`` for all that is wrong with the file.
    """
    path = Path(source)
    if source == STANDARD_INPUT:
        return _text(sys.stdin.buffer.read(), "standard input", None, column, drop_missing)
    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path, or give - for standard input")
    try:
        if path.suffix == ".npy":
            return _array(path, column, drop_missing)
        if path.suffix == ".parquet":
            return _parquet(path, column, drop_missing)
        return _text(
            path.read_bytes(), str(path), SEPARATORS.get(path.suffix), column, drop_missing
        )
    except OSError as error:
        raise UserError(f"{path} can't be read: {error}") from error


def _array(path: Path, column: str | None, drop_missing: bool) -> Data:
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UserError(f"{path} can't be read as a .npy file: {error}") from error
    if not (np.issubdtype(held.dtype, np.integer) or np.issubdtype(held.dtype, np.floating)):
        raise UserError(f"{path} holds {held.dtype}, and not numbers: save it as float64")
    if held.ndim == 2 and held.shape[1] > 1:
        names = [str(index + 1) for index in range(held.shape[1])]
        held = held[:, names.index(_chosen(names, column, str(path)))]
    elif held.ndim > 2:
        raise UserError(f"{path} has {held.ndim} dimensions: save one column of numbers")
    x = np.asarray(held, dtype=np.float64).reshape(-1)
    step = 1 << 22
    if all(np.isfinite(x[low : low + step]).all() for low in range(0, x.size, step)):
        return Data(str(path), column or "", x, "")
    bad = np.flatnonzero(~np.isfinite(x))
    cells = [(int(index), str(x[index])) for index in bad[:SHOWN]]
    return _cleaned(str(path), column or "", x, bad, {"not finite": bad.size}, cells, drop_missing)


def _parquet(path: Path, column: str | None, drop_missing: bool) -> Data:
    from scenarios.columns import numeric_columns, read_column

    numeric = numeric_columns(path)
    name = _chosen(numeric, None, str(path)) if column is None else column
    if not drop_missing:
        x = read_column(path, name)
        if np.isfinite(x).all():
            return Data(str(path), name, x, "")
    else:
        import pandas as pd

        choose("column", name, numeric)
        x = pd.read_parquet(path, columns=[name])[name].to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~np.isfinite(x))
    kinds = {"empty": int(np.isnan(x).sum()), "infinite": int(np.isinf(x).sum())}
    cells = [(int(index), str(x[index])) for index in bad[:SHOWN]]
    return _cleaned(str(path), name, x, bad, kinds, cells, drop_missing)


def _text(
    content: bytes, name: str, separator: str | None, column: str | None, drop_missing: bool
) -> Data:
    import pandas as pd

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is not text in UTF-8 ({error.reason}): give text, or a .parquet or .npy file"
        ) from error
    if not text.strip():
        raise UserError(f"{name} is empty: give at least one number")
    if separator is None or separator not in text.lstrip().splitlines()[0]:
        separator = _sniffed(text)
    first = next(csv.reader(io.StringIO(text.lstrip()), delimiter=separator))
    headed = not all(_is_number(cell) for cell in first if cell.strip())
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=separator, header=0 if headed else None, dtype=str,
            keep_default_na=False, skip_blank_lines=len(first) > 1, skipinitialspace=True,
        )  # fmt: skip
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{name} can't be read as a table: {error}") from error
    frame.columns = [str(c) if headed else str(c + 1) for c in frame.columns]
    if len(frame) and not len(first) > 1:  # a last line break is no observation
        while len(frame) and not frame.iloc[-1, 0].strip():
            frame = frame.iloc[:-1]
    numeric = [c for c in frame.columns if _numbers(frame[c]).notna().mean() > 0.5]
    if column is not None:
        try:
            chosen = choose("column", column, list(frame.columns))
        except UserError as error:
            raise UserError(f"in {name} {error}") from error
    elif not numeric and len(frame.columns) == 1:
        chosen = str(frame.columns[0])
    else:
        chosen = _chosen(numeric, None, name)
    cells = frame[chosen].str.strip()
    x = _numbers(cells).to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(x))
    if bad.size == 0:
        return Data(name, chosen if headed else "", x, "")
    words = cells.iloc[bad].str.lower()
    blank = int(words.isin(["", "na", "nan", "null", "none"]).sum())
    infinite = int(np.isinf(x).sum())
    kinds = {"empty": blank, "infinite": infinite, "no numbers": bad.size - blank - infinite}
    shown = [(int(i) + headed, repr(str(cells.iloc[i]))) for i in bad[:SHOWN]]
    return _cleaned(name, chosen if headed else "", x, bad, kinds, shown, drop_missing)


def _cleaned(
    name: str,
    column: str,
    x: Array,
    bad: Any,
    kinds: dict[str, int],
    cells: list[tuple[int, str]],
    drop_missing: bool,
) -> Data:
    """Without the ``bad`` ones if they are to be dropped; otherwise ``UserError``."""
    told = " and ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    where = f"column {column!r} of {name}" if column else name
    places = ", ".join(f"line {index + 1}: {cell}" for index, cell in cells)
    if not drop_missing:
        raise UserError(
            f"of {x.size:,} values in {where} {bad.size:,} can't be fitted: {told} ({places}); "
            "mend them, or leave them out with --drop-missing"
        )
    return Data(name, column, np.delete(x, bad), f"{bad.size:,} of {x.size:,} values: {told}")


def _chosen(numeric: list[str], column: str | None, name: str) -> str:
    if column is not None:
        return choose("column", column, numeric)
    if not numeric:
        raise UserError(f"no column of {name} holds numbers: check the file, or name a --column")
    if len(numeric) > 1:
        raise UserError(
            f"several columns of {name} hold numbers: say which with --column "
            f"({', '.join(numeric)})"
        )
    return numeric[0]


def _numbers(cells: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(cells, errors="coerce")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _sniffed(text: str) -> str:
    """What separates columns: a comma where there is nothing else."""
    try:
        return csv.Sniffer().sniff(text[:4096], delimiters=",\t;").delimiter
    except csv.Error:
        return ","
