"""The contract test, which every fitter must pass."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.runner.border import facts_of
from benchmarks.runner.status import RETURNED
from fitters.base import Fit, Fitter, Observe, Prepared, settings
from fitters.spec import fitter_of
from fitters.starts import Start, policy
from scenarios.families import Family, families
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample

SIZE = 300
Point = tuple[str, str | None]
"""(a point of the contract, what is wrong or None)."""


def check_fitter(chosen: str | Fitter) -> Iterator[Point]:
    """Yield each point of the contract with what is wrong, or None.

    Ends early if later points can't be checked. Raises ``UserError`` if ``chosen`` is no fitter.
    """
    fitter = fitter_of(chosen)
    yield "every setting has a default", _defaults(fitter)
    try:
        reasons = {name: fitter.supports(Model(cls(), 2)) for name, cls in families().items()}
    except Exception as error:
        yield "supports() gives a sentence, or None", f"{type(error).__name__}: {error}"
        return
    wrong = [n for n, r in reasons.items() if r is not None and not (isinstance(r, str) and r)]
    yield "supports() gives a sentence, or None", f"for {wrong} it gives neither" if wrong else None
    examples = [name for name, cls in families().items() if cls.example]
    supported = [name for name in examples if reasons[name] is None]
    yield "it supports a family", None if supported else f"none of {', '.join(examples)}"
    if supported:
        sample, other = (_sample(families()[supported[0]](), seed) for seed in (1, 2))
        yield from _life_cycle(fitter, sample, other)


def _life_cycle(fitter: Fitter, sample: Sample, other: Sample) -> Iterator[Point]:
    """Check one fitter on two samples of one family."""
    start = _start(sample, 11)
    before = _fingerprint(sample, start)
    try:
        prepared = fitter.prepare(sample, Model(sample.family, 2))
        fit, passes, printed, observed = _fit(prepared, sample, start)
    except Exception as error:
        yield "prepare() and fit() run", f"{type(error).__name__}: {error}"
        return
    yield "prepare() and fit() run", None
    wrong = _wrong_fit(fit, sample)
    yield "fit() returns a Fit of a valid mixture, with its claims", wrong
    if wrong is not None:
        return
    if fitter.counted_by == "fitter":
        passes = sum(fit.passes.values())
    yield "its passes are counted", None if passes > 0 else f"they are {passes}"
    yield "it prints nothing", f"it printed {printed[:80]!r}" if printed else None
    changed = before != _fingerprint(sample, start)
    wrong = "it changed one of them" if changed else None
    yield "it leaves the sample and the start as they were", wrong
    yield "the mixtures given to observe() are valid", _guarded(lambda: _wrong_iterates(observed))
    point = "the same start and seed give the same mixture"
    yield (
        point,
        _guarded(lambda: _difference(fit.mixture, _fit(prepared, sample, start)[0].mixture, 0.0)),
    )
    many = _guarded(lambda: _batch(prepared, sample, fit))
    yield "fit_many() gives each start what fit() gives it", many
    yield (
        "rebind() gives what preparing anew gives",
        _guarded(lambda: _rebound(fitter, prepared, other)),
    )


def _defaults(fitter: Fitter) -> str | None:
    try:
        settings(type(fitter))
        type(fitter)()
    except Exception as error:
        return f"{fitter.name}() raises {type(error).__name__}: {error}"
    return None


def _guarded(point: Callable[[], str | None]) -> str | None:
    """What is wrong at a point, where an exception is wrong too."""
    try:
        return point()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _wrong_iterates(observed: list[Mixture]) -> str | None:
    invalid = sum(not mixture.valid() for mixture in observed)
    return f"{invalid} are not" if invalid else None


def _batch(prepared: Prepared, sample: Sample, alone: Fit) -> str | None:
    if prepared.batch <= 1:
        return None
    many = prepared.fit_many([_start(sample, seed) for seed in (12, 11)], [5, 5])
    return _difference(many[1].mixture, alone.mixture, 1e-6)


def _rebound(fitter: Fitter, prepared: Prepared, other: Sample) -> str | None:
    rebound = prepared.rebind(other)
    if rebound is None:
        return None
    fresh = fitter.prepare(other, Model(other.family, 2))
    one, two = (_fit(p, other, _start(other, 11))[0].mixture for p in (rebound, fresh))
    return _difference(one, two, 1e-6)


def _sample(family: Family, seed: int) -> Sample:
    truth = Mixture(family, np.array([0.5, 0.5]), np.array(family.example, dtype=np.float64))
    return Sample.of(truth.sample(SIZE, seed), family)


def _start(sample: Sample, seed: int) -> Start:
    return Start.of(policy("quantile"), sample, Model(sample.family, 2), seed)


def _fingerprint(sample: Sample, start: Start) -> tuple[bytes, ...]:
    arrays = (sample.observations, sample.rows, start.mixture.coordinates())
    return tuple(array.tobytes() for array in arrays)


def _fit(prepared: Prepared, sample: Sample, start: Start) -> tuple[Fit, float, str, list[Mixture]]:
    """Return a fit, the passes that the sample counted, the printed text, and the iterates."""
    observed: list[Mixture] = []
    observe: Observe = lambda copy: observed.append(copy())  # noqa: E731
    printed = io.StringIO()
    sample.passes.clear()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        fit = prepared.fit(start, 5, observe)
    return fit, sum(sample.passes.values()), printed.getvalue(), observed


def _wrong_fit(fit: object, sample: Sample) -> str | None:
    facts = facts_of(fit)
    if facts["outcome"] != RETURNED or not isinstance(fit, Fit):
        return str(facts["message"])
    mixture = ScipyMixture(sample.family.name, fit.mixture.weights, fit.mixture.parameters)
    if mixture.invalid_reason() is not None:
        return mixture.invalid_reason()
    if not (fit.claimed is None or isinstance(fit.claimed, bool | np.bool_)):
        return f"claimed is {fit.claimed!r}: True, False, or None for no claim"
    if not isinstance(fit.passes, Mapping):
        return f"passes is {fit.passes!r}: a mapping from kernels to passes"
    if not (isinstance(fit.message, str) and fit.iterations >= 0 <= sum(fit.passes.values())):
        return "message is not a string, or iterations or passes are negative"
    return None


def _difference(one: Mixture, two: Mixture, tolerance: float) -> str | None:
    gap = float(np.max(np.abs(one.coordinates() - two.coordinates())))
    return None if gap <= tolerance else f"they differ by {gap:.2g} in free coordinates"
