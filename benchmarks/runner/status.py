"""How a trial ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

RETURNED = "returned"
"""The outcome of a trial whose fitter returned a ``Fit``: its scores decide the status."""
MAX_MESSAGE = 2000
"""Characters of a message that are recorded."""


class Status(StrEnum):
    """How a trial ended, in the order in which it is decided, with its meaning in a sentence."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Make a member that is equal to ``value``."""
        member = str.__new__(cls, value)
        member._value_, member.meaning = value, meaning
        return member

    UNSUPPORTED = (
        "unsupported",
        "The fitter or the start policy does not apply to this model; the message says why.",
    )
    ERROR = "error", "The fitter raised an exception or returned something that is not a fit."
    TIMEOUT = "timeout", "The trial took longer than --timeout, or its setup than --setup-timeout."
    MEMORY = "memory", "The worker used more memory than --memory."
    CRASHED = "crashed", "The worker ended during the trial."
    NOT_ATTEMPTED = (
        "not_attempted",
        "Not tried, because several workers in a row were lost on the cell.",
    )
    INVALID = (
        "invalid",
        "The mixture has weights that are no distribution, parameters outside the domain, another "
        "number of components, or no likelihood for the data.",
    )
    SPURIOUS = (
        "spurious",
        "A component has shrunk onto a few observations, where the likelihood grows without bound.",
    )
    NO_REFERENCE = (
        "no_reference",
        "No admissible optimum of these data is known, so that no fit can be judged.",
    )
    ABOVE_REFERENCE = (
        "above_reference",
        "The fit is more likely than the reference and may not replace it: one of them is wrong.",
    )
    CONVERGED = "converged", "The fit is at the reference optimum: found, with excess ≤ 0.01."
    FOUND = (
        "found",
        "The reference's ascent leads from the fit to the reference optimum, within 0.05 nats, and "
        "the fit is within the statistical noise of it: excess ≤ 1.",
    )
    UNMIXED = (
        "unmixed",
        "A sampled posterior that is not found, and whose chains are at different optima.",
    )
    LOCAL = "local", "The fit is at another optimum: nothing is left to gain from there."
    UNFINISHED = "unfinished", "The fit stopped early: likelihood is left to gain from there."


SUCCESS = (Status.CONVERGED,)
"""Statuses that the convergence rate counts."""
FOUND = (Status.CONVERGED, Status.FOUND)
"""Statuses that the rate *found* counts."""
SCORED = (*FOUND, Status.UNMIXED, Status.LOCAL, Status.UNFINISHED)
"""Statuses of admissible fits."""


def recorded_text(value: object) -> str:
    """Text for a record: valid Unicode, of at most ``MAX_MESSAGE`` characters."""
    return str(value)[:MAX_MESSAGE].encode("utf-8", "replace").decode("utf-8")


def failure(status: Status, message: str) -> dict[str, Any]:
    """Return the fields of a record that say how a trial failed."""
    return {"outcome": status.value, "message": recorded_text(message)}
