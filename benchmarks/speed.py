"""asv suite: how long one fit and one pass take."""

from __future__ import annotations

from benchmarks.harness.data import draw_sample
from benchmarks.harness.plan import FITTERS
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.scenario import load

SCENARIOS = ["founding", "overlapping", "unequal"]


class Fits:
    """One fit from one quantile start, on data set 0; what is prepared once is not timed."""

    params = (list(FITTERS), SCENARIOS)
    param_names = ("fitter", "scenario")
    timeout = 600
    version = "1"

    def setup(self, name: str, scenario_name: str) -> None:
        """Draw the data and the start, and prepare the fitter; mcmc is timed on one scenario."""
        if name == "mcmc" and scenario_name != "unequal":
            raise NotImplementedError  # asv's word for a combination to skip
        scenario = load(scenario_name)
        sample = draw_sample(scenario, 0, seed=0)
        self.start = Start.of(policy("quantile"), sample, scenario.components, 1)
        self.prepared = parse(name).prepare(sample, sample.family, scenario.components)

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
        scenario = load(scenario_name)
        self.kernel = getattr(draw_sample(scenario, 0, seed=0), kernel)
        self.mixture = scenario.truth

    def time_pass(self, kernel: str, scenario_name: str) -> None:
        """Wall time of one pass."""
        self.kernel(self.mixture)
