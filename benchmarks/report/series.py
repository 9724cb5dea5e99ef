"""The fitters and start policies of a run, and how all figures draw each of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmarks.report.drawing import DASHES, MARKERS, SERIES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Series:
    """A fitter and a start policy, with the style in which figures draw them."""

    fitter: str
    start: str
    label: str
    colour: str
    dash: Any = "-"
    marker: str = "|"

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of this fitter and start, of trials or of their summary."""
        return frame[(frame["fitter"] == self.fitter) & (frame["start"] == self.start)]


def series_of(trials: pd.DataFrame) -> list[Series]:
    """Return every fitter and start: the colour is the fitter's, the dash the start's."""
    fitters, starts = list(trials["fitter"].unique()), list(trials["start"].unique())
    pairs = product(enumerate(fitters), enumerate(starts))
    return [
        Series(
            fitter,
            start,
            f"{fitter}, {start}" if len(starts) > 1 else fitter,
            SERIES[i % len(SERIES)],
            DASHES[(j + i // len(SERIES)) % len(DASHES)],
            MARKERS[index % len(MARKERS)],
        )
        for index, ((i, fitter), (j, start)) in enumerate(pairs)
    ]
