"""Specs: ``name:setting=value,...`` names a fitter on the command line and in plans."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

from pydantic import ValidationError

from fitters.base import Fitter
from scenarios.errors import UserError
from scenarios.registry import choose, discover


@cache
def fitters() -> dict[str, type[Fitter]]:
    """Every known fitter by name, plug-ins (``mixturebench.fitters``) included."""
    return discover("fitters", Fitter, "mixturebench.fitters")


def settings(cls: type[Fitter]) -> dict[str, Any]:
    """A fitter's settings and their defaults."""
    return {field.name: field.default for field in fields(cls) if field.init}  # type: ignore[arg-type]


def parse(spec: str) -> Fitter:
    """Build the fitter that ``spec`` names; raises ``UserError`` for the part that is wrong."""
    name, _, rest = spec.partition(":")
    cls = fitters()[choose("fitter", name, fitters())]
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
            raise UserError(f"in {spec!r}: {name} has no presets")
        given = {**cls.presets[choose(f"{name} preset", preset, cls.presets)], **given}
    for key in given:
        choose(f"{name} setting", key, settings(cls))
    try:
        return cls(**given)
    except ValidationError as error:
        first = error.errors()[0]
        setting = f"{first['loc'][0]}={first['input']}"
        raise UserError(f"in {spec!r}: {setting}: {first['msg']}") from error
