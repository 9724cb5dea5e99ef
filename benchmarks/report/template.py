"""Self-contained HTML pages, from the templates beside this file."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from benchmarks.report.drawing import PALETTE, themed

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **context: Any) -> str:
    """Return the text of a page; ``base.html`` is what all pages share."""
    pages = templates("benchmarks.report", autoescape=True)
    pages.filters |= {"themed": themed, "identifier": identifier, "coded": coded}
    return pages.get_template(template).render(palette=PALETTE, **context)


def templates(package: str, autoescape: bool) -> Environment:
    """The templates in a package's folder, in which a name without a value is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "."),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def coded(text: str) -> Any:
    """Escape text for HTML, with what stands between backticks set as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def identifier(text: str) -> str:
    """Replace what cannot be in an HTML id or a file name by underscores."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


def framed(page: str) -> str:
    """A page as an HTML element of its own, for a notebook."""
    style = "width:100%;height:80vh;border:1px solid #8884"
    return f'<iframe srcdoc="{html.escape(page)}" style="{style}"></iframe>'
