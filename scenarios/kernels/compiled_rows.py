"""The rows of one sample as compiled functions take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.families import ExponentialFamily
from scenarios.families.base import Array
from scenarios.kernels.loading import compiled
from scenarios.mixture import MixtureBatch

NEEDS_NO_CODE = "sums"
"""The function that serves every exponential family with two statistics."""


@dataclass(frozen=True, eq=False)
class CompiledRows:
    """Rows (2, n), each statistic contiguous, and their counts (n,), None where all are 1."""

    family: ExponentialFamily
    rows: Array
    counts: Array | None
    code: int
    """The family's number for compiled functions; -1 for a family that they don't know."""
    anchor: tuple[float, float]
    """The family's centre and scale."""

    @classmethod
    def of(cls, family: ExponentialFamily, rows: Array, counts: Array | None) -> CompiledRows:
        """Make the rows of a sample: ``rows`` (n, 2) in column-major order.

        A class that inherits a code may have changed a formula, so it must state its own.
        """
        code = int(vars(type(family)).get("code", -1))
        anchor = (float(family.centre), float(family.scale))
        rows = np.require(rows.T, np.float64, ["C", "W"])
        if counts is not None:
            counts = np.require(counts, np.float64, ["C", "W"])
        return cls(family, rows, counts, code, anchor)

    def function(self, name: str) -> Callable[..., Any] | None:
        """A compiled function for these rows; None where passes are numpy's."""
        if self.code < 0 and name != NEEDS_NO_CODE:
            return None
        return compiled(name, self.counts is not None, self.rows.shape[1])

    def likelihoods(self, batch: MixtureBatch) -> Array | None:
        """Log likelihoods (B,) less Σ h, as are the values below; None where numpy is to pass."""
        return self._evaluate("likelihoods", batch)

    def gradients(self, batch: MixtureBatch) -> tuple[Array, Array] | None:
        """Values (B,), and gradients (B, p) in coordinates."""
        return self._evaluate("gradients", batch)

    def hessians(self, batch: MixtureBatch) -> tuple[Array, Array, Array] | None:
        """Values (B,), gradients (B, p) and Hessians (B, p, p) in coordinates."""
        return self._evaluate("hessians", batch)

    def expectations(self, batch: MixtureBatch) -> tuple[Array, Array, Array] | None:
        """Values (B,), Σ c r (B, K) and Σ c r T (B, K, 2)."""
        found = self._evaluate("expectations", batch) if self.code >= 0 else self._sums(batch)
        return None if found is None else (found[0], found[1][:, :, 0], found[1][:, :, 1:])

    def _evaluate(self, name: str, batch: MixtureBatch) -> Any:
        function = self.function(name)
        if function is None:
            return None
        weights, parameters = plain(batch.weights), plain(batch.parameters)
        return function(self.code, self.anchor, self.rows, self.counts, weights, parameters)

    def _sums(self, batch: MixtureBatch) -> Any:
        """Sums by η and A of any family."""
        function, shape = self.function(NEEDS_NO_CODE), batch.weights.shape
        if function is None:
            return None
        eta = self.family.natural(batch.parameters.reshape(-1, 2))
        with np.errstate(divide="ignore"):
            constants = np.log(batch.weights).reshape(-1) - self.family.log_partition(eta)
        eta, constants = plain(eta.reshape(*shape, 2)), plain(constants.reshape(shape))
        return function(self.rows, self.counts, eta, constants)


def plain(values: Array) -> Array:
    """A copy as compiled functions take it: of float64, contiguous, and writable."""
    return np.array(values, dtype=np.float64, order="C")
