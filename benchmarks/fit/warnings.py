"""The warnings of a fit, by consequence: the condition, the sentence and the advice of each."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from operator import itemgetter

import numpy as np

from benchmarks.fit.answer import Answer, ordered_by_median
from benchmarks.fit.options import AUTO, MAX_COMPONENTS
from benchmarks.fit.race import listed
from benchmarks.fit.ties import Heap, grid_step, heaps, kolmogorov
from benchmarks.report.tables import joined

CLOSE_OPTIMUM = 2.0  # nats within which another optimum describes the data nearly as well
CLOSE_BIC = 2.0  # a difference that is no evidence
FEW_OBSERVATIONS = 10.0  # expected in a component, below which it may be noise
NARROW = 0.05  # spread of a component relative to the widest, below which it is suspect
SMALL_SHARE = 0.1  # share of the data in a component, below which it may be narrow by chance
IMPRECISE = 0.5  # standard error of a log parameter or log-odds above which an estimate is poor
NEARLY_NORMAL = 50.0  # degrees of freedom above which Student's t hardly differs from a normal
COARSE = 0.5  # step of a grid ÷ the narrowest spread, above which rounding changes the likelihood
POOR_FIT = 0.01  # Kolmogorov's p-value below which the fit is poor
FEW_TIMES = 3  # restarts below which the best optimum is rarely reached, or
RARE = 0.1  # the share of them
NAMED = 3  # heaps that are named


class Rank(IntEnum):
    """What a warning puts in doubt; the most consequential first."""

    MODEL = 0
    """The data are not of the kind that a density describes, or the density is another."""
    CHOICE = 1
    """Another answer is as good, or a better one may have been missed."""
    COMPONENT = 2
    """A component may not be real."""
    PRECISION = 3
    """Numbers are uncertain."""
    NOTE = 4
    """What else happened."""


Ranked = Iterator[tuple[Rank, str]]


def warnings(answer: Answer) -> list[str]:
    """The warnings that apply, each without its full stop, the most consequential first."""
    groups = (_of_data, _of_fit, _of_search, _of_choice, _of_components, _of_estimates)
    ranked = [pair for group in groups for pair in group(answer)]
    return [sentence for _, sentence in sorted(ranked, key=itemgetter(0))]


def _of_data(answer: Answer) -> Ranked:
    values, counts = np.unique(answer.data.x, return_counts=True)
    found, n = heaps(values, counts), answer.size
    if found:
        count = answer.chosen.components
        on_them = [k for k in range(count) if _on_a_heap(answer, k, found)] if count > 1 else []
        components = " and ".join(str(k + 1) for k in on_them)
        yield (
            Rank.MODEL,
            f"{_heaps_in_words(found, n)}, which no density describes"
            + (
                f": component{'s' if len(on_them) > 1 else ''} {components} "
                f"{'are' if len(on_them) > 1 else 'is'} hardly more than that"
                if on_them
                else ""
            ),
        )
    step, spread = grid_step(values, counts), float(answer.mixture.spreads.min())
    if step > COARSE * spread:
        yield (
            Rank.MODEL,
            f"The values are rounded to steps of about {step:.3g}, which is "
            f"{step / spread:.2g} of the narrowest component's spread, so that its estimate is "
            "rough",
        )


def _heaps_in_words(found: list[Heap], n: int) -> str:
    """The largest heaps: "53 of 299 values are exactly 4, and 21 exactly 2"."""
    first, *others = found[:NAMED]
    share = f" ({first.times / n:.0%})" if n >= 100 else ""
    text = f"{first.times:,} of {n:,} values{share} are exactly {first.value:g}"
    parts = [f"{heap.times:,} exactly {heap.value:g}" for heap in others]
    if len(found) > NAMED:
        more = len(found) - NAMED
        parts.append(f"{more} other {'value is a heap' if more == 1 else 'values are heaps'} too")
    return ", and ".join([text, ", ".join(parts)]) if parts else text


def _on_a_heap(answer: Answer, k: int, found: list[Heap]) -> bool:
    """Whether component k is narrow and holds little but a heap."""
    spread = float(answer.mixture.spreads[k])
    if spread >= NARROW * float(answer.mixture.spreads.max()):
        return False
    middle = answer.mixture.medians()[k]
    expected = answer.mixture.weights[k] * answer.size
    near = sum(heap.times for heap in found if abs(heap.value - middle) < 2.0 * spread)
    return bool(near > 0.5 * expected)


def _of_fit(answer: Answer) -> Ranked:
    statistic, pvalue = kolmogorov(answer.chosen.sample.ordered, answer.best.mixture.cdf)
    if pvalue < POOR_FIT:
        remedies = [] if answer.options.family == AUTO else ["other families (`--family auto`)"]
        highest = max(c.components for c in answer.candidates)
        if highest < MAX_COMPONENTS:
            remedies.append(f"more components (`--components {_range(highest, highest + 2)}`)")
        yield (
            Rank.MODEL,
            "The fit is poor: the fitted and the empirical distribution function are "
            f"{statistic:.3f} apart (Kolmogorov's p = {pvalue:.1g}, too large if anything, since "
            f"the parameters were fitted){'; try ' if remedies else ''}{' or '.join(remedies)}",
        )


def _of_search(answer: Answer) -> Ranked:
    options, best, restarts = answer.options, answer.best, answer.chosen.restarts
    if restarts >= 4 and best.times < max(FEW_TIMES, RARE * restarts):
        yield (
            Rank.CHOICE,
            f"{f'Only {best.times}' if best.times else 'None'} of {restarts} restarts reached the "
            "best optimum, so a better one may have been missed; "
            f"`--restarts {4 * options.restarts}` makes four times as many",
        )
    others = [o for o in answer.chosen.optima if o is not best and not o.rejection_reason]
    for other in others[:2]:
        gap = best.log_likelihood - other.log_likelihood
        weights = ", ".join(f"{w:.2f}" for w in ordered_by_median(other.mixture).weights)
        if gap < CLOSE_OPTIMUM:
            yield (
                Rank.CHOICE,
                f"Another optimum, with weights {weights}, is only {gap:.2f} nats worse, so the "
                "data hardly distinguish the two",
            )
    spurious = [o for o in answer.chosen.optima if "spread" in o.rejection_reason]
    if spurious and spurious[0].log_likelihood > best.log_likelihood:
        gain = spurious[0].log_likelihood - best.log_likelihood
        yield (
            Rank.NOTE,
            f"An optimum with a higher likelihood ({gain:.1f} nats more) was rejected as spurious: "
            f"{spurious[0].rejection_reason}. A mixture's likelihood grows without bound as a "
            "component shrinks onto a few points",
        )
    failures = answer.chosen.failures
    if failures:
        default = "leave out `--fitter` to use the default method"
        yield (
            Rank.NOTE,
            f"Not every fit succeeded: {len(failures)} failed, the first with {failures[0]!r}; "
            f"{default if options.fitters else 'try another `--fitter`'}",
        )


def _of_choice(answer: Answer) -> Ranked:
    chosen, counts = answer.chosen, {c.components for c in answer.candidates}
    close = [c for c in answer.candidates if c is not chosen and c.bic - chosen.bic < CLOSE_BIC]
    if close:
        names = ", ".join(f"{c.components} × {c.family}" for c in close)
        yield (
            Rank.CHOICE,
            f"BIC does not distinguish this from {names}: the difference is below {CLOSE_BIC:g}",
        )
    if len(counts) > 1 and chosen.components == max(counts):
        more = f"; try `--components {_range(chosen.components, chosen.components + 2)}`"
        yield (
            Rank.CHOICE,
            f"{chosen.components} is the largest number of components that was tried"
            f"{more if chosen.components < MAX_COMPONENTS else ''}",
        )
    rejected = [c for c in answer.candidates if c.best is None and c.optima]
    names_of: dict[str, list[int]] = {}
    for candidate in rejected:
        names_of.setdefault(candidate.family, []).append(candidate.components)
    if rejected:
        yield (
            Rank.NOTE,
            f"Not compared: {listed(names_of)}, because no restart reached an admissible optimum. "
            f"The highest was rejected ({rejected[0].optima[0].rejection_reason})",
        )


def _of_components(answer: Answer) -> Ranked:
    mixture, spreads = answer.mixture, answer.mixture.spreads
    if answer.chosen.components > 1:
        expected = mixture.weights * answer.size
        few = np.flatnonzero(expected < FEW_OBSERVATIONS)
        if few.size:
            first, *more = (f"omponent {k + 1} holds only {expected[k]:.1f}" for k in few)
            rest = "".join(f", and c{each}" for each in more)
            yield (
                Rank.COMPONENT,
                f"C{first} observations{rest}{_fewer_components(answer)}",
            )
        narrow = spreads < NARROW * float(np.max(spreads))
        for k in np.flatnonzero(narrow & (mixture.weights < SMALL_SHARE)):
            yield (
                Rank.COMPONENT,
                f"Component {k + 1} is very narrow (spread {spreads[k]:.3g}); check whether it is "
                "real",
            )
    if mixture.family == "student_t":
        normal = (1 + np.flatnonzero(mixture.parameters[:, 0] > NEARLY_NORMAL)).tolist()
        remedy = "" if answer.options.family == AUTO else "; try `--family normal`"
        if normal:
            yield (
                Rank.NOTE,
                f"{_components(normal)} {'have' if len(normal) > 1 else 'has'} more than "
                f"{NEARLY_NORMAL:g} degrees of freedom: nearly normal{remedy}",
            )
    if mixture.family == "beta":
        open_ended = (1 + np.flatnonzero((mixture.parameters < 1.0).any(axis=1))).tolist()
        if open_ended:
            yield (
                Rank.PRECISION,
                f"{_components(open_ended)} {'have' if len(open_ended) > 1 else 'has'} a shape "
                "below 1, and so an infinite density at an end of (0, 1), where values have much "
                "influence; check how exact they are",
            )


def _of_estimates(answer: Answer) -> Ranked:
    if answer.covariance is None:
        yield (
            Rank.PRECISION,
            "There are no standard errors, because the information matrix is singular"
            f"{_fewer_components(answer)}",
        )
    elif answer.largest_error > IMPRECISE:
        yield (
            Rank.PRECISION,
            "Some parameters are estimated poorly at this sample size: the largest standard error, "
            f"in log units, is {answer.largest_error:.2g}, where {IMPRECISE:g} is already large"
            f"{_fewer_components(answer)}",
        )


def _components(numbers: list[int]) -> str:
    return f"Component{'s' if len(numbers) > 1 else ''} {joined([str(k) for k in numbers])}"


def _fewer_components(answer: Answer) -> str:
    """Advice to compare with one component less; empty where this was done or there is one."""
    fewer = answer.chosen.components - 1
    if fewer == 0 or any(c.components == fewer for c in answer.candidates):
        return ""
    return f"; compare with `--components {_range(fewer, fewer + 1)}`"


def _range(low: int, high: int) -> str:
    return f"{low}..{min(high, MAX_COMPONENTS)}"
