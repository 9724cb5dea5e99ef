"""From the ends of a search on few rows to the optima of all the data, scored by scipy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from benchmarks.fit.search import Optimum, scipy_mixture
from benchmarks.reference.admissible import rejection_reason
from benchmarks.reference.ascent import ascend_all
from benchmarks.reference.certificate import SAME_OPTIMUM
from benchmarks.reference.newton import Ascent
from benchmarks.reference.one_search import End
from benchmarks.reference.optima import grouped
from benchmarks.reference.scipy_mixture import mean_nll
from scenarios.families import ExponentialFamily
from scenarios.mixture import MixtureBatch
from scenarios.sample import Sample
from scenarios.scenario import Specification

MIN_SPREAD = Specification.model_fields["spread_floor"].default
"""The smallest admissible spread of a component, relative to the sample's."""
FINE_SKETCH_ROWS, MAX_FULL_STEPS = 1 << 13, 6
"""Rows of the sketch between the coarse one and all the data, and the ascent's steps on all of
them: a regular optimum needs two, and on a ridge a hundred are not enough."""


def polish(sample: Sample, view: Sample, ends: Sequence[End]) -> list[Optimum]:
    """The distinct optima of all the data near ``ends``, the greatest likelihood first."""
    if not ends:
        return []
    found = []
    with np.errstate(all="ignore"):
        for end, ascent in zip(ends, _ascents(sample, view, ends), strict=True):
            value = -mean_nll(scipy_mixture(ascent.mixture), sample.observations) * sample.size
            if np.isfinite(value):
                reason = rejection_reason(sample, ascent, MIN_SPREAD)
                found.append(Optimum(ascent, value, end.times, reason))
    groups = grouped(found, attrgetter("log_likelihood"), SAME_OPTIMUM, is_rejected)
    return [replace(group[0], times=sum(each.times for each in group)) for group in groups]


def is_rejected(optimum: Optimum) -> bool:
    """Whether the optimum can't be the answer."""
    return bool(optimum.rejection_reason)


def _ascents(sample: Sample, view: Sample, ends: Sequence[End]) -> list[Ascent]:
    """Climb to optima of all the data, by way of a finer sketch if few rows were searched."""
    batch = MixtureBatch.of([end.ascent.mixture for end in ends], sample.family)
    if view is sample:
        return ascend_all(sample, batch)
    if isinstance(sample.family, ExponentialFamily):
        fine = view.sketch(FINE_SKETCH_ROWS)
        if fine is not view:
            on_fine = ascend_all(fine, batch, tolerance=1e-6)
            batch = MixtureBatch.of([ascent.mixture for ascent in on_fine], sample.family)
    return ascend_all(sample, batch, max_steps=MAX_FULL_STEPS)
