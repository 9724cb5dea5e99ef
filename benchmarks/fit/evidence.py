"""Tests of the number of components and of one peak, each with what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.fit.bootstrap import REPLICATES, Progress, RatioTest, ratio_test, silent
from benchmarks.fit.confirm import fitted_model, seed_of
from benchmarks.fit.rounded import Rounding
from benchmarks.fit.search import Candidate, search
from scenarios.families.base import Array
from scenarios.random_part import random_part

if TYPE_CHECKING:
    from benchmarks.fit.answer import Answer

CLEAR_LEAD = 10.0
"""Difference of BIC above which the number of components needs no test (Kass & Raftery 1995,
*JASA* 90:773)."""
DIP_MISSING = (
    "Hartigan's dip test needs the package diptest: install it by `pip install 'mixturebench[dip]'`"
)
DIP_FEWEST = 4
DIP_SIZE = 72_000
"""Observations up to which the dip's distribution is tabulated."""


@dataclass(frozen=True)
class DipTest:
    """Hartigan's test of one peak, which assumes no family."""

    statistic: float
    """The largest distance of the data's distribution function from one with a single peak."""
    p: float


def dip_test(x: Array) -> DipTest | str:
    """Hartigan & Hartigan's test (1985, *Ann. Stat.* 13:70), or why it can't be done.

    Of more than ``DIP_SIZE`` observations a random part is tested.
    """
    try:
        from diptest import diptest
    except ImportError:
        return DIP_MISSING
    if x.size < DIP_FEWEST:
        return f"Hartigan's dip test needs {DIP_FEWEST} observations at least"
    statistic, p = diptest(random_part(x, DIP_SIZE))
    return DipTest(float(statistic), float(p))


def of_chosen_family(answer: Answer, components: int) -> Candidate:
    """The chosen family with so many components, searched where it was not tried."""
    for candidate in answer.candidates:
        if (candidate.family, candidate.components) == (answer.chosen.family, components):
            return candidate
    return search(answer.chosen.sample, components, answer.options)


def needs_test(answer: Answer) -> bool:
    """Whether BIC's lead over one component fewer is below ``CLEAR_LEAD``."""
    fewer = answer.one_fewer
    return fewer is not None and fewer.bic - answer.chosen.bic < CLEAR_LEAD


def component_test(
    answer: Answer, replicates: int = REPLICATES, progress: Progress = silent
) -> RatioTest | None:
    """The bootstrap test of one component fewer, of the same family; None where there is none."""
    fewer = answer.one_fewer
    if fewer is None:
        return None
    null, alternative = fitted_model(fewer), fitted_model(answer.chosen)
    rounding, seed = Rounding.of(answer.data.x), seed_of(answer)
    return ratio_test(
        null, alternative, answer.size, seed, replicates, rounding=rounding, progress=progress
    )
