"""The tables in Markdown, for a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report.formats.base import Format
from benchmarks.report.tables import folded

if TYPE_CHECKING:
    from benchmarks.report.page import Page


class Markdown(Format):
    """The verdict, the ranking, the notes, and each scenario's table, folded."""

    name = extension = "md"

    def render(self, page: Page) -> str:
        """Return the document."""
        parts = [f"**{' '.join(page.verdict)}**", page.ranking.markdown()]
        parts += [f"- {note}." for note in page.notes]
        for section in page.sections:
            parts.append(folded(section.name, page.comparison(section.name).markdown()))
        return "\n\n".join([*parts, f"{page.provenance}."]) + "\n"
