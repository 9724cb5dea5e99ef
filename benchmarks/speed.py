"""asv suite: the time of one fit, of one pass over the data, and of imports."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.under_test import FITTERS, commit_skip_reason, draw, prepare, skip_if

if TYPE_CHECKING:
    from scenarios.mixture import Mixture
    from scenarios.sample import Sample

SCENARIOS = ["founding", "overlapping", "unequal"]


class Fits:
    """One fit from one quantile start, on data set 0; the preparation is not timed."""

    params = (list(FITTERS), SCENARIOS)
    param_names = ("fitter", "scenario")
    timeout = 600
    version = "1"

    def setup(self, name: str, scenario_name: str) -> None:
        """Draw the data and the start, and prepare the fitter; mcmc is timed on one scenario."""
        self.prepared, self.start = prepare(name, scenario_name)

    def time_fit(self, name: str, scenario_name: str) -> None:
        """Wall time of one restart."""
        self.prepared.fit(self.start, 1, lambda copy: None)


class Passes:
    """One pass over a sample with each kernel, at the true mixture."""

    params = (["log_likelihood", "expectation", "gradient", "hessian"], SCENARIOS)
    param_names = ("kernel", "scenario")
    version = "1"

    def setup(self, kernel: str, scenario_name: str) -> None:
        """Draw the data."""
        scenario, sample = draw(scenario_name)
        self.kernel = getattr(sample, kernel)
        self.mixture = scenario.truth

    def time_pass(self, kernel: str, scenario_name: str) -> None:
        """Wall time of one pass."""
        self.kernel(self.mixture)


class Costs:
    """The cost of a pass with each kernel, in E-steps, beside the constant by which scores count.

    The constants are those of a mixture of two betas, with five parameters.
    """

    params = (["log_likelihood (0.6)", "gradient (1)", "hessian (3.5)"], SCENARIOS)
    param_names = ("kernel and constant", "scenario")
    version = "1"
    unit = "E-steps"
    repeats = 200

    def setup(self, kernel: str, scenario_name: str) -> None:
        """Draw the data."""
        scenario, self.sample = draw(scenario_name)
        self.kernel = getattr(self.sample, kernel.split(maxsplit=1)[0])
        self.mixture = scenario.truth

    def track_cost(self, kernel: str, scenario_name: str) -> float:
        """Median time of a pass ÷ that of an E-step, interleaved."""
        times: list[list[float]] = [[], []]
        for _ in range(self.repeats):
            for each, record in zip((self.kernel, self.sample.expectation), times, strict=True):
                began = perf_counter()
                each(self.mixture)
                record.append(perf_counter() - began)
        return median(times[0]) / median(times[1])


class Steps:
    """A step of each kind at K betas and n observations, by the compiled passes.

    A leapfrog step is an evaluation of the kernel's log posterior and its gradient.
    """

    params = (["pass", "em iteration", "hessian", "leapfrog"], [2, 5], [10_000, 1_000_000])
    param_names = ("step", "components", "observations")
    version = "1"

    def setup(self, step: str, components: int, size: int) -> None:
        """Draw the data, and load the compiled passes."""
        self.step = made(step, *betas(components, size))

    def time_step(self, step: str, components: int, size: int) -> None:
        """Wall time of one step; of EM, of a round of two E-steps."""
        self.step()


class Limits:
    """A pass for two betas beside the plain sum of the same statistics: the memory's limit."""

    params = ([10_000, 1_000_000, 10_000_000],)
    param_names = ("observations",)
    timeout = 600
    version = "1"
    unit = "plain sums"
    repeats = 30

    def setup(self, size: int) -> None:
        """Draw the data, and load the compiled passes."""
        self.sample, self.mixture = betas(2, size)

    def track_pass(self, size: int) -> float:
        """Median time of an E-step ÷ that of numpy's sum over its rows, interleaved."""
        rows = self.sample.rows.T
        calls: list[Callable[[], Any]] = [lambda: self.sample.expectation(self.mixture), rows.sum]
        times: list[list[float]] = [[], []]
        for _ in range(self.repeats):
            for call, record in zip(calls, times, strict=True):
                began = perf_counter()
                call()
                record.append(perf_counter() - began)
        return median(times[0]) / median(times[1])


def betas(components: int, size: int) -> tuple[Sample, Mixture]:
    """Draws from K betas side by side, and their mixture; skips a commit of another contract."""
    skip_if(commit_skip_reason("benchmarks.runner.kernels"))
    from benchmarks.runner.kernels import load_kernels
    from scenarios.families import family
    from scenarios.mixture import Mixture
    from scenarios.sample import Sample

    places = np.linspace(0.2, 0.8, components)
    parameters = 8.0 * np.sqrt(components) * np.column_stack([places, 1.0 - places])
    weights = np.full(components, 1.0 / components)
    mixture = Mixture(family("beta"), weights, parameters)
    sample = Sample.of(mixture.sample(size), mixture.family)
    load_kernels(sample)
    return sample, mixture


def made(step: str, sample: Sample, mixture: Mixture) -> Callable[[], Any]:
    """A function that makes one step; skips a commit without it."""
    if step == "pass":
        return lambda: sample.expectation(mixture)
    if step == "hessian":
        return lambda: sample.hessian(mixture)
    try:
        from fitters.em_round import Restarts, Rules, advance
        from fitters.kernel_density import KernelDensity
        from fitters.mcmc import MCMC
        from fitters.pymc_model import unconstrained
        from scenarios.mixture import MixtureBatch
    except ImportError as error:
        raise NotImplementedError(f"not in this commit: {error}") from error
    if step == "leapfrog":
        density, point = KernelDensity(sample, mixture.components, MCMC()), unconstrained(mixture)
        return lambda: density(point)
    restarts = Restarts.at(MixtureBatch.of([mixture]))
    rules = Rules(np.inf, 0.0, 0.0, np.inf, 0.0)
    return lambda: advance(sample, restarts, rules)


class Imports:
    """The modules that load a scenario, find a fitter, and answer ``--help``."""

    params = (["scenarios.scenario", "fitters.spec", "benchmarks.cli"],)
    param_names = ("module",)
    version = "1"

    def setup(self, module: str) -> None:
        """Skip commits of another contract, whose modules may have other names."""
        skip_if(commit_skip_reason())

    def timeraw_import(self, module: str) -> str:
        """Wall time of an import in a fresh interpreter.

        A ``time_import`` would find the module in memory after the first import: asv starts an
        interpreter for each sample of a ``timeraw_`` alone. All modules are the commit's there,
        ``benchmarks.cli`` too, since the commit's users start that one.
        """
        return f"import {module}"
