"""A column as it was read, and the numbers of it that may be used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenarios.errors import UserError
from scenarios.families.base import Array
from scenarios.registry import choose

CHUNK = 1 << 17
"""Rows of a chunk, at most."""
EXAMPLES = 3
"""Bad cells that a message names."""
EXACT = 1 << 53
"""Whole numbers up to this size are float64 without rounding."""

EMPTY = "empty"
INFINITE = "infinite"
NO_NUMBER = "no numbers"
LABEL = "integers of more than 53 bits, which float64 would round"
KINDS = (EMPTY, INFINITE, NO_NUMBER, LABEL)
"""What a cell may be that holds no finite number. Only the empty may be left out."""


@dataclass(frozen=True, eq=False)
class Data:
    """Observations ``x`` (n,), and their source."""

    name: str
    column: str
    """Its number where the source does not name its columns; empty where it has no other."""
    x: Array
    dropped: str
    """How many values were left out, and why; empty if none."""
    kept: NDArray[np.intp] | None = None
    """The places, from 0, of the observations among all rows of the source; None for all."""

    @property
    def row_numbers(self) -> NDArray[np.intp]:
        """The number of each observation's row in the source, from 1, (n,)."""
        return (np.arange(self.x.size) if self.kept is None else self.kept) + 1

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers as float64."""
        return hashlib.sha256(np.ascontiguousarray(self.x).data).hexdigest()


@dataclass
class Tally:
    """How many cells are of one kind, and the first of them: place and text."""

    count: int = 0
    examples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, place: int, text: str) -> None:
        """Count a cell."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((place, text))


@dataclass(frozen=True, eq=False)
class Column:
    """A column as it was read: ``x`` (n,) is NaN where a cell holds no number."""

    source: str
    name: str
    x: Array
    tallies: dict[str, Tally] | None = None
    """The cells without a finite number, by kind; None: they follow from ``x``."""
    again: Callable[[], Column] | None = None
    """Read the column with the lines of its bad cells, which takes longer."""

    def data(self, drop_missing: bool = False) -> Data:
        """The finite numbers; ``UserError`` for other cells, unless only empty ones are dropped."""
        tallies = self._tallied() if self.tallies is None else self.tallies
        refused = {kind: t for kind, t in tallies.items() if not (drop_missing and kind == EMPTY)}
        if not tallies:
            return Data(self.source, self.name, self.x, "")
        if refused and self.again is not None:
            return self.again().data(drop_missing)
        if refused:
            raise UserError(self._refusal(refused))
        dropped = f"{tallies[EMPTY].count:,} of {self.x.size:,} values: {_counts(tallies)}"
        kept = np.flatnonzero(~np.isnan(self.x))
        return Data(self.source, self.name, self.x[kept], dropped, kept)

    def _tallied(self) -> dict[str, Tally]:
        """NaN is empty, as in pandas and R."""
        tallies = {EMPTY: Tally(), INFINITE: Tally()}
        for low in range(0, self.x.size, CHUNK):  # a mapped file may be larger than the memory
            block = self.x[low : low + CHUNK]
            if np.isfinite(block).all():
                continue
            for kind, bad in ((EMPTY, np.isnan(block)), (INFINITE, np.isinf(block))):
                places = low + np.flatnonzero(bad)
                tally = tallies[kind]
                for place in places[: EXAMPLES - len(tally.examples)].tolist():
                    tally.examples.append((place, f"row {place + 1}: {self.x[place]}"))
                tally.count += places.size
        return {kind: tally for kind, tally in tallies.items() if tally.count}

    def _refusal(self, refused: dict[str, Tally]) -> str:
        where = f"column {self.name!r} of {self.source}" if self.name else self.source
        count = sum(tally.count for tally in refused.values())
        examples = sorted(example for tally in refused.values() for example in tally.examples)
        named = ", ".join(text for _, text in examples[:EXAMPLES])
        hint = " (`fit` can leave out empty cells: --drop-missing, drop_missing=True)"
        return (
            f"{where} is not all numbers: of {self.x.size:,} values {count:,} can't be fitted, "
            f"{_counts(refused)} ({named}); correct them or remove their rows"
            + (hint if EMPTY in refused else "")
        )


def _counts(tallies: dict[str, Tally]) -> str:
    return " and ".join(f"{tallies[kind].count:,} {kind}" for kind in KINDS if kind in tallies)


def check_exact(where: str, stored: NDArray, above: int = 0) -> None:
    """Raise ``UserError`` for integers (n,) that float64 would round: those are labels.

    ``above`` is the number of rows before them.
    """
    for low in range(0, stored.size if stored.dtype.kind in "iu" else 0, CHUNK):
        block = stored[low : low + CHUNK]
        if block.dtype.itemsize < 8 or (block.max() <= EXACT and block.min() >= -EXACT):
            continue
        for row, value in enumerate(block.tolist(), above + low + 1):
            if value != int(float(value)):
                raise UserError(
                    f"{where} holds {value} (row {row}), an integer of more than 53 bits, "
                    "which float64 would round: name a column of measurements, not of labels"
                )


def check_any(column: Column, name: str, numeric: Sequence[str]) -> Column:
    """The column ``name``; ``UserError`` if it holds no number, and the columns ``numeric`` do."""
    others = [other for other in numeric if other != name]
    if others and column.x.size and np.isnan(column.x).all():
        raise UserError(
            f"column {name!r} of {column.source} holds no numbers; those that do: "
            f"{', '.join(others)}"
        )
    return column


def pick(source: str, columns: Sequence[str], numeric: Sequence[str], column: str | None) -> str:
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
    if list(columns).count(name) > 1:
        raise UserError(f"{source} has several columns {name!r}: rename all but one of them")
    return name
