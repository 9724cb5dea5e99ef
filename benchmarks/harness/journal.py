"""The journal of a run: one line of strict JSON for each trial, facts only."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.harness import SCHEMA
from scenarios.errors import UserError

RUN = "run.json"
TRIALS = "trials.jsonl"


def number(value: float) -> float | str:
    """A number that strict JSON can hold: "nan", "inf" and "-inf" are strings, for ``float``."""
    value = float(value)
    return value if math.isfinite(value) else str(value)


def numbers(values: Sequence[Any]) -> list[Any]:
    """``number`` over nested sequences."""
    return [numbers(v) if isinstance(v, list | tuple) else number(v) for v in values]


class Journal:
    """Append records to a run's ``trials.jsonl``; each is on its way to the disk at once."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / TRIALS).open("x", encoding="utf-8")

    def append(self, record: dict[str, Any]) -> None:
        """Write one record, as one line."""
        self._file.write(json.dumps(record, allow_nan=False, ensure_ascii=False) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A run's ``run.json`` and its records; ``UserError`` where there is no run of ours."""
    if not (folder / RUN).is_file():
        raise UserError(f"there is no run in {folder} (no {RUN}): name a folder that `run` made")
    try:
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        lines = (folder / TRIALS).read_text(encoding="utf-8").splitlines()
        records = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise UserError(f"the run in {folder} can't be read: {error}") from error
    for what, schema in ((RUN, run.get("schema")), *((TRIALS, r.get("schema")) for r in records)):
        if schema != SCHEMA:
            raise UserError(
                f"{folder / what} has schema {schema}; this version reads schema {SCHEMA}: "
                "use the version of mixturebench that made the run"
            )
    return run, records
