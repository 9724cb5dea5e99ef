"""Searches for references by several processes."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

from benchmarks.reference import search as reference_search
from benchmarks.reference.search import find_reference
from benchmarks.runner.datasets import draw_sample
from benchmarks.scoring import searches
from benchmarks.scoring.searches import Search, search_together
from scenarios.scenario import load

NAMES = ("small", "gamma_pair", "weibull_pair")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXTUREBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(searches, "available_cores", lambda: 2)
    return tmp_path


def test_references_found_by_processes_are_those_found_alone(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [Search(load(name), replicate, 7) for name in NAMES for replicate in (0, 1)]
    chosen[0].run()
    lines: list[str] = []
    search_together(chosen, lines.append)
    assert len(lines) == 5  # one was there
    assert all(search.stored for search in chosen)
    for search in (chosen[1], chosen[4]):
        sample = draw_sample(search.scenario, search.replicate, 7)
        alone = find_reference(sample, 2, 0.02)
        with monkeypatch.context() as patch:
            patch.setattr(reference_search, "_search", None)  # it would raise
            stored = find_reference(sample, 2, 0.02, cache)
        assert stored.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-6)
    search_together(chosen, lines.append)
    assert len(lines) == 5


def test_processes_that_end_leave_their_searches(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended() -> subprocess.Popen[str]:
        return subprocess.Popen(["true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(searches, "_process", ended)
    chosen = [Search(load("small"), replicate, 7) for replicate in range(4)]
    search_together(chosen, lambda what: None)
    assert not any(search.stored for search in chosen)


def test_an_interruption_ends_the_searches(cache: Path) -> None:
    chosen = [Search(load("small"), replicate, 7) for replicate in range(8)]

    both, threads = threading.Barrier(2), set[int]()

    def interrupted(what: str) -> None:  # one of two threads, once both are at work
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            if both.wait(60.0) == 0:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search_together(chosen, interrupted)
    assert not any(search.stored for search in chosen)
