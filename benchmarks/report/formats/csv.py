"""The summary as comma-separated values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report.formats.base import Format

if TYPE_CHECKING:
    from benchmarks.report.page import Page


class Csv(Format):
    """One row for each (scenario, fitter, start), in full precision."""

    name = extension = "csv"

    def render(self, page: Page) -> str:
        """Return the summary's text."""
        return page.summary.to_csv(index=False)
