"""Which components the rival search keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.reference.admissible import FEW, Region
from scenarios.families.base import Array
from scenarios.sample import Sample

Flags = NDArray[np.bool_]
SLACK = 1.0001
"""How far inside the reference's limits the search stays."""


@dataclass(frozen=True, eq=False)
class Limits:
    """The narrowest components of a search, which depend on the number of their observations.

    They guide the search alone: what it finds is judged by the rule of the reference.
    """

    sample: Sample
    spread: float
    """The sample's."""
    shares: Callable[[Array, Array], Array]
    """Spreads of components (K, d), relative to the sample's, for expected observations (K,)."""
    least: Callable[[Array], Array]
    """The smallest of them, for expected observations (K,)."""

    @classmethod
    def of(cls, sample: Sample, min_spread: float) -> Limits:
        """Make the limits for a sample."""
        region = Region.of(sample, min_spread)
        return cls(sample, region.spread, region.relative_spreads, region.least)

    def inside(self, rows: Array, expected: Array) -> Flags:
        """Which components (K, d), of so many expected observations (K,), are inside."""
        family = self.sample.family
        fine: Flags = np.asarray(np.isfinite(rows).all(axis=1))
        fine &= (rows[:, family.positive()] > 1e-12).all(axis=1)
        fine &= (np.abs(rows) < 1e12).all(axis=1)
        least = SLACK * self.least(expected)
        wide = 0.9 * _deviations(family.name, rows) >= least * self.spread
        doubtful = fine & ~(wide & (expected >= FEW))
        fine[doubtful] = self.shares(rows[doubtful], expected[doubtful]) >= least[doubtful]
        return fine


def _deviations(name: str, rows: Array) -> Array:
    """Standard deviations of components (K,) whose spread is above 0.9 of it; others are zero.

    They save most of the inverse distribution functions, which are slow.
    """
    if name == "gamma":
        return np.where(rows[:, 0] > 2.0, np.sqrt(rows[:, 0]) / rows[:, 1], 0.0)
    if name == "beta":
        total = rows.sum(axis=1)
        variances = rows[:, 0] * rows[:, 1] / (total**2 * (total + 1.0))
        return np.where(rows.min(axis=1) > 2.0, np.sqrt(variances), 0.0)
    # Student's t is wider than the normal distribution of its scale.
    return 1.1 * rows[:, 2] if name == "student_t" else np.zeros(len(rows))
