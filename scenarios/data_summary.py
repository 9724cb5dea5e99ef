"""A summary of observations that identifies them on any processor.

Processors and libraries disagree in the last bits of a logarithm or a long sum, so the same data
set drawn on two machines may differ by rounding, which changes a hash of the numbers. Summaries
are compared to a tolerance instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scenarios.families.base import Array

ORDER_STATISTICS = 16
TOLERANCE = 1e-9
"""Relative difference up to which two figures are equal."""


def summarise_data(x: Array) -> dict[str, Any]:
    """``n``, ``mean``, ``sd`` and ``order``, 16 evenly spaced order statistics of ``x`` (n,)."""
    places = np.linspace(0, x.size - 1, ORDER_STATISTICS).round().astype(np.intp)
    order = np.partition(x, np.unique(places))[places]
    return {
        "n": int(x.size),
        "mean": float(x.mean()),
        "sd": float(x.std()),
        "order": order.tolist(),
    }


def same_data(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two summaries are of the same observations, to a relative 1e-9.

    The mean is compared in units of the standard deviation too: it may be near zero.
    """
    if first["n"] != second["n"]:
        return False
    one, two = (np.array([s["mean"], s["sd"], *s["order"]], dtype=float) for s in (first, second))
    slack = TOLERANCE * np.maximum(np.abs(one), float(first["sd"]))
    return bool((np.abs(one - two) <= slack).all())
