"""Optima that may be better than a reference: those above fits, and above the truth.

The search for a reference knows neither. An admissible optimum that is better takes its place in
the run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.reference.admissible import rejection_reason
from benchmarks.reference.ascent import ascend, ascend_all
from benchmarks.reference.certificate import Reference
from benchmarks.reference.newton import Ascent
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
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
    notes: list[str]


def challenge(
    trials: list[tuple[Record, Score]], data_set: DataSet, reference: Reference
) -> Challenged:
    """The reference, or a better admissible optimum above a fit, the truth or its perturbations.

    The first note names where that one comes from; the second counts the fits that are still
    better.
    """
    n, notes = data_set.sample.size, []
    mixture = reference.mixture
    nll = before = mean_nll(mixture, data_set.observations)
    origin = ""
    ascents = [(f"the ascent from {name}", end) for name, end in _above_truth(data_set)]
    for record, score in trials:
        if score.status is None and is_above(score.optimum, nll, n):
            name = f"{record['fitter']} (start {record['start']}, restart {record['restart']})"
            ascents.append((name, _summit(score, data_set)))
    for name, end in ascents:
        value = _nll(end, data_set)
        if is_above(value, nll, n) and not _refusal(end, data_set):
            nll, mixture, origin = value, _plain(end), name
    if origin:
        gain = (before - nll) * n
        notes.append(
            f"{data_set.name}: {origin} leads to an optimum that is better than the reference by "
            f"{gain:.3g} nats, and has taken its place in this run"
        )
    above = [(r, s) for r, s in trials if s.status is None and is_above(s.nll, nll, n)]
    if above:
        record, best = min(above, key=lambda trial: trial[1].nll)
        gain, reason = (nll - best.nll) * n, _refusal(_summit(best, data_set), data_set)
        notes.append(
            f"{data_set.name}: fits that are better than the reference and may not replace it: "
            f"{len(above)}, the best ({record['fitter']}) by {gain:.3g} nats ({reason}); do not "
            "trust the figures of this data set"
        )
    return Challenged(nll, mixture, notes)


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
