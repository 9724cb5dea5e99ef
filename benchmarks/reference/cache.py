"""The folder of stored references: what it holds, and how to empty it."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.files import replace_file
from benchmarks.reference.certificate import Reference
from scenarios.cache_folder import cache_folder

REFERENCES = "references.jsonl.xz"
"""The references of a published run, in its folder."""
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


def packed_references(files: Mapping[tuple[str, int], Path]) -> bytes:
    """References of the cache, compressed: a line of JSON each, by scenario and replicate."""
    lines = []
    for (scenario, replicate), path in files.items():
        names = {"scenario": scenario, "replicate": replicate, "file": path.name}
        lines.append(json.dumps({**names, **json.loads(path.read_text(encoding="utf-8"))}))
    return lzma.compress("".join(f"{line}\n" for line in lines).encode())


def read_packed(packed: Path) -> dict[tuple[str, int], tuple[str, Reference]]:
    """What ``packed_references`` wrote: each reference with the name of its file in the cache."""
    found = {}
    for line in lzma.decompress(packed.read_bytes()).decode().splitlines():
        content = json.loads(line)
        key, name = (content.pop("scenario"), content.pop("replicate")), content.pop("file")
        found[key] = Path(name).name, Reference.loads(json.dumps(content))
    return found


def unpack_references(packed: Path) -> None:
    """Add to the cache what ``packed_references`` wrote; what it has already stays.

    Those of other code or data have other file names, so that nothing finds them.
    """
    for name, reference in read_packed(packed).values():
        path = cache_folder() / name
        if not path.exists():
            store_reference(path, reference)


def store_reference(path: Path, reference: Reference) -> None:
    """Write a reference to its file of the cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(asdict(reference), indent=1) + "\n").encode())


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
