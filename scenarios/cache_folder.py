"""The folders in which stored references and compiled functions outlive a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that MIXTUREBENCH_CACHE names, or one in the user's cache folder."""
    folder = os.environ.get("MIXTUREBENCH_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "mixturebench"


def compiled_folder() -> Path:
    """Return the folder that MIXTUREBENCH_COMPILED names, or ``compiled`` in the cache folder."""
    folder = os.environ.get("MIXTUREBENCH_COMPILED")
    return Path(folder) if folder else cache_folder() / "compiled"


@contextmanager
def one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the folder; the system frees it if its holder ends.

    Nothing is held where locks or the folder can't be had.
    """
    try:
        import fcntl

        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w", encoding="utf-8")
    except (ImportError, OSError):  # not a Unix system, or a folder that can't be written
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
