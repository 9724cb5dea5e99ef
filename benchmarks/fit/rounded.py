"""Data on a grid: values that were rounded, and simulated values that are rounded like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.families.base import Array
from scenarios.random_part import random_part

TIED = 0.2
"""Share of values that repeat others from which rounding may matter."""
ON_GRID = 1e-3
"""Largest distance from the grid, in steps."""


@dataclass(frozen=True)
class Rounding:
    """A grid with values at ``origin`` + whole multiples of ``step``."""

    origin: float
    step: float

    @classmethod
    def of(cls, x: Array) -> Rounding | None:
        """The grid of observations with many ties; None where there is none."""
        part = random_part(x)
        values = np.unique(part)
        if values.size < 2 or values.size > (1.0 - TIED) * part.size:
            return None
        step = float(np.diff(values).min())
        places = (values - values[0]) / step
        if np.abs(places - np.round(places)).max() > ON_GRID:
            return None
        return cls(float(values[0]), step)

    def apply(self, x: Array, support: tuple[float, float]) -> Array:
        """The nearest values on the grid that are inside an open ``support``."""
        low, high = ((end - self.origin) / self.step for end in support)
        low = np.floor(low + ON_GRID) + 1.0 if np.isfinite(low) else low
        high = np.ceil(high - ON_GRID) - 1.0 if np.isfinite(high) else high
        places = np.clip(np.round((x - self.origin) / self.step), low, high)
        return np.asarray(self.origin + self.step * places)
