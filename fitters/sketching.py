"""The setting ``bins``, by which a fitter of an exponential family looks at a sketch.

Also the way for libraries that know densities of observations, and not of rows.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.sample import Sample

FEWEST = 16


def _enough(bins: int) -> int:
    if bins != 0 and bins < FEWEST:
        raise ValueError(f"0 for all the data, or at least {FEWEST} rows")
    return bins


Bins = Annotated[int, AfterValidator(_enough)]
"""Rows of the sketch that a fitter sees in place of the data; 0: it sees the data."""


def seen(sample: Sample, bins: int) -> Sample:
    """What a fitter with this setting looks at."""
    return sample.sketch(bins) if bins else sample


def unsketchable(family: Family, bins: int) -> str | None:
    """Why a family can't be sketched, in a sentence; None where it can or need not."""
    if bins == 0 or isinstance(family, ExponentialFamily):
        return None
    return f"{family.name} is no exponential family, so its rows can't be averaged: leave out bins"


def affine_basis(sample: Sample, family: ExponentialFamily) -> tuple[Array, Array]:
    """Nodes (d + 1,), and a basis (d + 1, r) that carries log densities from them to all rows.

    log f - h is affine in T, so its values at d + 1 nodes fix it everywhere: at the row T
    it is their combination with the barycentric coordinates of T in the nodes' T. A
    library's density is thus evaluated at the nodes alone, whatever the number of rows. (h at the
    nodes comes along as a constant of each row, the same for every component.)
    """
    levels = np.linspace(0.1, 0.9, len(family.parameters) + 1)
    nodes = np.quantile(sample.ordered, levels)
    corners = np.column_stack([family.statistics(nodes), np.ones(len(nodes))])
    rows = np.column_stack([sample.rows, np.ones(len(sample.rows))])
    return nodes, np.ascontiguousarray(np.linalg.solve(corners.T, rows.T))
