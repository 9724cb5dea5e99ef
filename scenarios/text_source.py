"""Text in UTF-8 as bytes and as rows of cells, with their lines."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from scenarios.errors import UserError

BLOCK = 1 << 22
"""Bytes that are read at once."""


@dataclass(frozen=True)
class Text:
    """A source of text: how to open it, as often as needed, and what separates its cells."""

    name: str
    open: Callable[[], IO[bytes]]
    separator: str
    """What the file's suffix says; the first lines decide."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows with their lines, no cells for a blank line.

        Raises ``UserError`` where a row can't be split into cells.
        """
        line = 1
        with self.open() as raw, Utf8(raw, self.name) as checked:
            lines = io.TextIOWrapper(io.BufferedReader(checked, BLOCK), "utf-8-sig", newline="")
            reader = csv.reader(
                ("\n" if not line.strip(" \r\n") else line for line in lines),
                delimiter=self.separator, skipinitialspace=True, strict=True,
            )  # fmt: skip
            try:
                for cells in reader:
                    yield line, cells
                    line = reader.line_num + 1
            except csv.Error as error:
                raise UserError(
                    f"{self.name} can't be read as a table: the row that begins in line {line} "
                    f"can't be split into cells ({error}): check its quotation marks"
                ) from error


class Utf8(io.RawIOBase):
    """A stream of bytes that are text in UTF-8; reading others raises ``UserError``."""

    def __init__(self, raw: IO[bytes], name: str) -> None:
        self._raw, self._name = raw, name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.quotes = 0
        """Quotation marks so far: a number of them that is odd leaves one open."""
        self.end = b""
        """The last bytes so far."""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``, as a raw stream does."""
        block = self._raw.read(len(buffer))
        buffer[: len(block)] = block
        self.quotes += block.count(b'"')
        self.end = (self.end[-4:] + block)[-4:]
        try:
            self._decoder.decode(block, final=not block)
            if b"\0" in block:
                raise UserError(self._refusal("it holds NUL bytes"))
        except UnicodeDecodeError as error:
            raise UserError(self._refusal(error.reason)) from error
        return len(block)

    def _refusal(self, reason: str) -> str:
        return (
            f"{self._name} is not text in UTF-8 ({reason}): save it as UTF-8, or give a .xlsx, "
            ".parquet or .npy file"
        )
