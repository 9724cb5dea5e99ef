"""Search for the optima of one family with one number of components: many starts, then an ascent.

The fitters' results are starting points of the reference's ascent, whose ends are scored with
scipy's densities.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from benchmarks.fit.options import Options
from benchmarks.reference.admissible import rejection_reason, spurious_reason
from benchmarks.reference.ascent import ascend
from benchmarks.reference.certificate import SAME_OPTIMUM
from benchmarks.reference.newton import Ascent
from benchmarks.reference.optima import grouped
from benchmarks.reference.scipy_mixture import IO_BLOCK, ScipyMixture, mean_nll
from benchmarks.runner.posterior_facts import summarise_posterior
from benchmarks.runner.seeds import derive
from fitters.base import Fit, Fitter
from fitters.spec import fitter_of
from fitters.starts import Start, policy
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import Specification

MIN_SPREAD = Specification.model_fields["spread_floor"].default
"""The smallest admissible spread of a component, relative to the sample's."""
LARGE_SAMPLE = 20_000
"""Observations above which the default method fits a sketch, and only the ascent uses them all."""
SKETCH_ROWS = 1024
MAX_ADMISSIBLE, MAX_HIGHEST = 6, 3
"""Distinct fits from which an ascent begins: the highest admissible ones, and the highest of all.
Half as many of a large sample."""
FINE_SKETCH_ROWS, MAX_FULL_STEPS = 1 << 13, 6
"""Rows of the sketch between the coarse one and all the data, and the ascent's steps on all of
them: a regular optimum needs two, and on a ridge a hundred are not enough."""
ON_SKETCH = 0.05
"""Fits whose log likelihoods on a sketch differ by less, in nats, are one."""
ONE_START = ("mcmc",)
"""Methods that get one start, because each of their chains has its own."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """A distinct optimum, and the number of restarts that ended there."""

    ascent: Ascent
    log_likelihood: float
    """Recomputed with scipy's densities."""
    times: int
    rejection_reason: str
    """Why it can't be the answer; empty if it is admissible and a strict maximum."""

    @property
    def mixture(self) -> Mixture:
        """The mixture at the optimum."""
        return self.ascent.mixture


@dataclass(frozen=True, eq=False)
class Candidate:
    """One family with one number of components, and the optima found."""

    sample: Sample
    components: int
    optima: list[Optimum]
    """By log likelihood, the greatest first."""
    restarts: int
    failures: list[str]
    seconds: float
    posterior: dict[str, Any] | None
    """The summary of a sampled posterior, if a method sampled one."""

    @property
    def family(self) -> str:
        """The family's name."""
        return self.sample.family.name

    @property
    def parameters(self) -> int:
        """The number of free parameters p."""
        return Model(self.sample.family, self.components).dimension

    @cached_property
    def best(self) -> Optimum | None:
        """The best admissible optimum."""
        return next((optimum for optimum in self.optima if not optimum.rejection_reason), None)

    @cached_property
    def bic(self) -> float:
        """-2 ℓ + p log n (Schwarz 1978, *Ann. Stat.* 6:461); infinite without an optimum."""
        if self.best is None:
            return float("inf")
        return -2.0 * self.best.log_likelihood + self.parameters * float(np.log(self.sample.size))

    @cached_property
    def icl(self) -> float:
        """BIC + twice the entropy of the responsibilities (Biernacki, Celeux & Govaert 2000,
        *IEEE Trans. Pattern Anal. Mach. Intell.* 22:719), which favours separated components."""
        if self.best is None:
            return float("inf")
        x, entropy = self.sample.observations, 0.0
        for low in range(0, x.size, IO_BLOCK):
            shares = self.best.mixture.responsibilities(x[low : low + IO_BLOCK])
            entropy -= float(np.sum(shares * np.log(np.maximum(shares, 1e-300))))
        return self.bic + 2.0 * entropy


def search(sample: Sample, components: int, options: Options) -> Candidate:
    """Fit K = ``components`` from many starts by each fitter, and find the optima they lead to.

    A fitter that fails from a start is counted with its message; the others go on.
    """
    began = time.perf_counter()
    model = Model(sample.family, components)
    starts = list(_starts(sample, model, options))
    specs, fitted_sample = options.fitters, sample
    if not specs:
        exact = model.family.exact_derivatives
        specs = (f"newton:batch={max(2, len(starts))}" if exact else "direct",)
        if model.exponential and sample.size > LARGE_SAMPLE:
            fitted_sample = sample.sketch(SKETCH_ROWS)
    fits: list[Fit] = []
    failures: list[str] = []
    restarts = 0
    for spec in specs:
        fitter = fitter_of(spec)
        reason = fitter.supports(model)
        if reason is not None:
            failures.append(f"{spec}: {reason}")
            continue
        fitter_starts = starts[:1] if fitter.name in ONE_START else starts
        restarts += len(fitter_starts)
        for result in _fits(fitter, fitted_sample, model, fitter_starts, options.seed):
            if isinstance(result, str):
                failures.append(f"{spec}: {result}")
            elif result.mixture.valid():
                fits.append(result)
            else:
                failures.append(f"{spec}: it returned no valid mixture")
    posteriors = [fit.posterior for fit in fits if fit.posterior is not None]
    posterior = summarise_posterior(posteriors[0], sample) if posteriors else None
    optima = _distinct_optima(sample, fitted_sample, [fit.mixture for fit in fits])
    seconds = time.perf_counter() - began
    return Candidate(sample, components, optima, restarts, failures, seconds, posterior)


