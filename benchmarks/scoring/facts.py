"""The columns of the scored table that are taken from a trial's record."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from benchmarks.runner.plan import Record


@dataclass(frozen=True)
class Facts:
    """Facts of one trial. A fact that the record lacks has its default."""

    claimed: bool | None = None
    """Whether the fitter says that it converged; null: it does not say."""
    iterations: int | None = None
    """Iterations, as the fitter counts them."""
    passes: float = np.nan
    """Passes over the data: rows whose densities were evaluated ÷ n, summed over kernels."""
    counted_by: str = ""
    """Who counted the passes: `sample` or `fitter`."""
    batch: int = 1
    """Restarts that were fitted together, this one included."""
    seconds: float = np.nan
    """Wall time of the fit in seconds; in a batch its share."""
    cpu_seconds: float = np.nan
    """Processor time of the same."""
    setup_seconds: float = np.nan
    """Wall time of preparing the fitter, shared by all trials of a worker."""
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
    divergences: float = np.nan
    """Divergent transitions."""

    @classmethod
    def of(cls, record: Record) -> Self:
        """Take the facts from a record: passes are summed, a posterior's summary is unpacked."""
        facts: dict[str, Any] = {f.name: record.get(f.name) for f in fields(cls)}
        for name in ("passes", "start_passes"):
            if facts[name] is not None:
                facts[name] = float(sum(facts[name].values()))
        posterior = record.get("posterior") or {}
        for name in ("r_hat", "ess", "divergences"):
            if posterior.get(name) is not None:
                facts[name] = float(posterior[name])
        return cls(**{name: value for name, value in facts.items() if value is not None})
