"""Mixtures from which ascents begin: known optima that are changed, and parts of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Self

import numpy as np

from benchmarks.fit.polish import MIN_SPREAD
from benchmarks.reference.admissible import NARROW_SPREAD, Region
from benchmarks.reference.insertion import LIMITING, WIDE, Candidates
from benchmarks.reference.one_search import with_component, without_component
from benchmarks.reference.starts import random_starts
from benchmarks.reference.view import densities_at
from benchmarks.runner.seeds import derive
from fitters.starts import policy
from scenarios.families import Array
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.random_part import random_part
from scenarios.sample import Sample

INSERTED = 4
"""Components that are tried in addition to a mixture, or in the place of one of its own."""
LEAST_WEIGHT = 0.05
"""Of a component that is added: one with less seldom grows within a few EM steps."""
SPLITS = (0.3, 0.5, 0.7)
"""Shares of a component's observations in the first of the two into which it is split."""
PART_ROWS = 1 << 12
"""Observations, at most, that are split, cut into quantiles and clustered."""
SHARES, PLACES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4), 24
"""Shares of the data in windows whose moments are those of components to add, and their places."""


@dataclass(frozen=True, eq=False)
class Proposals:
    """What starts are made of."""

    view: Sample
    """The rows that are searched."""
    region: Region
    part: Sample
    """At most ``PART_ROWS`` of the observations."""
    seed: int
    generator: np.random.Generator

    @classmethod
    def of(cls, view: Sample, region: Region, x: Array, seed: int) -> Self:
        """Prepare starts for the observations ``x`` (n,), which depend on the ``seed``."""
        family = view.family
        part = Sample.of(random_part(x, PART_ROWS), family)
        generator = np.random.default_rng(derive("start", seed, family.name, 0))
        return cls(view, region, part, seed, generator)

    def grown(self, mixtures: Sequence[Mixture]) -> list[Mixture]:
        """Each mixture with one component more, which is inserted or made by splitting one."""
        found = [self._windows.best(mixture, INSERTED) for mixture in mixtures]
        starts = []
        for insertions in zip_longest(*found):
            for mixture, insertion in zip(mixtures, insertions, strict=True):
                if insertion is not None:
                    weight = min(0.5, max(LEAST_WEIGHT, insertion.weight))
                    starts.append(with_component(mixture, insertion.parameters, weight))
        return starts + [split for mixture in mixtures for split in self._split(mixture)]

    def moved(self, mixtures: Sequence[Mixture], above: Sequence[Mixture]) -> list[Mixture]:
        """Each of ``above``, which have one component more, without each of its own, and each of
        ``mixtures`` with another component in the place of each."""
        starts = []
        for mixture in above:
            starts += [without_component(mixture, k) for k in range(mixture.components)]
        for mixture in mixtures:
            for k in range(mixture.components):
                starts += self.grown([without_component(mixture, k)])
        return starts

    def random(self, components: int, count: int) -> list[Mixture]:
        """Mixtures of windows and bins of the sorted data."""
        batch = random_starts(
            self.view.ordered, components, count, self.region, self._windows.parameters,
            self.generator,
        )  # fmt: skip
        return list(batch)

    def drawn(self, name: str, components: int, index: int) -> Mixture:
        """A start by the policy called ``name``."""
        seed = derive("start", self.seed, self.view.family.name, index)
        model = Model(self.part.family, components)
        return policy(name).draw(self.part, model, seed).within(self.view.family)

    def _split(self, mixture: Mixture) -> Iterator[Mixture]:
        """The mixture with one of its components split where its observations are cut in two."""
        x, family = self.part.ordered, self.view.family
        with np.errstate(all="ignore"):
            labels = mixture.responsibilities(x).argmax(axis=0)
        for k in range(mixture.components):
            mine = x[labels == k]
            for share in SPLITS:
                low = int(share * mine.size)
                if low < 2 or mine.size - low < 2:
                    continue
                rows = [family.moment_estimate(each) for each in (mine[:low], mine[low:])]
                weights = mixture.weights[k] * np.array([share, 1.0 - share])
                yield Mixture(
                    family,
                    np.concatenate([np.delete(mixture.weights, k), weights]),
                    np.vstack([np.delete(mixture.parameters, k, axis=0), *rows]),
                )

    @cached_property
    def _windows(self) -> Candidates:
        """Components that can be added: moment estimates of windows of the sorted data."""
        view, region = self.view, self.region
        rows = np.stack([view.family.moment_estimate(part) for part in _windows_of(view.ordered)])
        for name, column in zip(view.family.parameter_names(), rows.T, strict=True):
            if name in view.family.limits:  # no moment tells it
                column[:] = np.exp(self.generator.uniform(*LIMITING, size=len(rows)))
        rows = rows[region.relative_spreads(rows) >= MIN_SPREAD]
        narrow = region.relative_spreads(rows, 0.0) < NARROW_SPREAD
        wide = region.relative_spreads(rows) >= WIDE
        return Candidates(view, rows, narrow, wide, densities_at(view.rows.T, view.family, rows))


def _windows_of(x: Array) -> Iterator[Array]:
    """Windows of the sorted data, of ``SHARES`` of it and at ``PLACES`` places."""
    for size in sorted({min(x.size, max(3, int(share * x.size))) for share in SHARES}):
        for low in np.unique(np.linspace(0, x.size - size, PLACES).astype(int)):
            yield x[low : low + size]
