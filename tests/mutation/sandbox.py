"""A copy of the working tree in which the tests of one mutant at a time run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

Process = subprocess.Popen[bytes]
KILLED, SURVIVED, UNUSABLE = "killed", "SURVIVED", "ERROR"
PYTEST = ("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:randomly")


@dataclass(frozen=True)
class Outcome:
    """Whether a mutant was killed, by which test, and the seconds that it took."""

    word: str
    by: str
    seconds: float


class Sandbox:
    """A copy of the tracked and the untracked, not ignored files of ``root`` in ``folder``."""

    def __init__(self, root: Path, folder: Path, timeout: float) -> None:
        self.root, self.folder, self.timeout = root, folder, timeout
        self._process: Process | None = None
        self._lock, self._closed = threading.Lock(), False
        listed = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        done = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True)
        for name in filter(None, done.stdout.split("\0")):
            if (root / name).is_file():  # a tracked file may have been deleted
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)

    def run(self, tests: tuple[str, ...]) -> Outcome:
        """Run tests on the copy, unchanged."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
            output = Path(scratch, "output")
            process = self._start(tests, Path(scratch), output)
            try:
                word, by = verdict(process.wait(self.timeout), output.read_text(encoding="utf-8"))
            except subprocess.TimeoutExpired:
                self._kill(process)
                word, by = KILLED, f"timeout of {self.timeout:g} s"
        return Outcome(word, by, time.monotonic() - began)

    def run_mutated(self, file: str, content: str, tests: tuple[str, ...]) -> Outcome:
        """Run tests with another content of one file, which is then restored."""
        path = self.folder / file
        before = path.read_bytes()
        path.write_text(content, encoding="utf-8")
        try:
            return self.run(tests)
        finally:
            path.write_bytes(before)

    def close(self) -> None:
        """Kill the running tests, and run no others."""
        with self._lock:
            self._closed = True
        if self._process is not None:
            self._kill(self._process)

    def _start(self, tests: tuple[str, ...], scratch: Path, output: Path) -> Process:
        """Start pytest in a process group of its own."""
        command = [*self._command(), f"--basetemp={scratch}/tests", *tests]
        with self._lock, output.open("wb") as file:
            if self._closed:
                raise KeyboardInterrupt
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment(scratch),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._process

    def _kill(self, process: Process) -> None:
        """Kill the tests' process, its group, and what they started in other groups."""
        if process.poll() is not None:
            return
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            started = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, signal.SIGKILL)
            for child in started:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        process.wait()

    def _command(self) -> list[str]:
        """pytest with its options; the marker and the plug-in only where the copy has them."""
        project = tomllib.loads((self.folder / "pyproject.toml").read_text(encoding="utf-8"))
        markers = project["tool"]["pytest"]["ini_options"].get("markers", [])
        slow = any(re.match(r"slow\b", marker) for marker in markers)
        one = ["-n", "0"] if importlib.util.find_spec("xdist") else []
        chosen = ["-m", "not slow"] if slow else []
        return [sys.executable, "-m", "pytest", *PYTEST, *one, *chosen]

    def _environment(self, scratch: Path) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",  # two copies at once, on as many cores
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "MIXTUREBENCH_CACHE": f"{scratch}/references",
            # Tests of compiled passes take those of the tree, and compile what a mutant changes.
            "MIXTUREBENCH_KERNELS": "numpy",
            "MIXTUREBENCH_COMPILED": str(self.root / ".pytest_cache" / "compiled" / "mixturebench"),
            "HYPOTHESIS_STORAGE_DIRECTORY": f"{scratch}/hypothesis",
        }


def verdict(code: int, output: str) -> tuple[str, str]:
    """(word, by what) from pytest's exit status and what it printed."""
    if code == 0:
        return SURVIVED, ""
    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
    if code == 1:
        return KILLED, failed[1] if failed else "a failing test"
    if code < 0:
        return KILLED, f"signal {-code}"
    if code in (2, 4):
        return KILLED, f"import\n{output[-2000:]}"
    why = "no tests ran: mend the table of tests" if code == 5 else f"pytest's exit status {code}"
    return UNUSABLE, f"{why}\n{output[-2000:]}"
