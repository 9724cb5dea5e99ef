"""How many of the peaks of a fitted density the data confirm.

A peak more is confirmed where two bootstraps reject fewer. One assumes no family: data drawn from
a smooth density with fewer peaks seldom have more when they are smoothed alike. The other is
parametric: its null hypothesis is the simplest explanation of the data with fewer peaks, by BIC,
and the chosen mixture's likelihood ratio against it must be larger than in data drawn from it. The
explanations are all candidates that were tried, one component of every family, and distributions
with one peak that begin or end with the data (a uniform, a beta, and the positive families from
either end) or have a flat top.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fit.bandwidth import BandwidthTest, bandwidth_test
from benchmarks.fit.bootstrap import Progress, RatioTest, ratio_test, silent
from benchmarks.fit.draws import Draws
from benchmarks.fit.groups import by_peak
from benchmarks.fit.models import (
    BetaBetween,
    FittedMixture,
    FromEnd,
    Model,
    Uniform,
    one_component,
)
from benchmarks.fit.peaks import find_peaks
from benchmarks.fit.plateau import SoftUniform
from benchmarks.fit.rounded import Rounding
from benchmarks.fit.search import Candidate, scipy_mixture
from scenarios.families import families
from scenarios.families.base import Array
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    from benchmarks.fit.answer import Answer

LEVEL = 0.05
"""p-value of the parametric bootstrap up to which one peak more is confirmed. The chosen mixture is
the best of many, so that its ratio alone exceeds this too often: the other test guards against it.
"""
SMOOTH_LEVEL = 0.1
"""p-value of Silverman's test up to which one peak more is confirmed: the test is conservative."""
REPLICATES = 500
"""Data sets that a bootstrap draws at most, where its p-value is near ``LEVEL``."""


@dataclass(frozen=True, eq=False)
class Confirmation:
    """The number of groups that the data confirm, and the tests that were needed."""

    groups: int
    fitted: int
    """The groups of the chosen mixture, before any test."""
    bandwidth_tests: list[BandwidthTest]
    """One for each step, from one group up; empty where no test was needed."""
    ratio_tests: list[RatioTest]
    """One for each step whose other test rejects fewer groups."""
    reason: str
    """Why there are no more groups, a sentence without its full stop; empty if all are
    confirmed."""


def confirm(answer: Answer, progress: Progress = silent) -> Confirmation:
    """Count the groups of an answer's mixture that the data confirm.

    From one group up, until so few are not rejected or all groups of the mixture are confirmed.
    """
    fitted, chosen, size = group_count(answer.chosen), fitted_model(answer.chosen), answer.size
    smooth: list[BandwidthTest] = []
    ratios: list[RatioTest] = []
    x, seed, rounding = answer.data.x, seed_of(answer), Rounding.of(answer.data.x)

    def confirmed(count: int, reason: str = "") -> Confirmation:
        return Confirmation(count, fitted, smooth, ratios, reason)

    for count in range(1, fitted):
        null = explanation(answer, count)
        if null is None:
            return confirmed(count, f"no other mixture has {_peaks(count)}")
        if null.bic(size) <= chosen.bic(size):
            return confirmed(count, f"BIC prefers {null.name}, which has {_peaks(count)}")
        smooth.append(bandwidth_test(x, answer.family, count, seed, rounding))
        if smooth[-1].p > SMOOTH_LEVEL:
            return confirmed(
                count,
                f"{100 * smooth[-1].p:.3g}% of data drawn from a smooth density with "
                f"{_peaks(count)} have more when they are smoothed alike (Silverman's test; it "
                f"would have to be {SMOOTH_LEVEL:.0%} or less)",
            )
        test = ratio_test(null, chosen, size, seed, REPLICATES, LEVEL, rounding, progress)
        ratios.append(test)
        if test.p > LEVEL:
            return confirmed(
                count,
                f"{100 * test.p:.3g}% of data drawn from {null.name}, which has {_peaks(count)}, "
                f"favour {chosen.name} as much as these (it would have to be {LEVEL:.0%} or less)",
            )
    return confirmed(fitted)


def group_count(candidate: Candidate) -> int:
    """The number of groups of a candidate's best optimum."""
    assert candidate.best is not None
    mixture = scipy_mixture(candidate.best.mixture)
    return by_peak(mixture, find_peaks(mixture, 1.0 / candidate.sample.size)).count


def explanation(answer: Answer, count: int) -> Model | None:
    """The model of the data with at most ``count`` peaks that BIC prefers; None without any."""
    size, models = answer.size, list(one_peaked(answer.data.x)) if count == 1 else []
    candidates = list(answer.candidates)
    if count > 1:
        candidates.append(answer.with_components(count))
    for candidate in sorted(candidates, key=lambda each: each.bic):
        if candidate.best is not None and _has_peaks(candidate.best.mixture, size, count):
            models.append(fitted_model(candidate))
            break
    return min(models, key=lambda model: model.bic(size), default=None)


def one_peaked(x: Array) -> Iterator[Model]:
    """Models with one peak: one component of every family that covers the data, and others.

    The latter are a uniform, with sharp and with soft edges, a beta between ends, and the positive
    families from either end.
    """
    draws = Draws.condensed(x)
    yield Uniform.of(draws)
    models: list[Model | None] = [BetaBetween.of(draws), SoftUniform.of(draws)]
    for cls in families().values():
        low, high = cls.support
        if low < draws.x.min() and draws.x.max() < high:
            model = one_component(draws, cls)
            if model is not None and _has_peaks(model.mixture, x.size, 1):
                models.append(model)
        if (low, high) == (0.0, np.inf):
            models += [FromEnd.of(draws, cls, sign) for sign in (1.0, -1.0)]
    yield from (model for model in models if model is not None)


def _has_peaks(mixture: Mixture, size: int, most: int) -> bool:
    """Whether a mixture's density has at most so many peaks with an observation under them."""
    return len(find_peaks(scipy_mixture(mixture), 1.0 / size)) <= most


def fitted_model(candidate: Candidate) -> FittedMixture:
    """A candidate's best optimum, which it must have."""
    assert candidate.best is not None
    best = candidate.best
    return FittedMixture.of_sample(best.mixture, best.log_likelihood, candidate.sample)


def _peaks(count: int) -> str:
    return "one peak" if count == 1 else f"{count} peaks"


def seed_of(answer: Answer) -> int:
    """The seed of an answer's bootstraps, from its options and its data."""
    return answer.options.seed + int(answer.data.digest[:12], 16)
