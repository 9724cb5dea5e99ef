"""How far a branch and bound can prove an optimum of a few components to be the best.

A node is K cells of components (``benchmarks.reference.cells``), one for each of a mixture's.
In a cell with corners v and centre c a density is at most Σ λ F_v with λ ≥ 0 of sum 1, where F_v
is the corner's density times exp of its Kullback–Leibler divergence from c: log f is concave in the
natural parameters, and a geometric mean is at most the arithmetic one. So the mixtures of a node
are nowhere above a mixture of the F_v of all cells, and their likelihood is at most that of the
best such mixture p, which is at most

    log likelihood(p) + n log of the largest over v of mean(F_v / p)    for any p.

That is close after a few EM steps. Nodes below the best likelihood known are dropped, others
halved. A component with few observations must be wide by the link (``Region.least``): in nodes with
a cell of narrow ones p has as much mass there, and so have the mixtures that the mean is over.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.reference.admissible import FEW, Region
from benchmarks.reference.cells import CELLS
from benchmarks.runner.datasets import draw_sample
from benchmarks.studies.boxes import FUNCTIONS, LARGE, OUTER, Boxes, Indices
from scenarios.errors import UserError
from scenarios.families import Array
from scenarios.sample import Sample
from scenarios.scenario import load

if TYPE_CHECKING:
    import pandas as pd

TOGETHER, BLOCK = 1 << 9, 1 << 19
"""Nodes that are halved at once, and observations × cells that are bounded at once."""
STEPS = 40
"""EM steps of a node's mixture, at most."""
SPEED = 1.8
"""The power of an EM step's factor: more than 1 is faster."""
TINY, LEAST = 1e-300, 1e9
"""Least weight, and the largest -log of a density."""


@dataclass(frozen=True)
class Proof:
    """What was proved of all admissible mixtures of K components."""

    bound: float
    """No log likelihood is above."""
    attained: float
    """The largest log likelihood known: given, or found on the way."""
    nodes: int
    cells: int
    seconds: float


def proofs(
    names: Sequence[str], size: int, components: int, min_spread: float, seconds: float
) -> pd.DataFrame:
    """What is proved of scenarios' data, of ``size`` observations where they are drawn."""
    import pandas as pd

    rows = []
    for name in names:
        scenario = load(name)
        sample = draw_sample(scenario, 0, seed=0)
        if scenario.truth is not None:
            sample = Sample.of(sample.observations[:size], sample.family)
        if sample.family.name not in CELLS:
            raise UserError(
                f"{name} is of the family {sample.family.name!r}, for which no bound is known: "
                f"name scenarios of the families {', '.join(CELLS)}"
            )
        proof = prove(sample, components, min_spread, seconds)
        gap = proof.bound - proof.attained
        row = {"scenario": name, "family": sample.family.name, "n": sample.size}
        row |= {"attained": proof.attained, "above, at most": gap, "nodes": proof.nodes}
        rows.append(row | {"seconds": proof.seconds})
    return pd.DataFrame(rows)


def prove(
    sample: Sample,
    components: int,
    min_spread: float,
    seconds: float,
    known: float = -np.inf,
    tolerance: float = 0.1,
) -> Proof:
    """Bound the log likelihood of K admissible components, on all observations.

    A log likelihood that is ``known`` saves nodes. It ends within ``tolerance`` of the best known
    or found, or after ``seconds``. The family is one of ``CELLS``.
    """
    started = time.monotonic()
    nodes = Nodes(sample, components, min_spread, known, tolerance)
    while nodes.step() and time.monotonic() < started + seconds:
        pass
    return Proof(
        nodes.bound,
        nodes.attained,
        nodes.count,
        len(nodes.boxes.sizes),
        time.monotonic() - started,
    )


