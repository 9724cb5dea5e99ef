"""The answer in words."""

from __future__ import annotations

import numpy as np

from benchmarks.fit.answer import Answer

CAVEAT = (
    "BIC and ICL assume a regular likelihood, which a mixture with one component too many does not "
    "have. A difference below 2 is no evidence, and only one above 10 is strong evidence (Kass & "
    "Raftery 1995, JASA 90:773). A component is a term of the density: it need not be a peak or a "
    "group of observations."
)
NUMBERS = ("Zero", "One", "Two", "Three", "Four", "Five")


def headline(answer: Answer) -> str:
    """The number of components, the family and where the components lie, in a sentence or two."""
    chosen = answer.chosen
    count = chosen.components
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    what = f"{number} {chosen.family.replace('_', ' ')} component{'s' if count > 1 else ''}"
    if len(answer.candidates) > 1:
        what += f" fit{'' if count > 1 else 's'} best by BIC"
    places = [
        f"{weight:.1%} around {middle:.4g} (two thirds within {low:.4g} to {high:.4g})"
        for weight, (low, middle, high) in zip(
            answer.mixture.weights, answer.mixture.quantiles([0.16, 0.5, 0.84]), strict=True
        )
    ]
    text = f"{what}: {', '.join(places)}."
    others = [c for c in answer.candidates if c is not chosen and np.isfinite(c.bic)]
    if others:
        second = min(others, key=lambda candidate: candidate.bic)
        text += (
            f" The second best is {second.components} × {second.family}, with a BIC higher by "
            f"{second.bic - chosen.bic:.1f}."
        )
    return text
