"""The search for the reference of one data set: the best admissible optimum of many ascents.

It is independent of ``fitters``: it has starts and an optimiser of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

import scenarios
from benchmarks.files import replace_file
from benchmarks.reference.admissible import RIDGE, rejection_reason
from benchmarks.reference.ascent import LIMIT, ascend
from benchmarks.reference.cache import KEY_LENGTH, stored_reference
from benchmarks.reference.certificate import Optimum, Reference
from benchmarks.reference.directional import largest_directional, with_a_component_more
from benchmarks.reference.scipy_mixture import mean_nll
from benchmarks.reference.verify import check_family, check_likelihood
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily
from scenarios.mixture import Mixture
from scenarios.sample import Sample

SKETCH_ROWS = 1000
MAX_POLISHED = 12
"""Distinct optima that are polished by an ascent on the full data."""
STATIONARY_ON_SKETCH = 1e-2
"""Largest predicted gain, in nats, of a stationary point of a sketch."""
SAME_OPTIMUM, ON_SKETCH = 1e-2, 0.05
"""Optima whose log likelihoods differ by less, in nats, are one: on the data, and on a sketch."""
T = TypeVar("T")


class NoReferenceError(UserError):
    """A data set has no admissible optimum, so nothing on it can be scored."""


def find_reference(
    sample: Sample, components: int, min_spread: float, cache: Path | None = None
) -> Reference:
    """The reference for K = ``components``, from the folder ``cache`` if it is stored there.

    ``min_spread`` is the smallest admissible spread of a component, relative to the sample's. The
    cache's key is the data's digest, the family, K, ``min_spread`` and the code of the search.
    Raises ``NoReferenceError`` if no optimum is admissible, and ``FamilyError`` unless scipy's
    densities agree with those by which it was found.
    """
    content = f"{sample.digest()}/{sample.family.name}/{components}/{min_spread!r}/{_version()}"
    key = hashlib.sha256(content.encode()).hexdigest()[:KEY_LENGTH]
    path = cache / f"{key}.json" if cache is not None else None
    reference = None if path is None else stored_reference(path)
    check_family(sample)
    is_new = reference is None
    if reference is None:
        # The seed depends on the data alone, so that other code repeats the same searches.
        reference = _search(sample, components, min_spread, int(sample.digest()[:8], 16))
    mixture, n = reference.mixture, sample.size
    check_family(sample, mixture)
    scipys = -n * mean_nll(mixture, sample.observations)
    check_likelihood(reference.family, reference.log_likelihood, scipys, n)
    if is_new and path is not None:  # none is stored that scipy does not confirm
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, (json.dumps(asdict(reference), indent=1) + "\n").encode())
    return reference


@lru_cache(maxsize=1)
def _version() -> str:
    """A digest of this package's code and of ``scenarios``: other code, another reference."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    files += sorted(Path(scenarios.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _search(sample: Sample, components: int, min_spread: float, seed: int) -> Reference:
    """Search for K = 1, 2, …, ``components``, each from the best of one component fewer too."""
    simpler: list[Optimum] = []
    for count in range(1, components):
        optima, _ = distinct_optima(sample, count, min_spread, seed + count, simpler, polished=3)
        simpler = [o for o in optima if not o.rejection_reason] or simpler
    optima, searches = distinct_optima(sample, components, min_spread, seed, simpler)
    admissible = [o for o in optima if not o.rejection_reason]
    # Where a better optimum was met and refused as a ridge, fewer components are no optimum.
    known = [o for o in optima if o.rejection_reason in ("", RIDGE)]
    fewer = bool(simpler) and (
        not known or known[0].log_likelihood <= simpler[0].log_likelihood + SAME_OPTIMUM
    )
    if not admissible and not fewer:
        ridge = f" (the best end is {known[0].rejection_reason})" if known else ""
        raise NoReferenceError(
            f"no admissible optimum of {components} {sample.family.name} components was found in "
            f"{sample.size} observations{ridge}; fit fewer components, or another family"
        )
    best = ascend(sample, _mixture(sample, simpler[0] if fewer else admissible[0]))
    exact = isinstance(sample.family, ExponentialFamily)
    return Reference(
        version=_version(),
        family=sample.family.name,
        components=components,
        size=sample.size,
        weights=best.mixture.weights.tolist(),
        parameters=best.mixture.parameters.tolist(),
        log_likelihood=best.log_likelihood,
        method="Newton's method, exact Hessian" if exact else "L-BFGS, numeric derivatives",
        predicted_gain=best.predicted_gain,
        smallest_eigenvalue=best.smallest_eigenvalue,
        searches=searches,
        optima=optima,
        unseen=_unseen(len(optima), searches),
        # In other families spreads don't bound densities (Student's t with few degrees of freedom).
        directional=largest_directional(sample, best.mixture, min_spread) if exact else None,
        fewer_components=fewer,
        limits=_limits(best.mixture),
    )


