"""The answer in words, and what makes it fragile."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.own_data.answer import Answer, ordered
from benchmarks.own_data.search import Candidate

NEAR = 2.0
"""Nats within which another optimum explains the data nearly as well."""
RARE = 0.25
"""Share of restarts below which the best optimum is said to be hard to find."""
FEW = 10.0
"""Observations that a component must be expected to hold to be taken for more than noise."""
VAGUE = 0.5
"""A standard error in log parameters or log-odds above which a parameter can't be told."""
NEARLY_NORMAL = 50.0
"""Degrees of freedom from which on Student's t is hardly told from a normal."""
TIED = 0.2
"""Share of repeated values from which on a density is a rough description of rounded data."""

CAVEAT = (
    "BIC and ICL presume more than mixtures can promise: at one component too many the likelihood "
    "is not regular. Differences below 2 say nothing, and only those above 10 say much (Kass & "
    "Raftery 1995, JASA 90:773). A component is a term of a density, and need be neither a peak "
    "nor a group of anything."
)


def headline(answer: Answer) -> str:
    """What the data look like, in a sentence or two."""
    chosen, shares = answer.chosen, answer.mixture.weights
    number = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five"}.get(
        chosen.components, str(chosen.components)
    )
    places = []
    for share, law in zip(shares, answer.mixture.components, strict=True):
        low, middle, high = law.ppf([0.16, 0.5, 0.84])
        places.append(f"{share:.1%} around {middle:.4g} (two thirds within {low:.4g}–{high:.4g})")
    what = "component" if chosen.components == 1 else "components"
    several = len(answer.candidates) > 1
    told = (
        f"{number} {chosen.family.replace('_', ' ')} {what}"
        f"{' fit best by BIC' if several else ''}: {', '.join(places)}."
    )
    others = [c for c in answer.candidates if c is not chosen and np.isfinite(c.bic)]
    if others:
        second = min(others, key=lambda c: c.bic)
        told += (
            f" Next is {second.components} × {second.family}, worse by "
            f"{second.bic - chosen.bic:.1f} in BIC."
        )
    return told


def warnings(answer: Answer) -> list[str]:
    """Why the answer may be fragile, each in a sentence with its number."""
    return [
        *_of_the_search(answer.chosen),
        *_of_the_components(answer),
        *_of_the_fit(answer),
        *_of_the_choice(answer),
    ]


def _of_the_search(chosen: Candidate) -> Iterator[str]:
    best = chosen.best
    assert best is not None
    spikes = [o for o in chosen.optima if "spread" in o.fault]
    if spikes and spikes[0].log_likelihood > best.log_likelihood:
        gain = spikes[0].log_likelihood - best.log_likelihood
        yield (
            f"A higher likelihood ({gain:.1f} nats more) was set aside as spurious: "
            f"{spikes[0].fault}. A mixture's likelihood grows without bound as a component shrinks "
            "onto a few points"
        )
    near = [
        o for o in chosen.optima
        if o is not best and not o.fault and best.log_likelihood - o.log_likelihood < NEAR
    ]  # fmt: skip
    for optimum in near[:2]:
        gap = best.log_likelihood - optimum.log_likelihood
        other = ordered(optimum.summit.mixture)
        weights = ", ".join(f"{weight:.2f}" for weight in other.weights)
        yield (
            f"Another optimum is only {gap:.2f} nats worse, with weights {weights}: the data "
            "hardly tell the two apart"
        )
    if chosen.restarts >= 4 and best.times < RARE * chosen.restarts:
        yield (
            f"The best optimum was met by {best.times} of {chosen.restarts} restarts: a better one "
            "may be unseen; try more with --restarts"
        )
    if chosen.failures:
        count, first = len(chosen.failures), chosen.failures[0]
        yield f"Not every fit succeeded ({count} did not), first: {first}"


def _of_the_components(answer: Answer) -> Iterator[str]:
    mixture, n = answer.mixture, answer.size
    if answer.covariance is None:
        yield "The information matrix is singular: there are no standard errors to give"
    else:
        worst = float(np.max(answer.coordinate_errors))
        if worst > VAGUE:
            yield (
                f"Some parameters can hardly be told at this sample size: the largest standard "
                f"error, in log units, is {worst:.2g}, where {VAGUE:g} is already vague"
            )
    for k, (weight, spread) in enumerate(zip(mixture.weights, mixture.spreads(), strict=True)):
        if answer.chosen.components > 1 and weight * n < FEW:
            yield f"Component {k + 1} holds only {weight * n:.1f} observations"
        if answer.chosen.components > 1 and spread < 0.05 * float(np.max(mixture.spreads())):
            yield f"Component {k + 1} is very narrow (spread {spread:.3g}): look whether it is real"
    if mixture.family == "student_t":
        for k, df in enumerate(mixture.parameters[:, 0]):
            if df > NEARLY_NORMAL:
                yield f"Component {k + 1} has {df:.0f} degrees of freedom: it is nearly normal"
    if mixture.family == "beta":
        for k, shapes in enumerate(mixture.parameters):
            if (shapes < 1.0).any():
                yield (
                    f"Component {k + 1} has a shape below 1: its density is infinite at an end of "
                    "(0, 1), and values near there weigh much"
                )


def _of_the_fit(answer: Answer) -> Iterator[str]:
    x = answer.chosen.sample.ordered
    tied = 1.0 - np.unique(x).size / x.size
    if tied > TIED:
        yield (
            f"{tied:.0%} of the values repeat others: they look rounded, and a density is a rough "
            "description of them"
        )
    distance, p = answer.deviation
    if p < 0.01:
        yield (
            f"The fit is off: the distribution functions are {distance:.3f} apart (Kolmogorov's "
            f"p = {p:.1g}, too large if anything since the parameters were fitted); try other "
            "families or more components"
        )


def _of_the_choice(answer: Answer) -> Iterator[str]:
    chosen = answer.chosen
    close = [
        c for c in answer.candidates
        if c is not chosen and np.isfinite(c.bic) and c.bic - chosen.bic < 2.0
    ]  # fmt: skip
    if close:
        told = ", ".join(f"{c.components} × {c.family}" for c in close)
        yield f"BIC can't tell this from {told}: the difference is below 2"
    hopeless = [c for c in answer.candidates if c.best is None and c.optima]
    if hopeless:
        told = ", ".join(f"{c.components} × {c.family}" for c in hopeless)
        yield (
            f"Not compared: {told}, since no restart came to an admissible optimum. Of the highest "
            f"that was met: {hopeless[0].optima[0].fault}"
        )
    tried = {c.components for c in answer.candidates}
    if len(tried) > 1 and chosen.components == max(tried):
        yield (
            f"{chosen.components} is the largest number of components that was tried: see what "
            f"--components {chosen.components}..{chosen.components + 2} says"
        )
