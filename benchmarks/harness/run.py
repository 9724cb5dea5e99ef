"""Carry a plan out: every trial becomes one record of facts, whatever the fitter does."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.harness import SCHEMA, judge
from benchmarks.harness.journal import RUN, Journal, number, numbers
from benchmarks.harness.plan import Cell, Plan
from benchmarks.harness.posterior import summarise_posterior
from benchmarks.harness.seeds import derive
from fitters import CONTRACT
from fitters.base import Fit, Fitter, Prepared
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.errors import UserError
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import Scenario

PACKAGES = (
    "mixturebench", "numpy", "scipy", "torch", "pytorch-lightning", "pymc", "nutpie", "arviz",
    "pandas",
)  # fmt: skip

Progress = Callable[[Cell, dict[str, Any] | None], None]
"""Called with a cell as it begins (None), and with each of its records."""


def make_folder(folder: Path) -> None:
    """Make a run's folder; ``UserError`` if it holds anything or can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = next(folder.iterdir(), None)
    except OSError as error:
        raise UserError(f"--out {folder} can't be used: {error.strerror or error}") from error
    if held is not None:
        raise UserError(
            f"--out {folder} is not empty (it holds {held.name}): name a new or an empty folder"
        )
    if not os.access(folder, os.W_OK):
        raise UserError(f"--out {folder} can't be written to: name another folder")


def check_scenarios(plan: Plan) -> None:
    """Draw the first data set of every scenario, so that bad data is said before the run."""
    for scenario in plan.scenarios:
        sample = draw_sample(scenario, 0, plan.seed)
        if sample.observations.min() == sample.observations.max():
            raise UserError(
                f"scenario {scenario.name!r}: all {sample.size} observations are equal, so there "
                "is nothing to fit: check the column"
            )
        size = scenario.components * (1 + len(sample.family.parameters)) - 1
        if sample.size < size:
            raise UserError(
                f"scenario {scenario.name!r} has {sample.size} observations for {size} "
                "parameters: fit fewer components, or give more data"
            )


def run(plan: Plan, folder: Path, progress: Progress) -> None:
    """Carry out ``plan`` into ``folder``, which ``make_folder`` made."""
    content = {"schema": SCHEMA, "plan": plan.content(), **provenance()}
    (folder / RUN).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    samples: dict[tuple[str, int], Sample] = {}
    prepared: tuple[tuple[Any, ...], Prepared] | None = None
    with Journal(folder) as journal:
        for cell in plan.cells():
            key = (cell.scenario.name, cell.data_set)
            if key not in samples:
                samples[key] = draw_sample(cell.scenario, cell.data_set, plan.seed)
            progress(cell, None)
            shape = (cell.fitter, cell.scenario.family.name, cell.scenario.components)
            bench = _Bench(cell, samples[key], plan.seed)
            bench.prepare(prepared[1] if prepared and prepared[0] == shape else None)
            prepared = (shape, bench.prepared) if bench.prepared else None
            for start, restart in cell.trials:
                record = bench.trial(start, restart)
                journal.append(record)
                progress(cell, record)


def draw_sample(scenario: Scenario, data_set: int, seed: int) -> Sample:
    """The sample of one data set; ``UserError`` names the scenario if its data are unfit."""
    drawn_with = derive("data", seed, scenario.digest(), data_set)
    try:
        return Sample.of(scenario.observations(data_set, drawn_with), scenario.family)
    except UserError as error:
        raise UserError(f"scenario {scenario.name!r}: {error}") from error


def provenance() -> dict[str, Any]:
    """When, on what and with which versions."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    return {"contract": CONTRACT, "begun": begun, "versions": versions, "machine": machine}


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


class _Bench:
    """One cell's fitter, made ready or not, and its trials."""

    def __init__(self, cell: Cell, sample: Sample, seed: int) -> None:
        self.cell, self.sample, self.seed = cell, sample, seed
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
        except Exception as error:  # a fitter may raise anything: it is a row, not our end
            self.why_not = ("error", f"prepare: {type(error).__name__}: {error}")
        self.setup_seconds = time.perf_counter() - began

    def trial(self, start_name: str, restart: int) -> dict[str, Any]:
        """One trial's record of facts."""
        scenario, sample = self.cell.scenario, self.sample
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "scenario": scenario.name,
            "data_set": self.cell.data_set,
            "fitter": self.cell.fitter,
            "start": start_name,
            "restart": restart,
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
        where = (self.seed, self.scenario_digest, self.cell.data_set, restart)
        start_seed = restart if start_policy.seed_is_restart else derive("start", *where)
        sample.evaluations, began = 0.0, time.perf_counter()
        try:
            start = Start.of(start_policy, sample, scenario.components, start_seed)
        except Exception as error:
            message = f"start: {type(error).__name__}: {error}"
            return record | {"outcome": "error", "message": message}
        record |= {
            "start_seconds": time.perf_counter() - began,
            "start_evaluations": sample.evaluations,
            "start_digest": judge.digest(start.mixture.weights, start.mixture.parameters),
        }
        return record | self._fit(start, derive("fit", *where))

    def _fit(self, start: Start, seed: int) -> dict[str, Any]:
        sample = self.sample
        assert self.prepared is not None
        sample.evaluations = 0.0
        observer = Observer(sample)
        cpu, began = time.process_time(), time.perf_counter()
        try:
            fit = self.prepared.fit(start, seed, observer)
            outcome = _returned(fit) if isinstance(fit, Fit) else _garbage(fit)
        except Exception as error:
            fit, outcome = (
                None,
                {
                    "outcome": "error",
                    "message": f"{type(error).__name__}: {error}"[:2000],
                },
            )
        outcome["seconds"] = time.perf_counter() - began
        outcome["cpu_seconds"] = time.process_time() - cpu
        passes = sample.evaluations
        if fit is not None and self.fitter.counted_by == "fitter" and "evaluations" in outcome:
            passes = outcome["evaluations"]
        outcome["evaluations"] = passes
        # The clock has stopped: what follows is the harness's own work on what it was given.
        try:
            outcome["trace"] = [
                [seconds, number(done), number(_nll(sample, mixture))]
                for seconds, done, mixture in observer.points
            ]
            if fit is not None and getattr(fit, "posterior", None) is not None:
                outcome["posterior"] = summarise_posterior(fit.posterior, sample)
        except Exception as error:
            message = f"its trace or posterior is unusable: {type(error).__name__}: {error}"
            outcome |= {"outcome": "error", "message": message[:2000]}
        return outcome


def _nll(sample: Sample, mixture: Mixture) -> float:
    plain = judge.Judged(sample.family.name, mixture.weights, mixture.parameters)
    return judge.nll(plain, sample.observations)


def _returned(fit: Fit) -> dict[str, Any]:
    return {
        "outcome": "returned",
        "weights": numbers(fit.mixture.weights.tolist()),
        "parameters": numbers(fit.mixture.parameters.tolist()),
        "claimed": None if fit.converged is None else bool(fit.converged),
        "iterations": int(fit.iterations),
        "evaluations": float(fit.evaluations),
        "message": str(fit.message)[:2000],
    }


def _garbage(value: object) -> dict[str, Any]:
    return {
        "outcome": "error",
        "message": f"the fitter returned a {type(value).__name__}, not a Fit",
    }
