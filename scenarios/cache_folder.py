"""The folders in which stored references and compiled functions outlive a process."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that MIXTUREBENCH_CACHE names, or one in the user's cache folder."""
    folder = os.environ.get("MIXTUREBENCH_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "mixturebench"


def compiled_folder() -> Path:
    """Return the folder that MIXTUREBENCH_COMPILED names, or ``compiled`` in the cache folder."""
    folder = os.environ.get("MIXTUREBENCH_COMPILED")
    return Path(folder) if folder else cache_folder() / "compiled"
