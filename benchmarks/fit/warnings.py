"""The warnings of a fit, in the order shown: the condition, the sentence and the advice of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.fit.answer import Answer, ordered_by_median
from benchmarks.fit.options import AUTO, MAX_COMPONENTS

CLOSE_OPTIMUM = 2.0  # nats within which another optimum describes the data nearly as well
CLOSE_BIC = 2.0  # a difference that is no evidence
RARELY_FOUND = 0.25  # share of restarts below which the best optimum is hard to find
FEW_OBSERVATIONS = 10.0  # expected in a component, below which it may be noise
NARROW = 0.05  # spread of a component relative to the widest, below which it is suspect
IMPRECISE = 0.5  # standard error of a log parameter or log-odds above which an estimate is poor
NEARLY_NORMAL = 50.0  # degrees of freedom above which Student's t hardly differs from a normal
ROUNDED = 0.2  # share of repeated values above which data look rounded
POOR_FIT = 0.01  # Kolmogorov's p-value below which the fit is poor


def warnings(answer: Answer) -> list[str]:
    """The warnings that apply, each without its full stop."""
    groups = (_of_search, _of_estimates, _of_components, _of_fit, _of_choice)
    return [sentence for group in groups for sentence in group(answer)]


def _of_search(answer: Answer) -> Iterator[str]:
    options, best, restarts = answer.options, answer.best, answer.chosen.restarts
    spurious = [o for o in answer.chosen.optima if "spread" in o.rejection_reason]
    if spurious and spurious[0].log_likelihood > best.log_likelihood:
        gain = spurious[0].log_likelihood - best.log_likelihood
        yield (
            f"An optimum with a higher likelihood ({gain:.1f} nats more) was rejected as spurious: "
            f"{spurious[0].rejection_reason}. A mixture's likelihood grows without bound as a "
            "component shrinks onto a few points"
        )
    others = [o for o in answer.chosen.optima if o is not best and not o.rejection_reason]
    for other in others[:2]:
        gap = best.log_likelihood - other.log_likelihood
        weights = ", ".join(f"{w:.2f}" for w in ordered_by_median(other.mixture).weights)
        if gap < CLOSE_OPTIMUM:
            yield (
                f"Another optimum, with weights {weights}, is only {gap:.2f} nats worse, so the "
                "data hardly distinguish the two"
            )
    if restarts >= 4 and best.times < RARELY_FOUND * restarts:
        yield (
            f"Only {best.times} of {restarts} restarts reached the best optimum, so a better one "
            f"may have been missed; try `--restarts {4 * options.restarts}`"
        )
    failures = answer.chosen.failures
    if failures:
        default = "leave out `--fitter` to use the default method"
        yield (
            f"Not every fit succeeded: {len(failures)} failed, the first with {failures[0]!r}; "
            f"{default if options.fitters else 'try another `--fitter`'}"
        )


def _of_estimates(answer: Answer) -> Iterator[str]:
    if answer.covariance is None:
        yield (
            "There are no standard errors, because the information matrix is singular"
            f"{_fewer_components(answer)}"
        )
    elif answer.largest_error > IMPRECISE:
        yield (
            "Some parameters are estimated poorly at this sample size: the largest standard error, "
            f"in log units, is {answer.largest_error:.2g}, where {IMPRECISE:g} is already large"
            f"{_fewer_components(answer)}"
        )


def _of_components(answer: Answer) -> Iterator[str]:
    mixture, spreads = answer.mixture, answer.mixture.spreads
    several = answer.chosen.components > 1
    for k, (weight, spread) in enumerate(zip(mixture.weights, spreads, strict=True)):
        name, expected = f"Component {k + 1}", weight * answer.size
        if several and expected < FEW_OBSERVATIONS:
            yield f"{name} holds only {expected:.1f} observations{_fewer_components(answer)}"
        if several and spread < NARROW * float(np.max(spreads)):
            yield f"{name} is very narrow (spread {spread:.3g}); check whether it is real"
    for k, parameters in enumerate(mixture.parameters):
        if mixture.family == "student_t" and parameters[0] > NEARLY_NORMAL:
            yield (
                f"Component {k + 1} has {parameters[0]:.0f} degrees of freedom, so it is nearly "
                f"normal{'' if answer.options.family == AUTO else '; try `--family normal`'}"
            )
        if mixture.family == "beta" and (parameters < 1.0).any():
            yield (
                f"Component {k + 1} has a shape below 1, so its density is infinite at an end of "
                "(0, 1), and values near there have much influence; check how exact they are"
            )


def _of_fit(answer: Answer) -> Iterator[str]:
    from scipy.stats import ks_1samp

    x = answer.chosen.sample.ordered
    repeated = 1.0 - np.unique(x).size / x.size
    if repeated > ROUNDED:
        yield (
            f"{repeated:.0%} of the values repeat others, so they look rounded, and a density "
            "describes them only roughly"
        )
    test = ks_1samp(x, answer.best.mixture.cdf, method="exact")
    if test.pvalue < POOR_FIT:
        remedies = [] if answer.options.family == AUTO else ["other families (`--family auto`)"]
        highest = max(c.components for c in answer.candidates)
        if highest < MAX_COMPONENTS:
            remedies.append(f"more components (`--components {_range(1, highest + 2)}`)")
        yield (
            "The fit is poor: the fitted and the empirical distribution function are "
            f"{test.statistic:.3f} apart (Kolmogorov's p = {test.pvalue:.1g}, too large if "
            "anything, since the parameters were fitted)"
            f"{'; try ' if remedies else ''}{' or '.join(remedies)}"
        )


def _of_choice(answer: Answer) -> Iterator[str]:
    chosen, counts = answer.chosen, {c.components for c in answer.candidates}
    close = [c for c in answer.candidates if c is not chosen and c.bic - chosen.bic < CLOSE_BIC]
    if close:
        names = ", ".join(f"{c.components} × {c.family}" for c in close)
        yield f"BIC does not distinguish this from {names}: the difference is below 2"
    rejected = [c for c in answer.candidates if c.best is None and c.optima]
    if rejected:
        names = ", ".join(f"{c.components} × {c.family}" for c in rejected)
        yield (
            f"Not compared: {names}, because no restart reached an admissible optimum. The highest "
            f"optimum was rejected ({rejected[0].optima[0].rejection_reason})"
        )
    if len(counts) > 1 and chosen.components == max(counts):
        more = f"; try `--components {_range(chosen.components, chosen.components + 2)}`"
        yield (
            f"{chosen.components} is the largest number of components that was tried"
            f"{more if chosen.components < MAX_COMPONENTS else ''}"
        )


def _fewer_components(answer: Answer) -> str:
    """Advice to compare with one component less; empty where this was done or there is one."""
    fewer = answer.chosen.components - 1
    if fewer == 0 or any(c.components == fewer for c in answer.candidates):
        return ""
    return f"; compare with `--components {_range(fewer, fewer + 1)}`"


def _range(low: int, high: int) -> str:
    return f"{low}..{min(high, MAX_COMPONENTS)}"