class Nodes:
    """The nodes that are left (m, K), their bounds, and the mass of the best mixture in cells."""

    def __init__(
        self, sample: Sample, components: int, min_spread: float, known: float, tolerance: float
    ) -> None:
        self.region = Region.of(sample, min_spread)
        self.boxes = Boxes(CELLS[sample.family.name](self.region), sample.observations)
        self.few = FEW / sample.size
        self.together = max(8, min(TOGETHER, BLOCK // (sample.size * components)))
        self.attained, self.tolerance, self.count = known, tolerance, 0
        self.outside = -np.inf
        nodes = np.array(list(combinations_with_replacement(range(len(OUTER) + 1), components)))
        self.nodes, self.mass, self.bounds = nodes[:0], np.empty((0, components)), np.empty(0)
        self.add(nodes, np.full(len(nodes), np.inf))

    @property
    def bound(self) -> float:
        """No log likelihood is above; ``outside`` is that of nodes that can't be halved."""
        return max(float(self.bounds.max(initial=self.target)), self.outside)

    @property
    def target(self) -> float:
        """Nodes below are of no interest."""
        return self.attained + self.tolerance

    def step(self) -> bool:
        """Halve the nodes with the highest bounds; whether there were any."""
        active = np.flatnonzero(self.bounds > self.target)
        order = active[np.argsort(-self.bounds[active])]
        chosen, others = order[: self.together], order[self.together :]
        nodes, above, mass = self.nodes[chosen], self.bounds[chosen], self.mass[chosen]
        self.nodes, self.bounds = self.nodes[others], self.bounds[others]
        self.mass = self.mass[others]
        if chosen.size:
            self._attain(nodes, mass)
            self.add(*_halved(self.boxes, nodes, above, mass))
        return bool(chosen.size)

    def add(self, nodes: Indices, above: Array) -> None:
        """Bound new nodes, which have the bounds ``above`` anyway."""
        self.count += len(nodes)
        for low in range(0, len(nodes), self.together):
            some = slice(low, low + self.together)
            bounds, mass = self._bound(nodes[some], above[some])
            whole = (nodes[some] <= OUTER[-1]).all(axis=1)
            self.outside = float(bounds[whole].max(initial=self.outside))
            kept = (bounds > self.target) & ~whole
            self.nodes = np.vstack([self.nodes, nodes[some][kept]])
            self.mass = np.vstack([self.mass, mass[kept]])
            self.bounds = np.append(self.bounds, bounds[kept])

    def _bound(self, nodes: Indices, above: Array) -> tuple[Array, Array]:
        """Upper bounds (m,) of nodes, and the mass (m, K) of their cells, by EM steps."""
        shape = (-1, nodes.shape[1], FUNCTIONS)
        bounds, mass = above.copy(), np.zeros(nodes.shape)
        least = self.few * self.boxes.narrow[nodes]
        bounds[least.sum(axis=1) > 1.0] = -np.inf
        index = np.flatnonzero(bounds > self.target)
        if not index.size:
            return bounds, mass
        least = least[index]
        logs = np.stack([np.concatenate([self.boxes.logs[j] for j in row]) for row in nodes[index]])
        top = logs.max(axis=1)
        values, constant = np.exp(logs - top[:, None]), top.sum(axis=1)
        weights = np.full(logs.shape[:2], 1.0 / logs.shape[1])
        for _ in range(STEPS):
            fitted = np.einsum("mk,mkn->mn", weights, values)
            attained = constant + np.log(fitted).sum(axis=1)
            gains = np.einsum("mkn,mn->mk", values, 1.0 / fitted) / fitted.shape[1]
            best = gains.reshape(shape).max(axis=2)
            # At least so much of the mass is in each cell, and the rest in the best one.
            linear = (least * best).sum(axis=1) + (1.0 - least.sum(axis=1)) * best.max(axis=1)
            upper = attained + fitted.shape[1] * np.log(linear)
            bounds[index] = np.fmin(bounds[index], upper)
            mass[index] = (weights * gains).reshape(shape).sum(axis=2)
            going = (bounds[index] > self.target) & (upper > attained + 0.5 * self.tolerance)
            if not going.any():
                break
            index, values, constant = index[going], values[going], constant[going]
            weights = np.maximum(weights[going] * gains[going] ** SPEED, 1e-30)
            least = least[going]
            weights = _normalised(weights.reshape(shape), least)
        return bounds, mass

    def _attain(self, nodes: Indices, mass: Array) -> None:
        """Take the mixtures of the cells' centres into account, where they are admissible."""
        inner = (nodes > OUTER[-1]).all(axis=1)
        if not inner.any():
            return
        nodes, mass = nodes[inner], mass[inner]
        logs = np.array([[self.boxes.central[j] for j in row] for row in nodes])
        logs = np.where(np.isfinite(logs), logs, -LEAST)
        for _ in range(5):
            joint = logs + np.log(np.maximum(mass, TINY))[:, :, None]
            fitted = np.logaddexp.reduce(joint, axis=1)
            mass = np.exp(joint - fitted[:, None]).mean(axis=2)
        values = fitted.sum(axis=1)
        for index in np.argsort(-values)[:8]:
            if values[index] > self.attained:
                rows = self.boxes.usual(nodes[index])
                if self.region.inside(mass[index] * logs.shape[2], rows).all():
                    self.attained = float(values[index])


def _normalised(weights: Array, least: Array) -> Array:
    """Weights (m, 4 K) of sum 1, from (m, K, 4), with ``least`` (m, K) of the mass in each cell."""
    mass = weights.sum(axis=2)
    wanted = np.maximum(mass / mass.sum(axis=1, keepdims=True), least)
    spare = wanted - least
    room = (1.0 - least.sum(axis=1)) / np.maximum(spare.sum(axis=1), TINY)
    wanted = least + spare * room[:, None]
    return np.asarray(
        (weights * (wanted / np.maximum(mass, TINY))[:, :, None]).reshape(len(mass), -1)
    )


def _halved(boxes: Boxes, nodes: Indices, bounds: Array, mass: Array) -> tuple[Indices, Array]:
    """The nodes inside nodes, with the latter's bounds: the cell with most slack is halved."""
    slack = np.minimum(boxes.sizes, LARGE)[nodes] * (mass + 1e-3)
    chosen = nodes[np.arange(len(nodes)), slack.argmax(axis=1)]
    boxes.split(chosen)
    fresh: list[tuple[int, ...]] = []
    above: list[float] = []
    for node, cell, bound in zip(nodes.tolist(), chosen.tolist(), bounds, strict=True):
        others = [each for each in node if each != cell]
        for inside in combinations_with_replacement(boxes.inside[cell], len(node) - len(others)):
            fresh.append(tuple(sorted([*others, *inside])))
            above.append(bound)
    return np.array(fresh, dtype=np.intp).reshape(-1, nodes.shape[1]), np.array(above)
