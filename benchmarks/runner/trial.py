"""The trials of one cell: each becomes a record of facts, whatever the fitter does."""

from __future__ import annotations

import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.runner import SCHEMA
from benchmarks.runner.journal import number, numbers
from benchmarks.runner.plan import Cell, Record
from benchmarks.runner.posterior_facts import summarise_posterior
from benchmarks.runner.seeds import derive
from benchmarks.runner.status import RETURNED, Status
from fitters.base import Fit, Fitter, Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.data_summary import summarise_data
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample

HOST = platform.node()
MAX_MESSAGE = 2000
"""Characters of a message that are recorded."""


class Observer:
    """Notes clock, passes and mixture at log-spaced iterates."""

    growth = 1.2  # 64 points reach some 40,000 passes

    def __init__(self, sample: Sample) -> None:
        self.sample, self.next_due = sample, 0.0
        self.points: list[tuple[float, float, Mixture]] = []
        self.began = time.perf_counter()

    def __call__(self, copy: Callable[[], Mixture]) -> None:
        """Copy the mixture if the next point is due."""
        passes = sum(self.sample.passes.values())
        if passes < self.next_due:
            return
        self.points.append((time.perf_counter() - self.began, passes, copy()))
        self.next_due = max(passes + 1.0, passes * self.growth)

    def trace(self) -> list[list[Any]]:
        """[seconds, passes, weights, parameters] of each point, to be scored later."""
        return [
            [seconds, number(passes), numbers(m.weights.tolist()), numbers(m.parameters.tolist())]
            for seconds, passes, m in self.points
        ]