def _starts(sample: Sample, model: Model, options: Options) -> Iterator[Start]:
    """One screened start where the policy applies, then quantile and k-means alternately."""
    if model.components == 1:
        names = ["quantile"]
    else:
        names = ["screened"] if policy("screened").supports(model) is None else []
        names += [("quantile", "kmeans")[index % 2] for index in range(options.restarts)]
    for index, name in enumerate(names[: options.restarts]):
        seed = derive("start", options.seed, sample.digest(), index)
        yield Start.of(policy(name), sample, model, seed)


def _fits(
    fitter: Fitter, sample: Sample, model: Model, starts: list[Start], seed: int
) -> Iterator[Fit | str]:
    """A fit from each start, or a sentence on why there is none: a fitter may raise anything."""
    try:
        prepared = fitter.prepare(sample, model)
    except Exception as error:
        yield str(error)
        return
    if prepared.batch > 1 and len(starts) > 1:
        try:
            yield from prepared.fit_many(starts, list(range(seed, seed + len(starts))))
            return
        except Exception:  # one by one, so that one start's failure does not lose the others
            yield "the batch failed, so its starts were fitted one by one"
    for index, start in enumerate(starts):
        try:
            yield prepared.fit(start, seed + index, lambda copy: None)
        except Exception as error:
            yield str(error) or type(error).__name__


def _distinct_optima(
    sample: Sample, fitted_sample: Sample, mixtures: list[Mixture]
) -> list[Optimum]:
    """The distinct optima of all the data near ``mixtures``, the greatest likelihood first."""
    exact = fitted_sample is sample
    with np.errstate(all="ignore"):
        values = [fitted_sample.log_likelihood(mixture) for mixture in mixtures]
    fits = [
        (value, mixture, _spurious(sample, mixture))
        for value, mixture in zip(values, mixtures, strict=True)
        if np.isfinite(value)
    ]
    within = SAME_OPTIMUM if exact else ON_SKETCH
    groups = grouped(fits, itemgetter(0), within, itemgetter(2))
    admissible = [index for index, group in enumerate(groups) if not group[0][2]]
    share = 1 if exact else 2
    highest = range(len(groups))[: MAX_HIGHEST // share]
    ends = []
    for index in sorted({*highest, *admissible[: MAX_ADMISSIBLE // share]}):
        ascent = _ascend(sample, fitted_sample, groups[index][0][1])
        value = -mean_nll(scipy_mixture(ascent.mixture), sample.observations) * sample.size
        if np.isfinite(value):
            reason = rejection_reason(sample, ascent, MIN_SPREAD)
            ends.append(Optimum(ascent, value, len(groups[index]), reason))
    return [
        replace(group[0], times=sum(end.times for end in group))
        for group in grouped(ends, attrgetter("log_likelihood"), SAME_OPTIMUM, _is_rejected)
    ]


def _spurious(sample: Sample, mixture: Mixture) -> bool:
    return spurious_reason(scipy_mixture(mixture), sample.observations, MIN_SPREAD) is not None


def _is_rejected(optimum: Optimum) -> bool:
    return bool(optimum.rejection_reason)


def _ascend(sample: Sample, fitted_sample: Sample, mixture: Mixture) -> Ascent:
    """Climb to an optimum of all the data, by way of finer sketches if a sketch was fitted."""
    with np.errstate(all="ignore"):
        if fitted_sample is sample:
            return ascend(sample, mixture)
        mixture = ascend(fitted_sample, mixture, tolerance=1e-4).mixture
        mixture = ascend(sample.sketch(FINE_SKETCH_ROWS), mixture, tolerance=1e-6).mixture
        return ascend(sample, mixture, max_steps=MAX_FULL_STEPS)


def scipy_mixture(mixture: Mixture) -> ScipyMixture:
    """Return the mixture as plain numbers, evaluated by scipy."""
    return ScipyMixture(mixture.family.name, mixture.weights, mixture.parameters)
