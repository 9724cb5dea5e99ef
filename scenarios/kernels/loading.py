"""Which passes are compiled: those stored on disk, those of large data, and those asked for.

Compiling takes seconds, so nobody waits for it who has little to compute: without a stored
function a small pass is numpy's. Where the folder can't be used, functions are compiled in memory,
and where that fails too, every pass is numpy's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from scenarios.cache_folder import one_process_at_a_time
from scenarios.kernels.folder import kernel_folder

MODULES = {
    "sums": "mixtures", "likelihoods": "mixtures", "expectations": "mixtures",
    "gradients": "louis", "hessians": "louis",
    "em_round": "em_round", "newton_round": "newton_round", "add_to_cells": "cells",
}  # fmt: skip
"""The module of each compiled function."""
SMALL, LARGE = 1 << 10, 1 << 18
"""Rows from which a stored function is loaded when it is first needed, since an import of numba
takes half a second, and from which one is compiled."""
CHOICE = "MIXTUREBENCH_KERNELS"
"""The environment's variable that says ``numpy`` or ``compiled`` for all passes."""

_functions: dict[tuple[str, bool], Callable[..., Any] | None] = {}
_failed: set[tuple[str, bool]] = set()
"""The functions that can't be compiled: they are not tried again."""


def compiled(name: str, counted: bool, rows: int) -> Callable[..., Any] | None:
    """The compiled function ``name`` for rows with counts or without, or None for numpy's passes.

    Whether a function is stored is asked once in a process, so that all its passes are of one kind.
    """
    key = (name, counted)
    function = _functions.get(key)
    if function is None and rows < SMALL and not _all_compiled():
        return None
    if function is None and (key not in _functions or rows >= LARGE):
        wanted = rows >= LARGE or _is_stored(*key)
        function = _functions[key] = _load(*key) if wanted and not _numpy_only() else None
    return function


def load(names: Iterable[str], counted: bool) -> None:
    """Load compiled functions for rows with counts or without; compile those not stored."""
    for name in names:
        if _functions.get((name, counted)) is None and not _numpy_only():
            _functions[name, counted] = _load(name, counted)


def _numpy_only() -> bool:
    return os.environ.get(CHOICE, "") == "numpy"


def _marker(name: str, counted: bool) -> Path:
    """A file that says that a function is stored, to be seen without an import of numba."""
    return kernel_folder() / f"{name}{'-counts' * counted}.stored"


def _all_compiled() -> bool:
    return os.environ.get(CHOICE, "") == "compiled"


def _is_stored(name: str, counted: bool) -> bool:
    return _all_compiled() or _marker(name, counted).exists()


def _load(name: str, counted: bool) -> Callable[..., Any] | None:
    """Load a function from disk, or compile it and store it; None if it can't be compiled."""
    if (name, counted) in _failed:
        return None
    try:
        function = getattr(import_module(f"scenarios.kernels.{MODULES[name]}"), name)
        with one_process_at_a_time(kernel_folder()):
            _compile(function, counted)
            with suppress(OSError):
                _marker(name, counted).touch()
    except Exception as error:  # numba may be missing, or unable to compile for this processor
        _failed.add((name, counted))
        warnings.warn(
            f"the passes are not compiled ({type(error).__name__}: {error}), so they take about "
            "ten times as long: reinstall numba",
            stacklevel=2,
        )
        return None
    return function


def _compile(function: Any, counted: bool) -> None:
    """Make one variant of a function callable: from disk, or compiled and stored if possible."""
    signature, before = function.signatures_by_counted[counted], len(function.overloads)
    function.disable_compile(False)
    error = _error_of(function, signature)
    if error is not None and len(function.overloads) == before:  # what is stored can't be read
        with suppress(OSError):
            _forget(function)
        error = _error_of(function, signature)
    if error is not None and len(function.overloads) == before:
        from numba.core.caching import NullCache

        function._cache = NullCache()
        function.compile(signature)
    if error is not None:
        warnings.warn(
            f"compiled functions can't be stored in {kernel_folder()} ({type(error).__name__}), so "
            "each process compiles its own, which takes some seconds: set MIXTUREBENCH_COMPILED to "
            "a folder that can be written",
            stacklevel=2,
        )
    function.disable_compile()  # another type of argument is a mistake, not a variant


def _error_of(function: Any, signature: str) -> Exception | None:
    """Compile or load one variant; returns what went wrong, which may be the storing alone."""
    try:
        function.compile(signature)
    except Exception as error:  # of numba's cache: pickle, the file system, or cut off files
        return error
    return None


def _forget(function: Any) -> None:
    """Delete what is stored of a function."""
    for path in kernel_folder().glob(f"{function._cache._impl.filename_base}.*"):
        path.unlink()
