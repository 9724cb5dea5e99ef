"""asv suite: how much memory one fit takes."""

from __future__ import annotations

from benchmarks.under_test import FITTERS, made_ready


class Fits:
    """One fit from one quantile start, on data set 0 of a small and of a larger scenario."""

    params = (list(FITTERS), ["unequal", "five"])
    param_names = ("fitter", "scenario")
    timeout = 600
    version = "1"

    def setup(self, name: str, scenario_name: str) -> None:
        """Draw the data and the start, and prepare the fitter; mcmc is measured on one scenario."""
        self.prepared, self.start = made_ready(name, scenario_name)

    def peakmem_fit(self, name: str, scenario_name: str) -> None:
        """Most resident memory of the process: imports, data and preparing are part of it."""
        self.prepared.fit(self.start, 1, lambda copy: None)
