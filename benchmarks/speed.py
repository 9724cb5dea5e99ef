"""asv suite: how long one fit, one pass and one import take."""

from __future__ import annotations

from benchmarks.under_test import FITTERS, drawn, made_ready, other_contract, skip

SCENARIOS = ["founding", "overlapping", "unequal"]


class Fits:
    """One fit from one quantile start, on data set 0; what is prepared once is not timed."""

    params = (list(FITTERS), SCENARIOS)
    param_names = ("fitter", "scenario")
    timeout = 600
    version = "1"

    def setup(self, name: str, scenario_name: str) -> None:
        """Draw the data and the start, and prepare the fitter; mcmc is timed on one scenario."""
        self.prepared, self.start = made_ready(name, scenario_name)

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
        scenario, sample = drawn(scenario_name)
        self.kernel = getattr(sample, kernel)
        self.mixture = scenario.truth

    def time_pass(self, kernel: str, scenario_name: str) -> None:
        """Wall time of one pass."""
        self.kernel(self.mixture)


class Imports:
    """What has to be imported to load a scenario, to find a fitter, to answer ``--help``."""

    params = (["scenarios.scenario", "fitters.spec", "benchmarks.cli"],)
    param_names = ("module",)
    version = "1"

    def setup(self, module: str) -> None:
        """Skip commits of another contract, whose modules may have other names."""
        skip(other_contract())

    def timeraw_import(self, module: str) -> str:
        """Wall time of an import in a fresh interpreter.

        A ``time_import`` would import once and then find the module in memory: asv starts an
        interpreter for each sample of a ``timeraw_`` alone. All modules there are the commit's,
        ``benchmarks.cli`` too, for it is what the commit's users start.
        """
        return f"import {module}"
