"""Compile all kernels and store them: ``python -m scenarios.kernels``."""

from __future__ import annotations

import time

from scenarios.kernels.folder import kernel_folder
from scenarios.kernels.loading import MODULES, load


def main() -> None:
    """Compile what is not stored, and say where it is."""
    began = time.perf_counter()
    for counted in (False, True):
        load(MODULES, counted)
    print(f"compiled passes: {kernel_folder()} ({time.perf_counter() - began:.0f} s)")


if __name__ == "__main__":
    main()
