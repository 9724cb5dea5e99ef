"""The contract test: what every fitter must keep, ours and third parties' alike."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.harness import judge
from fitters.base import Fit, Fitter, Observe
from fitters.spec import fitters, parse
from fitters.starts import Start, policy
from scenarios.families import Family, families
from scenarios.mixture import Mixture
from scenarios.sample import Sample

# A well separated pair for each family that has parameters we know; others are drawn from
# their own moment estimates on a normal sample, if they cover the line.
TRUTHS = {
    "beta": [[3.0, 20.0], [20.0, 3.0]],
    "normal": [[-2.0, 0.5], [2.0, 0.7]],
    "gamma": [[4.0, 4.0], [40.0, 4.0]],
    "lognormal": [[-1.0, 0.3], [1.0, 0.4]],
    "weibull": [[2.0, 1.0], [8.0, 6.0]],
    "student_t": [[6.0, -3.0, 0.6], [6.0, 3.0, 0.8]],
}
SIZE = 300


@dataclass
class _Seen:
    """What one fit did beside returning."""

    fit: Fit
    passes: float
    printed: str
    observed: list[Mixture] = field(default_factory=list)


def check_fitter(spec: str) -> Iterator[tuple[str, str | None]]:
    """(point of the contract, what is wrong or None), one after the other.

    Stops early where a broken point leaves nothing for the later ones to look at. Raises
    ``UserError`` if ``spec`` names no fitter.
    """
    fitter = parse(spec)
    yield "every setting has a default", _defaults(fitter)
    reasons = {name: fitter.supports(cls(), 2) for name, cls in families().items()}
    bad = [n for n, r in reasons.items() if r is not None and not (isinstance(r, str) and r)]
    yield (
        "supports() gives a sentence, or None",
        f"for {bad} it gives neither" if bad else None,
    )
    supported = [name for name in TRUTHS if reasons.get(name, "") is None]
    yield "it supports a family", None if supported else f"none of {', '.join(TRUTHS)}"
    if not supported:
        return
    sample, other = (_sample(families()[supported[0]](), seed) for seed in (1, 2))
    yield from _life(fitter, sample, other)


def _life(fitter: Fitter, sample: Sample, other: Sample) -> Iterator[tuple[str, str | None]]:
    """One fitter's life on two samples of one family."""
    start, second = _start(sample, 11), _start(other, 11)
    before = (
        sample.observations.tobytes(),
        sample.rows.tobytes(),
        start.mixture.coordinates().tobytes(),
    )
    try:
        prepared = fitter.prepare(sample, sample.family, 2)
        seen = _fit(prepared, sample, start)
    except Exception as error:
        yield "prepare() and fit() run", f"{type(error).__name__}: {error}"
        return
    yield "prepare() and fit() run", None
    wrong = _wrong_fit(seen.fit, sample)
    yield "fit() returns a Fit of a valid mixture, with its claims", wrong
    if wrong is not None:
        return
    passes = seen.passes if fitter.counted_by == "sample" else seen.fit.evaluations
    yield "its passes are counted", None if passes > 0 else f"they are {passes}"
    yield "it prints nothing", f"it printed {seen.printed[:80]!r}" if seen.printed else None
    after = (
        sample.observations.tobytes(),
        sample.rows.tobytes(),
        start.mixture.coordinates().tobytes(),
    )
    yield (
        "it leaves the sample and the start as they were",
        None if before == after else "it changed one of them",
    )
    bad = [m for m in seen.observed if not m.valid()]
    yield "what it shows to observe() are valid mixtures", f"{len(bad)} are not" if bad else None
    again = _fit(prepared, sample, start).fit.mixture
    yield "the same start and seed give the same mixture", _differ(seen.fit.mixture, again, 0.0)
    if prepared.batch > 1:
        try:
            many = prepared.fit_many([_start(sample, seed) for seed in (12, 11)], [5, 5])
            told = _differ(many[1].mixture, seen.fit.mixture, 1e-6)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        yield "fit_many() gives each start what fit() gives it", told
    bound = prepared.rebind(other)
    if bound is not None:
        fresh = fitter.prepare(other, other.family, 2)
        one, two = (_fit(p, other, second).fit.mixture for p in (bound, fresh))
        yield "rebind() gives what preparing anew gives", _differ(one, two, 1e-6)


def _defaults(fitter: Fitter) -> str | None:
    try:
        fitters()[fitter.name]()
    except Exception as error:
        return f"{fitter.name}() raises {type(error).__name__}: {error}"
    return None


def _sample(family: Family, seed: int) -> Sample:
    truth = Mixture(family, np.array([0.5, 0.5]), np.array(TRUTHS[family.name]))
    return Sample.of(truth.sample(np.random.default_rng(seed), SIZE), family)


def _start(sample: Sample, seed: int) -> Start:
    return Start.of(policy("quantile"), sample, 2, seed)


def _fit(prepared: object, sample: Sample, start: Start) -> _Seen:
    observed: list[Mixture] = []
    observe: Observe = lambda copy: observed.append(copy())  # noqa: E731
    printed = io.StringIO()
    sample.evaluations = 0.0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        fit = prepared.fit(start, 5, observe)  # type: ignore[attr-defined]
    return _Seen(fit, sample.evaluations, printed.getvalue(), observed)


def _wrong_fit(fit: object, sample: Sample) -> str | None:
    if not isinstance(fit, Fit):
        return f"it returned a {type(fit).__name__}"
    judged = judge.Judged(sample.family.name, fit.mixture.weights, fit.mixture.parameters)
    if judged.problem() is not None:
        return judged.problem()
    if not (fit.converged is None or isinstance(fit.converged, bool | np.bool_)):
        return f"converged is {fit.converged!r}: True, False, or None for no claim"
    if not (isinstance(fit.message, str) and fit.iterations >= 0 and fit.evaluations >= 0):
        return "message is not a string, or iterations or evaluations are negative"
    return None


def _differ(one: Mixture, two: Mixture, tolerance: float) -> str | None:
    gap = float(np.max(np.abs(one.coordinates() - two.coordinates())))
    return None if gap <= tolerance else f"they differ by {gap:.2g} in free coordinates"
