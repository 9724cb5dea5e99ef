"""Numbers as people write them: decimal marks, thousands separators, cells that are missing.

A column has one notation. It is the plain one, with a decimal point, if that reads every number in
it; otherwise the one notation that reads every number, if there is only one or all give the same
values; otherwise the column is refused.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import inf, isinf, isnan, nan
from numbers import Integral, Real
from typing import Any

import numpy as np

from scenarios.data_columns import EMPTY, EXACT, INFINITE, LABEL, NO_NUMBER, Column, Tally
from scenarios.errors import UserError

MISSING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"))
"""Cells, in lower case, that stand for a missing value."""
INFINITIES = frozenset(sign + name for sign in ("", "+", "-") for name in ("inf", "infinity"))

Cells = Callable[[], Iterable[tuple[int, Any]]]
"""A column's cells with their lines, from the first on at every call: text, numbers or None."""


@dataclass(frozen=True)
class Notation:
    """A decimal mark, and the characters that may stand before each three digits."""

    decimal: str
    groups: str = ""
    words: str = ""

    @property
    def pattern(self) -> str:
        """A regular expression of the numbers in this notation."""
        whole = r"[0-9]+"
        if self.groups:
            whole = rf"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:[{re.escape(self.groups)}][0-9]{{3}})+)"
        mark = re.escape(self.decimal)
        return rf"[+-]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"

    def plain(self, cell: str) -> str:
        """The number as Python writes it."""
        for group in self.groups:
            cell = cell.replace(group, "")
        return cell.replace(self.decimal, ".")


PLAIN = Notation(".", "", "a decimal point")
POINTS_GROUP = Notation(",", ".", "points for thousands and a decimal comma")
SPACES, APOSTROPHES = " \u00a0\u2009\u202f", "'’"
NOTATIONS = (
    PLAIN,
    Notation(".", ",", "commas for thousands and a decimal point"),
    POINTS_GROUP,
    Notation(".", SPACES, "spaces for thousands and a decimal point"),
    Notation(",", SPACES, "spaces for thousands and a decimal comma"),
    Notation(".", APOSTROPHES, "apostrophes for thousands and a decimal point"),
    Notation(",", APOSTROPHES, "apostrophes for thousands and a decimal comma"),
)
_PATTERNS = tuple((notation, re.compile(notation.pattern)) for notation in NOTATIONS)
_DIGITS = str.maketrans("0123456789", "5" * 10)


def readings(cell: str) -> tuple[Notation, ...]:
    """The notations in which a cell without outer spaces is a number."""
    return _readings(_shape(cell))


def is_number(cell: Any) -> bool:
    """Whether a cell holds a number, in any notation."""
    if isinstance(cell, str):
        return bool(readings(cell)) or cell.lower() in INFINITIES
    return isinstance(cell, Real | Decimal) and not isinstance(cell, bool) and not is_missing(cell)


def is_missing(cell: Any) -> bool:
    """Whether a cell stands for a missing value."""
    if isinstance(cell, str):
        return cell.strip().lower() in MISSING
    if isinstance(cell, Real | Decimal):
        return not isinstance(cell, Integral) and isnan(cell)
    return cell is None or type(cell).__name__ in ("NAType", "NaTType")


def has_decimal_comma(cell: Any) -> bool:
    """Whether a cell is a number, and with a decimal comma alone."""
    found = readings(cell) if isinstance(cell, str) else ()
    return bool(found) and all(notation.decimal == "," for notation in found)


