"""The rows of a sample that a search uses: few, so that a pass is cheap."""

from __future__ import annotations

import numpy as np

from scenarios.families import Array, ExponentialFamily, Family
from scenarios.sample import Sample

ROWS = 1000
"""Rows that are searched of a sample with twice as many observations or more."""
TAIL = 100
"""Of a family without exponential form: so many smallest and largest observations are kept."""


def densities_at(rows: Array, family: Family, parameters: Array) -> Array:
    """f ÷ exp h of components (m, d) at the rows (d, r) of a sample, (m, r)."""
    with np.errstate(all="ignore"):
        if isinstance(family, ExponentialFamily):
            eta = family.natural(parameters)
            values = eta @ rows
            values -= family.log_partition(eta)[:, None]
        else:
            values = family.log_density(rows[0], parameters)
        return np.exp(values, out=values)


def coarse(sample: Sample) -> Sample:
    """The sample itself where it is small, otherwise about ``ROWS`` rows of it.

    A sketch for an exponential family. Otherwise the means of groups of neighbours, all of about
    the same size, and the extremes themselves: optima are polished on all the data.
    """
    if sample.size < 2 * ROWS:
        return sample
    if isinstance(sample.family, ExponentialFamily):
        return sample.sketch(ROWS)
    x = sample.ordered
    middle = x[TAIL:-TAIL]
    edges = np.linspace(0, middle.size, ROWS - 2 * TAIL + 1).astype(int)
    means = np.add.reduceat(middle, edges[:-1]) / np.diff(edges)
    ends = np.ones(TAIL)
    rows = np.concatenate([x[:TAIL], means, x[-TAIL:]])[:, None]
    counts = np.concatenate([ends, np.diff(edges).astype(np.float64), ends])
    counts *= sample.size / x.size
    return Sample(sample.family, sample.observations, rows, counts, 0.0, sample)
