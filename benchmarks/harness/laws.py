"""scipy's distributions by the names of our families: all that the judge takes of a formula."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Law:
    """A scipy distribution with its parameters: as frozen ones are, without their slow making."""

    def __init__(self, distribution: Any, *shapes: Any, loc: Any = 0.0, scale: Any = 1.0) -> None:
        self._distribution, self._arguments = distribution, (*shapes, loc, scale)

    def logpdf(self, x: Array) -> Array:
        """Log density."""
        return np.asarray(self._distribution.logpdf(x, *self._arguments))

    def ppf(self, q: ArrayLike) -> Array:
        """Quantiles."""
        return np.asarray(self._distribution.ppf(q, *self._arguments))

    def median(self) -> float:
        """The middle."""
        return float(self._distribution.median(*self._arguments))

    def support(self) -> tuple[float, float]:
        """The ends of the support."""
        low, high = self._distribution.support(*self._arguments)
        return float(low), float(high)


@cache
def laws() -> dict[str, Callable[..., Law]]:
    """How to make each family's law from its usual parameters."""
    from scipy import stats

    return {
        "beta": lambda alpha, beta: Law(stats.beta, alpha, beta),
        "normal": lambda mu, sigma: Law(stats.norm, loc=mu, scale=sigma),
        "gamma": lambda shape, rate: Law(stats.gamma, shape, scale=1.0 / rate),
        "lognormal": lambda mu, sigma: Law(stats.lognorm, sigma, scale=np.exp(mu)),
        "weibull": lambda shape, scale: Law(stats.weibull_min, shape, scale=scale),
        "student_t": lambda df, loc, scale: Law(stats.t, df, loc=loc, scale=scale),
    }


# Which of a family's parameters are locations: theirs alone may be negative.
LOCATIONS = {"normal": (0,), "lognormal": (0,), "student_t": (1,)}
