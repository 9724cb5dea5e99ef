"""Which mixtures may be a reference, and why others may not."""

from __future__ import annotations

import numpy as np

from benchmarks.reference.ascent import Ascent
from benchmarks.reference.scipy_mixture import IO_BLOCK, ScipyMixture
from scenarios.families import Array
from scenarios.random_part import random_part
from scenarios.sample import Sample

# A component narrower than this share of the sample's spread, with fewer than FEW expected
# observations, fits noise.
NARROW_SPREAD, FEW = 0.05, 10.0
STATIONARY = 1e-6
"""Largest predicted gain, in nats, of a stationary point."""
STATIONARY_AT_LIMIT = 1e-3
"""The same where a parameter is at its limit: there the last digits of a density are rounding."""
FLAT = 1e-9
"""Curvature below this is rounding: identical components lie on a ridge."""
RIDGE = "not a strict maximum: the likelihood has a ridge there"


def sample_spread(x: Array) -> float:
    """Half of the observations' 16–84 % range; of a random part where there are many."""
    low, high = np.quantile(random_part(x, IO_BLOCK), [0.16, 0.84])
    return 0.5 * float(high - low)


def spurious_reason(mixture: ScipyMixture, x: Array, min_spread: float) -> str | None:
    """Why the mixture is inadmissible whatever its likelihood; None if it is admissible.

    A mixture's likelihood is unbounded: a component may shrink onto a few observations.
    ``min_spread`` is the smallest admissible spread of a component, relative to the sample's.
    """
    spreads, scale = mixture.spreads, sample_spread(x)
    expected = mixture.weights * x.size
    for k in range(len(spreads)):
        if not spreads[k] >= min_spread * scale:
            return (
                f"component {k + 1} has spread {spreads[k]:.2g}, below {min_spread:g} of the "
                "sample's"
            )
        if not spreads[k] >= NARROW_SPREAD * scale and expected[k] < FEW:
            return (
                f"component {k + 1} has spread {spreads[k]:.2g}, below {NARROW_SPREAD:g} of the "
                f"sample's, and holds {expected[k]:.1f} observations"
            )
    return None


def rejection_reason(
    sample: Sample, ascent: Ascent, min_spread: float, max_gain: float = STATIONARY
) -> str:
    """Why the end of an ascent can't be a reference; empty if it can.

    It must be admissible, have no empty component, and be a strict maximum: a predicted gain
    below ``max_gain`` nats and a positive curvature.
    """
    weights = ascent.mixture.weights
    mixture = ScipyMixture(sample.family.name, weights, ascent.mixture.parameters)
    reason = mixture.invalid_reason()
    reason = reason or spurious_reason(mixture, sample.observations, min_spread)
    if reason is not None:
        return reason
    if float(weights.min()) * sample.size < 1e-2:
        return "a component is empty: fewer would do"
    if ascent.at_limit:
        max_gain = max(max_gain, STATIONARY_AT_LIMIT)
    if not (ascent.predicted_gain < max_gain and ascent.smallest_eigenvalue > FLAT):
        return RIDGE
    return ""
