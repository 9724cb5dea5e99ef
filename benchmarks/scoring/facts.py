"""The columns of the scored table that are taken from a trial's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from benchmarks.runner.plan import Record

PASS_WEIGHTS = {"expectation": 1.0, "gradient": 1.0, "likelihood": 0.6, "density": 0.6}
"""The cost of a pass of each kernel, in E-steps; `speed.Costs` measures them."""
DISTURBED = 0.95
"""The smallest ratio of processor to wall seconds of a fit whose time is not disturbed."""


def weighted(passes: Mapping[str, float], p: int) -> float:
    """The passes of all kernels together, in E-steps, for a mixture of ``p`` parameters.

    A pass with Hessian costs 1 + p/2. A kernel without a weight counts as it is.
    """
    weights = {**PASS_WEIGHTS, "hessian": 1.0 + p / 2.0}
    return float(sum(weights.get(kernel, 1.0) * float(count) for kernel, count in passes.items()))


@dataclass(frozen=True)
class Facts:
    """Facts of one trial. A fact that the record lacks has its default."""

    claimed: bool | None = None
    """Whether the fitter says that it converged; null: it does not say."""
    iterations: int | None = None
    """Iterations, as the fitter counts them."""
    passes: float = np.nan
    """Passes over the data, in E-steps: rows whose densities were evaluated ÷ n, times the weight
    of their kernel."""
    counted_by: str = ""
    """Who counted the passes: `sample` or `fitter`."""
    batch: int = 1
    """Restarts that were fitted together, this one included."""
    seconds: float = np.nan
    """Wall time of the fit in seconds; in a batch its share."""
    cpu_seconds: float = np.nan
    """Processor time of the same."""
    disturbed: bool = False
    """Whether that is less than 95 % of the wall time, as on a machine with other load."""
    setup_seconds: float = np.nan
    """Wall time of preparing the fitter, shared by all trials of a worker; imports are not in
    it."""
    setup_cpu_seconds: float = np.nan
    """Processor time of the same."""
    rebound: bool = False
    """Whether an earlier preparation, of data of the same family and K, was used again."""
    start_seconds: float = np.nan
    """Wall time of finding the start."""
    start_passes: float = np.nan
    """Passes spent on finding the start."""
    peak_mb: float = np.nan
    """Peak resident memory of the worker so far, in MB."""
    host: str = ""
    """The machine's name."""
    r_hat: float = np.nan
    """Largest R̂ of five log densities; null without a posterior of several chains."""
    ess: float = np.nan
    """Smallest bulk effective sample size of the five, in draws."""
    ess_tail: float = np.nan
    """The same of the tails."""
    divergences: float = np.nan
    """Divergent transitions."""

    @classmethod
    def of(cls, record: Record, p: int) -> Self:
        """Take the facts from the record of a trial with ``p`` parameters.

        Passes are weighted and summed, a posterior's summary is unpacked.
        """
        facts: dict[str, Any] = {f.name: record.get(f.name) for f in fields(cls)}
        for name in ("passes", "start_passes"):
            if facts[name] is not None:
                facts[name] = weighted(facts[name], p)
        posterior = record.get("posterior") or {}
        for name in ("r_hat", "ess", "ess_tail", "divergences"):
            if posterior.get(name) is not None:
                facts[name] = float(posterior[name])
        if facts["seconds"] and facts["cpu_seconds"] is not None:
            facts["disturbed"] = facts["cpu_seconds"] / facts["seconds"] < DISTURBED
        return cls(**{name: value for name, value in facts.items() if value is not None})
