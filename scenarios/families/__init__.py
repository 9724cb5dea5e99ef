"""Component distributions, one file each."""

from __future__ import annotations

from functools import cache

from scenarios.families.base import (
    Array,
    ExponentialFamily,
    Family,
    Parameter,
    SupportError,
    mixture_text,
)
from scenarios.registry import choose, discover

__all__ = [
    "Array", "ExponentialFamily", "Family", "Parameter", "SupportError", "families", "family",
    "mixture_text",
]  # fmt: skip


@cache
def families() -> dict[str, type[Family]]:
    """Every known family by name, plug-ins (``mixturebench.families``) included."""
    return discover("scenarios.families", Family, "mixturebench.families")  # type: ignore[type-abstract]


def family(name: str) -> Family:
    """The family called ``name``; ``UserError`` if there is none."""
    return families()[choose("family", name, families())]()