def _limits(mixture: Mixture) -> list[str]:
    """A sentence for each component that is of another family in the limit."""
    family = mixture.family
    return [
        f"component {k} is {limit} in the limit of large {name}"
        for k, row in enumerate(mixture.parameters, start=1)
        for name, value in zip(family.parameter_names(), row, strict=True)
        if (limit := family.limits.get(name)) and value >= 0.999 * LIMIT
    ]


def _unseen(found: int, searches: int) -> float | None:
    """The expected number of optima not found (Boender & Rinnooy Kan 1987, *Math. Program.* 37:59).

    None where there are too few searches for an estimate.
    """
    if searches <= found + 2:
        return None
    return found * (searches - 1) / (searches - found - 2) - found


def distinct_optima(
    sample: Sample,
    components: int,
    min_spread: float,
    seed: int,
    simpler: list[Optimum],
    polished: int = MAX_POLISHED,
) -> tuple[list[Optimum], int]:
    """Distinct optima, best first, of many ascents; and the number of ascents.

    Some start from the best optimum ``simpler``, of one component fewer, with a component added
    where the likelihood gains most: other starts miss a rare component.

    The ascents run on a sketch where the sample is large. The ``polished`` best of their distinct
    ends, and as many of the admissible ones, are then polished by ascents on the full data.
    """
    sketchable = isinstance(sample.family, ExponentialFamily) and sample.size >= 2 * SKETCH_ROWS
    view = sample.sketch(SKETCH_ROWS) if sketchable else sample
    generator = np.random.default_rng(seed)
    count = 1 if components == 1 else 40 * components
    starts = list(_starts(sample, components, count, generator))
    if simpler and len(simpler[0].weights) == components - 1:
        starts += with_a_component_more(sample, _mixture(sample, simpler[0]), min_spread)
    ends = []
    for start in starts:
        with np.errstate(all="ignore"):
            end = ascend(view, start, tolerance=1e-4, max_steps=150)
        if end.mixture.valid() and np.isfinite(end.log_likelihood):
            ends.append(end)
    within = SAME_OPTIMUM if view is sample else ON_SKETCH
    groups = grouped(ends, lambda end: end.log_likelihood, within)
    admissible = [
        index
        for index, group in enumerate(groups)
        if not rejection_reason(sample, group[0], min_spread, STATIONARY_ON_SKETCH)
    ]
    chosen = {*range(polished), *admissible[:polished]}
    candidates = [
        (ascend(sample, group[0].mixture) if index in chosen else group[0], len(group))
        for index, group in enumerate(groups)
    ]
    merged = grouped(candidates, lambda entry: entry[0].log_likelihood, SAME_OPTIMUM)
    optima = []
    for group in merged:
        best, times = group[0][0], sum(times for _, times in group)
        weights, parameters = best.mixture.weights.tolist(), best.mixture.parameters.tolist()
        reason = rejection_reason(sample, best, min_spread)
        optima.append(Optimum(best.log_likelihood, times, weights, parameters, reason))
    return optima, len(ends)


def _starts(
    sample: Sample, components: int, count: int, generator: np.random.Generator
) -> Iterator[Mixture]:
    """Moment estimates of random parts of the sorted data.

    Alternately bins between random cut points, which suit peaks side by side, and windows of any
    place and width, which may lie inside one another, as peaks with equal means do.
    """
    x = sample.ordered
    n, min_size = x.size, max(2, x.size // 50)
    for index in range(count):
        if index % 2 == 0 or n < 4 * components:
            free = n - components * min(min_size, n // components)
            cuts = np.sort(generator.integers(0, free + 1, size=components - 1))
            cuts = cuts + min(min_size, n // components) * np.arange(1, components)
            parts = np.split(x, cuts)
        else:
            widths = np.exp(generator.uniform(np.log(min_size / n), 0.0, size=components)) * n
            sizes = np.clip(widths.astype(int), min_size, n)
            lows = [int(generator.integers(0, n - size + 1)) for size in sizes]
            parts = [x[low : low + size] for low, size in zip(lows, sizes, strict=True)]
        weights = np.array([part.size for part in parts], dtype=np.float64)
        rows = np.stack([sample.family.moment_estimate(part) for part in parts])
        yield Mixture(sample.family, weights / weights.sum(), rows)


def grouped(
    items: Iterable[T], log_likelihood: Callable[[T], float], within: float
) -> list[list[T]]:
    """Group items by log likelihood, best first: each is ``within`` nats of its group's best."""
    groups: list[list[T]] = []
    for item in sorted(items, key=lambda item: -log_likelihood(item)):
        if groups and log_likelihood(groups[-1][0]) - log_likelihood(item) < within:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def _mixture(sample: Sample, optimum: Optimum) -> Mixture:
    return Mixture(sample.family, np.array(optimum.weights), np.array(optimum.parameters))
