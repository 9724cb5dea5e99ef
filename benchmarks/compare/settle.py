"""Run and compare, look after look, until every fitter is decided or the budget ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.compare.looks import SHARES, Looks, plan_of
from benchmarks.compare.render import sentence
from benchmarks.compare.verdict import EXIT, Comparison, worst
from benchmarks.runner.plan import Plan

BUDGET = 600.0
"""Seconds after which a comparison that is not decided ends, by default."""


@dataclass(frozen=True, eq=False)
class Settled:
    """A run and its comparison with each base."""

    folder: Path
    """The folder of the new run."""
    comparisons: Mapping[Path, Comparison]
    """By the folder of the base."""

    @property
    def verdict(self) -> str:
        """The worst verdict; a fitter needs pairs with one of the bases only."""
        verdicts = {comparison.verdict for comparison in self.comparisons.values()}
        measured = verdicts - {"measured nothing"}
        return worst(measured or verdicts)

    @property
    def exit_code(self) -> int:
        """The exit status of that verdict."""
        return EXIT[self.verdict]

    @property
    def sentence(self) -> str:
        """The verdict in a sentence for each base."""
        if len(self.comparisons) == 1:
            return sentence(*self.comparisons.values())
        return " ".join(f"Against {base}: {sentence(c)}" for base, c in self.comparisons.items())

    def text(self, form: str = "text", wide: bool = False) -> str:
        """The comparisons as ``text``, which may be ``wide``, as ``markdown`` or as ``json``."""
        if len(self.comparisons) == 1:
            return next(iter(self.comparisons.values())).text(form, wide)
        texts = [(base, c.text(form, wide).rstrip()) for base, c in self.comparisons.items()]
        if form == "json":
            return "{" + ",\n".join(f'"{base}": {text}' for base, text in texts) + "}\n"
        heading = "### Against {}" if form == "markdown" else "Against {}"
        return "\n\n".join(f"{heading.format(base)}\n\n{text}" for base, text in texts) + "\n"

    def __repr__(self) -> str:
        return self.text()


class Sides(Protocol):
    """A run that grows, and the bases that it is compared with."""

    def run(self, plan: Plan, deadline: float) -> None:
        """Run what is left of ``plan`` until a time of ``time.monotonic()``."""

    def compare(self) -> Mapping[Path, Comparison]:
        """Compare what is on record."""

    def repeating(self) -> set[str]:
        """The fitters that a look at all data sets decides alone."""


def settle(plan: Plan, looks: Looks, sides: Sides, budget: float) -> Mapping[Path, Comparison]:
    """Run look after look until every fitter is decided, one has regressed, or the budget ends.

    At each look the fitters that are not decided get more data sets. A plan that is larger than
    its first look is one that is resumed. Without looks the plan is run once, and compared.
    """
    deadline = time.monotonic() + budget
    if not looks:
        sides.run(plan, float("inf"))
        return sides.compare()
    repeating = sides.repeating()
    replicates = {
        fitter: max(looks[fitter][-1 if fitter in repeating else 0], plan.replicates(fitter))
        for fitter in plan.fitters
    }
    while True:
        sides.run(plan_of(plan, replicates), deadline)
        comparisons = sides.compare()
        left = {name for comparison in comparisons.values() for name in comparison.undecided()}
        larger = {
            name: min(size for size in looks[name] if size > replicates[name])
            for name in plan.fitters
            if name in left and replicates[name] < looks[name][-1]
        }
        regressed = any(comparison.verdict == "regressed" for comparison in comparisons.values())
        if regressed or not larger or time.monotonic() >= deadline:
            return comparisons
        for name, size in larger.items():
            number = looks[name].index(size) + 1
            count = size * len(plan.scenarios)
            print(
                f"{name} is not decided: look {number} of {len(SHARES)}, {count} data sets",
                file=sys.stderr,
            )
        replicates |= larger
