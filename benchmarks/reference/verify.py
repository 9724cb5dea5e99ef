"""Recompute by scipy what the code under test says of a family, before a score rests on it.

The reference is found by the same densities as the fits: where they are wrong, it moves with
them, and every excess looks right.
"""

from __future__ import annotations

import numpy as np

from benchmarks.reference.scipy_mixture import ScipyMixture, log_densities
from scenarios.errors import UserError
from scenarios.families import Array
from scenarios.families import family as family_called
from scenarios.mixture import Mixture
from scenarios.random_part import random_part
from scenarios.sample import Sample

MAX_ERROR = 1e-9
"""Largest error of a mean log density, relative to its size."""
MAX_CDF_ERROR, MAX_QUANTILE_ERROR = 1e-7, 1e-6
"""The same of a distribution function, which scipy may integrate, and of quantiles."""
MAX_GRADIENT_ERROR = 1e-5
"""Largest error of mean derivatives, relative to the mean log density or the largest of them."""
OBSERVATIONS = 1 << 13
"""Observations, at most, on which gradients are computed by differences."""
STEP = 1e-4
"""Of the differences, in coordinates; in a location, relative to its component's spread."""
SHIFT = 0.05
"""How far from the mixture the gradient is computed, likewise: at an optimum it vanishes."""


class FamilyError(UserError):
    """A family's formulas do not agree with its scipy distribution."""


def check_family(sample: Sample, mixture: ScipyMixture | None = None) -> None:
    """Raise ``FamilyError`` unless a family's formulas agree with scipy's at a valid mixture.

    By default it has two components like the sample. The formulas are the likelihood and its
    derivatives on at most ``OBSERVATIONS`` of the sample, the distribution function at 16 of its
    quantiles, and the quantile function there.
    """
    name, part = sample.family.name, random_part(sample.observations, OBSERVATIONS)
    if mixture is None:
        row = sample.family.moment_estimate(part)
        mixture = ScipyMixture(name, np.array([0.6, 0.4]), np.stack([row, 1.1 * row]))
    with np.errstate(all="ignore"):
        small = Sample.of(part, family_called(name))
        ours = Mixture(small.family, mixture.weights, mixture.parameters)
        _compare(name, "mean log density", small.log_likelihood(ours) / small.size,
                 float(mixture.log_density(part).mean()), MAX_ERROR)  # fmt: skip
        _check_derivatives(name, small, ours)
        levels = np.linspace(0.0, 1.0, 18)[1:-1]
        x = np.quantile(part, levels)
        _compare(name, "distribution function", ours.cdf(x), mixture.cdf(x), MAX_CDF_ERROR)
        one = small.family.quantile(levels, mixture.parameters)
        _compare(name, "quantile function", one, mixture.quantiles(levels), MAX_QUANTILE_ERROR)


def check_likelihood(name: str, log_likelihood: float, scipys: float, n: int) -> None:
    """Raise ``FamilyError`` unless the log likelihood of n observations is scipy's."""
    _compare(name, "mean log density", log_likelihood / n, scipys / n, MAX_ERROR)


def _check_derivatives(name: str, sample: Sample, mixture: Mixture) -> None:
    """Compare derivatives near a mixture with differences of scipy's log density."""
    family, components = sample.family, mixture.components
    units = np.concatenate([np.ones(components - 1), family.units(mixture.parameters).ravel()])
    signs = np.where(np.arange(units.size) % 2, -1.0, 1.0)
    point = mixture.coordinates() + SHIFT * signs * units
    steps = STEP * np.diag(units)
    around = np.concatenate([point + scale * steps for scale in (-2.0, -1.0, 1.0, 2.0)])
    mixtures = [Mixture.from_coordinates(family, components, each) for each in around]
    weights, rows = (np.stack([getattr(m, f) for m in mixtures]) for f in ("weights", "parameters"))
    means = np.zeros(len(around))
    for low in range(0, sample.size, 1 << 10):  # a few values of many mixtures at a time
        block = sample.observations[low : low + (1 << 10)]
        means += log_densities(name, weights, rows, block).sum(axis=1)
    two_below, below, above, two_above = np.split(means / sample.size, 4)
    scipys = (two_below - 8.0 * below + 8.0 * above - two_above) / (12.0 * STEP)
    value, gradient = sample.gradient(Mixture.from_coordinates(family, components, point))
    scale = max(1.0, abs(value) / sample.size)
    ours = gradient * units / sample.size
    _compare(name, "gradient", ours / scale, scipys / scale, MAX_GRADIENT_ERROR)
    # The gradient is right: its differences along a line check the second derivatives.
    along = signs * units
    gradients = [
        sample.gradient(Mixture.from_coordinates(family, components, point + s * STEP * along))[1]
        for s in (-2.0, -1.0, 1.0, 2.0)
    ]
    two_below, below, above, two_above = gradients
    differences = two_below - 8.0 * below + 8.0 * above - two_above
    differences *= units / (12.0 * STEP * sample.size)
    hessian = sample.hessian(Mixture.from_coordinates(family, components, point))[2]
    ours = (hessian @ along) * units / sample.size
    scale = max(1.0, float(np.abs(differences).max()))
    _compare(name, "Hessian", ours / scale, differences / scale, MAX_GRADIENT_ERROR)


def _compare(name: str, what: str, ours: Array | float, scipys: Array | float, most: float) -> None:
    """Raise ``FamilyError`` where values differ by more than ``most``, relative above 1."""
    one, two = np.atleast_1d(ours).ravel(), np.atleast_1d(scipys).ravel()
    wrong = ~(np.abs(one - two) <= most * np.maximum(1.0, np.abs(two)))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise FamilyError(
            f"the {what} of the family {name!r} is {one[first]:.12g}, and {two[first]:.12g} by its "
            f"scipy distribution: correct scenarios/families or the plug-in that defines {name!r}, "
            "then run again"
        )
