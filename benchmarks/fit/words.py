"""What an answer says first: groups, components, cuts and how sure they are, in sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fit.confirm import LEVEL
from benchmarks.fit.cuts import BETWEEN
from benchmarks.fit.evidence import needs_test
from benchmarks.fit.options import COMPONENT
from benchmarks.fit.rounded import Rounding
from benchmarks.report.tables import joined

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.fit.answer import Answer
    from benchmarks.fit.bootstrap import RatioTest
    from benchmarks.fit.confirm import Confirmation
    from benchmarks.fit.search import Candidate

MOST_DECIMALS = 8
"""Decimals beyond which a number is written with a power of ten."""
DIP_LEVEL = 0.01
"""p-value up to which a dip test that rejects one peak is said beside a single group."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def headline(answer: Answer) -> list[str]:
    """The answer in sentences, the most asked first."""
    sentences = [*_disagreement(answer), _groups(answer), _components(answer)]
    sentences += _cuts(answer) + _uncertain(answer)
    return [sentence for sentence in sentences if sentence]


def evidence(answer: Answer) -> list[str]:
    """What the tests say on the number of groups and of components, in sentences."""
    sentences = _steps(answer.confirmation)
    sentences.append(_dip(answer))
    fewer = answer.component_test if answer.options.test or needs_test(answer) else None
    if fewer is not None:
        sentences.append(
            f"Components: {fewer.null} against {fewer.alternative}, by a bootstrap of the "
            f"likelihood ratio {fewer.statistic:.1f}: {p_text(fewer.p)} ({_replicates(fewer)})."
        )
    if answer.options.bootstrap:
        used, drawn = answer.group_table[["used", "drawn"]].iloc[0]
        sentences.append(
            f"The errors of the {answer.options.by}s are by {used} of {drawn} data sets drawn from "
            "the mixture; the others have no admissible maximum and are left out."
            if used < drawn
            else f"The errors of the {answer.options.by}s are by {drawn} data sets drawn from the "
            "mixture."
        )
    return sentences + _errors_left_out(answer)


def _steps(confirmation: Confirmation) -> list[str]:
    """A sentence on the two tests of each number of groups, from one up."""
    sentences = []
    for index, smooth in enumerate(confirmation.bandwidth_tests):
        groups = _count(index + 1, "group").capitalize()
        verb = "is" if index == 0 else "are"
        on = f" of the {smooth.scale}" if smooth.scale else ""
        test = (
            f"by Silverman's test{on}, which assumes no family ({p_text(smooth.p)}, "
            f"{smooth.replicates} replicates)"
        )
        if index >= len(confirmation.ratio_tests):
            sentences.append(f"{groups} {verb} not rejected {test}.")
            continue
        ratio = confirmation.ratio_tests[index]
        verdict = "; so is" if ratio.p <= LEVEL else ", but not"
        sentences.append(
            f"{groups} {verb} rejected {test}{verdict} the best explanation, {ratio.null}, against "
            f"{ratio.alternative} (parametric bootstrap, {p_text(ratio.p)}, {_replicates(ratio)})."
        )
    return sentences


def _replicates(test: RatioTest) -> str:
    """How many data sets a bootstrap drew, and how many count without having been fitted."""
    failed = f", {test.unfitted} of them not fitted and counted as exceeding"
    return f"{test.replicates} replicates{failed if test.unfitted else ''}"


def _errors_left_out(answer: Answer) -> list[str]:
    """A sentence where quantities of groups have no error though the parameters have."""
    if answer.covariance is None or answer.options.bootstrap:
        return []
    missing = answer.group_table["error"].isna()
    names = list(dict.fromkeys(answer.group_table["name"][missing]))
    if not names:
        return []
    return [
        f"Without an error, where the delta method does not hold: {joined(names)}; `--bootstrap` "
        "gives errors without it."
    ]


def _disagreement(answer: Answer) -> list[str]:
    """A sentence where BIC and ICL choose otherwise."""
    usable = [c for c in answer.candidates if math.isfinite(c.bic)]
    by_icl = min(usable, key=lambda candidate: candidate.icl)
    if by_icl.components == answer.chosen.components:
        return []
    return [
        f"BIC and ICL disagree: {_name(answer.chosen)} describe{_s(answer.chosen)} the density "
        "best for the number of parameters (BIC); asked for components that are apart from each "
        f"other, ICL prefers {_name(by_icl)}."
    ]


def _groups(answer: Answer) -> str:
    """How many groups there are and where, or why there is no evidence of more than one."""
    found, peaks = answer.by_group, answer.peaks
    places = joined([_place(answer, i) for i in range(len(peaks))])
    if found.count == 1:
        return _one_group(answer, places)
    rows = group_rows(found.table)
    digits = 0 if min(row["share"] for row in rows) >= 0.01 else 1
    parts = [
        f"{row['share']:.{digits}%} around {rounded(row['median'], row['median error'])}"
        for row in rows
    ]
    tried = max(candidate.components for candidate in answer.candidates)
    limited = (
        found.count == answer.chosen.components == tried and len(answer.options.components) > 1
    )
    more = f" or more ({_count(tried, 'component')} were tried at most)" if limited else ""
    text = f"{_count(found.count, 'group').capitalize()}{more}: {joined(parts)}"
    if len(peaks) == found.count:
        return f"{text}, under the peaks of the density at {places}."
    return (
        f"{text}. The fitted density has {_count(len(peaks), 'peak')}, at {places}, and the data "
        f"confirm {_count(found.count, 'group')}."
    )


