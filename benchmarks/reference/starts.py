"""Random starts of a search: moment estimates of random parts of the sorted data."""

from __future__ import annotations

import numpy as np

from benchmarks.reference.admissible import Region
from benchmarks.reference.insertion import LIMITING
from scenarios.families import Array
from scenarios.mixture import MixtureBatch


def random_starts(
    x: Array, components: int, count: int, region: Region, admissible: Array,
    generator: np.random.Generator,
) -> MixtureBatch:  # fmt: skip
    """``count`` starts from the ordered data ``x``.

    A quarter are bins between random cuts, which suit peaks side by side; the others are windows of
    any place and width, which may lie inside one another, as peaks with equal means do. A component
    that is too narrow gives way to one of the ``admissible`` (m, d).
    """
    family, n = region.family, x.size
    weights, rows = [], []
    for index in range(count):
        if index % 4 == 0 and n >= 3 * components:
            cuts = np.sort(generator.choice(np.arange(1, n), components - 1, replace=False))
            parts = np.split(x, cuts)
        else:
            parts = _windows(x, components, generator)
            if index % 4 == 3:
                parts[0] = x
        sizes = np.array([part.size for part in parts], dtype=np.float64)
        if generator.random() < 0.3:
            sizes = generator.dirichlet(np.ones(components)) + 0.01
        weights.append(sizes / sizes.sum())
        rows.append([family.moment_estimate(part) for part in parts])
    parameters = np.array(rows)
    for j, name in enumerate(family.parameter_names()):
        if name in family.limits:
            parameters[..., j] = np.exp(generator.uniform(*LIMITING, size=parameters.shape[:2]))
    narrow = ~(region.relative_spreads(parameters) >= region.min_spread)
    if narrow.any() and len(admissible):
        parameters[narrow] = admissible[generator.integers(len(admissible), size=narrow.sum())]
    return MixtureBatch(family, np.array(weights), parameters)


def _windows(x: Array, components: int, generator: np.random.Generator) -> list[Array]:
    """Windows of random places and widths, from a two-hundredth of the data to all."""
    n, least = x.size, min(max(3, x.size // 200), x.size)
    widths = np.exp(generator.uniform(np.log(least / n), 0.0, size=components)) * n
    sizes = np.clip(widths.astype(int), least, n)
    lows = [int(generator.integers(n - size + 1)) for size in sizes]
    return [x[low : low + size] for low, size in zip(lows, sizes, strict=True)]
