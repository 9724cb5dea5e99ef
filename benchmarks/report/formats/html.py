"""The page: one HTML file that needs no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report.formats.base import Format
from benchmarks.report.overall import convergence_map
from benchmarks.report.template import render
from benchmarks.runner.status import Status

if TYPE_CHECKING:
    from benchmarks.report.page import Page


class Html(Format):
    """The page with all figures and tables."""

    name = extension = "html"
    printed = False

    def render(self, page: Page) -> str:
        """Return the page's text."""
        return render(
            "page.html",
            page=page,
            convergence=convergence_map(page.trials),
            statuses=Status,
        )
