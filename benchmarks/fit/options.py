"""The options of a fit, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fitters.base import Fitter
from fitters.spec import fitter_of
from scenarios.errors import UserError
from scenarios.families import families
from scenarios.registry import choose

AUTO = "auto"
GROUP, COMPONENT = "group", "component"
MAX_COMPONENTS = 20


@dataclass(frozen=True)
class Options:
    """What to try on the data. Raises ``UserError`` for an option that can't be used."""

    family: str = AUTO
    """A family's name; ``AUTO`` tries all whose support covers the data."""
    components: range = range(1, 5)
    fitters: tuple[str | Fitter, ...] = ()
    """Specs such as ``em:newton=true``, or objects; empty: the default method of each family."""
    restarts: int = 20
    seed: int = 0
    by: str = GROUP
    """Whose shares, means and cuts are given: those of each ``GROUP`` or ``COMPONENT``."""
    test: bool = False
    """Whether one component fewer is tested even where BIC is clear."""
    bootstrap: bool = False
    """Whether errors and intervals of groups are by the parametric bootstrap."""
    costs: tuple[float, ...] = ()
    """Of a misplaced observation of each group, from left to right; empty: equal ones."""

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise UserError(f"--restarts {self.restarts}: it takes a whole number of at least 1")
        for fitter in self.fitters:
            fitter_of(fitter)
        check_costs(self.costs)
        choose("family", self.family, [AUTO, *families()])
        choose("--by", self.by, [GROUP, COMPONENT])

    @classmethod
    def of(
        cls,
        family: str,
        components: int | str | Iterable[int],
        fitters: Iterable[str | Fitter],
        costs: Iterable[float] = (),
        **others: Any,
    ) -> Options:
        """Take options as a user gives them: ``components`` is a number, "1..4" or a range."""
        chosen = (fitters,) if isinstance(fitters, str | Fitter) else tuple(fitters)
        return cls(family, component_counts(components), chosen, costs=tuple(costs), **others)


def check_costs(costs: Iterable[float]) -> None:
    """Raise ``UserError`` for a cost that is not a positive number."""
    for cost in costs:
        if not (math.isfinite(cost) and cost > 0.0):
            raise UserError(
                f"--cost {cost:g}: it takes a positive number, the cost of a misplaced observation "
                "of each group"
            )


def component_counts(given: int | str | Iterable[int]) -> range:
    """Numbers of components, of 2, "2", "1..5" or range(1, 6); ``UserError`` for anything else."""
    try:
        if isinstance(given, str):
            low, separator, high = given.partition("..")
            counts = range(int(low), int(high if separator else low) + 1)
        elif isinstance(given, Iterable):
            numbers = sorted(given)
            counts = range(numbers[0], numbers[-1] + 1)
            if list(counts) != numbers:
                raise ValueError("a gap")
        else:
            counts = range(int(given), int(given) + 1)
    except (ValueError, IndexError, TypeError):
        counts = range(0)
    if not counts or counts[0] < 1 or counts[-1] > MAX_COMPONENTS:
        raise UserError(
            f"--components {given}: it takes a number such as 2, or a range such as 1..5, of 1 to "
            f"{MAX_COMPONENTS}"
        )
    return counts
