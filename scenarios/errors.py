"""The error that a user sees as a sentence instead of a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


MAX_VALUE = 100
"""Characters of a wrong value that a message shows."""


class UserError(ValueError):
    """A user's input can't be used; the message names the value, the rule and the remedy."""


def first_problem(error: ValidationError) -> str:
    """The first problem that pydantic found, as "place=value: rule", without its own words."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    rule = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    rule = rule[:1].lower() + rule[1:]
    if first["type"] == "missing":
        return f"{place} is missing"
    if first["type"] == "extra_forbidden":
        return f"{place} is no known key: remove it"
    value = repr(first["input"]) if isinstance(first["input"], list | dict) else first["input"]
    shown = str(value)[:MAX_VALUE] + ("…" if len(str(value)) > MAX_VALUE else "")
    return f"{place}={shown}: {rule.replace('input should', 'it should')}"