class CellRunner:
    """The fitter of one cell, prepared once, and its trials."""

    def __init__(self, cell: Cell, sample: Sample) -> None:
        self.cell, self.sample = cell, sample
        self.model = Model(sample.family, cell.scenario.components)
        self.data = summarise_data(sample.observations)
        self.scenario_digest = cell.scenario.digest()
        self.fitter: Fitter = parse(cell.fitter)
        self.prepared: Prepared | None = None
        self.setup_seconds = 0.0
        self.failure: Record | None = None
        """Outcome and message of every trial, where the fitter can't be prepared."""

    def prepare(self, earlier: Prepared | None) -> None:
        """Rebind the object prepared for an earlier cell of the same shape, or prepare anew."""
        reason = self.fitter.supports(self.model)
        if reason is not None:
            self.failure = _failure(Status.UNSUPPORTED, reason)
            return
        began = time.perf_counter()
        try:
            self.prepared = earlier.rebind(self.sample) if earlier is not None else None
            if self.prepared is None:
                self.prepared = self.fitter.prepare(self.sample, self.model)
        except BaseException as error:  # a fitter may raise anything, and the run goes on
            self.failure = _failure(Status.ERROR, _described("prepare", error))
        self.setup_seconds = time.perf_counter() - began

    @property
    def batch(self) -> int:
        """How many trials to run at once."""
        if self.prepared is None or self.cell.unbatched:
            return 1
        return int(self.prepared.batch)

    def trials(self, trials: Sequence[tuple[str, int]]) -> list[Record]:
        """Run one trial or a batch of trials; returns their records in order."""
        begun = [self._begin(*trial) for trial in trials]
        ready = [(record, start) for record, start in begun if start is not None]
        if ready:
            seeds = [derive("fit", *self._seed_of(record["restart"])) for record, _ in ready]
            outcomes = self.fits([start for _, start in ready], seeds)
            for (record, _), outcome in zip(ready, outcomes, strict=True):
                record.update(outcome, peak_mb=_peak_mb())
        return [record for record, _ in begun]

    def _seed_of(self, restart: int) -> tuple[int, str, int, int]:
        return (self.cell.seed, self.scenario_digest, self.cell.replicate, restart)

    def _begin(self, start_name: str, restart: int) -> tuple[Record, Start | None]:
        """The first fields of a trial's record, and its start, or None if it has failed."""
        record: Record = {
            "schema": SCHEMA,
            **self.cell.record(start_name, restart),
            "host": HOST,
            "data": self.data,
            "setup_seconds": self.setup_seconds,
            "counted_by": self.fitter.counted_by,
        }
        start_policy = policy(start_name)
        reason = start_policy.supports(self.model)
        if reason is not None:
            return record | _failure(Status.UNSUPPORTED, reason), None
        if self.failure is not None:
            return record | self.failure, None
        derived = derive("start", *self._seed_of(restart))
        seed = restart if start_policy.seed_is_restart else derived
        self.sample.passes.clear()
        began = time.perf_counter()
        try:
            start = Start.of(start_policy, self.sample, self.model, seed)
        except BaseException as error:
            return record | _failure(Status.ERROR, _described("start", error)), None
        record |= {
            "start_seconds": time.perf_counter() - began,
            "start_passes": dict(self.sample.passes),
            "start_weights": numbers(start.mixture.weights.tolist()),
            "start_parameters": numbers(start.mixture.parameters.tolist()),
        }
        return record, start

    def fits(self, starts: list[Start], seeds: list[int]) -> list[Record]:
        """Fit from ``starts``, one by itself or more as a batch; returns facts of each fit."""
        sample, size = self.sample, len(starts)
        assert self.prepared is not None
        sample.passes.clear()
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
            outcomes = [_facts(fit) for fit in fits]
        except BaseException as error:
            fits = [None] * size
            outcomes = [_failure(Status.ERROR, _described("", error)) for _ in starts]
        cost = {
            "batch": size,
            "seconds": (time.perf_counter() - began) / size,
            "cpu_seconds": (time.process_time() - cpu) / size,
        }
        # The clock has stopped: traces and posteriors are the runner's own work.
        passes = self._passes(outcomes)
        outcomes = [o | cost | {"passes": p} for o, p in zip(outcomes, passes, strict=True)]
        return [self._completed(*each, observer) for each in zip(outcomes, fits, strict=True)]

    def _passes(self, outcomes: list[Record]) -> list[Mapping[str, float]]:
        """The passes of each fit by kernel.

        Those that the sample counted, if it counts. It can't tell the fits of a batch apart:
        they share its count by their own figures where these add up to it, and equally where
        they do not.
        """
        size, counted = len(outcomes), dict(self.sample.passes)
        stated = [outcome.get("passes") for outcome in outcomes]
        complete = [each for each in stated if each is not None]
        if self.fitter.counted_by == "fitter" and len(complete) == size:
            return complete
        total = sum(sum(each.values()) for each in complete)
        if size > 1 and len(complete) == size and np.isclose(total, sum(counted.values()), 1e-6):
            return complete
        return [{kernel: count / size for kernel, count in counted.items()}] * size

    def _completed(self, outcome: Record, fit: Any, observer: Observer) -> Record:
        """Add the trace and the posterior's summary; an error in either is the trial's."""
        try:
            outcome["trace"] = observer.trace()
            if getattr(fit, "posterior", None) is not None:
                outcome["posterior"] = summarise_posterior(fit.posterior, self.sample)
        except Exception as error:
            outcome |= _failure(Status.ERROR, _described("its trace or posterior", error))
        return outcome


def _facts(fit: object) -> Record:
    """The fields of a record that a fit fills."""
    if not isinstance(fit, Fit):
        message = f"the fitter returned a {type(fit).__name__}, not a Fit"
        return _failure(Status.ERROR, message)
    try:
        facts = {
            "outcome": RETURNED,
            "message": str(fit.message)[:MAX_MESSAGE],
            "weights": numbers(fit.mixture.weights.tolist()),
            "parameters": numbers(fit.mixture.parameters.tolist()),
            "claimed": None if fit.claimed is None else bool(fit.claimed),
            "iterations": int(fit.iterations),
            "passes": {str(kernel): float(count) for kernel, count in fit.passes.items()},
        }
        if fit.extra is not None:
            json.dumps(dict(fit.extra), allow_nan=False)  # raises what the journal can't write
            facts["extra"] = dict(fit.extra)
    except Exception as error:  # an error of this fit alone, in a batch too
        return _failure(Status.ERROR, _described("", error))
    return facts


def _failure(status: Status, message: str) -> Record:
    return {"outcome": status.value, "message": message[:MAX_MESSAGE]}


def _described(stage: str, error: BaseException) -> str:
    return f"{stage}{': ' if stage else ''}{type(error).__name__}: {error}"


def _peak_mb() -> float:
    """The peak resident memory of this worker so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)  # bytes; KiB on Linux
