"""Files written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from scenarios.errors import UserError

PART = ".part"
"""The suffix of a file that is being written."""


def replace_file(path: Path, content: bytes, unique: bool = False) -> None:
    """Write a new file beside ``path`` and move it there, so that readers find a whole file.

    ``unique`` gives the new file a name of its own, so that several processes may write at once.
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
    """Write the file that a user named by ``option``; ``UserError`` if that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{option}: {path} can't be written: {error.strerror}; name a place that can"
        ) from error
    return path
