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
from benchmarks.harness.cell_progress import CellProgress
from benchmarks.harness.plan import Cell, Limits, Record, Shape

THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip
LOOK_EVERY, LOOK_FAR_EVERY = 0.1, 1.0
"""Seconds between looks at a worker's memory, and at that of the processes it started."""
TAIL = 20_000
"""Bytes of standard error that are kept, of which a message shows the last lines."""


class Worker:
    """A process of its own, in a group of its own, with one thread, for cells of one shape."""

    def __init__(self, shape: Shape, limits: Limits, root: Path | None = None) -> None:
        self.shape, self.limits = shape, limits
        self._progress: CellProgress | None = None
        self._since = self._looked = self._looked_far = time.monotonic()
        self._started: list[psutil.Process] = []
        self._others_mb = 0.0
        self._outgoing = self._incoming = self._errors = b""
        self._garbled = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.harness.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(root),
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._ended: list[IO[bytes]] = []  # a fitter may close even these
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)

    @property
    def readable(self) -> list[int]:
        """The files that have something to read when there is something to do."""
        return [pipe.fileno() for pipe in self._pipes[1:] if pipe not in self._ended]

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None and self._process.poll() is None

    @property
    def idle(self) -> bool:
        """Whether it has no cell to do."""
        return self._progress is None

    def assign(self, cell: Cell) -> None:
        """Have it carry out ``cell``, of its shape; the cell before must be done."""
        job = {"cell": cell.content(), "limits": asdict(self.limits)}
        self._outgoing += json.dumps(job).encode() + b"\n"
        self._progress, self._since = CellProgress(cell), time.monotonic()

    def step(self) -> list[Record]:
        """Look after it; returns the records that came since the last step.

        Where it broke a limit or ended, it is killed with all that it started, and
        ``CellProgress.lose`` says which records that makes. It is idle once all trials of its
        cell are on record.
        """
        self._send()
        ended = not self.running  # polled first: output written before the end is read after
        records = self._receive()
        self._errors = (self._errors + self._drain(self._pipes[2]))[-TAIL:]
        if self._progress is None:
            return records
        fault = None if self._progress.complete else self._fault(self._progress, ended)
        if fault is not None:
            elapsed = time.monotonic() - self._since
            self.kill()
            records += self._progress.lose(*fault, elapsed)
        if self._progress.complete:
            self._progress = None
        return records

    def remaining(self) -> Cell:
        """What a fresh worker must still do of the cell that it was at."""
        assert self._progress is not None
        return self._progress.remaining()

    def kill(self) -> None:
        """End the process and all that it started; once is enough."""
        if self._pipes[0].closed:
            return
        started = {*self._started, *_started_by(self._process.pid)}
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for process in started:  # some may have left the group
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def _send(self) -> None:
        if self._outgoing:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                sent = os.write(self._pipes[0].fileno(), self._outgoing)
                self._outgoing = self._outgoing[sent:]

    def _receive(self) -> list[Record]:
        """Its records since the last step; any other message than what is due is garbled."""
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
            self._since = time.monotonic()
            if record is not None:
                records.append(record)
        return records

    def _drain(self, pipe: IO[bytes]) -> bytes:
        """What a pipe holds now, up to a size that lets other workers have their turn."""
        chunks: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while len(chunks) < 64:
                chunks.append(os.read(pipe.fileno(), 1 << 16))
                if not chunks[-1]:
                    self._ended.append(pipe)
                    break
        return b"".join(chunks)

    def _fault(self, progress: CellProgress, ended: bool) -> tuple[str, str] | None:
        """(outcome, message) if the trial that it is at is lost."""
        doing = "while it was being prepared, " if progress.setting_up else ""
        if self._garbled:
            return "error", f"{doing}its worker's answer was not its own: did the fitter fork?"
        if ended:
            return self._end(doing)
        now, limits = time.monotonic(), self.limits
        allowed, option = progress.allowed(limits)
        if now - self._since > allowed:
            return "timeout", f"{doing}it took longer than {option} {allowed:g} s"
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            held = anonymous_mb(self._process.pid)
            if now - self._looked_far >= LOOK_FAR_EVERY:
                self._looked_far = now
                self._started = _started_by(self._process.pid)
                self._others_mb = sum(anonymous_mb(child.pid) for child in self._started)
            if held + self._others_mb > limits.memory:
                return "memory", (
                    f"{doing}it held {held + self._others_mb:.0f} MB, "
                    f"more than --memory {limits.memory:g}"
                )
        return None

    def _end(self, doing: str) -> tuple[str, str]:
        """Why the process ended, in words: by a signal, by itself, or by an error of Python's."""
        status = self._process.returncode
        last = _last_words(self._errors.decode(errors="replace"))
        told = f": {' | '.join(last)}" if last else ""
        if status < 0:
            with contextlib.suppress(ValueError):
                return "crashed", f"{doing}its worker died of {signal.Signals(-status).name}{told}"
            return "crashed", f"{doing}its worker died of signal {-status}{told}"
        if status == 1 and any("Error" in line for line in last):
            return "error", f"{doing}its worker ended{told}"
        return "crashed", f"{doing}it ended its worker with exit status {status}{told}"


def _last_words(errors: str) -> list[str]:
    """The last lines of standard error and, where the interpreter crashed, of the stack."""
    lines = [line.strip()[:200] for line in errors.splitlines() if line.strip()]
    fatal = [i for i, line in enumerate(lines) if line.startswith("Fatal Python error")]
    if not fatal:
        return lines[-6:]
    current = [i for i, line in enumerate(lines) if line.startswith("Current thread")]
    stack = lines[current[-1] + 1 : current[-1] + 4] if current else []
    return [*lines[max(fatal[-1] - 3, 0) : fatal[-1] + 1], *stack]


def anonymous_mb(pid: int) -> float:
    """Anonymous resident memory in MB, 0 where the process is gone.

    Mapped files are not in it: they are read again when needed, and cost nobody memory.
    """
    if sys.platform == "linux":
        try:
            status = Path(f"/proc/{pid}/status").read_bytes()
        except OSError:
            return 0.0
        _, found, rest = status.partition(b"RssAnon:")
        return int(rest.split(None, 1)[0]) * 1024 / 1e6 if found else 0.0
    try:
        return psutil.Process(pid).memory_full_info().uss / 1e6
    except psutil.Error:
        return 0.0


def _started_by(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _environment(root: Path | None) -> dict[str, str]:
    """One thread, one order of hashes, and the packages in ``root``, or this process's own."""
    rooms = (benchmarks, fitters, scenarios)
    roots = [str(root or Path(str(room.__file__)).parent.parent) for room in rooms]
    own = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([*dict.fromkeys(roots), *([own] if own else [])])
    single = dict.fromkeys(THREADS, "1")
    return {**os.environ, **single, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
