"""The chosen mixture with its standard errors, among all candidates that were tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fit.bootstrap import Progress, RatioTest, silent
from benchmarks.fit.findings import Findings
from benchmarks.fit.groups import Grouping, by_component, by_peak
from benchmarks.fit.options import COMPONENT, Options
from benchmarks.fit.peaks import Peaks, find_peaks
from benchmarks.fit.search import Candidate, Optimum, scipy_mixture
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.template import framed
from scenarios.data_files import Data
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.fit.confirm import Confirmation
    from benchmarks.fit.evidence import DipTest
    from benchmarks.fit.methods import Methods
    from benchmarks.report.tables import Drawn


@dataclass(frozen=True, eq=False)
class Answer:
    """The candidate with the lowest BIC, and what it was chosen from."""

    data: Data
    options: Options
    chosen: Candidate
    candidates: list[Candidate]
    untried: list[str]
    """A sentence, without its full stop, on each family or number of components left out."""
    seconds: float
    methods: Methods | None = None
    """What each method does on these data; None unless it was asked for."""

    @property
    def best(self) -> Optimum:
        """The chosen candidate's best admissible optimum."""
        assert self.chosen.best is not None
        return self.chosen.best

    @cached_property
    def mixture(self) -> ScipyMixture:
        """The best admissible optimum, its components in the order of their medians."""
        return ordered_by_median(self.best.mixture)

    @property
    def family(self) -> Family:
        """The chosen family, anchored at the data."""
        return self.chosen.sample.family

    @property
    def size(self) -> int:
        """The number of observations."""
        return self.chosen.sample.size

    @cached_property
    def covariance(self) -> Array | None:
        """The covariance (p, p) of ``mixture.coordinates()``: ``estimates.covariance``."""
        from benchmarks.fit.estimates import covariance

        return covariance(self.mixture, self.chosen.sample)

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Weights and parameters with errors and intervals: ``estimates.estimates``."""
        from benchmarks.fit.estimates import estimates

        return estimates(self.mixture, self.family, self.covariance)

    @cached_property
    def largest_error(self) -> float:
        """The largest standard error of a log-odds, a log parameter, or a location ÷ its spread.

        Infinite where there is no covariance.
        """
        if self.covariance is None:
            return float("inf")
        errors = np.sqrt(np.diag(self.covariance))
        table = errors[self.chosen.components - 1 :].reshape(self.chosen.components, -1)
        table[:, list(self.mixture.locations)] /= self.mixture.spreads[:, None]
        return float(errors.max())

    @cached_property
    def peaks(self) -> Peaks:
        """The peaks of the density under which at least one observation is expected."""
        return find_peaks(self.mixture, 1.0 / self.size)

    @cached_property
    def confirmation(self) -> Confirmation:
        """How many groups the data confirm, by a parametric bootstrap where it is needed."""
        return self.confirm()

    def confirm(self, progress: Progress = silent) -> Confirmation:
        """``confirmation``; where it is not known yet, ``progress`` is called on the way."""
        from benchmarks.fit.confirm import confirm

        return self._once("confirmation", lambda: confirm(self, progress))

    @cached_property
    def one_fewer(self) -> Candidate | None:
        """The chosen family with one component fewer; None for one, or without an optimum."""
        if self.chosen.components == 1:
            return None
        found = self.with_components(self.chosen.components - 1)
        return None if found.best is None else found

    def with_components(self, count: int) -> Candidate:
        """The chosen family with ``count`` components, searched once where it was not tried."""
        from benchmarks.fit.evidence import of_chosen_family

        return self._once(f"with_components_{count}", lambda: of_chosen_family(self, count))

    @cached_property
    def component_test(self) -> RatioTest | None:
        """The bootstrap test of one component fewer; None for one component."""
        return self.test_components()

    def test_components(self, progress: Progress = silent) -> RatioTest | None:
        """``component_test``; where it is not known yet, ``progress`` is called on the way."""
        from benchmarks.fit.evidence import component_test

        return self._once("component_test", lambda: component_test(self, progress=progress))

    def test(self, progress: Callable[[str], object]) -> None:
        """Run the bootstraps that the answer needs, with lines of text on the way."""
        from benchmarks.fit.evidence import needs_test

        def counted(what: str, most: str = "") -> Progress:
            return lambda done, count: progress(f"bootstrap of the {what}: {done} of {most}{count}")

        self.confirm(counted("groups", "at most "))
        if self.options.test or needs_test(self):
            self.test_components(counted("components"))
        self._once("group_table", lambda: self._group_table(counted("errors")))

    def _once(self, name: str, compute: Callable[[], Any]) -> Any:
        """A cached property's value, computed otherwise where there is none."""
        if name not in self.__dict__:
            self.__dict__[name] = compute()
        return self.__dict__[name]

    @cached_property
    def by_group(self) -> Findings:
        """What is said of the groups: the components under each confirmed peak."""
        return self._findings(by_peak(self.mixture, self.peaks, self.confirmation.groups))

    @cached_property
    def by_component(self) -> Findings:
        """The same with each component a group of its own, in the order of their medians."""
        return self._findings(by_component(self.mixture))

    @property
    def shown(self) -> Findings:
        """What is said of the groups, or of the components where these were asked for."""
        return self.by_component if self.options.by == COMPONENT else self.by_group

    def _findings(self, grouping: Grouping) -> Findings:
        sample, seed = self.chosen.sample, self.options.seed
        return Findings(self.mixture, sample, grouping, self.covariance, seed)

    @cached_property
    def group_table(self) -> pd.DataFrame:
        """Share, mean, sd, median and central 68 % of each group, with errors and intervals."""
        return self._group_table()

    def _group_table(self, progress: Progress = silent) -> pd.DataFrame:
        if not self.options.bootstrap:
            return self.shown.table
        return self.shown.bootstrapped(progress=progress)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """A row for each observation: value, probability_1 …, group (from 1), and certain.

        The group is the most probable one, or by the costs that were given. The index has the
        numbers of the rows in the data's source, from 1.
        """
        rows = self.shown.rows_at(self.options.costs or None)
        return rows.set_axis(self.data.row_numbers, axis=0).rename_axis("row")

    @cached_property
    def cuts(self) -> pd.DataFrame:
        """Where to cut between neighbouring groups, with errors and the shares misplaced.

        Both are equally probable there, or equally costly where costs were given; ``UserError``
        unless there is one a group.
        """
        return self.shown.cuts_at(self.options.costs or None)

    @cached_property
    def dip(self) -> DipTest | str:
        """Hartigan's dip test, or why it can't be done."""
        from benchmarks.fit.evidence import dip_test

        return dip_test(self.chosen.sample.observations)

    @cached_property
    def warnings(self) -> list[str]:
        """What makes the answer fragile, a sentence each, without its full stop."""
        from benchmarks.fit.warnings import warnings

        return warnings(self)

    @cached_property
    def figures(self) -> list[Drawn]:
        """The densities over the data, and the plot of probabilities and quantiles."""
        from benchmarks.fit.figures import density_figure, quantile_figure

        return [density_figure(self), quantile_figure(self)]

    def report(self) -> str:
        """The answer as an HTML page that needs no other file."""
        from benchmarks.fit.page import html

        return html(self, self.warnings, self.figures)

    def json(self) -> str:
        """The answer as JSON, in which numbers that are not finite are null."""
        from pydantic_core import to_json

        from benchmarks.fit.content import content

        return to_json(content(self), indent=1, inf_nan_mode="null").decode()

    def __repr__(self) -> str:
        from benchmarks.fit.page import text

        return text(self)

    def _repr_html_(self) -> str:
        return framed(self.report())

    def with_methods(self, progress: Callable[[str], None] = lambda text: None) -> Answer:
        """The same answer with ``methods``, which takes about a minute."""
        from benchmarks.fit.methods import measure_methods

        return replace(self, methods=measure_methods(self, progress))

    def to_scipy(self) -> Any:
        """The mixture as a ``scipy.stats.Mixture``; raises ``UserError`` as ``handover`` does."""
        from benchmarks.fit.handover import to_scipy

        return to_scipy(self.mixture)

    def to_sklearn(self) -> Any:
        """A mixture of normals as a fitted ``sklearn.mixture.GaussianMixture``.

        Raises ``UserError`` for another family, and where scikit-learn is not installed.
        """
        from benchmarks.fit.handover import to_sklearn

        return to_sklearn(self.mixture, self.best.log_likelihood / self.size)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """The candidates, a row each; NaN or infinite where no optimum was admissible."""
        import pandas as pd

        rows = [
            {
                "family": c.family, "components": c.components, "parameters": c.parameters,
                "log_likelihood": c.best.log_likelihood if c.best else np.nan,
                "bic": c.bic, "icl": c.icl, "seconds": c.seconds,
                "found_by": f"{c.best.times}/{c.restarts}" if c.best else "–",
            }
            for c in self.candidates
        ]  # fmt: skip
        return pd.DataFrame(rows)

    @cached_property
    def optima(self) -> pd.DataFrame:
        """The chosen candidate's distinct optima, a row each, the greatest likelihood first."""
        import pandas as pd

        rows = [
            {
                "log_likelihood": o.log_likelihood, "times": o.times,
                "rejection_reason": o.rejection_reason,
                "found_by": f"{o.times}/{self.chosen.restarts}",
                "weights": ", ".join(f"{weight:.3f}" for weight in np.sort(o.mixture.weights)),
            }
            for o in self.chosen.optima
        ]  # fmt: skip
        return pd.DataFrame(rows)


def ordered_by_median(mixture: Mixture) -> ScipyMixture:
    """Return the mixture with its components in the order of their medians."""
    unordered = scipy_mixture(mixture)
    return unordered.permuted(np.argsort(unordered.medians(), kind="stable").tolist())
