"""Reasons to doubt a reference, whether its searches agree or not."""

from __future__ import annotations

import numpy as np

from benchmarks.reference.admissible import Region
from benchmarks.reference.certificate import SAME_OPTIMUM, Optimum
from scenarios.mixture import Mixture
from scenarios.sample import Sample

ABOVE, MANY = 2.0, 20.0
"""Nats by which an inadmissible optimum must be better, and observations that its refused component
must hold, to make the admissibility rule doubtful."""
AT_EDGE = 1.2
"""Spread of a component of the reference ÷ the smallest admissible one, up to which it is near."""
FEW = 5.0
"""Observations below which a component of the reference fits too few."""


def flags(
    sample: Sample,
    mixture: Mixture,
    log_likelihood: float,
    best_of_each: list[float | None],
    optima: list[Optimum],
    min_spread: float,
) -> list[str]:
    """A sentence for each reason to doubt the reference ``mixture``."""
    reasons, region = [], Region.of(sample, min_spread)
    heights = [height for height in best_of_each if height is not None]
    if len(heights) < len(best_of_each):
        reasons.append(f"{len(best_of_each) - len(heights)} of the searches found no optimum")
    elif max(heights) - min(heights) >= SAME_OPTIMUM:
        reasons.append(f"the searches disagree by {max(heights) - min(heights):.3g} nats")
    gain, holding = _refused(optima, log_likelihood, region)
    if gain > ABOVE:
        reasons.append(
            f"an inadmissible optimum is {gain:.3g} nats better, and its refused component holds "
            f"{holding:.0f} observations"
        )
    expected = mixture.weights * sample.size
    shares = region.relative_spreads(mixture.parameters, expected)
    nearest = shares / region.least(expected)
    if nearest.min() < AT_EDGE:
        k = int(np.argmin(nearest))
        reasons.append(
            f"component {k + 1} is near the edge of admissibility, with {shares[k]:.3g} of the "
            "sample's spread"
        )
    if expected.min() < FEW:
        k = int(np.argmin(expected))
        reasons.append(f"component {k + 1} holds only {expected[k]:.1f} observations")
    return reasons


def _refused(optima: list[Optimum], log_likelihood: float, region: Region) -> tuple[float, float]:
    """The largest gain of an inadmissible optimum whose refused component holds ``MANY``
    observations, and how many it holds."""
    best = (0.0, 0.0)
    for optimum in optima:
        expected = np.array(optimum.weights) * region.size
        spreads = region.relative_spreads(np.array(optimum.parameters), expected)
        refused = spreads < region.least(expected)
        holding = float(np.max(expected, where=refused, initial=0.0))
        if holding >= MANY:
            best = max(best, (optimum.log_likelihood - log_likelihood, holding))
    return best
