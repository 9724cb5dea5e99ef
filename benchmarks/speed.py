"""asv suite: the time of one fit, of one pass over the data, and of imports."""

from __future__ import annotations

from statistics import median
from time import perf_counter

from benchmarks.under_test import FITTERS, commit_skip_reason, draw, prepare, skip_if

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
