"""The trials of one cell: each becomes a record of facts, whatever the fitter does."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Literal

import numpy as np

from benchmarks.runner.border import error_of, facts_of, plain_mixture
from benchmarks.runner.journal import number
from benchmarks.runner.kernels import load_kernels_of
from benchmarks.runner.plan import Cell, Record
from benchmarks.runner.posterior_facts import summarise_posterior
from benchmarks.runner.seeds import derive
from benchmarks.runner.status import Status, failure
from fitters.base import Fitter, Prepared
from fitters.quiet import quiet
from fitters.starts import Start, policy
from scenarios.data_summary import summarise_data
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample

HOST = platform.node()


class Observer:
    """Records seconds, passes and the mixture at log-spaced iterates."""

    growth = 1.2  # 64 points reach some 40,000 passes

    def __init__(self, sample: Sample) -> None:
        self.sample, self.next_due = sample, 0.0
        self.points: list[tuple[float, dict[str, float], Mixture]] = []
        self.began = time.perf_counter()

    def __call__(self, copy: Callable[[], Mixture]) -> None:
        """Copy the mixture if the next point is due."""
        passes = sum(self.sample.passes.values())
        if passes < self.next_due:
            return
        self.points.append((time.perf_counter() - self.began, dict(self.sample.passes), copy()))
        self.next_due = max(passes + 1.0, passes * self.growth)

    def trace(self) -> list[list[Any]]:
        """Return [seconds, passes by kernel, weights, parameters] of each point.

        Raises ``InvalidMixture`` for a point that is no mixture.
        """
        return [
            [
                seconds,
                {kernel: number(count) for kernel, count in passes.items()},
                *plain_mixture(mixture).values(),
            ]
            for seconds, passes, mixture in self.points
        ]


class CellRunner:
    """Prepares the fitter of one cell once, and runs its trials."""

    def __init__(self, cell: Cell, sample: Sample) -> None:
        self.cell, self.sample = cell, sample
        self.model = Model(sample.family, cell.scenario.components)
        self.data = summarise_data(sample.observations)
        self.scenario_digest = cell.scenario.digest()
        self.fitter: Fitter = cell.make_fitter()
        self.prepared: Prepared | None = None
        self.setup_seconds = self.setup_cpu_seconds = 0.0
        self.rebound = False
        """Whether an earlier preparation was put to use again."""
        self._batch = 1
        self.failed: Record | None = None
        """Outcome and message of every trial, if the fitter can't be prepared."""

    def prepare(self, earlier: Prepared | None) -> None:
        """Rebind the object prepared for an earlier cell of the same shape, or prepare anew."""
        _import_libraries(self.fitter)
        load_kernels_of(self.fitter, (start for start, _ in self.cell.trials), self.sample)
        cpu, began = time.process_time(), time.perf_counter()
        try:
            reason = self.fitter.supports(self.model)
            if reason is not None:
                self.failed = failure(Status.UNSUPPORTED, reason)
                return
            self.prepared = earlier.rebind(self.sample) if earlier is not None else None
            self.rebound = self.prepared is not None
            if self.prepared is None:
                self.prepared = self.fitter.prepare(self.sample, self.model)
            self._batch = int(self.prepared.batch)
        except BaseException as error:  # a fitter may raise anything, and the run goes on
            self.failed = error_of(error, "prepare: ")
        self.setup_seconds = time.perf_counter() - began
        self.setup_cpu_seconds = time.process_time() - cpu

    @property
    def batch(self) -> int:
        """How many trials to run at once."""
        if self.failed is not None or self.cell.unbatched:
            return 1
        return max(1, self._batch)

    def run(self, trials: Sequence[tuple[str, int]]) -> list[Record]:
        """Run one trial or a batch of trials; returns their records in order."""
        begun = [self._begin(*trial) for trial in trials]
        ready = [(record, start) for record, start in begun if start is not None]
        if ready:
            purpose: Literal["fit", "fit again"] = "fit again" if self.cell.again else "fit"
            seeds = [derive(purpose, *self._seed_of(record["restart"])) for record, _ in ready]
            outcomes = self.fits([start for _, start in ready], seeds)
            for (record, _), outcome in zip(ready, outcomes, strict=True):
                record.update(outcome, peak_mb=_peak_mb())
        return [record for record, _ in begun]

    def _seed_of(self, restart: int) -> tuple[int, str, int, int]:
        return (self.cell.seed, self.scenario_digest, self.cell.replicate, restart)

    def _begin(self, start_name: str, restart: int) -> tuple[Record, Start | None]:
        """Return the first fields of a trial's record, and its start, or None if that failed."""
        record: Record = {
            **self.cell.record(start_name, restart),
            "host": HOST,
            "data": self.data,
            "setup_seconds": self.setup_seconds,
            "setup_cpu_seconds": self.setup_cpu_seconds,
            "rebound": self.rebound,
            "counted_by": self.fitter.counted_by,
        }
        start_policy = policy(start_name)
        try:
            reason = start_policy.supports(self.model)
        except Exception as error:
            return record | error_of(error, "start: "), None
        if reason is not None:
            return record | failure(Status.UNSUPPORTED, reason), None
        if self.failed is not None:
            return record | self.failed, None
        derived = derive("start", *self._seed_of(restart))
        seed = restart if start_policy.seed_is_restart else derived
        self.sample.passes.clear()
        began = time.perf_counter()
        try:
            start = Start.of(start_policy, self.sample, self.model, seed)
            seconds = time.perf_counter() - began
            begin = plain_mixture(start.mixture)
        except BaseException as error:
            return record | error_of(error, "start: "), None
        record |= {
            "start_seconds": seconds,
            "start_passes": dict(self.sample.passes),
            "start_weights": begin["weights"],
            "start_parameters": begin["parameters"],
        }
        return record, start

    def fits(self, starts: list[Start], seeds: list[int]) -> list[Record]:
        """Fit from one start, or from several as a batch; returns the facts of each fit."""
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
            outcomes = [facts_of(fit) for fit in fits]
        except BaseException as error:
            fits = [None] * size
            outcomes = [error_of(error) for _ in starts]
        cost = {
            "batch": size,
            "seconds": (time.perf_counter() - began) / size,
            "cpu_seconds": (time.process_time() - cpu) / size,
        }
        # Traces and posteriors are work of the runner, and cost the fitter nothing.
        passes = self._passes(outcomes)
        outcomes = [o | cost | {"passes": p} for o, p in zip(outcomes, passes, strict=True)]
        return [self._completed(*each, observer) for each in zip(outcomes, fits, strict=True)]

    def _passes(self, outcomes: list[Record]) -> list[Mapping[str, float]]:
        """Return the passes of each fit by kernel.

        A fit has the passes that the sample counted, unless the fitter counts them. The sample
        counts those of a batch together: its fits have the passes that they state if these add
        up to the count, and equal shares of it otherwise.
        """
        size, counted = len(outcomes), dict(self.sample.passes)
        stated = [outcome["passes"] for outcome in outcomes if "passes" in outcome]
        if len(stated) == size:
            total = sum(sum(each.values()) for each in stated)
            adds_up = size > 1 and np.isclose(total, sum(counted.values()), 1e-6)
            if adds_up or self.fitter.counted_by == "fitter":
                return stated
        return [{kernel: count / size for kernel, count in counted.items()}] * size

    def _completed(self, outcome: Record, fit: Any, observer: Observer) -> Record:
        """Add the trace and the posterior's summary; if either fails, the trial has failed."""
        try:
            outcome["trace"] = observer.trace()
            if getattr(fit, "posterior", None) is not None:
                outcome["posterior"] = summarise_posterior(fit.posterior, self.sample)
        except Exception as error:
            outcome |= error_of(error, "its trace or posterior: ")
        return outcome


def _import_libraries(fitter: Fitter) -> None:
    """Import what the fitter names, so that no clock counts imports.

    What cannot be imported is left to ``supports`` and ``prepare``, whose reasons are recorded.
    """
    # An earlier commit's fitters, which asv measures with this code, name none.
    for name in getattr(fitter, "libraries", ()):
        with suppress(Exception), quiet():
            import_module(name)


def _peak_mb() -> float:
    """Return the peak resident memory of this worker so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)  # bytes; KiB on Linux
