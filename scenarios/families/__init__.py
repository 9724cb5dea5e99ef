"""Component distributions, one file each."""

from __future__ import annotations

from functools import cache

from scenarios.families.base import ExponentialFamily, Family, Parameter, SupportError
from scenarios.registry import choose, discover

__all__ = ["ExponentialFamily", "Family", "Parameter", "SupportError", "families", "family"]


@cache
def families() -> dict[str, type[Family]]:
    """Every known family by name, plug-ins (``mixturebench.families``) included."""
    return discover("scenarios.families", Family, "mixturebench.families")  # type: ignore[type-abstract]


def family(name: str) -> Family:
    """The family called ``name``; ``UserError`` if there is none."""
    return families()[choose("family", name, families())]()
