"""Starts of the rival search, and its moves from the best mixtures found so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.studies.problems import component
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample

MAX_POINTS = 2000
"""Observations, at random, from which places of components are drawn."""
BY_LINK = 0.3
"""How often the width of a component is drawn by the link, and not in x."""
MOVES = ("relocate", "relocate", "relocate", "replace two", "split", "width", "shake", "cross")


@dataclass(eq=False)
class Drawer:
    """Random mixtures of K components, near the observations."""

    family: Family
    components: int
    x: Array
    y: Array
    """The observations, in order, and by the link."""
    spreads: tuple[float, float]
    """Half of the sample's 16–84 % range, and by the link."""
    narrowest: float
    """The least width of a component, relative to the sample's spread."""
    generator: np.random.Generator

    @classmethod
    def of(
        cls, sample: Sample, components: int, min_spread: float, generator: np.random.Generator
    ) -> Drawer:
        """Make one for a sample, with some of its observations if they are very many."""
        x = sample.observations
        if x.size > MAX_POINTS:
            x = generator.choice(x, MAX_POINTS, replace=False)
        x = np.sort(x)
        y = sample.family.link(x)
        ends = np.quantile(np.stack([x, y]), [0.16, 0.84], axis=1)
        in_x, by_link = np.maximum(0.5 * (ends[1] - ends[0]), 1e-9)
        return cls(
            sample.family, components, x, y, (float(in_x), float(by_link)), min_spread, generator
        )

    def starts(self, count: int) -> list[Mixture]:
        """Mixtures that owe nothing to what was found before, of three kinds in turn."""
        kinds = (self._seeded, self._smoothed, self._drawn)
        return [kinds[index % len(kinds)]() for index in range(count)]

    def moved(self, parents: list[Mixture], count: int) -> list[Mixture]:
        """Mixtures by one move each from a parent; the first parents have more."""
        better = 1.0 / np.arange(2.0, len(parents) + 2.0)
        chosen = self.generator.choice(len(parents), count, p=better / better.sum())
        return [self._moved(parents[index], parents) for index in chosen]

    def _moved(self, parent: Mixture, parents: list[Mixture]) -> Mixture:
        generator, k = self.generator, int(self.generator.integers(self.components))
        move = str(generator.choice(MOVES))
        if move == "cross":
            return self._crossed(parent, parents[int(generator.integers(len(parents)))])
        if move == "shake" or self.components == 1:
            return self._shaken(parent)
        if move == "split":
            return self._split(parent, k)
        if move == "width":
            rows = parent.parameters.copy()
            place, width = self._place(rows[k])
            factor = np.exp(generator.choice([-1.0, 1.0]) * generator.uniform(0.4, 2.5))
            rows[k] = self._rows(np.array([place]), np.array([width * factor]))[0]
            return Mixture(self.family, parent.weights, rows)
        child = self._relocated(parent, k)
        if move == "replace two":
            child = self._relocated(child, int(generator.integers(self.components)))
        return child

    def _relocated(self, parent: Mixture, k: int) -> Mixture:
        """Component k at an observation, of any width and weight."""
        place = float(self.generator.choice(self.x))
        weight = self._log_uniform(min(0.2, 1.5 / self.x.size), 0.4)
        return self._with(parent, k, self._near(place), weight)

    def _with(self, parent: Mixture, k: int, row: Array, weight: float) -> Mixture:
        rows, weights = parent.parameters.copy(), parent.weights.copy()
        rows[k], weights[k] = row, 0.0
        total = weights.sum()
        weights = weights / total if total > 1e-6 else np.full(weights.size, 1.0 / weights.size)
        weights = weights * (1.0 - weight)
        weights[k] += weight
        return Mixture(self.family, weights / weights.sum(), rows)

    def _split(self, parent: Mixture, k: int) -> Mixture:
        """Component k goes, near another or merged with its neighbour; another is split."""
        others = [index for index in range(self.components) if index != k]
        places = [self._place(row) for row in parent.parameters]
        weights, rows = parent.weights.copy(), parent.parameters.copy()
        near = min(others, key=lambda index: abs(places[index][0] - places[k][0]))
        if self.generator.uniform() < 0.5:  # merged: mean and variance of the two
            share = weights[k] / (weights[k] + weights[near])
            middle = share * places[k][0] + (1.0 - share) * places[near][0]
            moments = [w**2 + (p - middle) ** 2 for p, w in (places[k], places[near])]
            width = float(np.sqrt(share * moments[0] + (1.0 - share) * moments[1]))
            rows[near] = self._rows(np.array([middle]), np.array([width]))[0]
            places[near] = (middle, width)
        weights[near] += weights[k]
        chosen = int(self.generator.choice(others))
        place, width = places[chosen]
        apart = width * self.generator.uniform(0.0, 1.5) * self.generator.choice([-1.0, 1.0])
        widths = width * np.exp(self.generator.uniform(-1.5, 0.3, 2))
        share = self.generator.uniform(0.1, 0.9)
        pair = self._rows(np.array([place - apart, place + apart]), widths)
        rows[chosen], rows[k] = pair
        weights[k] = share * weights[chosen]
        weights[chosen] *= 1.0 - share
        return Mixture(self.family, weights / weights.sum(), rows)

    def _shaken(self, parent: Mixture) -> Mixture:
        size = self._log_uniform(0.1, 1.5)
        units = self.family.units(parent.parameters)
        free = self.family.free(parent.parameters)
        free = free + size * np.maximum(units, 0.02) * self.generator.normal(size=free.shape)
        weights = parent.weights * np.exp(size * self.generator.normal(size=parent.components))
        return Mixture(self.family, weights / weights.sum(), self.family.usual(free))

    def _crossed(self, one: Mixture, other: Mixture) -> Mixture:
        """The components of one mixture on the left, and of another on the right."""
        order = [np.argsort([self._place(row)[0] for row in m.parameters]) for m in (one, other)]
        cut = int(self.generator.integers(self.components + 1))
        left, right = order[0][:cut], order[1][cut:]
        weights = np.concatenate([one.weights[left], other.weights[right]])
        rows = np.vstack([one.parameters[left], other.parameters[right]])
        return self._shaken(Mixture(self.family, weights / weights.sum(), rows))

    def _seeded(self) -> Mixture:
        """Places far from one another, as in k-means++ (Arthur & Vassilvitskii 2007)."""
        generator = self.generator
        places = [float(generator.choice(self.y))]
        power = float(generator.choice([0.5, 1.0, 2.0]))
        for _ in range(self.components - 1):
            apart = np.abs(self.y[:, None] - np.array(places)).min(axis=1) ** power
            total = apart.sum()
            chances = apart / total if total > 0.0 else None
            places.append(float(generator.choice(self.y, p=chances)))
        gaps = np.abs(np.subtract.outer(places, places)) + np.diag(np.full(len(places), np.inf))
        scale = max(float(self.y.std()), 1e-6)
        near = np.minimum(gaps.min(axis=1), 2.0 * scale)
        widths = np.maximum(near, 1e-3 * scale) * np.exp(generator.uniform(-2.0, 0.7, len(places)))
        return self._mixture(self._rows(np.array(places), widths))

    def _smoothed(self) -> Mixture:
        """Random responsibilities, alike for neighbours."""
        generator, n = self.generator, self.y.size
        noise = generator.normal(size=(self.components, n))
        length = max(2, int(n * self._log_uniform(0.02, 0.5)))
        kernel = np.hanning(min(length, n) + 2)[1:-1]
        smooth = np.stack([np.convolve(row, kernel, mode="same") for row in noise])
        smooth /= np.maximum(smooth.std(), 1e-12)
        shares = np.exp(self._log_uniform(1.0, 10.0) * smooth)
        shares /= shares.sum(axis=0)
        mass = shares.sum(axis=1)
        places = shares @ self.y / mass
        widths = np.sqrt(np.maximum(shares @ self.y**2 / mass - places**2, 1e-12))
        return Mixture(self.family, mass / mass.sum(), self._rows(places, widths))

    def _drawn(self) -> Mixture:
        """Components at observations, or anywhere in their range, of any width."""
        rows = []
        for _ in range(self.components):
            if self.generator.uniform() < 0.7:
                place = float(self.generator.choice(self.x))
            else:
                place = float(self.generator.uniform(self.x[0], self.x[-1]))
            rows.append(self._near(place))
        return self._mixture(np.array(rows))

    def _mixture(self, rows: Array) -> Mixture:
        weights = self.generator.dirichlet(np.ones(self.components)) + 1e-3
        return Mixture(self.family, weights / weights.sum(), rows)

    def _near(self, place: float) -> Array:
        """A component at ``place``, of any width in x or by the link."""
        y = float(self.family.link(np.array([place]))[0])
        width = self._log_uniform(self.narrowest, 3.0)
        if self.generator.uniform() < BY_LINK:
            return self._rows(np.array([y]), np.array([width * self.spreads[1]]))[0]
        step = 1e-4 * self.spreads[0]
        low, high = self.family.support
        ends = np.clip([place - step, place + step], low + 1e-12, high - 1e-12)
        slope = float(np.diff(self.family.link(ends))[0] / max(ends[1] - ends[0], 1e-300))
        most = 2.0 * max(float(self.y.std()), 1e-6)
        return self._rows(np.array([y]), np.array([min(width * self.spreads[0] * slope, most)]))[0]

    def _place(self, row: Array) -> tuple[float, float]:
        """The median of a component and half its 16–84 % range, by the link."""
        with np.errstate(all="ignore"):
            values = self.family.quantile(np.array([0.16, 0.5, 0.84]), row[None])[0]
            low, middle, high = np.nan_to_num(self.family.link(values), posinf=1e3, neginf=-1e3)
        return float(middle), max(0.5 * float(high - low), 1e-6)

    def _rows(self, places: Array, widths: Array) -> Array:
        rows = component(self.family, places, np.maximum(widths, 1e-6), self.generator)
        if self.family.name == "student_t":
            rows[:, 0] = np.exp(self.generator.uniform(np.log(0.7), np.log(300.0), len(rows)))
        return rows

    def _log_uniform(self, low: float, high: float) -> float:
        return float(np.exp(self.generator.uniform(np.log(low), np.log(max(high, low)))))


def batch_of(mixtures: list[Mixture], family: Family) -> MixtureBatch:
    """The mixtures that are valid, as one batch; the others give way to the first valid one."""
    fine = next(mixture for mixture in mixtures if mixture.valid())
    return MixtureBatch.of([m if m.valid() else fine for m in mixtures], family)
