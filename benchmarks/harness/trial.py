"""One cell's trials: every one becomes a record of facts, whatever the fitter does."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.harness import SCHEMA
from benchmarks.harness.journal import number, numbers
from benchmarks.harness.plan import Cell, Record
from benchmarks.harness.posterior import summarise_posterior
from benchmarks.harness.seeds import derive
from fitters.base import Fit, Fitter, Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.digest import digest
from scenarios.mixture import Mixture
from scenarios.sample import Sample

HOST = platform.node()
LONGEST = 2000
"""Characters of a message that are kept."""


class Observer:
    """Notes clock and passes at log-spaced iterates, and copies the mixture there."""

    growth = 1.2  # 64 points reach some 40,000 passes

    def __init__(self, sample: Sample) -> None:
        self.sample, self.next = sample, 0.0
        self.points: list[tuple[float, float, Mixture]] = []
        self.began = time.perf_counter()

    def __call__(self, copy: Callable[[], Mixture]) -> None:
        """Keep a copy if the next point is due."""
        passes = self.sample.evaluations
        if passes < self.next:
            return
        self.points.append((time.perf_counter() - self.began, passes, copy()))
        self.next = max(passes + 1.0, passes * self.growth)

    def trace(self) -> list[list[Any]]:
        """[seconds, passes, weights, parameters] of each point: facts, judged later."""
        return [
            [seconds, number(passes), numbers(m.weights.tolist()), numbers(m.parameters.tolist())]
            for seconds, passes, m in self.points
        ]


class Bench:
    """One cell's fitter, made ready or not, and its trials."""

    def __init__(self, cell: Cell, sample: Sample) -> None:
        self.cell, self.sample = cell, sample
        self.data_digest, self.scenario_digest = sample.digest(), cell.scenario.digest()
        self.fitter: Fitter = parse(cell.fitter)
        self.prepared: Prepared | None = None
        self.setup_seconds = 0.0
        self.why_not: tuple[str, str] | None = None  # (outcome, message) of every trial

    def prepare(self, earlier: Prepared | None) -> None:
        """Rebind what was prepared for an earlier cell of the same shape, or prepare anew."""
        family, components = self.sample.family, self.cell.scenario.components
        reason = self.fitter.supports(family, components)
        if reason is not None:
            self.why_not = ("unsupported", reason)
            return
        began = time.perf_counter()
        try:
            self.prepared = earlier.rebind(self.sample) if earlier is not None else None
            if self.prepared is None:
                self.prepared = self.fitter.prepare(self.sample, family, components)
        except BaseException as error:  # a fitter may raise anything: it is a row, not our end
            self.why_not = ("error", _told("prepare", error))
        self.setup_seconds = time.perf_counter() - began

    @property
    def batch(self) -> int:
        """How many trials to do at once."""
        if self.prepared is None or self.cell.alone:
            return 1
        return int(getattr(self.prepared, "batch", 1))  # an older Prepared has none

    def trials(self, trials: Sequence[tuple[str, int]]) -> list[Record]:
        """The records of facts of one trial, or of a batch, in their order."""
        begun = [self._begun(*trial) for trial in trials]
        ready = [(record, start) for record, start in begun if start is not None]
        if ready:
            seeds = [derive("fit", *self._where(record["restart"])) for record, _ in ready]
            outcomes = self.fits([start for _, start in ready], seeds)
            for (record, _), outcome in zip(ready, outcomes, strict=True):
                record.update(outcome, peak_mb=_peak_mb())
        return [record for record, _ in begun]

    def _where(self, restart: int) -> tuple[int, str, int, int]:
        return (self.cell.seed, self.scenario_digest, self.cell.data_set, restart)

    def _begun(self, start_name: str, restart: int) -> tuple[Record, Start | None]:
        """A trial's record so far and its start, None where there is none to fit from."""
        scenario, sample = self.cell.scenario, self.sample
        record: Record = {
            "schema": SCHEMA,
            **self.cell.record(start_name, restart),
            "host": HOST,
            "data_digest": self.data_digest,
            "setup_seconds": self.setup_seconds,
            "counted_by": self.fitter.counted_by,
        }
        start_policy = policy(start_name)
        reason = start_policy.supports(sample.family, scenario.components)
        if reason is not None:
            return record | {"outcome": "unsupported", "message": reason}, None
        if self.why_not is not None:
            return record | dict(zip(("outcome", "message"), self.why_not, strict=True)), None
        own = derive("start", *self._where(restart))
        sample.evaluations, began = 0.0, time.perf_counter()
        try:
            seed = restart if start_policy.seed_is_restart else own
            start = Start.of(start_policy, sample, scenario.components, seed)
        except BaseException as error:
            return record | {"outcome": "error", "message": _told("start", error)}, None
        record |= {
            "start_seconds": time.perf_counter() - began,
            "start_evaluations": sample.evaluations,
            "start_digest": digest(start.mixture.weights, start.mixture.parameters),
        }
        return record, start

    def fits(self, starts: list[Start], seeds: list[int]) -> list[Record]:
        """What fits from ``starts`` came to, as facts: one by itself, more as a batch."""
        sample, size = self.sample, len(starts)
        assert self.prepared is not None
        sample.evaluations = 0.0
        observer = Observer(sample)
        cpu, began = time.process_time(), time.perf_counter()
        fits: list[Any] = [None] * size
        try:
            if size == 1:
                fits = [self.prepared.fit(starts[0], seeds[0], observer)]
            else:
                fits = list(self.prepared.fit_many(starts, seeds))
                if len(fits) != size:
                    raise ValueError(f"fit_many returned {len(fits)} fits from {size} starts")
            outcomes = [_returned(fit) if isinstance(fit, Fit) else _garbage(fit) for fit in fits]
        except BaseException as error:
            fits = [None] * size
            outcomes = [{"outcome": "error", "message": _told("", error)} for _ in starts]
        cost = {
            "batch": size,
            "seconds": (time.perf_counter() - began) / size,
            "cpu_seconds": (time.process_time() - cpu) / size,
        }
        passes = [outcome.get("evaluations", np.nan) for outcome in outcomes]
        # A batch's fits say whose passes the sample counted, as long as the sum is right.
        counted = self.fitter.counted_by == "sample" or np.isnan(passes).any()
        shared = size > 1 and np.isclose(sum(passes), sample.evaluations, rtol=1e-6)
        if counted and not shared:
            passes = [sample.evaluations / size] * size
        outcomes = [o | cost | {"evaluations": p} for o, p in zip(outcomes, passes, strict=True)]
        # The clock has stopped: what follows is the harness's own work on what it was given.
        return [self._told_all(*each, observer) for each in zip(outcomes, fits, strict=True)]

    def _told_all(self, outcome: Record, fit: Any, observer: Observer) -> Record:
        try:
            outcome["trace"] = observer.trace()
            if getattr(fit, "posterior", None) is not None:
                outcome["posterior"] = summarise_posterior(fit.posterior, self.sample)
        except Exception as error:
            outcome |= {"outcome": "error", "message": _told("its trace or posterior", error)}
        return outcome


def _returned(fit: Fit) -> Record:
    return {
        "outcome": "returned",
        "weights": numbers(fit.mixture.weights.tolist()),
        "parameters": numbers(fit.mixture.parameters.tolist()),
        "claimed": None if fit.converged is None else bool(fit.converged),
        "iterations": int(fit.iterations),
        "evaluations": float(fit.evaluations),
        "message": str(fit.message)[:LONGEST],
    }


def _garbage(value: object) -> Record:
    return {
        "outcome": "error",
        "message": f"the fitter returned a {type(value).__name__}, not a Fit",
    }


def _told(where: str, error: BaseException) -> str:
    return f"{where}{': ' if where else ''}{type(error).__name__}: {error}"[:LONGEST]


def _peak_mb() -> float:
    """The most resident memory that this worker has held so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)  # bytes; KiB on Linux
