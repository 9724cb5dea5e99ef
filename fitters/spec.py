"""Specs: ``name:setting=value,...`` names a fitter on the command line and in plans."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from fitters.base import Fitter, settings
from fitters.own import class_in_file
from scenarios.errors import UserError
from scenarios.registry import choose, discover

FILE = re.compile(r"(?P<file>.+\.py)(:(?P<name>\w+))?(:(?P<settings>.*))?")
"""A spec of a user's file: ``./mine.py``, ``./mine.py:Mine`` or ``./mine.py:Mine:steps=50``."""


@cache
def fitters() -> dict[str, type[Fitter]]:
    """Every known fitter by name, plug-ins (``mixturebench.fitters``) included."""
    return discover("fitters", Fitter, "mixturebench.fitters")


def class_of(spec: str) -> type[Fitter]:
    """The fitter class that a spec names, whatever its settings; ``UserError`` if there is none."""
    return _split(spec)[0]


def _split(spec: str) -> tuple[type[Fitter], str]:
    """The class that a spec names, and the text of its settings."""
    if own := FILE.fullmatch(spec):
        return class_in_file(own["file"], own["name"]), own["settings"] or ""
    name, _, rest = spec.partition(":")
    return fitters()[choose("fitter", name, fitters())], rest


def parse(spec: str) -> Fitter:
    """Build the fitter that ``spec`` names; raises ``UserError`` for the part that is wrong."""
    cls, rest = _split(spec)
    given: dict[str, Any] = {}
    for item in rest.split(",") if rest else []:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            raise UserError(f"in {spec!r}: {item!r} is not of the form setting=value")
        if key in given:
            raise UserError(f"in {spec!r}: {key} is given twice")
        given[key] = value
    preset = given.pop("preset", None)
    if preset is not None:
        if not cls.presets:
            raise UserError(f"in {spec!r}: {cls.name} has no presets")
        given = {**cls.presets[choose(f"{cls.name} preset", preset, cls.presets)], **given}
    return cls(**given)


def fitter_of(fitter: str | Fitter) -> Fitter:
    """The fitter that a spec names, or the object itself."""
    if isinstance(fitter, str):
        return parse(fitter)
    if not isinstance(fitter, Fitter):
        raise UserError(
            f"{fitter!r} is no fitter: give a name such as 'em:tolerance=1e-6', or an object such "
            "as EM(tolerance=1e-6) of a class derived from mixturebench.Fitter"
        )
    return fitter


def spec_of(fitter: Fitter) -> str:
    """The spec that names a fitter: its name, and the settings that are not the defaults."""
    given = [
        f"{name}={setting_text(getattr(fitter, name))}"
        for name, default in settings(type(fitter)).items()
        if getattr(fitter, name) != default
    ]
    return f"{fitter.name}:{','.join(given)}" if given else fitter.name


def setting_text(value: Any) -> str:
    """A setting's value as it is written on the command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_own(fitter: Fitter) -> bool:
    """Whether a fitter's class is a user's own, and no registered one.

    Raises ``UserError`` if it has the name of a registered one.
    """
    registered = fitters().get(fitter.name)
    if registered is not None and type(fitter) is not registered:
        raise UserError(
            f"the fitter {type(fitter).__name__} is named {fitter.name!r}, which is taken: give "
            "its class another name"
        )
    return registered is None
