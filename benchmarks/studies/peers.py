"""Times of our fitters and of other libraries' on the same data from the same start."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

METHODS = (
    "sklearn:preset=tight", "sklearn", "pomegranate:preset=tight", "pomegranate", "scipy_user",
    "em", "newton", "direct", "em:bins=1024", "newton:bins=1024",
)  # fmt: skip
CLAIMS = {True: "converged", False: "not converged", None: "–"}


def peer_times(size: int, repeats: int) -> pd.DataFrame:
    """A row for each method: its times over ``repeats`` interleaved fits of two normals.

    Columns: median time in seconds; the median, lowest and highest ratio to the time of the
    first method in the same repetition; nats short of the best log likelihood; and its claim.
    Methods whose package is missing are left out.
    """
    import pandas as pd

    from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
    from benchmarks.runner.kernels import PASSES, load_kernels
    from fitters.spec import parse
    from fitters.starts import Start, policy
    from scenarios.families import family
    from scenarios.mixture import Mixture
    from scenarios.model import Model
    from scenarios.sample import Sample

    truth = Mixture(family("normal"), np.array([0.4, 0.6]), np.array([[-1.0, 0.8], [1.5, 0.6]]))
    x = truth.sample(size, 0)
    sample = Sample.of(x, truth.family)
    load_kernels(sample, (*PASSES, "em_round", "newton_round"), sketched=True)
    model = Model(sample.family, 2)
    start = Start.of(policy("quantile"), sample, model, 1)
    fitters = {spec: parse(spec) for spec in METHODS}
    seconds: dict[str, list[float]] = defaultdict(list)
    log_likelihood, claims = {}, {}
    for repeat in range(repeats + 1):
        for spec, fitter in fitters.items():
            if fitter.supports(model) is not None:
                continue
            sample = Sample.of(x, truth.family)  # a new one, since a sample stores its sketch
            began = time.perf_counter()
            fit = fitter.prepare(sample, Model(sample.family, 2)).fit(start, 0, lambda copy: None)
            if repeat:  # the first repetition warms up imports and caches
                seconds[spec].append(time.perf_counter() - began)
            fitted = ScipyMixture("normal", fit.mixture.weights, fit.mixture.parameters)
            log_likelihood[spec] = -mean_nll(fitted, sample.observations) * size
            claims[spec] = CLAIMS[fit.claimed]
    times = pd.DataFrame(seconds)
    ratios = times.div(times.iloc[:, 0], axis=0)
    total = pd.Series(log_likelihood)
    columns = {
        "median time": times.median(),
        "time ÷ first": ratios.median(),
        "lowest": ratios.min(),
        "highest": ratios.max(),
        "short of best": total.max() - total,
        "claim": pd.Series(claims),
    }
    return pd.DataFrame(columns).rename_axis("method").reset_index()
