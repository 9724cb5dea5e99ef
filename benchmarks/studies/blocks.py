"""Write a study's table into a page, between ``<!-- study: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.files import write_text
from benchmarks.report.tables import Table
from scenarios.errors import UserError


def write_block(page: Path, name: str, table: Table) -> None:
    """Replace the block ``name`` of a page by a table; ``UserError`` where the page has none."""
    pattern = re.compile(rf"(<!-- study: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    text = page.read_text("utf-8") if page.is_file() else ""
    if pattern.search(text) is None:
        raise UserError(f"--page {page}: it has no line <!-- study: {name} -->")
    new = pattern.sub(lambda found: f"{found[1]}\n{table.markdown()}\n\n{found[2]}", text)
    write_text(page, new, "--page")
