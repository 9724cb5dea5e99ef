"""The reference optimum of one data set, with the certificate that says how far to trust it.

It imports nothing of ``fitters``: many diverse starts of its own, its own way uphill, and
of the admissible stationary points the best.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

import scenarios
from benchmarks.harness import judge
from benchmarks.harness.ascent import Summit, ascend
from benchmarks.harness.directional import directional_supremum, inserted
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily
from scenarios.mixture import Mixture
from scenarios.sample import Sample

SKETCH_ROWS = 1000
MOST_POLISHED = 12
"""Distinct ends of the search that are carried to the top on the full data."""
STATIONARY = 1e-6
"""Nats that may be left at a stationary point."""
STATIONARY_ON_SKETCH = 1e-2
FLAT = 1e-9
"""Curvature below this is rounding: identical components lie on a ridge."""
SAME_OPTIMUM, ON_SKETCH = 1e-2, 0.05
"""Optima nearer than this in total nats are one, on the data and on a sketch."""
T = TypeVar("T")


@dataclass(frozen=True)
class Optimum:
    """A distinct optimum that the search met: its log likelihood, how often, and why not."""

    log_likelihood: float
    times: int
    weights: list[float]
    parameters: list[list[float]]
    fault: str
    """Empty if it is admissible and stationary."""


@dataclass(frozen=True)
class Reference:
    """The best admissible stationary point found, and its certificate."""

    version: str
    """Digest of the code that found it."""
    family: str
    components: int
    weights: list[float]
    parameters: list[list[float]]
    log_likelihood: float
    method: str
    predicted_gain: float
    """Nats still to be gained, by the quadratic model at the optimum."""
    smallest_eigenvalue: float
    """Of the mean observed information in coordinates: positive at a strict maximum."""
    searches: int
    optima: list[Optimum]
    unseen: float | None
    """Boender & Rinnooy Kan's estimate of how many optima are still unseen."""
    directional: float | None
    """Lindsay's sup D(θ) = sup mean(f_θ / f̂) - 1: what one more component could add, at most
    n times this in nats; 0 where the mixture is the best of any number of components."""
    fewer_components: bool
    """Whether no admissible stationary point beats the best with one component less."""

    @property
    def judged(self) -> judge.Judged:
        """The optimum as the judge takes it."""
        return judge.Judged.of(self.family, self.weights, self.parameters)


def find_reference(
    sample: Sample, components: int, floor: float, cache: Path | None = None
) -> Reference:
    """The reference for K = ``components``, from ``cache`` if it was computed before.

    ``floor`` is the least admissible spread of a component, relative to the sample's. The
    cache's key is the data's digest, the family, K, the floor and the code that searches.
    """
    told = f"{sample.digest()}/{sample.family.name}/{components}/{floor!r}/{_version()}"
    key = hashlib.sha256(told.encode()).hexdigest()[:24]
    path = cache / f"{key}.json" if cache is not None else None
    if path is not None and path.is_file():
        return _loads(path.read_text(encoding="utf-8"))
    # The same data, the same searches: only the key knows the code.
    found = _search(sample, components, floor, int(sample.digest()[:8], 16))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}.part")  # another process may write it too
        beside.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
        beside.replace(path)
    return found


@lru_cache(maxsize=1)
def _version() -> str:
    """A digest of the code that searches, families included: other code, another reference."""
    searching = ("reference.py", "directional.py", "ascent.py", "judge.py", "laws.py")
    own = [Path(__file__).parent / name for name in searching]
    families = sorted(Path(scenarios.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in own + families)).hexdigest()[:16]


def _loads(text: str) -> Reference:
    content = json.loads(text)
    return Reference(**{**content, "optima": [Optimum(**o) for o in content["optima"]]})


def _search(sample: Sample, components: int, floor: float, seed: int) -> Reference:
    below: list[Optimum] = []
    for count in range(1, components):
        simpler, _ = distinct_optima(sample, count, floor, seed + count, below, polish=3)
        below = [o for o in simpler if not o.fault] or below
    optima, searches = distinct_optima(sample, components, floor, seed, below)
    good = [o for o in optima if not o.fault]
    fewer = bool(below) and (
        not good or good[0].log_likelihood <= below[0].log_likelihood + SAME_OPTIMUM
    )
    if not good and not fewer:
        raise UserError(
            f"no admissible optimum of {components} {sample.family.name} components was found in "
            f"{sample.size} observations: are they all alike?"
        )
    best = below[0] if fewer else good[0]
    summit = ascend(sample, _mixture(sample, best))
    exact = isinstance(sample.family, ExponentialFamily)
    names = {True: "Newton's method, exact Hessian", False: "L-BFGS, numeric derivatives"}
    found = len(optima)
    unseen = None
    if searches > found + 2:
        unseen = found * (searches - 1) / (searches - found - 2) - found
    return Reference(
        version=_version(),
        family=sample.family.name,
        components=components,
        weights=summit.mixture.weights.tolist(),
        parameters=summit.mixture.parameters.tolist(),
        log_likelihood=summit.log_likelihood,
        method=names[exact],
        predicted_gain=summit.predicted_gain,
        smallest_eigenvalue=summit.smallest_eigenvalue,
        searches=searches,
        optima=optima,
        unseen=unseen,
        # Elsewhere spreads don't bound densities (Student's t with few degrees of freedom).
        directional=directional_supremum(sample, summit.mixture, floor) if exact else None,
        fewer_components=fewer,
    )


