"""The folder of stored references: what it holds, and how to empty it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.reference.certificate import Reference
from scenarios.cache_folder import cache_folder

KEY_LENGTH = 24
"""Hexadecimal digits in the name of a stored reference."""


@dataclass(frozen=True)
class Cache:
    """The stored references: their number and their size in bytes."""

    folder: Path
    references: int
    size: int

    def __repr__(self) -> str:
        return f"{self.folder}: {self.references} references, {self.size / 1e6:.1f} MB"


def stored_reference(path: Path) -> Reference | None:
    """The reference stored in a file; None if there is none, or if it can't be read.

    A file that was cut off, or is of another version, is as good as none.
    """
    try:
        return Reference.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def cache() -> Cache:
    """What is cached."""
    sizes = [path.stat().st_size for path in _files()]
    return Cache(cache_folder(), len(sizes), sum(sizes))


def clear_cache() -> Cache:
    """Delete the stored references; returns what was cached. A later score searches again."""
    before = cache()
    for path in _files():
        path.unlink(missing_ok=True)
    return before


def _files() -> list[Path]:
    return sorted(cache_folder().glob(f"{'[0-9a-f]' * KEY_LENGTH}.json"))
