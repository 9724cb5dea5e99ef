"""The options of a fit, checked."""

from __future__ import annotations

from dataclasses import dataclass

from fitters.spec import parse
from scenarios.errors import UserError
from scenarios.families import families
from scenarios.registry import choose

AUTO = "auto"
MAX_COMPONENTS = 20


@dataclass(frozen=True)
class Options:
    """What to try on the data. Raises ``UserError`` for an option that can't be used."""

    family: str = AUTO
    """A family's name; ``AUTO`` tries all whose support covers the data."""
    components: range = range(1, 5)
    fitters: tuple[str, ...] = ()
    """Specifications such as ``em:newton=true``; empty: the default method of each family."""
    restarts: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if self.restarts < 1:
            raise UserError(f"--restarts {self.restarts}: it takes a whole number of at least 1")
        for spec in self.fitters:
            parse(spec)
        choose("family", self.family, [AUTO, *families()])


def component_counts(text: str) -> range:
    """Parse numbers of components, "2" or "1..5"; ``UserError`` for anything else."""
    low, separator, high = text.partition("..")
    try:
        counts = range(int(low), int(high if separator else low) + 1)
    except ValueError:
        counts = range(0)
    if not counts or counts[0] < 1 or counts[-1] > MAX_COMPONENTS:
        raise UserError(
            f"--components {text}: it takes a number such as 2, or a range such as 1..5, of 1 to "
            f"{MAX_COMPONENTS}"
        )
    return counts
