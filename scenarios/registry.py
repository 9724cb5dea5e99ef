"""Discovery of plug-ins: the classes in a package's modules, and those in an entry-point group."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from scenarios.errors import UserError

T = TypeVar("T")


def discover(package: str, base: type[T], group: str) -> dict[str, type[T]]:
    """Concrete subclasses of ``base`` by their ``name``: those of ``package``, then of ``group``.

    Raises ``UserError`` where a third party's entry point can't be imported, is not a
    ``base``, or takes a name that is already taken.
    """
    found = {_name(cls): cls for cls in _defined_in(package, base)}
    for entry in entry_points(group=group):
        cls = _load(entry, base, group)
        if found.setdefault(_name(cls), cls) is not cls:
            raise UserError(
                f"plug-in {entry.value!r} ({group}) is named {_name(cls)!r}, which is taken: "
                "rename it, or uninstall one of the two"
            )
    return dict(sorted(found.items()))


def choose(kind: str, name: str, known: Iterable[str]) -> str:
    """``name`` if it is ``known``; otherwise ``UserError`` with the most similar name."""
    names = list(known)
    if name in names:
        return name
    matches = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {matches[0]!r}? " if matches else ""
    raise UserError(f"there is no {kind} {name!r}: {hint}known: {', '.join(names)}")


def _defined_in(package: str, base: type[T]) -> Iterator[type[T]]:
    parent = importlib.import_module(package)
    for info in pkgutil.walk_packages(parent.__path__, f"{package}."):
        for _, value in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
            concrete = value is not base and not inspect.isabstract(value)
            if value.__module__ == info.name and issubclass(value, base) and concrete:
                yield value


def _load(entry: EntryPoint, base: type[T], group: str) -> type[T]:
    try:
        value = entry.load()
    except Exception as error:  # whatever a third party's import may raise
        raise UserError(
            f"plug-in {entry.name!r} ({group}: {entry.value}) can't be imported: {error}; "
            "repair or uninstall the package that ships it"
        ) from error
    if not (inspect.isclass(value) and issubclass(value, base)):
        raise UserError(
            f"plug-in {entry.name!r} ({group}: {entry.value}) is not a subclass of {base.__name__}"
        )
    return value


def _name(cls: type) -> str:
    return str(cls.name)  # type: ignore[attr-defined]
