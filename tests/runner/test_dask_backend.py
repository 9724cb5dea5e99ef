"""A run on a local dask cluster of two nodes, one of which may die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.runner.journal import TRIALS, read
from tests.conftest import begin, environment, mixturebench
from tests.runner.test_survival import figures

pytestmark = pytest.mark.slow

PLAN = (
    "--scenario", "small", "--scenario", "unequal", "--fitter", "em", "--fitter", "direct",
    "--restarts", "60", "--data-sets", "2",
)  # fmt: skip


class LocalCluster:
    """A scheduler and two nodes of one thread, each a group of processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = self._start("scheduler", "--port", "0", "--no-dashboard")
        self.address = self._wait_for(log, r"Scheduler at:\s+(tcp://\S+)")
        self.groups = []
        for _ in range(2):
            log = self._start(
                "worker", self.address, "--nthreads", "1", "--no-dashboard",
                "--local-directory", str(folder),
            )  # fmt: skip
            self._wait_for(log, r"Registered to:\s+(tcp://\S+)")

    def _start(self, *arguments: str) -> Path:
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                env=environment(),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self.processes = [*getattr(self, "processes", []), process]
        return log

    def _wait_for(self, log: Path, pattern: str) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(pattern, log.read_text())
            if found:
                return found[1]
            time.sleep(0.1)
        raise AssertionError(log.read_text())

    def kill(self, index: int) -> None:
        """Kill one process's group, as a machine that loses power."""
        os.killpg(self.processes[index].pid, signal.SIGKILL)
        self.processes[index].wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    started = LocalCluster(tmp_path)
    yield started
    for index, process in enumerate(started.processes):
        if process.poll() is None:
            started.kill(index)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same plan on this machine alone."""
    out = tmp_path_factory.mktemp("alone") / "run"
    done = mixturebench("run", "--no-report", *PLAN, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def test_a_cluster_gives_the_same_figures_and_so_does_half_of_it(
    cluster: LocalCluster, alone: Path, tmp_path: Path
) -> None:
    out = tmp_path / "whole"
    done = mixturebench("run", "--no-report", *PLAN, "--dask", cluster.address, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert figures(out) == figures(alone)

    out = tmp_path / "half"
    session = begin("run", *PLAN, "--no-report", "--dask", cluster.address, "--out", str(out))
    while not (out / TRIALS).exists() or len(read(out)[1]) < 100:
        assert session.poll() is None
        time.sleep(0.05)
    cluster.kill(2)
    assert len(read(out)[1]) < 480  # the run was still under way
    _, errors = session.communicate(timeout=120)
    assert session.returncode == 0, errors
    assert figures(out) == figures(alone)


def test_a_missing_cluster_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    done = mixturebench("run", "--dask", "tcp://127.0.0.1:9", folder=tmp_path)
    assert done.returncode == 2
    assert "no scheduler answers" in done.stderr


def test_an_interrupted_run_leaves_no_worker_on_the_nodes(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    import psutil

    out = tmp_path / "run"
    session = begin(
        "run", "--scenario", "founding", "--fitter", "em", "--restarts", "5000", "--dask",
        cluster.address, "--out", str(out),
    )  # fmt: skip

    def workers() -> list[int]:
        return [
            p.pid
            for p in psutil.process_iter(["cmdline"])
            if "benchmarks.runner.worker" in " ".join(p.info["cmdline"] or [])
            and any(parent.pid in started for parent in p.parents())
        ]

    started = {process.pid for process in cluster.processes}
    while not (out / TRIALS).exists() or len(read(out)[1]) < 50:
        assert session.poll() is None
        time.sleep(0.05)
    assert workers()
    session.send_signal(signal.SIGINT)
    _, printed = session.communicate(timeout=30)
    assert session.returncode == 130
    assert "trials are safe" in printed
    deadline = time.monotonic() + 5
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert workers() == []
