"""Random problems, each a data set and a number of components, for a study of the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from scenarios.families import Family, family
from scenarios.families.base import Array

FAMILIES = ("beta", "gamma", "lognormal", "normal", "student_t", "weibull")
KINDS = ("clean", "contaminated", "heavy-tailed", "tied", "rounded")
SHARES = (0.4, 0.15, 0.15, 0.15, 0.15)
"""How often a problem is of each kind."""
LAYOUTS = ("separated", "overlapping", "nested", "beside")
SIZES = (50, 5000)
MIN_SPREAD = 0.02
WIDEST = {"beta": 1.0, "gamma": 1.2, "lognormal": 1.2, "weibull": 1.2}
"""Spread of a family's widest component in a problem, on the link's scale."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Observations, and the number of components of ``family`` to be fitted to them."""

    seed: int
    number: int
    family: str
    components: int
    kind: str
    layout: str
    drawn_from: int
    """The number of components that the observations were drawn from."""
    observations: Array

    def facts(self) -> dict[str, Any]:
        """What the problem looks like, without its observations."""
        return {
            "seed": self.seed,
            "number": self.number,
            "family": self.family,
            "components": self.components,
            "size": self.observations.size,
            "kind": self.kind,
            "layout": self.layout,
            "drawn_from": self.drawn_from,
        }


def problem(seed: int, number: int) -> Problem:
    """Problem ``number`` of ``seed``, which depends on nothing else."""
    generator = np.random.default_rng([seed, number, 20])
    law = family(FAMILIES[number % len(FAMILIES)])
    components = int(generator.choice([1, 2, 3, 4, 5], p=[0.05, 0.2, 0.25, 0.25, 0.25]))
    more = int(generator.choice([-1, 0, 1, 2], p=[0.2, 0.5, 0.2, 0.1]))
    drawn_from = max(1, components + more)
    size = round(float(np.exp(generator.uniform(*np.log(SIZES)))))
    kind = str(generator.choice(KINDS, p=SHARES))
    layout = str(generator.choice(LAYOUTS))
    places, widths = _places(layout, drawn_from, WIDEST.get(law.name, 1.0), generator)
    labels = generator.choice(drawn_from, size=size, p=_weights(drawn_from, generator))
    x = np.empty(size)
    for k in range(drawn_from):
        drawn = labels == k
        count = int(drawn.sum())
        if kind == "heavy-tailed":
            x[drawn] = _of_another(law, places[k], widths[k], count, generator)
        else:
            row = component(law, places[k : k + 1], widths[k : k + 1], generator)[0]
            x[drawn] = law.draw(generator, row, count)
    x = _inside(law, x)
    if kind == "contaminated":
        x = _contaminated(law, x, generator)
    elif kind == "tied":
        x = generator.choice(x[: max(10, int(size * generator.uniform(0.2, 0.7)))], size)
    elif kind == "rounded":
        x = _rounded(law, x, int(generator.integers(1, 4)))
    return Problem(seed, number, law.name, components, kind, layout, drawn_from, x)


def component(law: Family, places: Array, widths: Array, generator: np.random.Generator) -> Array:
    """Parameters (K, d) of components about as wide as ``widths`` at ``places``, both by the link.

    Degrees of freedom, which neither says, are random.
    """
    if law.name == "beta":
        middle = np.clip(special.expit(places), 1e-6, 1.0 - 1e-6)
        total = 1.0 / (widths**2 * middle * (1.0 - middle))
        return np.stack([middle * total, (1.0 - middle) * total], axis=1)
    if law.name == "gamma":
        shape = 1.0 / widths**2 + 0.3
        return np.stack([shape, shape * np.exp(-places)], axis=1)
    if law.name == "weibull":
        shape = np.pi / (np.sqrt(6.0) * widths)
        return np.stack([shape, np.exp(places + 0.37 / shape)], axis=1)
    if law.name == "student_t":
        degrees = np.exp(generator.uniform(np.log(2.0), np.log(40.0), len(places)))
        return np.stack([degrees, places, widths], axis=1)
    return np.stack([places, widths], axis=1)


def _weights(count: int, generator: np.random.Generator) -> Array:
    """Weights (K,), some of them small: none is below one in a hundred."""
    weights = generator.dirichlet(np.full(count, generator.choice([0.5, 1.0, 5.0])))
    rare = generator.uniform(size=count) < 0.15
    weights = np.where(rare, np.exp(generator.uniform(np.log(0.01), np.log(0.05))), weights)
    weights = np.maximum(weights, 0.01)
    return np.asarray(weights / weights.sum())


def _places(
    layout: str, count: int, widest: float, generator: np.random.Generator
) -> tuple[Array, Array]:
    """Places and widths (K,) of components, on the link's scale."""
    widths = widest * np.exp(generator.uniform(np.log(0.15), np.log(0.5), count))
    if layout == "nested":
        widths = widest * np.exp(generator.uniform(np.log(0.04), 0.0, count))
        return generator.normal(0.0, 0.5 * widths.max(), count), widths
    if layout == "beside":  # narrow components beside wide ones
        widths = np.where(generator.uniform(size=count) < 0.5, 0.2 * widths, widths)
    gaps = generator.uniform(3.0, 6.0, count)
    if layout != "separated":
        gaps = generator.uniform(0.8, 3.0, count)
    middles = 0.5 * (widths + np.roll(widths, 1)) * gaps
    places = np.cumsum(middles)
    return places - places.mean() + generator.normal(0.0, 0.3), widths


def _of_another(
    law: Family, place: float, width: float, count: int, generator: np.random.Generator
) -> Array:
    """Draws of another family than ``law``: with heavy tails by the link, or skewed."""
    if generator.uniform() < 0.5:
        y = generator.standard_t(generator.uniform(1.5, 4.0), count)
    else:
        y = generator.lognormal(0.0, generator.uniform(0.3, 0.9), count) - 1.0
    return law.unlink(np.clip(place + width * y, place - 30.0, place + 30.0))


def _contaminated(law: Family, x: Array, generator: np.random.Generator) -> Array:
    """Replace 1–5 % of the observations: by others far away, or by a uniform distribution."""
    y = law.link(x)
    count = max(1, round(x.size * float(generator.uniform(0.01, 0.05))))
    low, high = float(y.min()), float(y.max())
    if generator.uniform() < 0.5:
        far = high + (high - low) * generator.uniform(0.3, 1.0)
        others = generator.normal(far, 0.1 * (high - low), count)
    else:
        room = 0.3 * (high - low)
        others = generator.uniform(low - room, high + room, count)
    y[generator.choice(x.size, count, replace=False)] = others
    return _inside(law, law.unlink(y))


def _rounded(law: Family, x: Array, digits: int) -> Array:
    """Observations rounded to a unit, which is a power of ten below their spread."""
    spread = float(np.quantile(x, 0.84) - np.quantile(x, 0.16))
    unit = 10.0 ** np.floor(np.log10(max(spread, 1e-9)) - 0.5 * digits)
    low, high = law.support
    if np.isfinite(low) and np.isfinite(high):
        unit = min(unit, 0.05 * (high - low))
    inside = np.clip(np.round(x / unit) * unit, low + unit, high - unit)
    return _inside(law, inside)


def _inside(law: Family, x: Array) -> Array:
    """Observations strictly inside the support, and not very near its ends."""
    low, high = law.support
    if np.isfinite(low) and np.isfinite(high):
        return np.clip(x, low + 1e-6 * (high - low), high - 1e-6 * (high - low))
    return np.clip(x, low + 1e-9, None) if np.isfinite(low) else x
