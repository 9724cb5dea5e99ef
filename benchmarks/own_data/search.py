"""The search for a mixture of a user's data: many starts, every end judged afresh."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.ascent import Summit, ascend
from benchmarks.harness.data import free_parameters
from benchmarks.harness.posterior import summarise_posterior
from benchmarks.harness.reference import ON_SKETCH, SAME_OPTIMUM, fault, grouped
from benchmarks.harness.seeds import derive
from fitters.base import Fit, Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import ExponentialFamily
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import Specification

FLOOR = Specification.model_fields["spread_floor"].default
"""The least admissible spread of a component, relative to the sample's."""
LARGE = 20_000
"""Observations from which on the climb is on a sketch, and the top alone on all of them."""
ROWS = 1024
CLEAN, TALLEST = 6, 3
"""Distinct ends that are carried to the top of the data: of admissible ones, and of any. Half as
many where the data are large."""
FINE, LAST = 1 << 13, 6
"""Rows of the sketch that leads from a coarse one to all the data, and the steps taken there: a
regular optimum needs two, and on a ridge a hundred would not do."""
SAMPLED_ONCE = ("mcmc",)
"""Methods of which one start is enough, since its chains have their own."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """A distinct optimum, how many restarts ended there, and why it can't be the answer."""

    summit: Summit
    log_likelihood: float
    """Recomputed with scipy's densities."""
    times: int
    fault: str
    """Empty if it is admissible and a strict maximum."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One family with one number of components, and what the search found."""

    sample: Sample
    components: int
    optima: list[Optimum]
    """By log likelihood, the greatest first."""
    restarts: int
    failures: list[str]
    seconds: float
    posterior: dict[str, Any] | None = field(default=None)
    """What a sampled posterior says, as the harness summarises it."""

    @property
    def family(self) -> str:
        """The family's name."""
        return self.sample.family.name

    @property
    def parameters(self) -> int:
        """The number of free parameters p."""
        return free_parameters(self.sample.family, self.components)

    @cached_property
    def best(self) -> Optimum | None:
        """The best admissible optimum."""
        return next((optimum for optimum in self.optima if not optimum.fault), None)

    @cached_property
    def bic(self) -> float:
        """-2 ℓ + p log n (Schwarz 1978, *Ann. Stat.* 6:461); infinite where nothing was found."""
        if self.best is None:
            return float("inf")
        return -2.0 * self.best.log_likelihood + self.parameters * float(np.log(self.sample.size))

    @cached_property
    def icl(self) -> float:
        """BIC + twice the entropy of the responsibilities (Biernacki, Celeux & Govaert 2000,
        *IEEE Trans. Pattern Anal. Mach. Intell.* 22:719), which asks for clusters that part."""
        if self.best is None:
            return float("inf")
        x, entropy = self.sample.observations, 0.0
        for low in range(0, x.size, judge.BLOCK):
            shares = self.best.summit.mixture.responsibilities(x[low : low + judge.BLOCK])
            entropy -= float(np.sum(shares * np.log(np.maximum(shares, 1e-300))))
        return self.bic + 2.0 * entropy


def search(
    sample: Sample, components: int, specs: tuple[str, ...], restarts: int, seed: int
) -> Candidate:
    """Fit K = ``components`` by each method in ``specs``, by default the fast one.

    A method that fails from a start is counted and told; what it returns is carried on to
    the top that it belongs to by the yardstick's own ascent, and judged there.
    """
    began = time.perf_counter()
    starts = list(_starts(sample, components, restarts, seed))
    seen = sample
    exponential = isinstance(sample.family, ExponentialFamily)
    if not specs:
        if exponential and sample.size > LARGE:
            seen = sample.sketch(ROWS)
        specs = (f"direct:batch={max(2, len(starts))}" if exponential else "direct",)
    ends: list[Mixture] = []
    failures: list[str] = []
    tried, posterior = 0, None
    for spec in specs:
        fitter = parse(spec)
        reason = fitter.supports(seen.family, components)
        if reason is not None:
            failures.append(f"{spec}: {reason}")
            continue
        chosen = starts[:1] if fitter.name in SAMPLED_ONCE else starts
        tried += len(chosen)
        try:
            prepared = fitter.prepare(seen, seen.family, components)
        except Exception as error:  # a fitter may raise anything; the others go on
            failures.append(f"{spec}: {error}")
            continue
        for fit in _fits(prepared, chosen, seed):
            if isinstance(fit, str):
                failures.append(f"{spec}: {fit}")
            elif fit.mixture.valid():
                ends.append(fit.mixture)
                if fit.posterior is not None and posterior is None:
                    posterior = summarise_posterior(fit.posterior, sample)
            else:
                failures.append(f"{spec}: it returned no mixture")
    optima = _distinct(sample, seen, ends)
    seconds = time.perf_counter() - began
    return Candidate(sample, components, optima, tried, failures, seconds, posterior)


