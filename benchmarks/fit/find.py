"""Choose a family and a number of components for a user's data."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.fit.answer import Answer
from benchmarks.fit.options import AUTO, Options
from benchmarks.fit.search import LARGE_SAMPLE, Candidate, search
from scenarios.data_files import Data
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, SupportError, families
from scenarios.model import Model
from scenarios.sample import Sample


def find_mixture(
    data: Data, options: Options, progress: Callable[[str], object] = lambda text: None
) -> Answer:
    """Fit every family and number of components in ``options``, and choose by BIC.

    ``progress`` is called with a line of text before each search. Raises ``UserError`` for data
    that can't be fitted.
    """
    began = time.perf_counter()
    if data.x.size < 2:
        raise UserError(f"{data.name} holds {data.x.size} values: a fit needs at least two")
    if data.x.min() == data.x.max():
        raise UserError(
            f"all {data.x.size:,} values of {data.name} are {data.x[0]:g}, so there is nothing to "
            "fit: check the column"
        )
    candidates: list[Candidate] = []
    names, untried = _families(data, options)
    for name in names:
        sample = Sample.of(data.x, families()[name]())
        for components in options.components:
            dimension = Model(sample.family, components).dimension
            if sample.size <= dimension:
                untried.append(
                    f"{components} × {name} was not tried: it has {dimension} parameters, and "
                    f"there are {sample.size} observations"
                )
                continue
            progress(f"fitting {components} × {name}")
            candidates.append(search(sample, components, options))
    if not candidates:
        raise UserError(
            f"{data.name} has {data.x.size} values, too few for any mixture asked for "
            f"({untried[-1]}): give more data, or ask for fewer --components"
        )
    chosen = min(candidates, key=lambda candidate: candidate.bic)
    if chosen.best is None:
        failures = (failure for candidate in candidates for failure in candidate.failures)
        reason = next(failures, "no optimum was admissible")
        raise UserError(f"no mixture can be fitted to {data.name}: {reason}; try another --family")
    return Answer(data, options, chosen, candidates, untried, time.perf_counter() - began)


def _families(data: Data, options: Options) -> tuple[list[str], list[str]]:
    """Names of the families to try, and a sentence on each that is left out."""
    if options.family != AUTO:
        return [options.family], []
    names, untried = [], []
    for name, cls in families().items():
        slow = data.x.size > LARGE_SAMPLE and not issubclass(cls, ExponentialFamily)
        if slow and not options.fitters:
            untried.append(
                f"{name} was not tried: it has no sketch, and takes long with {data.x.size:,} "
                f"observations (--family {name} tries it)"
            )
            continue
        try:
            cls().check_support(data.x)
        except SupportError as error:
            untried.append(f"{name} was not tried: {error}")
        else:
            names.append(name)
    return names, untried
