"""Files written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.errors import UserError

PART = ".part"
"""The suffix of a file that is being written."""


def replace_file(path: Path, content: bytes) -> None:
    """Write a new file beside ``path`` and move it there, so that readers find a whole file.

    The new file has a name of its own, since several processes may write at once.
    """
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}")
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
        if path.exists() and not path.is_file():  # a terminal or a pipe
            path.write_text(text, encoding="utf-8")
        else:
            replace_file(path, text.encode("utf-8"))
    except OSError as error:
        raise UserError(
            f"{option}: {path} can't be written: {error.strerror}; name a place that can"
        ) from error
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, alone among processes, while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
