"""The search by fitters that a user names: many starts, and an ascent from the best fits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from operator import itemgetter

import numpy as np

from benchmarks.fit.options import Options
from benchmarks.fit.polish import MIN_SPREAD, polish
from benchmarks.fit.search import Candidate, Optimum
from benchmarks.reference.admissible import Region
from benchmarks.reference.certificate import SAME_OPTIMUM
from benchmarks.reference.newton import Ascent
from benchmarks.reference.one_search import End
from benchmarks.reference.optima import grouped
from benchmarks.runner.posterior_facts import summarise_posterior
from benchmarks.runner.seeds import derive
from fitters.base import Fit, Fitter
from fitters.spec import fitter_of
from fitters.starts import Start, policy
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample

MAX_ADMISSIBLE, MAX_HIGHEST = 6, 3
"""Distinct fits from which an ascent begins: the highest admissible ones, and of all."""
ONE_START = ("mcmc",)
"""Methods that get one start, because each of their chains has its own."""


def search_by_fitters(sample: Sample, components: int, options: Options) -> Candidate:
    """Fit K = ``components`` from many starts by each fitter, and find the optima they lead to.

    A fitter that fails from a start is counted with its message; the others go on.
    """
    began = time.perf_counter()
    model = Model(sample.family, components)
    starts = list(_starts(sample, model, options))
    fits: list[Fit] = []
    failures: list[str] = []
    restarts = 0
    for spec in options.fitters:
        fitter = fitter_of(spec)
        reason = fitter.supports(model)
        if reason is not None:
            failures.append(f"{spec}: {reason}")
            continue
        fitter_starts = starts[:1] if fitter.name in ONE_START else starts
        restarts += len(fitter_starts)
        for result in _fits(fitter, sample, model, fitter_starts, options.seed):
            if isinstance(result, str):
                failures.append(f"{spec}: {result}")
            elif result.mixture.valid():
                fits.append(result)
            else:
                failures.append(f"{spec}: it returned no valid mixture")
    posteriors = [fit.posterior for fit in fits if fit.posterior is not None]
    posterior = summarise_posterior(posteriors[0], sample) if posteriors else None
    optima = _optima(sample, [fit.mixture for fit in fits])
    seconds = time.perf_counter() - began
    return Candidate(sample, components, optima, restarts, failures, seconds, posterior)


def _starts(sample: Sample, model: Model, options: Options) -> Iterator[Start]:
    """One screened start where the policy applies, then quantile and k-means alternately."""
    if model.components == 1:
        names = ["quantile"]
    else:
        names = ["screened"] if policy("screened").supports(model) is None else []
        names += [("quantile", "kmeans")[index % 2] for index in range(options.restarts)]
    digest = sample.digest()
    for index, name in enumerate(names[: options.restarts]):
        yield Start.of(policy(name), sample, model, derive("start", options.seed, digest, index))


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


def _optima(sample: Sample, mixtures: list[Mixture]) -> list[Optimum]:
    """The distinct optima near ``mixtures``, the greatest likelihood first."""
    region = Region.of(sample, MIN_SPREAD)
    fits = []
    with np.errstate(all="ignore"):
        for mixture in mixtures:
            value = sample.log_likelihood(mixture)
            if np.isfinite(value):
                inside = region.inside(mixture.weights * sample.size, mixture.parameters).all()
                fits.append((value, mixture, bool(inside)))
    groups = grouped(fits, itemgetter(0), SAME_OPTIMUM, itemgetter(2))
    admissible = [index for index, group in enumerate(groups) if group[0][2]]
    chosen = {*range(len(groups))[:MAX_HIGHEST], *admissible[:MAX_ADMISSIBLE]}
    ends = []
    for index in sorted(chosen):
        value, mixture, inside = groups[index][0]
        end = Ascent(mixture, value, float("inf"), -float("inf"))
        ends.append(End(end, inside, "", len(groups[index])))
    return polish(sample, sample, ends)
