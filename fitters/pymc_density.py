"""PyMC's own density of a model and its gradient, compiled once on a machine.

PyTensor compiles them by numba and stores the machine code, here in a folder whose name has the
versions of all that shape it. A process of its own compiles a model that is not stored, and this
process loads it: freshly compiled and loaded code can differ in the last bit, from which a
sampler's draws diverge. A lock makes other processes wait for the code in place of compiling it
too.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fitters.base import Array
from fitters.quiet import quiet
from scenarios.cache_folder import compiled_folder, one_process_at_a_time

LogDensity = Callable[[Array], tuple[float, Array]]
"""An unconstrained point (p,) → the log density there, not finite where it has none, and its
gradient (p,)."""

PSI_VERSION = 1
"""A part of the name of stored code: increase it when ``_digamma`` changes."""


@dataclass(frozen=True)
class CompiledDensity:
    """A PyMC model's log density, as a function of its unconstrained variables in one array."""

    log_density: LogDensity
    cached: bool
    """Whether its machine code was stored already, so that nothing was compiled for it."""


def compile_density(model: Any, request: dict[str, Any]) -> CompiledDensity:
    """Load the density of a PyMC model, after a process of its own has compiled it if need be.

    ``request`` is what that process needs to build a model with the same graph; ``compile_pymc``
    takes it. Where code can't be stored or loaded, it is compiled in memory, with a warning. The
    function reads the model's data, which may be replaced by others, of any number of rows.
    """
    folder, cached = _folder_of_code(), False
    try:
        with quiet():
            function, cached = _stored_function(model, request, folder)
        problem = None if _code_key(function) else "PyTensor can't store a function that it calls"
    except Exception as error:  # of other libraries, their files, or the process
        with quiet():
            function = _function_in_memory(model)
        problem = (
            f"code in {folder} can't be used ({first_line(error)}). "
            "Delete the folder if it is damaged, or name another by MIXTUREBENCH_COMPILED"
        )
    if problem is not None:
        shape = f"{request['components']} × {request['family']}"
        warnings.warn(f"compiled the density of {shape} in memory: {problem}", stacklevel=2)
    return CompiledDensity(_log_density(function), cached)


def store_density(model: Any) -> None:
    """Compile the density of a PyMC model, and store its machine code."""
    folder = _folder_of_code()
    with quiet(), _stores_code_in(folder):
        function = _function(model)
        _call(function, model)
    if not _is_stored(function, folder):
        raise RuntimeError(f"PyTensor stored no code in {folder}")


def first_line(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _stored_function(model: Any, request: dict[str, Any], folder: Path) -> tuple[Any, bool]:
    """The PyTensor function of the density, and whether its code was stored already.

    It is loaded, unless PyTensor can't store the code of its graph.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _stores_code_in(folder):
        function = _function(model)
        cached = _is_stored(function, folder)
        if _code_key(function) is not None and not cached:
            with one_process_at_a_time(folder):
                if not _is_stored(function, folder):  # no other process has stored it meanwhile
                    _store_in_process(request)
        _call(function, model)
    return function, cached


def _function_in_memory(model: Any) -> Any:
    """The PyTensor function of the density, with no code stored or loaded."""
    from pytensor import config

    with config.change_flags(numba__cache=False):
        function = _function(model)
        _call(function, model)
    return function


def _function(model: Any) -> Any:
    """The PyTensor function of the density and its gradient, not compiled yet."""
    density = model.logp_dlogp_function(ravel_inputs=True, mode="NUMBA")
    density.set_extra_values({})  # it has none, and PyMC asks for them
    function = density._pytensor_function
    function.trust_input = True  # as PyMC's samplers do: points are always float64 arrays
    return function


def _call(function: Any, model: Any) -> None:
    """Call the function once, at which numba compiles or loads it."""
    point = model.initial_point()
    function(np.zeros(sum(np.size(value) for value in point.values())))


def _log_density(function: Any) -> LogDensity:
    def log_density(point: Array) -> tuple[float, Array]:
        value, gradient = function(point)
        # nutpie rejects a point by its value alone.
        return (float(value) if math.isfinite(gradient.dot(gradient)) else -math.inf), gradient

    return log_density


def _store_in_process(request: dict[str, Any]) -> None:
    """Compile and store in a process of its own; raise its last line if it fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "fitters.compile_pymc"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        raise RuntimeError(f"the process that compiles it failed ({lines[-1]})")


def _folder_of_code() -> Path:
    """The folder for code by these versions of the libraries, for this processor."""
    import llvmlite.binding as llvm
    import numba
    import pymc
    import pytensor

    libraries = (pymc, pytensor, numba, np)
    versions = [f"{library.__name__}-{library.__version__}" for library in libraries]
    features = f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    processor = hashlib.sha256(features.encode()).hexdigest()[:12]
    name = "_".join([f"python-{platform.python_version()}", *versions, processor])
    return compiled_folder() / name


@contextmanager
def _stores_code_in(folder: Path) -> Iterator[None]:
    """Make PyTensor store compiled functions in ``folder`` in the block, and psi storable.

    PyTensor's own folder is that of all projects of a user, and has no versions in its name.
    """
    from pytensor import config
    from pytensor.link.numba import cache

    _make_psi_storable()
    previous = cache.NUMBA_CACHE_PATH
    cache.NUMBA_CACHE_PATH = folder
    try:
        with config.change_flags(numba__cache=True):
            yield
    finally:
        cache.NUMBA_CACHE_PATH = previous


def _code_key(function: Any) -> str | None:
    """The key of the graph by which PyTensor stores its code; None if it can't be stored."""
    from pytensor.link.numba import cache

    return cache.CACHED_SRC_FUNCTIONS.get(function.vm.jit_fn.py_func)


def _is_stored(function: Any, folder: Path) -> bool:
    """Whether the folder has the function's code. numba stores the ``nbc`` file last."""
    return any(folder.glob(f"*{_code_key(function)}*.nbc"))


def _make_psi_storable() -> None:
    """Give PyTensor's psi, the digamma function, an implementation that numba can store.

    PyTensor calls scipy's by its address, which differs between processes, so that numba stores
    no function that calls it. Densities with a gamma or beta function have psi in their gradients.
    """
    from pytensor.link.numba.dispatch import basic
    from pytensor.link.numba.dispatch.scalar import scalar_op_cache_key
    from pytensor.scalar.math import Psi

    def implementation(op: Any, node: Any, **_: Any) -> tuple[Any, str]:
        return basic.numba_njit(_digamma), scalar_op_cache_key(op, mixturebench=PSI_VERSION)

    basic.register_funcify_and_cache_key(Psi)(implementation)


def _digamma(x: float) -> float:
    """ψ(x): upwards to x ≥ 10 by ψ(x) = ψ(x + 1) - 1/x, where its asymptotic series is exact.

    Below 0 by reflection, ψ(x) = ψ(1 - x) - π/tan πx (*DLMF* 5.5.2, 5.5.4, 5.11.2).
    """
    reflected = 0.0
    if x <= 0.0:
        if x == math.floor(x):
            return math.nan
        reflected = -math.pi / math.tan(math.pi * x)
        x = 1.0 - x
    below = 0.0
    while x < 10.0:
        below += 1.0 / x
        x += 1.0
    inverse = 1.0 / (x * x)
    series = 1 / 240 - inverse * (1 / 132 - inverse * (691 / 32760 - inverse / 12))
    series = 1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * series))
    return reflected - below + math.log(x) - 0.5 / x - inverse * series
