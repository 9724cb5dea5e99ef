"""Times of compiled passes beside numpy's, on the same rows at the same mixture."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from scenarios.mixture import Mixture
    from scenarios.sample import Sample

CASES = (("beta", 2), ("beta", 5), ("normal", 2), ("normal", 5))
STEPS = ("pass", "EM iteration", "Hessian")
PARAMETERS = {
    "beta": lambda at: 8.0 * np.sqrt(len(at)) * np.column_stack([0.2 + 0.6 * at, 0.8 - 0.6 * at]),
    "normal": lambda at: np.column_stack([6.0 * at - 3.0, np.full(len(at), 0.8)]),
}
"""Parameters of K components side by side, from places (K,) between 0 and 1."""


def pass_times(size: int, bins: int, seconds: float) -> pd.DataFrame:
    """A row for each family, K, and number of rows: times by numpy and compiled, and their ratio.

    An E-step (pass), an iteration of EM, and a Hessian. Both kinds are interleaved for ``seconds``
    each, and their medians count.
    """
    import pandas as pd

    from benchmarks.runner.kernels import PASSES, load_kernels
    from scenarios.families import family
    from scenarios.mixture import Mixture
    from scenarios.sample import Sample

    rows = []
    for name, components in CASES:
        parameters = PARAMETERS[name](np.linspace(0.0, 1.0, components))
        truth = Mixture(family(name), np.full(components, 1.0 / components), parameters)
        sample = Sample.of(truth.sample(size), truth.family)
        load_kernels(sample, (*PASSES, "em_round"), sketched=True)
        for view in (sample, sample.sketch(bins)):
            row: dict[str, Any] = {"family": name, "K": components, "rows": len(view.counts)}
            for step in STEPS:
                plain, compiled = _medians(step, view, truth.within(view.family), seconds)
                row |= {f"{step}, numpy": plain, step: compiled, f"{step} ÷": plain / compiled}
            rows.append(row)
    return pd.DataFrame(rows)


def _medians(step: str, sample: Sample, mixture: Mixture, seconds: float) -> list[float]:
    """Seconds of one step by numpy and compiled."""
    plain = copy.copy(sample)
    plain.__dict__["compiled_rows"] = None
    calls = [_call(step, each, mixture) for each in (plain, sample)]
    times: list[list[float]] = [[], []]
    end = time.perf_counter() + 2.0 * seconds
    while time.perf_counter() < end or len(times[0]) < 5:
        for call, record in zip(calls, times, strict=True):
            began = time.perf_counter()
            call()
            record.append(time.perf_counter() - began)
    each = 2 if step == "EM iteration" else 1  # a round has two
    return [float(np.median(record)) / each for record in times]


def _call(step: str, sample: Sample, mixture: Mixture) -> Callable[[], Any]:
    from fitters.em_round import Restarts, Rules, advance
    from scenarios.mixture import MixtureBatch

    if step == "pass":
        return lambda: sample.expectation(mixture)
    if step == "Hessian":
        return lambda: sample.hessian(mixture)
    restarts = Restarts.at(MixtureBatch.of([mixture]))
    rules = Rules(np.inf, 0.0, 0.0, np.inf, 0.0)

    def iterate() -> None:
        with np.errstate(all="ignore"):
            advance(sample, restarts, rules)

    return iterate
