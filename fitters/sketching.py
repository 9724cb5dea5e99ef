"""The setting ``bins``, by which a fitter of an exponential family fits a sketch.

Also the way for libraries that evaluate densities of observations, not of a sketch's rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import AfterValidator

from fitters.base import Fit
from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample

MIN_BINS = 16
MAX_SKETCH_EXCESS = 1e-3
"""The largest excess that a sketch may cost."""
MAX_CELL_SHARE = 0.01
"""The largest width of a grid's cells, relative to the middle 68 % of the data."""
MIN_CURVATURE = 1e-7
"""Mean curvature below which a direction is flat."""


def _check_bins(bins: int) -> int:
    if bins != 0 and bins < MIN_BINS:
        raise ValueError(f"0 for all the data, or at least {MIN_BINS} rows")
    return bins


Bins = Annotated[int, AfterValidator(_check_bins)]
"""Rows of the sketch that is fitted in place of the data; 0: fit the data."""


def view_of(sample: Sample, bins: int) -> Sample:
    """The sketch of ``bins`` rows, or the sample itself for 0."""
    return sample.sketch(bins) if bins else sample


def sketch_excess(view: Sample, mixture: Mixture) -> float:
    """The excess, on the data, that fitting the sketch ``view`` instead of them costs; 0 of data.

    A finer sketch stands for the data. Its gradient differs by g from the view's, so that its
    maximum is ½ gᵀ(-H)⁻¹g nats above its value at the view's maximum; excess is 2/p times that.
    Infinite where the data are too spread out for a grid of cells of their own size.
    """
    fine = view.finer
    if fine is None:
        return 0.0
    if not view.cell_share <= MAX_CELL_SHARE:
        return float("inf")
    with np.errstate(all="ignore"):
        _, coarse = view.gradient(mixture)
        _, gradient, hessian = fine.hessian(mixture)
        difference = gradient - coarse
        if not (np.isfinite(hessian).all() and np.isfinite(difference).all()):
            return float("inf")
        curvature, vectors = np.linalg.eigh(-hessian / view.size)
        curved = curvature > MIN_CURVATURE  # in a flat direction nothing can be said
        along = (vectors.T @ difference)[curved]
        gain = 0.5 * np.sum(along**2 / curvature[curved]) / view.size
    return float(2.0 * gain / difference.size)


def judged(fit: Fit, view: Sample) -> Fit:
    """The fit of a sketch, without a claim of convergence where the sketch costs too much."""
    counted = view if view.source is None else view.source
    before = dict(counted.passes)
    excess = sketch_excess(view, fit.mixture)
    passes = dict(fit.passes)
    for kernel, count in counted.passes_since(before).items():
        passes[kernel] = passes.get(kernel, 0.0) + count
    if excess <= MAX_SKETCH_EXCESS:
        return replace(fit, passes=passes)
    message = (
        f"{fit.message}; the sketch of {len(view.counts)} rows costs an excess of {excess:.2g} on "
        "the data: fit more bins, or all the data"
    )
    claimed = None if fit.claimed is None else False
    return replace(fit, claimed=claimed, passes=passes, message=message)


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
