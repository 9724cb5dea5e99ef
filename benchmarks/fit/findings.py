"""What an answer says of its groups, or of its components: tables, rows, cuts and their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.fit.bootstrap import REPLICATES, Progress, bootstrap_groups, silent
from benchmarks.fit.cuts import checked_costs, cut_table, expected_error
from benchmarks.fit.groups import Grouping, group_table, probabilities, row_table, uncertain_count
from benchmarks.fit.models import FittedMixture
from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Findings:
    """A fitted mixture of n observations, whose components are put together into groups."""

    mixture: ScipyMixture
    sample: Sample
    grouping: Grouping
    covariance: Array | None
    """Of the mixture's coordinates, (p, p)."""
    seed: int

    @property
    def count(self) -> int:
        """The number of groups."""
        return self.grouping.count

    @cached_property
    def table(self) -> pd.DataFrame:
        """Share, mean, sd, median and central 68 % of each group: ``groups.group_table``."""
        return group_table(self.mixture, self.grouping.labels, self.covariance)

    def rows_at(self, costs: Sequence[float] | None = None) -> pd.DataFrame:
        """Value, probability_1 …, group and certain of each observation: ``groups.row_table``.

        ``UserError`` unless there is a positive cost for each group.
        """
        prices = checked_costs(costs, self.count)
        return row_table(self._fitted, self.grouping.labels, self.sample.observations, prices)

    def probabilities_at(self, x: Array) -> Array:
        """P(group | x), (G, m)."""
        return np.concatenate(list(probabilities(self._fitted, self.grouping.labels, x)), axis=1)

    @cached_property
    def uncertain(self) -> int:
        """How many observations belong to no group with 90 % probability."""
        return uncertain_count(self._fitted, self.grouping.labels, self.sample.observations)

    @property
    def _fitted(self) -> Mixture:
        """The mixture with this package's densities."""
        return Mixture(self.sample.family, self.mixture.weights, self.mixture.parameters)

    @cached_property
    def cuts(self) -> pd.DataFrame:
        """Where neighbouring groups are equally probable: ``cuts.cut_table``."""
        return self.cuts_at()

    def cuts_at(self, costs: Sequence[float] | None = None) -> pd.DataFrame:
        """Where they are equally costly; each cost is that of a misplaced one of that group.

        ``UserError`` unless there is a positive cost for each group.
        """
        return cut_table(self.mixture, self.grouping, self.covariance, self.sample.size, costs)

    @cached_property
    def expected_error(self) -> float:
        """The share of all values that the most probable group misplaces."""
        return expected_error(self.mixture, self.grouping.labels)

    def bootstrapped(
        self, replicates: int = REPLICATES, progress: Progress = silent
    ) -> pd.DataFrame:
        """``table`` with errors and 95 % intervals by the parametric bootstrap.

        Errors are standard deviations, and intervals lie between the 2.5 % and 97.5 % quantiles, of
        those ``used`` of the ``drawn`` data sets that have an admissible maximum.
        """
        labels, sample = self.grouping.labels, self.sample
        model = FittedMixture.of_sample(self._fitted, np.nan, sample)
        values = bootstrap_groups(model, labels, sample.size, self.seed, replicates, progress)
        rows = values.reshape(len(values), -1)
        low, high = np.quantile(rows, [0.025, 0.975], axis=0)
        return self.table.assign(
            error=rows.std(axis=0, ddof=1), low=low, high=high, used=len(values), drawn=replicates
        )
