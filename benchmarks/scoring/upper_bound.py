"""The upper bound of the likelihood on one data set."""

from __future__ import annotations

from numpy.typing import ArrayLike

from benchmarks.reference.bound import Bound
from benchmarks.reference.bound import upper_bound as bound_of
from benchmarks.scoring.data_set import DataSet


def upper_bound(
    x: ArrayLike | str, family: str | None = None, seed: int = 0, seconds: float = 60.0
) -> Bound:
    """Bound the likelihood of all mixtures of admissible components on observations ``x`` (n,).

    A scenario's name may take the place of ``x``. It takes about ``seconds`` at most.
    """
    data_set = DataSet.given(x, family, None, seed)
    return bound_of(data_set.sample, data_set.min_spread, seconds)
