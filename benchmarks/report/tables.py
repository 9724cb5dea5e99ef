"""Tables of text cells, and the forms they are written in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: the key of its cells, its heading, and how it is set."""

    name: str
    heading: str
    left: bool = False
    """Words stand left, numbers right."""
    metric: str = ""
    """The entry of the page's glossary that explains it, if there is one."""
    fold: bool = False
    """Whether long cells take several lines."""


@dataclass(frozen=True)
class Table:
    """A table whose cells are what people read."""

    label: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, str]]

    @classmethod
    def of_numbers(
        cls, label: str, headings: Sequence[str], rows: Iterable[Iterable[float]]
    ) -> Table:
        """Numbers to four digits under their headings."""
        columns = [Column(str(index), heading) for index, heading in enumerate(headings)]
        cells = [{str(index): f"{value:.4g}" for index, value in enumerate(row)} for row in rows]
        return cls(label, columns, cells)

    def markdown(self) -> str:
        """As GitHub's Markdown has it."""
        return markdown_table(
            [column.heading for column in self.columns],
            [[row[column.name] for column in self.columns] for row in self.rows],
            [column.left for column in self.columns],
        )


@dataclass(frozen=True)
class Drawn:
    """A figure with its name among the files, its caption and the numbers behind it."""

    name: str
    svg: str
    caption: str
    numbers: Table


def folded(summary: str, content: str) -> str:
    """Markdown that is folded away under a line."""
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>"


def markdown_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool] | None = None
) -> str:
    """Headings and rows as a table of GitHub's Markdown; by default all cells stand left."""
    rule = ["---" if side else "---:" for side in left or [True] * len(headings)]
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in [headings, *rows]]
    return "\n".join(f"| {line} |" for line in [lines[0], " | ".join(rule), *lines[1:]])
