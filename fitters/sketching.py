"""The setting ``bins``, by which a fitter of an exponential family fits a sketch.

Also the way for libraries that evaluate densities of observations, not of a sketch's rows.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.model import Model
from scenarios.sample import Sample

MIN_BINS = 16


def _check_bins(bins: int) -> int:
    if bins != 0 and bins < MIN_BINS:
        raise ValueError(f"0 for all the data, or at least {MIN_BINS} rows")
    return bins


Bins = Annotated[int, AfterValidator(_check_bins)]
"""Rows of the sketch that is fitted in place of the data; 0: fit the data."""


def view_of(sample: Sample, bins: int) -> Sample:
    """The sketch of ``bins`` rows, or the sample itself for 0."""
    return sample.sketch(bins) if bins else sample


def sketch_unsupported_reason(model: Model, bins: int) -> str | None:
    """Return why the model can't be fitted to a sketch, in a sentence, or None if it can."""
    if bins == 0 or model.exponential:
        return None
    return f"{model.family.name} is no exponential family, so it has no sketch: leave out bins"


def affine_basis(sample: Sample) -> tuple[Array, Array]:
    """Nodes (d + 1,), and a basis (d + 1, r) that carries log densities from them to all rows.

    log f - h is affine in T, so its values at d + 1 nodes fix it everywhere: at the row T it is
    their combination with the barycentric coordinates of T in the nodes' T. A library thus
    evaluates its density at the nodes alone, whatever the number of rows. (h at the nodes adds
    to each row a constant, the same for every component.)
    """
    family = sample.family
    assert isinstance(family, ExponentialFamily)
    levels = np.linspace(0.1, 0.9, len(family.parameters) + 1)
    nodes = np.quantile(sample.ordered, levels)
    corners = np.column_stack([family.statistics(nodes), np.ones(len(nodes))])
    rows = np.column_stack([sample.rows, np.ones(len(sample.rows))])
    return nodes, np.ascontiguousarray(np.linalg.solve(corners.T, rows.T))
