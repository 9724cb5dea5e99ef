"""One cell's trials: every one becomes a record of facts, whatever the fitter does."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import SCHEMA, judge
from benchmarks.harness.journal import number, numbers
from benchmarks.harness.plan import Cell, Record
from benchmarks.harness.posterior import summarise_posterior
from benchmarks.harness.seeds import derive
from fitters.base import Fit, Fitter, Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
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

    def trial(self, start_name: str, restart: int) -> Record:
        """One trial's record of facts."""
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
            return record | {"outcome": "unsupported", "message": reason}
        if self.why_not is not None:
            return record | dict(zip(("outcome", "message"), self.why_not, strict=True))
        where = (self.cell.seed, self.scenario_digest, self.cell.data_set, restart)
        start_seed = restart if start_policy.seed_is_restart else derive("start", *where)
        sample.evaluations, began = 0.0, time.perf_counter()
        try:
            start = Start.of(start_policy, sample, scenario.components, start_seed)
        except BaseException as error:
            return record | {"outcome": "error", "message": _told("start", error)}
        record |= {
            "start_seconds": time.perf_counter() - began,
            "start_evaluations": sample.evaluations,
            "start_digest": judge.digest(start.mixture.weights, start.mixture.parameters),
        }
        return record | self._fit(start, derive("fit", *where)) | {"peak_mb": _peak_mb()}

    def _fit(self, start: Start, seed: int) -> Record:
        sample = self.sample
        assert self.prepared is not None
        sample.evaluations = 0.0
        observer = Observer(sample)
        cpu, began = time.process_time(), time.perf_counter()
        fit: Any = None
        try:
            fit = self.prepared.fit(start, seed, observer)
            outcome = _returned(fit) if isinstance(fit, Fit) else _garbage(fit)
        except BaseException as error:
            outcome = {"outcome": "error", "message": _told("", error)}
        outcome["seconds"] = time.perf_counter() - began
        outcome["cpu_seconds"] = time.process_time() - cpu
        if self.fitter.counted_by == "sample" or "evaluations" not in outcome:
            outcome["evaluations"] = sample.evaluations
        # The clock has stopped: what follows is the harness's own work on what it was given.
        try:
            outcome["trace"] = observer.trace()
            if getattr(fit, "posterior", None) is not None:
                outcome["posterior"] = summarise_posterior(fit.posterior, sample)
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
