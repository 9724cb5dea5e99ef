"""What a format of the report provides, and how formats are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from scenarios.registry import choose, discover

if TYPE_CHECKING:
    from benchmarks.report.page import Page


class Format(ABC):
    """A format of the report.

    To add one, copy ``csv.py`` to a new module of this package and change it; no other file
    changes. A package of your own names its class in the entry-point group
    ``mixturebench.formats`` instead.
    """

    name: ClassVar[str]
    """The value of ``report --format``."""
    extension: ClassVar[str]
    """The ending of its files, without a dot."""
    printed: ClassVar[bool] = True
    """Whether it is printed where no file is named; otherwise DIR/report.extension is written."""

    @abstractmethod
    def render(self, page: Page) -> str:
        """Return the text of the report."""


def formats() -> dict[str, Format]:
    """Return all formats by name."""
    found = discover("benchmarks.report.formats", Format, "mixturebench.formats")  # type: ignore[type-abstract]
    return {name: cls() for name, cls in found.items()}


def format_called(name: str) -> Format:
    """Return the format called ``name``; ``UserError`` if there is none."""
    known = formats()
    return known[choose("format", name, known)]
