"""Searches for the references of many data sets at once, by processes of one thread each.

``python -m benchmarks.scoring.searches`` is such a process: it reads data sets from standard input,
a line of JSON each, and answers each with a line once its reference is in the cache, or can't be.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from benchmarks.reference.search import find_reference, is_stored
from benchmarks.runner.datasets import draw_sample
from benchmarks.runner.execution import available_cores
from benchmarks.runner.kernels import PASSES, load_kernels
from benchmarks.runner.plan import scenario_content, scenario_of
from benchmarks.runner.worker_process import environment
from scenarios.cache_folder import cache_folder
from scenarios.errors import UserError
from scenarios.scenario import Scenario


@dataclass(frozen=True)
class Search:
    """A data set, by what draws it."""

    scenario: Scenario
    replicate: int
    seed: int

    @property
    def stored(self) -> bool:
        """Whether its reference is in the cache."""
        sample = draw_sample(self.scenario, self.replicate, self.seed)
        return is_stored(sample, self.scenario.components, self._min_spread, cache_folder())

    def run(self) -> None:
        """Find its reference, which puts it into the cache; raises as ``find_reference`` does."""
        sample = draw_sample(self.scenario, self.replicate, self.seed)
        load_kernels(sample, PASSES, sketched=True)
        find_reference(sample, self.scenario.components, self._min_spread, cache_folder())

    @property
    def _min_spread(self) -> float:
        return self.scenario.specification.spread_floor

    def content(self) -> dict[str, Any]:
        """Plain values, from which ``of`` makes it."""
        return {**vars(self), "scenario": scenario_content(self.scenario)}

    @classmethod
    def of(cls, content: dict[str, Any]) -> Search:
        """The inverse of ``content``."""
        return cls(**{**content, "scenario": scenario_of(content["scenario"])})


def search_together(searches: Iterable[Search], progress: Callable[[str], None]) -> None:
    """Find the references that are not in the cache by several processes, if there are several.

    What a process can't find is left out: who needs it searches again, and meets the reason.
    """
    chosen = list(searches)
    if min(len(chosen), available_cores()) < 2:
        return
    missing = deque(search for search in chosen if not search.stored)
    workers, total = min(available_cores(), len(missing)), len(missing)
    if workers < 2:
        return
    processes = [_process() for _ in range(workers)]

    def work(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        while missing:
            try:
                search = missing.popleft()
            except IndexError:  # another thread took the last one
                return
            progress(f"searching the optima of {total} data sets: {total - len(missing)}")
            with suppress(BrokenPipeError):
                process.stdin.write(json.dumps(search.content()) + "\n")
                process.stdin.flush()
            if not process.stdout.readline():  # the process has ended
                return

    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(work, processes))
        finally:  # before the threads are waited for, so that an interruption ends at once
            missing.clear()
            for process in processes:
                process.kill()
                process.wait()


def _process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "benchmarks.scoring.searches"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(None),
        text=True,
    )


def main() -> None:
    """Search for what standard input names, until it ends."""
    for line in sys.stdin:
        with suppress(UserError):  # who needs the reference meets the reason
            Search.of(json.loads(line)).run()
        print("done", flush=True)


if __name__ == "__main__":
    main()
