"""The time of an epoch of ``gradient``: what Lightning, torch, the density and the fitter take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LOSSES = ("empty", "natural", "distribution")
LOOPS = ("torch loop", "trainer", "gradient")


def epoch_times(size: int, epochs: int, repeats: int) -> pd.DataFrame:
    """A row for each loss: seconds an epoch on draws from two betas, by one thread of torch.

    Columns: a plain torch loop with Adam, Lightning's trainer with the same step and nothing
    else, and ``gradient``; then the parts of the last: torch (the loop with an empty loss), the
    density (what the loss adds to the loop), Lightning (what its trainer adds), and bookkeeping
    (what ``gradient`` adds). Loops and losses are interleaved; the median repetition counts.
    """
    import pandas as pd
    import torch

    from fitters.gradient import Gradient
    from fitters.starts import Start, policy
    from scenarios.model import Model
    from scenarios.sample import Sample
    from scenarios.scenario import load

    truth = load("founding").truth
    assert truth is not None
    sample = Sample.of(truth.sample(size, 0), truth.family)
    model = Model(sample.family, 2)
    start = Start.of(policy("quantile"), sample, model, 1).mixture
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for repeat in range(repeats + 1):
            for loss in LOSSES:
                density: Any = "natural" if loss == "empty" else loss
                fitter = Gradient(max_epochs=epochs, tolerance=0.0, density=density)
                prepared = fitter.prepare(sample, model)
                for loop in LOOPS[:: 1 if repeat % 2 else -1]:
                    median = _seconds(loop, loss, prepared, start)
                    if repeat:  # the first repetition warms up imports and caches
                        seconds[loss, loop].append(median)
    finally:
        torch.set_num_threads(threads)
    medians = {key: float(np.median(times)) for key, times in seconds.items()}
    return pd.DataFrame([{"loss": loss, **_parts(medians, loss)} for loss in LOSSES])


def _seconds(loop: str, loss: str, prepared: Any, start: Any) -> float:
    """The median time of an epoch."""
    ends: list[float] = []
    module = prepared.module(start, lambda copy: ends.append(time.perf_counter()))
    if loss == "empty":
        module.mean_nll = lambda columns, counts: 0.0 * (module.raw.sum() + module.logits.sum())
    if loop == "torch loop":
        for _ in _steps(module, prepared.settings.max_epochs):
            ends.append(time.perf_counter())
    else:
        if loop == "trainer":
            module.training_step = lambda batch: module.mean_nll(module.columns, module.counts)
            module.on_train_epoch_end = lambda: ends.append(time.perf_counter())
        prepared.train(module, 0)
    return float(np.median(np.diff(ends)))


def _steps(module: Any, epochs: int) -> Iterator[None]:
    """Adam on all the data, as torch's tutorials have it."""
    optimiser = module.configure_optimizers()
    for _ in range(epochs):
        optimiser.zero_grad()
        module.mean_nll(module.columns, module.counts).backward()
        optimiser.step()
        yield


def _parts(medians: dict[tuple[str, str], float], loss: str) -> dict[str, float]:
    """The times of one loss, and the parts of the last of them."""
    loop, trainer, gradient = (medians[loss, name] for name in LOOPS)
    torch = medians["empty", "torch loop"]
    parts = {"torch": torch, "density": loop - torch, "Lightning": trainer - loop}
    return {
        "torch loop": loop, "trainer": trainer, "gradient": gradient, **parts,
        "bookkeeping": gradient - trainer,
    }  # fmt: skip
