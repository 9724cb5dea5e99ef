"""What a figure of the page provides, and how figures are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from benchmarks.report.drawing import svg
from benchmarks.report.tables import Drawn, Table
from benchmarks.report.template import identifier
from scenarios.registry import discover

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Scope = Literal["run", "scenario"]


class Figure(ABC):
    """A figure of the page.

    To add one, copy ``density.py`` to a new module of this package and change it; no other file
    changes. (A package of your own names its class in the entry-point group
    ``mixturebench.figures``.) Mandatory: ``name``, ``order``, ``scope``, ``title``, ``caption``,
    ``draw`` and ``numbers``; ``__init__`` may set the title, the caption and the size.
    """

    name: ClassVar[str]
    """Unique among figures; part of ids and of the file names of ``report --figures``."""
    order: ClassVar[float]
    """Figures of one scope stand in ascending order."""
    scope: ClassVar[Scope]
    """"scenario": drawn for each scenario, of a ``Section``; "run": drawn once, of a ``Page``."""
    title: str
    """What is drawn, for screen readers."""
    caption: str
    """How to read the figure, in a sentence or two."""
    fitter: str = ""
    """The fitter that the figure shows alone, if so: the page's filter hides it with that."""
    full_width: ClassVar[bool] = False
    """Whether the page gives it a whole line."""
    size: tuple[float, float] = (6.6, 3.4)
    """Width and height in inches."""

    def __init__(self, source: Any) -> None:
        self.source = source
        """The ``Section`` or the ``Page`` that the figure is drawn from."""

    @classmethod
    def of(cls, source: Any) -> Iterator[Self]:
        """Yield the figures to draw: one, unless overridden; none where there is nothing."""
        yield cls(source)

    @abstractmethod
    def draw(self, canvas: Canvas) -> None:
        """Draw on a matplotlib figure, in the colours of ``drawing``, with labelled axes."""

    @abstractmethod
    def numbers(self) -> Table:
        """Return the numbers that the figure shows."""

    @property
    def key(self) -> str:
        """The file name without its ending, unique in a page."""
        return (
            f"{identifier(self.source.name)}-{self.name}" if self.scope == "scenario" else self.name
        )

    def svg(self) -> str:
        """Return the figure as an SVG element."""
        return svg(self.draw, self.size, self.key, self.title)


def drawn_figures(scope: Scope, source: Any) -> list[Drawn]:
    """Draw all figures of a scope, in their order."""
    found = discover("benchmarks.report.figures", Figure, "mixturebench.figures")  # type: ignore[type-abstract]
    figures = [
        figure
        for cls in sorted(found.values(), key=lambda cls: cls.order)
        if cls.scope == scope
        for figure in cls.of(source)
    ]
    return [Drawn(f.key, f.svg(), f.caption, f.numbers(), f.fitter, f.full_width) for f in figures]
