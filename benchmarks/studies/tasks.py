"""Rows of a study that are computed by several processes, and kept in a file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
Row = dict[str, Any]
Call = tuple[Any, ...]
"""A function that returns a row, and its arguments."""


def read_rows(path: Path) -> list[Row]:
    """The rows of a file; a line that was cut off is none."""
    rows = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def rows_of(tasks: list[Call], workers: int, end: float) -> Iterator[Row]:
    """Rows as they are made, by processes of one thread each; none begins after ``end``."""
    if not tasks:
        return
    waiting = list(reversed(tasks))
    with _one_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: set[Future[Row]] = set()
        while running or (waiting and time.monotonic() < end):
            while waiting and len(running) < workers and time.monotonic() < end:
                running.add(pool.submit(*waiting.pop()))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start meanwhile compute with one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
