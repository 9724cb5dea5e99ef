"""Write the tables of the documentation that list what the code defines.

A table stands in a page between ``<!-- table: NAME -->`` and ``<!-- end -->``, and its rows come
from ``report/inventory.py``: a new setting, fitter, start policy, family, status or column needs
no edit of a page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.registry import choose

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parents[2]
COMMAND = "python -m benchmarks.studies tables"
BLOCK = re.compile(r"(<!-- table: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def write() -> None:
    """Write the tables of README.md and docs/*.md anew, and name the pages that changed."""
    for page in pages():
        text = page.read_text("utf-8")
        new = with_tables(text)
        if new != text:
            page.write_text(new, "utf-8")
            print(page.relative_to(ROOT))


def pages() -> list[Path]:
    """The pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def with_tables(page: str) -> str:
    """Return the text of a page with the tables as the code has them now.

    Raises ``UserError`` for the name of a table that does not exist.
    """
    known = tables()

    def replaced(block: re.Match[str]) -> str:
        before, name, after = block.groups()
        return f"{before}\n{known[choose('table', name, known)]}\n{after}"

    return BLOCK.sub(replaced, page)


def tables() -> dict[str, str]:
    """Every table by name, as Markdown, without the plug-ins that are installed."""
    from benchmarks.report import inventory
    from fitters.spec import fitters
    from fitters.starts import policies
    from scenarios.families import families

    frames = {
        "fitters": _ours(inventory.fitters(), fitters()),
        "starts": _ours(inventory.starts(), policies()),
        "families": _ours(inventory.families(), families()),
        "statuses": inventory.statuses(),
        "trials": inventory.trial_columns(),
        "summary": inventory.summary_columns(),
    }
    for name, cls in fitters().items():
        if cls.__module__.startswith("fitters."):
            frames[f"settings of {name}"] = inventory.settings_of(cls)
    return {name: _markdown(frame) for name, frame in frames.items()}


def _ours(frame: pd.DataFrame, classes: dict[str, type]) -> pd.DataFrame:
    """The rows of the project's own classes: plug-ins have pages of their own."""
    modules = frame.iloc[:, 0].map(lambda name: classes[name].__module__)
    return frame[modules.str.startswith(("fitters.", "scenarios."))].drop(columns="source")


def _markdown(frame: pd.DataFrame) -> str:
    """A table of GitHub's Markdown; its first column is code."""
    from benchmarks.report.tables import markdown_table

    code = frame.columns[0] != "heading"
    rows = [[f"`{row[0]}`" if code else row[0], *row[1:]] for row in frame.to_numpy().tolist()]
    return markdown_table(list(frame.columns), rows) + "\n"
