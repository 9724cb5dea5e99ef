"""Median estimates beside the truth, in standard errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

import numpy as np

from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report.drawing import INK, SOFT, hover
from benchmarks.report.estimates import standard_errors, usual_names, usual_values
from benchmarks.report.figures.base import Figure
from benchmarks.report.series import Series, series_of
from benchmarks.report.tables import Column, Table
from benchmarks.runner.status import FOUND
from benchmarks.scoring.truth_errors import label_order
from scenarios.families.base import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from benchmarks.report.section import Section

LIMIT = 6.0
"""Standard errors from the truth at which the axis ends."""
BEST_KNOWN = Series("", "", "best known", INK)


class Estimates(Figure):
    """Each parameter's median estimate by each fitter and start, and by the reference."""

    name = "estimates"
    order = 2
    scope = "scenario"
    caption = (
        "Median estimates of the restarts that found the optimum, as distances from the truth in "
        "standard errors by the Cramér–Rao bound; those beyond the frame are at its edge."
    )

    def __init__(self, section: Section) -> None:
        super().__init__(section)
        self.title = f"Estimates on {section.name}"
        family, truth = section.data_set.scenario.family, section.data_set.truth
        assert truth is not None
        self.truth = truth
        self.names = usual_names(family, len(truth.weights))
        # The Cramér–Rao bound is the inverse of n observations' Fisher information.
        bound = np.linalg.inv(section.data_set.sample.size * truth.information)
        self.standard_errors = standard_errors(truth, bound)
        self.medians: dict[Series, Array] = {}
        found = section.trials[section.trials["status"].isin(FOUND)]
        for series in series_of(section.trials):
            fits = series.rows(found)[["weights", "parameters"]]
            values = [self._values(ScipyMixture.of(family.name, *fit)) for fit in fits.to_numpy()]
            if values:
                self.medians[series] = np.asarray(np.median(values, axis=0))
        self.medians[BEST_KNOWN] = self._values(section.data_set.reference.mixture)
        series_count = len(series_of(section.trials))
        self.size = (6.0, 1.1 + 0.3 * len(self.names) + 0.16 * (series_count // 3))

    @classmethod
    def of(cls, section: Section) -> Iterator[Self]:
        """Yield the figure where the truth is known and identifiable."""
        reason, reference = section.data_set.no_error_reason, section.data_set.best_known
        if not reason and reference is not None and not reference.fewer_components:
            yield cls(section)

    def draw(self, canvas: Canvas) -> None:
        """Draw a row for each parameter and a marker for each series."""
        axes = canvas.subplots()
        rows = np.arange(len(self.names))[::-1]
        axes.axvspan(-1.96, 1.96, color=SOFT, alpha=0.13, lw=0)
        axes.axvline(0.0, color=INK, lw=1.0)
        every = [*series_of(self.source.trials), BEST_KNOWN]
        for index, series in enumerate(every):
            if series not in self.medians:
                continue
            distances = (self.medians[series] - usual_values(self.truth)) / self.standard_errors
            shift = 0.6 * ((index + 0.5) / len(every) - 0.5)
            values = zip(self.names, self.medians[series], distances, rows - shift, strict=True)
            for name, value, distance, row in values:
                axes.plot(
                    np.clip(distance, -LIMIT, LIMIT), row, ls="", ms=5, color=series.colour,
                    marker=series.marker, gid=hover(f"{series.label}: {name} = {value:.4g}"),
                )  # fmt: skip
            axes.plot(
                [], [], ls="", ms=5, color=series.colour, marker=series.marker, label=series.label
            )
        axes.set_yticks(rows, self.names)
        axes.set_xlim(-LIMIT - 0.4, LIMIT + 0.4)
        axes.set_xlabel("standard errors from the truth (Cramér–Rao); shaded: 95 %")
        canvas.legend(loc="outside upper center", ncols=3, fontsize=8.5)

    def numbers(self) -> Table:
        """Return truth, standard error and estimates of each parameter."""
        import pandas as pd

        columns = {"truth": usual_values(self.truth), "standard error": self.standard_errors}
        columns[BEST_KNOWN.label] = self.medians[BEST_KNOWN]
        columns |= {series.label: median for series, median in self.medians.items()}
        headings = [Column(label, label, ".4g") for label in columns]
        parameter = Column("parameter", "parameter", left=True)
        frame = pd.DataFrame({"parameter": self.names, **columns})
        return Table.of(self.title, [parameter, *headings], frame)

    def _values(self, mixture: ScipyMixture) -> Array:
        """Return weights and parameters with the labels of the truth."""
        return usual_values(mixture.permuted(label_order(mixture, self.truth)))
