"""The supervisor's side of one worker: its process, its pipes and its limits."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO

import psutil

import benchmarks
import fitters
import scenarios
from benchmarks.runner.cell_progress import CellProgress
from benchmarks.runner.plan import Cell, Limits, Record, Shape
from benchmarks.runner.status import Status

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip
OWN_MEMORY_INTERVAL, CHILD_MEMORY_INTERVAL = 0.1, 1.0
"""Seconds between measurements of a worker's memory, and of that of its child processes."""
STDERR_TAIL = 20_000
"""Bytes of standard error that are stored; a message shows the last lines of them."""
READ_SIZE, MAX_READS = 1 << 16, 64
"""Bytes of one read from a pipe, and reads before other workers are served."""


class WorkerProcess:
    """A process with a group of its own and one thread, for cells of one shape.

    It imports the packages in ``root``, by default those of this process.
    """

    def __init__(self, shape: Shape, limits: Limits, root: Path | None = None) -> None:
        self.shape, self.limits = shape, limits
        self.setup_seconds = 0.0
        """The longest preparation so far."""
        self._progress: CellProgress | None = None
        self._last_message = time.monotonic()
        self._outgoing = self._incoming = self._errors = b""
        self._garbled = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.runner.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(root),
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._closed: list[IO[bytes]] = []  # a fitter may close even these
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._memory = _MemoryMeter(self._process.pid)

    @property
    def readable(self) -> list[int]:
        """The descriptors of the pipes that may bring output."""
        return [pipe.fileno() for pipe in self._pipes[1:] if pipe not in self._closed]

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None and self._process.poll() is None

    @property
    def idle(self) -> bool:
        """Whether it has no cell to run."""
        return self._progress is None

    def assign(self, cell: Cell) -> None:
        """Send it ``cell``, which must be of its shape; it must be idle."""
        job = {"cell": cell.content(), "limits": asdict(self.limits)}
        self._outgoing += json.dumps(job).encode() + b"\n"
        self._progress, self._last_message = CellProgress(cell), time.monotonic()

    def step(self) -> list[Record]:
        """Exchange messages and check the limits; returns the records since the last step.

        A worker that broke a limit or ended is killed with all that it started, and
        ``CellProgress.lose`` makes the records of the loss. The worker is idle once all trials
        of its cell are on record.
        """
        if self._outgoing:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                sent = os.write(self._pipes[0].fileno(), self._outgoing)
                self._outgoing = self._outgoing[sent:]
        ended = not self.running  # poll before reading: output written before exit is not lost
        records = self._receive()
        self._errors = (self._errors + self._drain(self._pipes[2]))[-STDERR_TAIL:]
        if self._progress is None:
            return records
        fault = None if self._progress.complete else self._fault(self._progress, ended)
        if fault is not None:
            elapsed = time.monotonic() - self._last_message
            self.kill()
            records += self._progress.lose(*fault, elapsed)
        if self._progress.complete:
            self._progress = None
        return records

    def remaining(self) -> Cell:
        """Return what another worker must do of the current cell."""
        assert self._progress is not None
        return self._progress.remaining()

    def kill(self) -> None:
        """End the process and all that it started; a second call does nothing."""
        if self._pipes[0].closed:
            return
        children = {*self._memory.children, *_children(self._process.pid)}
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in children:  # some may have left the group
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def _receive(self) -> list[Record]:
        """Read the records that have arrived, up to the first unexpected message."""
        self._incoming += self._drain(self._pipes[1])
        *lines, self._incoming = self._incoming.split(b"\n")
        records = []
        for line in lines:
            try:
                if self._progress is None:
                    raise ValueError("a message from an idle worker")
                record = self._progress.receive(line)
            except ValueError:
                self._garbled = True
                break
            self._last_message = time.monotonic()
            self.setup_seconds = max(self.setup_seconds, self._progress.setup_seconds)
            if record is not None:
                records.append(record)
        return records

    def _drain(self, pipe: IO[bytes]) -> bytes:
        """Read what a pipe holds, up to ``MAX_READS``."""
        chunks: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while len(chunks) < MAX_READS:
                chunks.append(os.read(pipe.fileno(), READ_SIZE))
                if not chunks[-1]:
                    self._closed.append(pipe)
                    break
        return b"".join(chunks)

    def _fault(self, progress: CellProgress, ended: bool) -> tuple[Status, str] | None:
        """Return outcome and message if the current trial is lost."""
        if self._garbled:
            return Status.ERROR, "the worker sent an unexpected message (did the fitter fork?)"
        if ended:
            return _exit_reason(self._process.returncode, self._errors)
        allowed, option = progress.allowed_seconds(self.limits)
        if time.monotonic() - self._last_message > allowed:
            return Status.TIMEOUT, f"it took longer than {option} {allowed:g} s"
        used, allowed = self._memory.megabytes(), self.limits.memory
        if used > allowed:
            return Status.MEMORY, f"it used {used:.0f} MB, more than --memory {allowed:g}"
        return None