def distinct_optima(
    sample: Sample,
    components: int,
    floor: float,
    seed: int,
    below: list[Optimum],
    polish: int = MOST_POLISHED,
) -> tuple[list[Optimum], int]:
    """Distinct optima, best first, from many starts; and how many searches there were.

    Some starts are the best optimum ``below``, with one component less, and another where
    it lacks one most: a rare component is on none of the other ways.

    The searches run on a sketch where the sample is large; the best distinct ends are then
    carried to the top on the full data, and so are the best admissible ones among them.
    """
    seen = coarse(sample)
    generator = np.random.default_rng(seed)
    count = 1 if components == 1 else 40 * components
    starts = list(_starts(sample, components, count, generator))
    if below and len(below[0].weights) == components - 1:
        starts += inserted(sample, _mixture(sample, below[0]), floor)
    ends = []
    for start in starts:
        with np.errstate(all="ignore"):
            summit = ascend(seen, start, enough=1e-4, most=150)
        if summit.mixture.valid() and np.isfinite(summit.log_likelihood):
            ends.append(summit)
    groups = grouped(
        ends, lambda s: s.log_likelihood, ON_SKETCH if seen is not sample else SAME_OPTIMUM
    )
    clean = [g for g in groups if not fault(sample, g[0], floor, STATIONARY_ON_SKETCH)]
    chosen = groups[:polish] + [g for g in clean[:polish] if g not in groups[:polish]]
    tops = [(ascend(sample, g[0].mixture) if g in chosen else g[0], len(g)) for g in groups]
    merged: list[tuple[Summit, int]] = []
    for summit, times in sorted(tops, key=lambda top: -top[0].log_likelihood):
        if merged and merged[-1][0].log_likelihood - summit.log_likelihood < SAME_OPTIMUM:
            merged[-1] = (merged[-1][0], merged[-1][1] + times)
        else:
            merged.append((summit, times))
    optima = [
        Optimum(
            summit.log_likelihood,
            times,
            summit.mixture.weights.tolist(),
            summit.mixture.parameters.tolist(),
            fault(sample, summit, floor),
        )
        for summit, times in merged
    ]
    return optima, len(ends)


def fault(sample: Sample, summit: Summit, floor: float, enough: float = STATIONARY) -> str:
    """Why a summit can't be a reference: inadmissible or not stationary; empty if it can."""
    mixture = summit.mixture
    plain = judge.Judged(sample.family.name, mixture.weights, mixture.parameters)
    problem = plain.problem() or judge.spurious(plain, sample.observations, floor)
    if problem is not None:
        return problem
    if float(mixture.weights.min()) * sample.size < 1e-2:
        return "a component is empty: fewer would do"
    if not (summit.predicted_gain < enough and summit.smallest_eigenvalue > FLAT):
        return "not a strict maximum: the likelihood has a ridge there"
    return ""


def coarse(sample: Sample) -> Sample:
    """A sketch of the sample, or itself where that is no gain."""
    if not isinstance(sample.family, ExponentialFamily) or sample.size < 2 * SKETCH_ROWS:
        return sample
    return sample.sketch(SKETCH_ROWS)


def _starts(
    sample: Sample, components: int, count: int, generator: np.random.Generator
) -> Iterator[Mixture]:
    """Moment estimates of random parts of the sorted data.

    By turns: bins between random cut points, which suit peaks side by side; windows of any
    place and width, which may lie inside one another, as peaks of one mean do.
    """
    x = sample.ordered
    n, least = x.size, max(2, x.size // 50)
    for index in range(count):
        if index % 2 == 0 or n < 4 * components:
            free = n - components * min(least, n // components)
            cuts = np.sort(generator.integers(0, free + 1, size=components - 1))
            cuts = cuts + min(least, n // components) * np.arange(1, components)
            groups = np.split(x, cuts)
        else:
            widths = np.exp(generator.uniform(np.log(least / n), 0.0, size=components)) * n
            sizes = np.clip(widths.astype(int), least, n)
            lows = [int(generator.integers(0, n - size + 1)) for size in sizes]
            groups = [x[low : low + size] for low, size in zip(lows, sizes, strict=True)]
        weights = np.array([group.size for group in groups], dtype=np.float64)
        rows = np.stack([sample.family.moment_estimate(group) for group in groups])
        yield Mixture(sample.family, weights / weights.sum(), rows)


def grouped(
    found: Iterable[T], log_likelihood: Callable[[T], float], within: float
) -> list[list[T]]:
    """What was found, grouped by log likelihood, best first."""
    groups: list[list[T]] = []
    for one in sorted(found, key=lambda each: -log_likelihood(each)):
        if groups and log_likelihood(groups[-1][0]) - log_likelihood(one) < within:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def _mixture(sample: Sample, optimum: Optimum) -> Mixture:
    return Mixture(sample.family, np.array(optimum.weights), np.array(optimum.parameters))
