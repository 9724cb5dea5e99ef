"""The parametric bootstrap: likelihood ratios of two models on data that are drawn from one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import bdtr, bdtrc

from benchmarks.fit.draws import Draws
from benchmarks.fit.groups import Labels, group_values
from benchmarks.fit.many import fit_all
from benchmarks.fit.models import FittedMixture, Model
from benchmarks.fit.rounded import Rounding
from benchmarks.fit.search import scipy_mixture
from scenarios.errors import UserError
from scenarios.families.base import Array

REPLICATES = 200
"""Data sets that a bootstrap draws."""
SURELY, FEWEST = 0.99, 100
"""Probability with which a bootstrap must be decided to end early, and its data sets at least."""
EXACT = 1_000
"""Observations up to which each is drawn; of more, counts in ``CELLS`` cells are."""
CELLS = 1_000
AT_ONCE = 50
"""Data sets that are fitted together."""
THREADS = 2
"""Parts of a bootstrap that are fitted at once: numpy computes without Python's lock."""
REDRAWS = 20
"""How often a value that is drawn outside a support is drawn again."""
Progress = Callable[[int, int], object]
"""Called with the replicates done and their number."""


def silent(done: int, count: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, eq=False)
class RatioTest:
    """A bootstrap test of a null model against an alternative, by their likelihood ratio."""

    null: str
    alternative: str
    statistic: float
    """Twice the difference of the log likelihoods of the data."""
    simulated: Array
    """The same of each data set drawn from the null model, (b,)."""

    @property
    def replicates(self) -> int:
        """b."""
        return len(self.simulated)

    @property
    def unfitted(self) -> int:
        """Data sets to which a model could not be fitted; they count as exceeding."""
        return int(np.isinf(self.simulated).sum())

    @property
    def p(self) -> float:
        """(1 + the number of simulated ratios that are as large) / (b + 1)."""
        return (1.0 + float((self.simulated >= self.statistic).sum())) / (self.replicates + 1.0)


def ratio_test(
    null: Model,
    alternative: Model,
    size: int,
    seed: int,
    replicates: int = REPLICATES,
    level: float | None = None,
    rounding: Rounding | None = None,
    progress: Progress = silent,
) -> RatioTest:
    """Test ``null`` against ``alternative`` (McLachlan 1987, *Appl. Stat.* 36:318).

    Both are fitted to each data set that is drawn from the null model. χ² does not hold for
    mixtures: under the null a weight is at its end, or parameters are not determined. With
    ``level`` the bootstrap ends where p is ``SURELY`` above or below it, by the binomial
    distribution, and never before ``FEWEST`` data sets. Draws are inside the support of both
    models, as the data are, and rounded as these are, so that narrow components on tied values are
    no evidence. A data set to which either model can't be fitted counts as one whose ratio is as
    large.
    """
    statistic = 2.0 * (alternative.log_likelihood - null.log_likelihood)
    ratios = np.empty(0)
    support = (
        max(null.support[0], alternative.support[0]),
        min(null.support[1], alternative.support[1]),
    )

    def ratios_of(batch: tuple[Draws, np.random.Generator]) -> Array:
        draws, generator = batch
        if rounding is not None:
            draws = Draws(rounding.apply(draws.x, support), draws.counts)
        larger, smaller = alternative.refit(draws, generator), null.refit(draws, generator)
        fitted = np.isfinite(larger) & np.isfinite(smaller)
        gains = np.subtract(larger, smaller, out=np.full(len(draws), np.inf), where=fitted)
        return 2.0 * gains

    batches = drawn(null, size, seed, replicates, support)
    with ThreadPoolExecutor(THREADS) as pool:
        while several := list(islice(batches, THREADS)):
            for found in pool.map(ratios_of, several):
                ratios = np.append(ratios, found)
                progress(ratios.size, replicates)
            exceeding = int((ratios >= statistic).sum())
            if level is not None and _is_decided(exceeding, ratios.size, level):
                break
    return RatioTest(null.name, alternative.name, statistic, ratios)


def _is_decided(exceeding: int, count: int, level: float) -> bool:
    """Whether so many of ``count`` data sets are hardly drawn where p is ``level``."""
    too_many, too_few = bdtrc(exceeding - 1, count, level), bdtr(exceeding, count, level)
    return count >= FEWEST and min(too_many, too_few) < 1.0 - SURELY


def drawn(
    model: Model,
    size: int,
    seed: int,
    replicates: int,
    support: tuple[float, float] = (-np.inf, np.inf),
) -> Iterator[tuple[Draws, np.random.Generator]]:
    """Data sets of ``size`` observations drawn from a model, ``AT_ONCE`` at a time.

    What lies outside an open ``support`` is drawn again, up to ``REDRAWS`` times.
    Of more than ``EXACT`` observations the counts in cells of the model's quantiles are drawn,
    which lie closer in the tails; a cell's observations are all at the quantile in its middle.
    """
    cells = None
    if size > EXACT:
        tail = np.geomspace(1.0 / (20.0 * size), 1.0 / CELLS, 24)
        middle = np.linspace(0.0, 1.0, CELLS + 1)[2:-2]
        edges = np.unique(np.concatenate([[0.0], tail, middle, 1.0 - tail, [1.0]]))
        places, shares = model.quantiles(0.5 * (edges[1:] + edges[:-1])), np.diff(edges)
        within = (support[0] < places) & (places < support[1])
        cells = places[within], shares[within] / shares[within].sum()
    for low in range(0, replicates, AT_ONCE):
        generator = np.random.default_rng([seed, low])
        count = min(AT_ONCE, replicates - low)
        if cells is None:
            rows = [_inside(model, generator, size, support) for _ in range(count)]
            yield Draws(np.stack(rows)), generator
        else:
            counts = generator.multinomial(size, cells[1], size=count).astype(float)
            yield Draws(cells[0][None], counts), generator


def _inside(
    model: Model, generator: np.random.Generator, size: int, support: tuple[float, float]
) -> Array:
    """Draws (size,), again where they are outside an open support."""
    x = model.draw(generator, size)
    for _ in range(REDRAWS):
        outside = (x <= support[0]) | (x >= support[1])
        if not outside.any():
            break
        x[outside] = model.draw(generator, int(outside.sum()))
    return x


def bootstrap_groups(
    model: FittedMixture,
    labels: Labels,
    size: int,
    seed: int,
    replicates: int = REPLICATES,
    progress: Progress = silent,
) -> Array:
    """The groups' ``QUANTITIES`` (b, G, 6) in data sets drawn from a mixture and fitted again.

    A fit begins at the mixture; its components are those of the mixture that lie nearest, by the
    link of the median and the log spread. Data sets without an admissible maximum are left out;
    ``UserError`` where that leaves none.
    """
    places, found = scipy_mixture(model.mixture).places(), []
    for draws, generator in drawn(model, size, seed, replicates):
        fits = fit_all(draws, model.mixture, model.region, 0, generator)
        for fit in fits.batch.take(np.isfinite(fits.values)):
            distance = np.abs(places[:, None] - scipy_mixture(fit).places()[None]).sum(axis=2)
            found.append(fit.permuted(linear_sum_assignment(distance)[1]))
        progress(len(found), replicates)
    if not found:
        raise UserError(
            f"none of {replicates} data sets drawn from {model.name} has an admissible maximum: "
            "ask for fewer --components"
        )
    weights = np.stack([each.weights for each in found])
    parameters = np.stack([each.parameters for each in found])
    return group_values(model.mixture.family.name, weights, parameters, labels)