class _MemoryMeter:
    """Measures the memory of a process and its children, at intervals."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._own_mb = self._children_mb = 0.0
        self._own_at = self._children_at = time.monotonic()
        self.children: list[psutil.Process] = []

    def megabytes(self) -> float:
        """Return the last measurement, in MB, after a new one if that is due."""
        now = time.monotonic()
        if now - self._own_at >= OWN_MEMORY_INTERVAL:
            self._own_at = now
            self._own_mb = anonymous_mb(self._pid)
        if now - self._children_at >= CHILD_MEMORY_INTERVAL:
            self._children_at = now
            self.children = _children(self._pid)
            self._children_mb = sum(anonymous_mb(child.pid) for child in self.children)
        return self._own_mb + self._children_mb


def anonymous_mb(pid: int) -> float:
    """Return a process's anonymous resident memory in MB, 0 if it has ended.

    Mapped files are left out: the system can drop their pages and read them again.
    """
    try:
        if sys.platform == "linux":
            memory = psutil.Process(pid).memory_info()
            return float(memory.rss - memory.shared) / 1e6
        return float(psutil.Process(pid).memory_full_info().uss) / 1e6
    except psutil.Error:
        return 0.0


def _exit_reason(status: int, errors: bytes) -> tuple[Status, str]:
    """Return outcome and message of a process that a signal, an exit or an error ended."""
    lines = _last_lines(errors.decode(errors="replace"))
    details = f": {' | '.join(lines)}" if lines else ""
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return Status.CRASHED, f"its worker died of {name}{details}"
    if status == 1 and any("Error" in line for line in lines):
        return Status.ERROR, f"its worker ended{details}"
    return Status.CRASHED, f"it ended its worker with exit status {status}{details}"


def _last_lines(errors: str) -> list[str]:
    """Return the last lines of standard error; those about a crash of the interpreter first."""
    lines = [line.strip()[:200] for line in errors.splitlines() if line.strip()]
    fatal = [i for i, line in enumerate(lines) if line.startswith("Fatal Python error")]
    if not fatal:
        return lines[-6:]
    current = [i for i, line in enumerate(lines) if line.startswith("Current thread")]
    stack = lines[current[-1] + 1 : current[-1] + 4] if current else []
    return [*lines[max(fatal[-1] - 3, 0) : fatal[-1] + 1], *stack]


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def environment(root: Path | None) -> dict[str, str]:
    """Return variables for one thread, a fixed hash seed, and the packages in ``root``."""
    packages = (benchmarks, fitters, scenarios)
    roots = [str(root or Path(str(package.__file__)).parent.parent) for package in packages]
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([*dict.fromkeys(roots), *([inherited] if inherited else [])])
    single = dict.fromkeys(THREADS, "1")
    return {**os.environ, **single, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