def cells_column(
    source: str, name: str, cells: Cells, line: str = "line", decimal_commas: bool = False
) -> Column:
    """Read a column from its cells, in two passes: the notation, then the numbers.

    ``line`` is the word for a cell's place, ``decimal_commas`` says that other columns have them.
    Raises ``UserError`` where the notation is ambiguous, or there are several.
    """
    where = f"column {name!r} of {source}" if name else source
    first: dict[str, tuple[int, str]] = {}
    for place, cell in cells():
        if isinstance(cell, str):
            shape = _shape(cell)
            if shape not in first and _readings(shape):
                first[shape] = (place, cell)
    notation = _notation(where, first, line, decimal_commas)
    values, tallies = array("d"), dict[str, Tally]()
    for place, cell in cells():
        kind, value = (_text if isinstance(cell, str) else _object)(cell, notation)
        values.append(value)
        if kind:
            tallies.setdefault(kind, Tally()).add(len(values), f"{line} {place}: {_shown(cell)}")
    return Column(source, name, np.frombuffer(values) if values else np.empty(0), tallies)


def _shape(cell: str) -> str:
    """A cell with like digits, but for those that tell a leading zero: few cells differ in it."""
    return cell[:2] + cell[2:].translate(_DIGITS)


@lru_cache(1 << 14)
def _readings(shape: str) -> tuple[Notation, ...]:
    return tuple(notation for notation, pattern in _PATTERNS if pattern.fullmatch(shape))


def _notation(
    where: str, first: dict[str, tuple[int, str]], line: str, decimal_commas: bool
) -> Notation:
    """The notation of the numbers whose shapes are ``first``; ``UserError`` if there is not one."""
    found = {shape: _readings(shape) for shape in first}
    common = [n for n in NOTATIONS if all(n in notations for notations in found.values())]
    if not common:
        examples = " and ".join(_conflict(first, found, line))
        raise UserError(
            f"{where} has numbers in more than one notation, {examples}: write all of them with a "
            "decimal point and without separators of thousands"
        )
    # A number with a point is plain, unless the file shows that its points separate thousands.
    plain = common[0] is PLAIN
    others = [POINTS_GROUP] if plain and decimal_commas and POINTS_GROUP in common else []
    for other in others if plain else common[1:]:
        for place, cell in first.values():
            values = [float(notation.plain(cell)) for notation in (common[0], other)]
            if values[0] != values[1]:
                raise UserError(
                    f"{where} is ambiguous: {cell!r} ({line} {place}) is {values[0]:.15g} with "
                    f"{common[0].words}, and {values[1]:.15g} with {other.words}; write it with "
                    "a decimal point and without separators of thousands"
                )
    return common[0]


def _conflict(
    first: dict[str, tuple[int, str]], found: dict[str, tuple[Notation, ...]], line: str
) -> Iterator[str]:
    """The first number, and the first after it that leaves no notation for both, or for all."""
    left = set(NOTATIONS)
    for shape, (place, cell) in first.items():
        narrowed = left & set(found[shape])
        if narrowed != left:
            yield f"{cell!r} ({line} {place})"
        if not narrowed:
            return
        left = narrowed


def _text(cell: str, notation: Notation) -> tuple[str, float]:
    """The kind of a cell that holds no finite number, and NaN or its value; "" for the others."""
    if notation in _readings(_shape(cell)):
        plain = notation.plain(cell)
        value = float(plain)
        if abs(value) < EXACT:
            return "", value
        if isinf(value):
            return INFINITE, value
        digits = plain.lstrip("+-")
        return (LABEL if digits.isdecimal() and int(digits) != abs(value) else ""), value
    if cell.lower() in MISSING:
        return EMPTY, nan
    if cell.lower() in INFINITIES:
        return INFINITE, float(cell)
    return NO_NUMBER, nan


def _object(cell: Any, notation: Notation) -> tuple[str, float]:
    if is_missing(cell):
        return EMPTY, nan
    if not is_number(cell):
        return NO_NUMBER, nan
    try:
        value = float(cell)
    except OverflowError:
        return INFINITE, inf
    if isinf(value):
        return INFINITE, value
    return (LABEL if isinstance(cell, Integral) and int(value) != int(cell) else ""), value


def _shown(cell: Any) -> str:
    text = repr(cell if isinstance(cell, str) else str(cell))
    return text if len(text) <= 40 else f"{text[:40]}…"
