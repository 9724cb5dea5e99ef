"""The name of a fit's page: after the file and the column, and never another page's."""

from __future__ import annotations

import hashlib
import re
from itertools import count
from pathlib import Path

from scenarios.data_files import Data

MARK = "mixturebench-data"
"""The name of the <meta> element with the digest of the page's file and column."""
HEAD = 4096
"""Bytes of a page, at most, before the end of that element."""
LONGEST = 80
"""Bytes of a file's name, and of a column's, in the name of a page."""


def origin(data: Data) -> str:
    """A digest of the file's path and the column, or of the numbers where there is no file.

    A page may be passed on: it does not show the path.
    """
    path = Path(data.name)
    source = str(path.resolve()) if path.exists() else data.digest
    return hashlib.sha256(f"{source}\0{data.column}".encode()).hexdigest()


def page_path(data: Data, folder: Path = Path()) -> Path:
    """FILE.COLUMN.fit.html in ``folder``, or FILE.COLUMN-2.fit.html and so on.

    It is the first that does not exist, or is a page of the same file and column.
    """
    name = data.name if Path(data.name).exists() else "data"
    stem = re.sub(r"(\.[A-Za-z0-9]+)(\.gz)?$", "", Path(name).name)
    parts = [part for part in (_safe(stem) or "data", _safe(data.column)) if part]
    for number in count(1):
        path = folder / f"{'.'.join(parts)}{f'-{number}' if number > 1 else ''}.fit.html"
        if not path.exists() or _origin_of(path) == origin(data):
            return path
    raise AssertionError


def _safe(name: str) -> str:
    """A name without what a file system or a shell may take amiss."""
    safe = re.sub(r"[^\w.+-]+", "_", name).strip("._-")
    return safe.encode()[:LONGEST].decode("utf-8", "ignore")


def _origin_of(path: Path) -> str:
    """The origin that a page states; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(HEAD).decode("utf-8", "replace")
    found = re.search(rf'<meta name="{MARK}" content="([0-9a-f]*)">', head)
    return found[1] if found else ""
