"""``mixturebench fit``: from a file to an answer."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks import terminal
from benchmarks.harness.data import free_parameters
from benchmarks.own_data.answer import Answer
from benchmarks.own_data.page import Page, html
from benchmarks.own_data.read import STANDARD_INPUT, Data, read
from benchmarks.own_data.search import LARGE, Candidate, search
from benchmarks.report.strict import to_json
from fitters.spec import parse
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, SupportError, families, family
from scenarios.registry import choose
from scenarios.sample import Sample

AUTO = "auto"
MOST_COMPONENTS = 20


def answer_of(
    data: Data, kind: str, components: range, specs: tuple[str, ...], restarts: int, seed: int
) -> Answer:
    """Search all families and numbers of components, and choose by BIC.

    Raises ``UserError`` for data that can't be fitted.
    """
    began = time.perf_counter()
    if data.x.size < 2:
        raise UserError(f"{data.name} holds {data.x.size} values: a fit needs two at the least")
    if data.x.min() == data.x.max():
        raise UserError(
            f"all {data.x.size:,} values of {data.name} are {data.x[0]:g}, so there is nothing to "
            "fit: check the column"
        )
    names, untried = _families(data, kind, specs)
    tried: list[Candidate] = []
    for name in names:
        sample = Sample.of(data.x, family(name))
        for count in components:
            needed = free_parameters(sample.family, count)
            if sample.size <= needed:
                untried.append(
                    f"{count} × {name} was not tried: it has {needed} parameters, and there are "
                    f"{sample.size} observations"
                )
                continue
            terminal.say(f"fitting {count} × {name}")
            tried.append(search(sample, count, specs, restarts, seed))
    terminal.say("")
    if not tried:
        raise UserError(
            f"{data.name} has {data.x.size} values, too few for any mixture asked for "
            f"({untried[-1]}): give more data, or ask for fewer --components"
        )
    good = [candidate for candidate in tried if candidate.best is not None]
    if not good:
        why = next((f for c in tried for f in c.failures), "no optimum was admissible")
        raise UserError(f"no fit of {data.name} can be given: {why}; try another --family")
    chosen = min(good, key=lambda candidate: candidate.bic)
    return Answer(data, chosen, tried, untried, seed, time.perf_counter() - began)


def fit(
    source: str,
    column: str | None,
    kind: str,
    components: str,
    specs: tuple[str, ...],
    restarts: int,
    seed: int,
    drop_missing: bool,
    as_json: bool,
    out: Path | None,
    figures: Path | None,
) -> None:
    """Fit, print the answer, and write its page."""
    from benchmarks.commands import write_text

    counts = _range(components)
    if restarts < 1:
        raise UserError(f"--restarts {restarts}: it takes a whole number of at least 1")
    for spec in specs:
        parse(spec)
    if kind != AUTO:
        choose("family", kind, [AUTO, *families()])
    data = read(source, column, drop_missing)
    answer = answer_of(data, kind, counts, specs, restarts, seed)
    told = Page(answer)
    if figures is not None:
        for drawn in told.drawn:
            write_text(figures / f"{drawn.name}.svg", drawn.svg, "--figures")
    if as_json:
        print(to_json(answer.content(told.warnings)))
        if out is not None:
            write_text(out, html(told), "--out")
        return
    print(told.headline)
    terminal.show_table(told.estimates)
    if told.posterior is not None:
        terminal.show_table(told.posterior)
    if len(answer.candidates) > 1:
        terminal.show_table(told.candidates)
    for sentence in [*answer.untried, *([f"Left out: {data.dropped}"] if data.dropped else [])]:
        print(f"{sentence}.")
    for warning in told.warnings:
        print(f"Beware: {warning}.")
    stem = "data" if source == STANDARD_INPUT else Path(source).stem
    path = write_text(out or Path(f"{stem}.fit.html"), html(told), "--out")
    print(f"\nPage: {path}")


def _families(data: Data, kind: str, specs: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The families to try, and sentences on those that are not."""
    if kind != AUTO:
        return [kind], []
    names, untried = [], []
    for name, cls in families().items():
        if not issubclass(cls, ExponentialFamily) and data.x.size > LARGE and not specs:
            untried.append(
                f"{name} was not tried: it has no sketch, and takes long with {data.x.size:,} "
                f"observations (--family {name} tries it)"
            )
            continue
        try:
            cls().check_support(data.x)
        except SupportError as error:
            untried.append(f"{name} was not tried: {error}")
            continue
        names.append(name)
    return names, untried


def _range(text: str) -> range:
    """ "2" or "1..5"."""
    low, separator, high = text.partition("..")
    try:
        counts = range(int(low), int(high if separator else low) + 1)
    except ValueError:
        counts = range(0)
    if not counts or counts[0] < 1 or counts[-1] > MOST_COMPONENTS:
        raise UserError(
            f"--components {text}: it takes a number such as 2, or a range such as 1..5, of 1 to "
            f"{MOST_COMPONENTS}"
        )
    return counts
