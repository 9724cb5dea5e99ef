"""Pages written from templates whose sentences depend on the figures."""

from __future__ import annotations

import re
from textwrap import fill
from typing import Any

from benchmarks.report.template import templates

BLOCK = re.compile(r"```.*?```|[^\n](?:(?!\n\n).)*", re.DOTALL)
"""Code between fences, or what blank lines enclose."""


def rendered(template: str, **context: Any) -> str:
    """A template of this folder with its values, its plain paragraphs filled to 100 characters."""
    pages = templates("benchmarks.studies", autoescape=False)
    text = pages.get_template(template).render(**context)
    blocks = BLOCK.findall(re.sub(r"\n{3,}", "\n\n", text.strip()))
    return "\n\n".join(map(_filled, blocks)) + "\n"


def _filled(block: str) -> str:
    """A paragraph filled; a list is filled item by item, and a heading, table or code stays."""
    if block.startswith(("#", "|", "!", "```")):
        return block
    if block.startswith("- "):
        items = re.split(r"\n(?=- )", block)
        return "\n".join(
            fill(item, 100, subsequent_indent="  ", break_on_hyphens=False) for item in items
        )
    return fill(block, 100, break_on_hyphens=False)
