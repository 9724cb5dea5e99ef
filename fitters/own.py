"""Fitters that no package provides: classes of a user's file, and objects that the user made.

A run stores such a fitter by value, so that its workers need no import of the user's modules.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import inspect
import pickle
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from fitters.base import Fitter
from scenarios.errors import UserError
from scenarios.registry import choose

PACKAGES = ("scenarios", "fitters", "benchmarks", "mixturebench")
"""The project's own modules, which every worker can import."""


@dataclass(frozen=True)
class OwnFitter:
    """A user's fitter as a run stores it."""

    source: str
    """SHA-256 of its class's source, with the functions and classes of its module that it uses."""
    pickle: str
    """The object, pickled by value, in base64."""
    file: str = ""
    """The file that defines the class; empty in a notebook."""
    file_digest: str = ""
    """SHA-256 of that file."""

    @classmethod
    def of(cls, fitter: Fitter) -> OwnFitter:
        """Store a fitter; ``UserError`` if it can't be pickled."""
        import cloudpickle

        with ExitStack() as stack:
            for module in _users_modules():
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
            try:
                content = cloudpickle.dumps(fitter)
                cloudpickle.loads(content)
            except Exception as error:  # whatever the object's own pickling raises
                raise UserError(
                    f"the fitter {fitter!r} can't be sent to worker processes, because it can't be "
                    f"pickled: {error}; open files, connections and the like in its prepare()"
                ) from error
        source = "\n".join(_sources(type(fitter), set())).encode()
        pickled, file = base64.b64encode(content).decode(), _file_of(type(fitter))
        return cls(hashlib.sha256(source).hexdigest(), pickled, file, _file_digest(file))

    @property
    def file_changed(self) -> bool:
        """Whether the file that defines the class is there and has another content."""
        return _file_digest(self.file) not in ("", self.file_digest)

    def load(self) -> Fitter:
        """Return the object; raises what its class's imports raise."""
        fitter: Fitter = pickle.loads(base64.b64decode(self.pickle))
        return fitter


def _file_of(cls: type) -> str:
    try:
        return str(Path(inspect.getfile(cls)).resolve())
    except (OSError, TypeError):
        return ""  # a notebook's class


def _file_digest(file: str) -> str:
    """SHA-256 of a file; empty if there is none."""
    path = Path(file)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def class_in_file(file: str, name: str | None) -> type[Fitter]:
    """The fitter class ``name`` of a Python file, by default its only one.

    Raises ``UserError`` for a file that can't be imported, or that has no such class.
    """
    path = Path(file)
    if not path.is_file():
        raise UserError(f"there is no file {file}: check the path of the fitter")
    module = _module(path.resolve(), hashlib.sha256(path.read_bytes()).hexdigest()[:12])
    found = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Fitter)
        if value.__module__ == module.__name__
    }
    if not found:
        raise UserError(f"{file} defines no fitter: derive a class from mixturebench.Fitter")
    if name is None and len(found) > 1:
        raise UserError(
            f"{file} defines {', '.join(found)}: name one, as {file}:{next(iter(found))}"
        )
    try:
        return found[choose("fitter class", name or next(iter(found)), found)]
    except UserError as error:
        raise UserError(f"in {file} {error}") from error


@cache
def _module(path: Path, digest: str) -> ModuleType:
    """Import a file under a name of its own, once for each content."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{digest}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up their annotations
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise UserError(
            f"{path.name} can't be imported: {type(error).__name__}: {error}; correct the file"
        ) from error
    return module


def _users_modules() -> list[ModuleType]:
    """The imported modules that are neither installed nor the project's own."""
    paths = sysconfig.get_paths()
    installed = {Path(paths[key]).resolve() for key in ("stdlib", "platlib", "purelib")}
    found = []
    for name, module in tuple(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name == "__main__" or name.partition(".")[0] in PACKAGES:
            continue
        if installed.isdisjoint(Path(file).resolve().parents):
            found.append(module)
    return found


def _sources(item: type | FunctionType, seen: set[object]) -> Iterator[str]:
    """The source of a class or function, and of what it uses of its own module.

    A notebook has the source of functions only: there a class has that of its methods.
    """
    seen.add(item)
    functions = [item] if isinstance(item, FunctionType) else _methods(item)
    try:
        yield inspect.getsource(item)
    except (OSError, TypeError):
        yield from (_source_or_code(function) for function in functions)
    names = {name for function in functions for name in _names(function.__code__)}
    scope = vars(sys.modules[item.__module__]) if item.__module__ in sys.modules else {}
    used: list[Any] = [scope[name] for name in sorted(names & scope.keys())]
    bases = () if isinstance(item, FunctionType) else item.__bases__
    for other in (*used, *bases):
        known = isinstance(other, FunctionType | type) and other.__module__ == item.__module__
        if known and other not in seen:
            yield from _sources(other, seen)


def _methods(cls: type) -> list[FunctionType]:
    return [value for value in vars(cls).values() if isinstance(value, FunctionType)]


def _source_or_code(function: FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""  # generated, such as a dataclass's __init__


def _names(code: CodeType) -> Iterator[str]:
    """The global names that a function's code refers to, its inner functions included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
