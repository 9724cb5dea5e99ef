"""Optima that may be better than a reference: those above fits, and above the truth.

The search for a reference knows neither. An admissible optimum that is better takes its place in
the run. A comparison of two runs does without a search, since both sides face the best of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.reference.admissible import rejection_reason, with_pairs_merged
from benchmarks.reference.ascent import ascend, ascend_all
from benchmarks.reference.certificate import Reference
from benchmarks.reference.newton import Ascent
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.reference.search import NoReferenceError
from benchmarks.reference.verify import check_family
from benchmarks.runner.plan import Record
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.score import MIN_GAIN, Score
from scenarios.mixture import Mixture, MixtureBatch

PERTURBED, STEP = 8, 0.3
"""Perturbations of the truth, and their standard deviation: in log-odds of the weights, and in
steps that change a component about as much as it is wide."""


@dataclass(frozen=True)
class Challenged:
    """The best optimum that is known of a data set, and notes on where it comes from."""

    nll: float
    mixture: ScipyMixture
    log_likelihood_of_fewer: float | None
    """That of the best admissible optimum with fewer components, where one is known."""
    notes: list[str]


class _Best:
    """The best admissible optimum of those that were offered."""

    def __init__(self, data_set: DataSet, mixture: ScipyMixture | None = None) -> None:
        self.data_set, self.mixture, self.origin = data_set, mixture, ""
        self.nll = np.inf if mixture is None else mean_nll(mixture, data_set.observations)

    def offer(self, origin: str, end: Ascent) -> None:
        """Take the end of an ascent if it is better by more than rounding, and admissible."""
        nll = _nll(end, self.data_set)
        if is_above(nll, self.nll, self.data_set.sample.size) and not _refusal(end, self.data_set):
            self.nll, self.mixture, self.origin = nll, _plain(end), origin

    def offer_all(self, trials: list[tuple[Record, Score]]) -> None:
        """Offer the ends of the ascents from the truth, and from the fits that may be better."""
        for name, end in _above_truth(self.data_set):
            self.offer(f"the ascent from {name}", end)
        for record, score in trials:
            if is_above(score.optimum, self.nll, self.data_set.sample.size):
                name = f"{record['fitter']} (start {record['start']}, restart {record['restart']})"
                self.offer(name, _summit(score, self.data_set))


def challenge(
    trials: list[tuple[Record, Score]], data_set: DataSet, reference: Reference
) -> Challenged:
    """The reference, or a better admissible optimum above a fit, the truth or its perturbations.

    The first note names where that one comes from; the second counts the fits that are still
    better.
    """
    n, notes = data_set.sample.size, []
    open_trials = [(record, score) for record, score in trials if score.status is None]
    best = _Best(data_set, reference.mixture)
    before = best.nll
    best.offer_all(open_trials)
    assert best.mixture is not None
    if best.origin:
        gain = (before - best.nll) * n
        notes.append(
            f"{data_set.name}: {best.origin} leads to an optimum that is better than the reference "
            f"by {gain:.3g} nats, and has taken its place in this run"
        )
    above = [(r, s) for r, s in open_trials if is_above(s.nll, best.nll, n)]
    if above:
        record, fit = min(above, key=lambda trial: trial[1].nll)
        gain, reason = (best.nll - fit.nll) * n, _refusal(_summit(fit, data_set), data_set)
        notes.append(
            f"{data_set.name}: fits that are better than the reference and may not replace it: "
            f"{len(above)}, the best ({record['fitter']}) by {gain:.3g} nats ({reason}); do not "
            "trust the figures of this data set"
        )
    return Challenged(best.nll, best.mixture, reference.log_likelihood_of_fewer, notes)


def best_without_search(trials: list[tuple[Record, Score]], data_set: DataSet) -> Challenged:
    """The best admissible optimum above the fits of a data set and above its truth.

    It takes milliseconds where a search takes seconds, and is the same for both sides of a
    comparison. Raises ``NoReferenceError`` where none is admissible, and ``FamilyError`` unless
    the kernels that led to it agree with scipy.
    """
    check_family(data_set.sample)
    best = _Best(data_set)
    judged = [(record, score) for record, score in trials if score.status is None]
    best.offer_all(sorted(judged, key=lambda trial: trial[1].optimum))
    if best.mixture is None:
        raise NoReferenceError("no optimum above the truth or above a fit is admissible")
    check_family(data_set.sample, best.mixture)
    return Challenged(best.nll, best.mixture, _fewer(best.mixture, data_set), [])


def _fewer(mixture: ScipyMixture, data_set: DataSet) -> float | None:
    """The best log likelihood above the mixture with two components merged; None for K = 1."""
    sample = data_set.sample
    merged = with_pairs_merged(Mixture(sample.family, mixture.weights, mixture.parameters))
    if not merged:
        return None
    with np.errstate(all="ignore"):
        ends = ascend_all(sample, MixtureBatch.of(merged, sample.family))
    return max((end.log_likelihood for end in ends if not _refusal(end, data_set)), default=None)


def is_above(nll: float, reference_nll: float, n: int) -> bool:
    """Whether an NLL is better than the reference's by more than rounding."""
    return (reference_nll - nll) * n > MIN_GAIN


def _above_truth(data_set: DataSet) -> list[tuple[str, Ascent]]:
    """The ends of ascents from the truth and from perturbations of it, where there is a truth."""
    truth, sample = data_set.truth, data_set.sample
    if truth is None:
        return []
    exact = Mixture(sample.family, truth.weights, truth.parameters)
    units = sample.family.units(exact.parameters).ravel()
    units = np.concatenate([np.ones(exact.components - 1), units])
    noise = np.random.default_rng(0).normal(scale=STEP, size=(PERTURBED, exact.dimension))
    points = exact.coordinates() + noise * units
    perturbed = MixtureBatch.from_coordinates(sample.family, exact.components, points)
    starts = MixtureBatch.of([exact, *(mixture for mixture in perturbed if mixture.valid())])
    names = ["the truth", *["a perturbation of the truth"] * (len(starts) - 1)]
    with np.errstate(all="ignore"):
        return list(zip(names, ascend_all(sample, starts), strict=True))


def _summit(score: Score, data_set: DataSet) -> Ascent:
    """The end of the reference's ascent from a fit."""
    family = data_set.sample.family
    mixture = Mixture(family, np.array(score.weights), np.array(score.parameters))
    return ascend(data_set.sample, mixture)


def _refusal(end: Ascent, data_set: DataSet) -> str:
    """Why an end may not be the reference; empty if it may."""
    return rejection_reason(data_set.sample, end, data_set.min_spread)


def _plain(end: Ascent) -> ScipyMixture:
    return ScipyMixture(end.mixture.family.name, end.mixture.weights, end.mixture.parameters)


def _nll(end: Ascent, data_set: DataSet) -> float:
    """The NLL of an end by scipy; infinite where it is no mixture."""
    value = mean_nll(_plain(end), data_set.observations)
    return value if np.isfinite(value) else float("inf")
