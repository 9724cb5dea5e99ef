"""asv suite: the time of one fit, of one pass over the data, and of imports."""

from __future__ import annotations

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
