"""The published results: a whole run of the profile ``standard``, in the repository.

``results/standard`` has its facts, plan, references, scores and page, and a SHA-256 sum of each.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FOLDER = Path(__file__).parents[2] / "results" / "standard"
SCORES = "trials.parquet"
SUMS = "SHA256SUMS"
"""A line for each other file, as ``sha256sum`` writes and checks it."""


def results(folder: Path = FOLDER) -> pd.DataFrame:
    """The scored trials of the published results, a row each.

    docs/metrics.md describes the columns. Raises ``UserError`` outside a checkout of the
    repository, and where the file is not the one that was published.
    """
    import pandas as pd

    if not (folder / SUMS).is_file():
        raise UserError(
            f"there are no published results in {folder}: they are in a checkout of the "
            "repository alone; clone it, or run `mixturebench run --profile standard`"
        )
    changed = changed_files(folder)
    if changed:
        raise UserError(
            f"{folder / changed[0]} is not the file that was published, by its SHA-256: restore it "
            f"with `git checkout -- {folder}`"
        )
    return pd.read_parquet(folder / SCORES)


def changed_files(folder: Path) -> list[str]:
    """The names of files in ``folder`` that are missing, or not those of its sums."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    return [
        name
        for name, digest in sums.items()
        if not (folder / name).is_file() or file_sum(folder / name) != digest
    ]


def file_sum(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
