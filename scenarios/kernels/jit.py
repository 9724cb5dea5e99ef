"""Decorators of compiled functions, and their cache: one folder for one state of the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core import caching

from scenarios.kernels.folder import kernel_folder

SUMS = {"reassoc", "contract", "nsz", "arcp"}
"""Floating-point rules of sums, in any order. NaN and infinity stay what they are."""
EXACT = {"contract"}
"""Rules of exp and log: reordering would fold (x + BIG) - BIG into x."""


class _Locator(caching._CacheLocator):
    """Puts all files into ``kernel_folder()``, whose name says that they are of this source."""

    def get_cache_path(self) -> str:
        return str(kernel_folder())

    def get_source_stamp(self) -> str:
        return kernel_folder().name

    def get_disambiguator(self) -> str:
        return "0"

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls()


class _Implementation(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]


class _Cache(caching.FunctionCache):
    _impl_class = _Implementation


def part(rules: set[str] | None = None, inline: bool = False) -> Callable[[Callable], Any]:
    """Mark a function that compiled functions call: it is compiled into each of them."""
    options: dict[str, Any] = {"error_model": "numpy", "forceinline": inline}
    return numba.njit(fastmath=rules or False, **options)


def kernel(types: str) -> Callable[[Callable], Any]:
    """Mark a function that Python calls: it is stored on disk, and releases the interpreter.

    ``types`` are those of its arguments, in numba's notation, where ``{anchor}`` is (centre, scale)
    and ``{counts}`` an array or None: these are the only two variants that are ever compiled.
    """

    def decorate(function: Callable) -> Any:
        compiled = numba.njit(error_model="numpy", nogil=True)(function)
        compiled._cache = _Cache(function)
        compiled.signatures_by_counted = tuple(
            f"({types.format(anchor='UniTuple(f8, 2)', counts=counts)})"
            for counts in ("none", "f8[::1]")
        )
        return compiled

    return decorate