def _one_group(answer: Answer, places: str) -> str:
    """That there is no evidence of more than one group, and why, or what contradicts it."""
    peaks, confirmation = answer.peaks, answer.confirmation
    shape = f"the fitted density has {_count(len(peaks), 'peak')}, at {places}"
    if len(peaks) > 1 and confirmation.fitted == 1:
        shape += ", and no component for each of them"
    elif len(peaks) > 1:
        shape += f", which the data do not confirm: {confirmation.reason}"
    if isinstance(answer.dip, str) or answer.dip.p > DIP_LEVEL:
        return f"No evidence of more than one group: {shape}."
    rounded_too = ", as it may where values are rounded" if Rounding.of(answer.data.x) else ""
    return (
        "More than one group is not confirmed, although the dip test rejects one peak "
        f"({p_text(answer.dip.p)}){rounded_too}: {shape}."
    )


def _components(answer: Answer) -> str:
    """How many components describe the density, and the second best candidate."""
    chosen = answer.chosen
    others = [c for c in answer.candidates if c is not chosen and np.isfinite(c.bic)]
    text = _name(chosen).capitalize()
    if others:
        text += f" fit{_s(chosen)} best by BIC"
    if chosen.components != answer.by_group.count:
        text += ": a component is a term of the density, not a group"
    if others:
        second = min(others, key=lambda candidate: candidate.bic)
        text += f"; the second best is {_name(second)}, {second.bic - chosen.bic:.1f} higher"
    return f"{text}."


def _cuts(answer: Answer) -> list[str]:
    """Where to cut between neighbours."""
    cuts = answer.cuts
    between = cuts[cuts["where"] == BETWEEN].to_dict("records")
    if not between:
        return []
    places = joined([with_error(row["cut"], row["error"]) for row in between])
    wrong = answer.shown.expected_error
    if answer.options.costs:
        wrong = sum(row["misplaced"] for row in between)
        places += " for these costs"
    share = f"{wrong:.1%}" if wrong >= 0.001 else "less than 0.1%"
    if answer.options.by == COMPONENT:
        places += " between the components"
    text = f"Cut at {places}: {share} of all values are then expected on the wrong side"
    outside = len(cuts) - len(between)
    if outside:
        verb = "is" if outside == 1 else "are"
        text += f"; {_count(outside, 'further cut')} outside the peaks {verb} in the table"
    return [f"{text}."]


def _uncertain(answer: Answer) -> list[str]:
    if answer.shown.count == 1:
        return []
    return [
        f"{answer.shown.uncertain:,} of {answer.size:,} rows "
        f"{'belongs' if answer.shown.uncertain == 1 else 'belong'} to no {answer.options.by} with "
        "a probability of 90 % or more."
    ]


def _dip(answer: Answer) -> str:
    if isinstance(answer.dip, str):
        return f"{answer.dip}."
    return (
        f"Hartigan's dip test of one peak, which assumes no family: {p_text(answer.dip.p)}; it is "
        "conservative."
    )


def group_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each group: its quantities by name, and "name error", "name low", "name high"."""
    rows: list[dict[str, Any]] = []
    for number, part in table.groupby("group"):
        row: dict[str, Any] = {"group": number, "components": part["components"].iloc[0]}
        for entry in part.to_dict("records"):
            name = entry["name"]
            row[name] = entry["value"]
            row |= {f"{name} {end}": entry[end] for end in ("error", "low", "high")}
        rows.append(row)
    return rows


def rounded(value: float, error: float) -> str:
    """A value to the second digit of its standard error; to four digits without one."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0.0):
        return f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(error))
    if decimals > MOST_DECIMALS:
        return f"{value:.{max(0, decimals + math.floor(math.log10(abs(value) or error)))}e}"
    if decimals > 0:
        return f"{value:.{decimals}f}"
    return f"{round(value, decimals):,.0f}".replace(",", "")


def _error(error: float) -> str:
    """ " ± e", or nothing where it is not known."""
    return f" ± {rounded(error, error)}" if math.isfinite(error) and error > 0.0 else ""


def with_error(value: float, error: float) -> str:
    """A value and its standard error, to two digits of that."""
    return f"{rounded(value, error)}{_error(error)}" if math.isfinite(value) else "–"


def p_text(p: float) -> str:
    """A p-value."""
    return f"p = {p:.2g}" if p >= 1e-4 else "p < 0.0001"


def _place(answer: Answer, index: int) -> str:
    """The place of a peak, to a hundredth of the narrowest component's spread or so."""
    error = max(0.1 * float(answer.mixture.spreads.min()), 1e-4 * float(np.ptp(answer.data.x)))
    place = rounded(answer.peaks.places[index], error)
    return f"{place} (the end of the range)" if answer.peaks.at_end[index] else place


def _name(candidate: Candidate) -> str:
    family = candidate.family.replace("_", " ")
    return _count(candidate.components, f"{family} component")


def _s(candidate: Candidate) -> str:
    """The ending of a verb after a candidate's name."""
    return "s" if candidate.components == 1 else ""


def _count(number: int, noun: str) -> str:
    word = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{word} {noun}{'' if number == 1 else 's'}"
