"""The folder of the compiled kernels: one for one state of the source, numba and processor."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from scenarios.cache_folder import compiled_folder

SOURCE = ("kernels", "families")
"""The folders of ``scenarios`` with code that is compiled."""


def kernel_folder() -> Path:
    """Return the folder, whose name has a digest of all that the machine code depends on.

    numba's own stamp is of one file: it would go on using functions whose callees have changed.
    """
    return compiled_folder() / f"kernels-{_digest()}"


@cache
def _digest() -> str:
    root = Path(__file__).parents[1]
    files = sorted(path for folder in SOURCE for path in (root / folder).glob("*.py"))
    parts = [path.read_bytes() for path in files]
    parts += [version("numba").encode(), platform.python_version().encode(), _processor().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> str:
    """What machine code depends on: the processor's features, and numba's settings of them."""
    settings = [os.environ.get(f"NUMBA_CPU_{name}", "") for name in ("NAME", "FEATURES")]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        lines = []
    features = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    return "\n".join([*settings, platform.machine(), platform.processor(), *features[:2]])
