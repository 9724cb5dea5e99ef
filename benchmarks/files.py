"""Files written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from scenarios.errors import UserError

PART = ".part"
"""How the name of a file ends that is still being written."""


def replace_file(path: Path, content: bytes, unique: bool = False) -> None:
    """Write beside ``path`` and move into place, so that no half-written file is ever found.

    ``unique`` gives the file beside a name of its own, for a ``path`` that several processes may
    write at once.
    """
    label = f".{secrets.token_hex(8)}" if unique else ""
    beside = path.with_name(f"{path.name}{label}{PART}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str, option: str) -> Path:
    """Write a file that a user asked for by ``option``; ``UserError`` if it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{option}: {path} can't be written: {error.strerror}; name a place that can"
        ) from error
    return path