def _starts(sample: Sample, components: int, restarts: int, seed: int) -> Iterator[Start]:
    """One screened start where it applies, then quantile and k-means by turns."""
    names = ["screened"] if policy("screened").supports(sample.family, components) is None else []
    names += [("quantile", "kmeans")[index % 2] for index in range(restarts)]
    if components == 1:
        names = ["quantile"]
    for index, name in enumerate(names[: max(restarts, 1)]):
        drawn = derive("start", seed, sample.digest(), index)
        yield Start.of(policy(name), sample, components, drawn)


def _fits(prepared: Prepared, starts: list[Start], seed: int) -> Iterator[Fit | str]:
    """A fit from each start, or why there is none; together where the method takes a batch."""
    if prepared.batch > 1 and len(starts) > 1:
        try:
            yield from prepared.fit_many(starts, list(range(seed, seed + len(starts))))
            return
        except Exception:  # one by one, then, so that the others are not lost with one
            yield "the batch failed, so its starts were taken one by one"
    for index, start in enumerate(starts):
        try:
            yield prepared.fit(start, seed + index, lambda copy: None)
        except Exception as error:
            yield str(error) or type(error).__name__


def _distinct(sample: Sample, seen: Sample, ends: list[Mixture]) -> list[Optimum]:
    """The distinct optima that ``ends`` lead to on all the data, the greatest likelihood first."""
    with np.errstate(all="ignore"):
        valued = [(seen.log_likelihood(mixture), mixture) for mixture in ends]
    valued = [(value, mixture) for value, mixture in valued if np.isfinite(value)]
    within = SAME_OPTIMUM if seen is sample else ON_SKETCH
    groups = grouped(valued, lambda entry: entry[0], within)
    share = 1 if seen is sample else 2
    clean = [
        place
        for place, group in enumerate(groups)
        if judge.spurious(plain(group[0][1]), sample.observations, FLOOR) is None
    ]
    chosen = sorted({*range(len(groups[: TALLEST // share])), *clean[: CLEAN // share]})
    found: list[Optimum] = []
    for group in (groups[place] for place in chosen):
        top = _top(sample, seen, group[0][1])
        value = -judge.nll(plain(top.mixture), sample.observations) * sample.size
        if not np.isfinite(value):
            continue
        same = next((o for o in found if abs(o.log_likelihood - value) < SAME_OPTIMUM), None)
        if same is not None:
            found.remove(same)
            found.append(replace(same, times=same.times + len(group)))
        else:
            found.append(Optimum(top, value, len(group), fault(sample, top, FLOOR)))
    return sorted(found, key=lambda optimum: -optimum.log_likelihood)


def _top(sample: Sample, seen: Sample, mixture: Mixture) -> Summit:
    """The top that a mixture belongs to, on all the data; by way of sketches if they are many."""
    with np.errstate(all="ignore"):
        if seen is sample:
            return ascend(sample, mixture)
        near = ascend(seen, mixture, enough=1e-4).mixture
        near = ascend(sample.sketch(FINE), near, enough=1e-6).mixture
        return ascend(sample, near, most=LAST)


def plain(mixture: Mixture) -> judge.Judged:
    """A mixture as plain numbers."""
    return judge.Judged(mixture.family.name, mixture.weights, mixture.parameters)
