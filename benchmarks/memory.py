"""asv suite: peak memory of one fit."""

from __future__ import annotations

from benchmarks.under_test import FITTERS, prepare


class Fits:
    """One fit from one quantile start, on data set 0 of a small and of a larger scenario."""

    params = (list(FITTERS), ["unequal", "five"])
    param_names = ("fitter", "scenario")
    timeout = 600
    version = "1"

    def setup(self, name: str, scenario_name: str) -> None:
        """Draw the data and the start, and prepare the fitter; mcmc is measured on one scenario."""
        self.prepared, self.start = prepare(name, scenario_name)

    def peakmem_fit(self, name: str, scenario_name: str) -> None:
        """Peak resident memory of the process, with imports, data and preparation."""
        self.prepared.fit(self.start, 1, lambda copy: None)
