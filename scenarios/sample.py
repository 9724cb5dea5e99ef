"""Observations as weighted rows of sufficient statistics, and the kernels that pass over them.

The sample counts the passes of its kernels, so that a pass is the same amount of work for every
fitter that uses them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.kernels.compiled_rows import CompiledRows
from scenarios.kernels.numpy_rows import NumpyRows, rows_of, stored_rows
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.random_part import Reservoir, random_part
from scenarios.sketch import Sketch, blocks

IN_MEMORY = 1 << 22
"""Observations that are evaluated at once, and from which a family is anchored at a part."""
STORED = 1 << 24
"""Observations up to which T(x) is stored; beyond, every pass computes it anew."""
DIGEST_BITS = 20
"""Bits of a float64's 52 that a digest rounds away: the rest is a relative precision of 1e-10."""


@dataclass(eq=False)
class Sample:
    """Observations of one family, as rows with counts.

    The rows (r, d) hold T(x) for an exponential family, and x itself (r, 1) otherwise.
    ``stored_rows`` has them in column-major order, so that each statistic is contiguous; it is
    None for very many rows, which every pass computes anew. ``counts`` (r,) are the numbers of
    observations that the rows stand for; ``log_base`` is Σ h(x), which no parameter changes.

    ``passes`` counts work by kernel: density rows evaluated ÷ n. A sketch adds its passes to its
    ``source``'s.

    ``family`` is anchored at the data. The kernels' derivatives are in its free coordinates,
    whatever anchor a mixture given to them has.
    """

    family: Family
    observations: Array
    stored_rows: Array | None
    counts: Array
    log_base: float
    source: Sample | None = None
    passes: dict[str, float] = field(default_factory=dict)
    _grid: Sketch | None = field(default=None, init=False, repr=False)
    _sketches: dict[int, Sample] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, observations: Array, family: Family) -> Sample:
        """Make the exact sample: a row for each observation. A mapped file stays mapped.

        Raises ``UserError`` for no observations, and ``SupportError`` for observations
        outside the family's support.
        """
        x = np.ascontiguousarray(observations, dtype=np.float64).ravel()
        if x.size == 0:
            raise UserError("there are no observations to fit: give at least one")
        family.check_support(x)
        large = x.size > IN_MEMORY
        anchored = family.anchored(random_part(x) if large else x)
        log_base = 0.0
        if isinstance(anchored, ExponentialFamily):
            parts = (x[low : low + IN_MEMORY] for low in range(0, x.size, IN_MEMORY))
            log_base = float(sum(anchored.log_base(part).sum() for part in parts))
        rows = stored_rows(anchored, x) if x.size <= STORED else None
        return cls(anchored, x, rows, np.broadcast_to(np.float64(1.0), x.size), log_base)

    @classmethod
    def stream(cls, chunks: Iterable[Array], family: ExponentialFamily, bins: int = 1024) -> Sample:
        """Make a sketch of observations that come in chunks and are not stored.

        The result does not depend on the chunks, to the last bit. Its ``observations`` are a
        random part of all. Raises as ``of`` does.
        """
        sketch: Sketch | None = None
        part = Reservoir()
        for block in blocks(chunks):
            family.check_support(block)
            if sketch is None:
                sketch = Sketch(family.anchored(block))
            sketch.add(block)
            part.add(block)
        if sketch is None:
            raise UserError("there are no observations to fit: give at least one")
        sample = cls(sketch.family, part.values, *sketch.rows(bins), sketch.log_base)
        sample._grid = sketch
        return sample

    def sketch(self, bins: int = 1024) -> Sample:
        """Return the same observations in at most ``bins`` rows, or the sample if it is smaller.

        Raises ``TypeError`` for a family without exponential form.
        """
        if not isinstance(self.family, ExponentialFamily):
            raise TypeError(f"{self.family.name} is no exponential family: rows can't be averaged")
        if self.size <= bins:
            return self
        if self._grid is None:  # one grid serves all numbers of rows: it costs a pass
            self._grid = Sketch(self.family)
            self._grid.add(self.observations, self.stored_rows)
        if bins not in self._sketches:
            rows, counts = self._grid.rows(bins)
            self._sketches[bins] = Sample(
                self.family, self.observations, rows, counts, self.log_base, self
            )
            self._sketches[bins]._grid = self._grid
        return self._sketches[bins]

    @cached_property
    def finer(self) -> Sample | None:
        """The same observations in all cells of a sketch's grid; None of a sample without one.

        Their many more rows show what the sketch loses.
        """
        if self._grid is None or self.all_counts_are_one:
            return None
        source = self if self.source is None else self.source
        return Sample(self.family, self.observations, *self._grid.all_rows(), self.log_base, source)

    @property
    def cell_share(self) -> float:
        """The width of the cells of a sketch's grid ÷ the middle 68 % of the data, by the link.

        0 without a grid; infinite where all of the middle is in one cell.
        """
        return 0.0 if self._grid is None else self._grid.cell_share

    @cached_property
    def size(self) -> int:
        """The number of observations n, not of rows."""
        return round(float(self.counts.sum()))

    @property
    def rows(self) -> Array:
        """All rows (r, d)."""
        stored = self.stored_rows
        return rows_of(self.family, self.observations) if stored is None else stored

    @cached_property
    def ordered(self) -> Array:
        """The observations in order, or a random part of them where they are many."""
        return np.sort(random_part(self.observations))

    def digest(self) -> str:
        """SHA-256 of the observations, each rounded to 32 significant bits.

        Processors and libraries disagree in the last bit or two of a logarithm or a long sum.
        Numbers that differ by so little have equal digests, but for about one in a million.
        """
        sha = hashlib.sha256()
        for low in range(0, self.observations.size, IN_MEMORY):
            bits = self.observations[low : low + IN_MEMORY].view(np.int64)
            sha.update(((bits + (1 << (DIGEST_BITS - 1))) >> DIGEST_BITS).tobytes())
        return sha.hexdigest()

    def count(self, passes: float = 1.0, kernel: str = "density") -> None:
        """Count passes, by default those of code other than this sample's kernels."""
        counted: Sample | None = self
        while counted is not None:
            counted.passes[kernel] = counted.passes.get(kernel, 0.0) + passes
            counted = counted.source

    def passes_since(self, before: Mapping[str, float]) -> dict[str, float]:
        """The passes by kernel since ``before``, an earlier copy of ``passes``."""
        since = {k: count - before.get(k, 0.0) for k, count in self.passes.items()}
        return {kernel: count for kernel, count in since.items() if count > 0.0}

    def log_likelihood(self, mixture: Mixture) -> float:
        """Σ log density in nats: one pass."""
        return float(self.log_likelihoods(_single(mixture))[0])

    def log_likelihoods(self, batch: MixtureBatch) -> Array:
        """``log_likelihood`` of each of B mixtures, (B,). B passes."""
        self._count_passes(batch, "likelihood")
        rows = self.compiled_rows
        values = None if rows is None else rows.likelihoods(batch)
        return self.log_base + (self._rows.likelihoods(batch) if values is None else values)

    def expectation(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """The E-step: log likelihood, expected counts (K,), Σ responsibility · row (K, d).

        One pass.
        """
        value, mass, totals = self.expectations(_single(mixture))
        return float(value[0]), mass[0], totals[0]

    def expectations(
        self, batch: MixtureBatch, kernel: str = "expectation"
    ) -> tuple[Array, Array, Array]:
        """``expectation`` of each of B mixtures: (B,), (B, K), (B, K, d). B passes."""
        self._count_passes(batch, kernel)
        compiled = self.compiled_rows and self.compiled_rows.expectations(batch)
        value, mass, totals = compiled or self._rows.expectations(batch)
        return self.log_base + value, mass, totals

    def gradient(self, mixture: Mixture) -> tuple[float, Array]:
        """Log likelihood and its gradient (p,) in coordinates: one pass.

        Where the component scores are numeric, each density for their differences is a pass too.
        """
        batch = _single(mixture)
        self._count_passes(batch, "gradient")
        self._count_differences(batch, order=1)
        compiled = self.compiled_rows and self.compiled_rows.gradients(batch)
        value, gradient = compiled or self._rows.gradients(batch)
        return self.log_base + float(value[0]), gradient[0]

    def hessian(self, mixture: Mixture) -> tuple[float, Array, Array]:
        """Log likelihood, gradient (p,) and Hessian (p, p) in coordinates: one pass.

        Where the components' derivatives are numeric, each density for their differences is a
        pass too.
        """
        value, gradient, hessian = self.hessians(_single(mixture))
        return float(value[0]), gradient[0], hessian[0]

    def hessians(self, batch: MixtureBatch) -> tuple[Array, Array, Array]:
        """``hessian`` of each of B mixtures: (B,), (B, p), (B, p, p). B passes."""
        self._count_passes(batch, "hessian")
        self._count_differences(batch, order=2)
        compiled = self.compiled_rows and self.compiled_rows.hessians(batch)
        value, gradients, hessians = compiled or self._rows.hessians(batch)
        return self.log_base + value, gradients, hessians

    def component_derivatives(self, batch: MixtureBatch) -> tuple[Array, Array, Array, Array]:
        """Log likelihoods (B,), and of each component the sums of an M-step. B passes.

        These are Σ r (B, K), Σ r∇log f (B, K, d) and Σ r∇²log f (B, K, d, d) by the free
        coordinates, with r the responsibilities. For families without exponential form.
        """
        self._count_passes(batch, "hessian")
        self._count_differences(batch, order=2)
        value, mass, slopes, bends = self._rows.component_derivatives(batch)
        return self.log_base + value, mass, slopes, bends

    @cached_property
    def _rows(self) -> NumpyRows:
        return NumpyRows(self.family, self.observations, self.stored_rows, self.counts)

    @cached_property
    def compiled_rows(self) -> CompiledRows | None:
        """The rows as compiled functions take them; None where all passes are numpy's.

        Those are rows of other families than exponential ones with two statistics, and rows that
        are not stored.
        """
        rows, family = self.stored_rows, self.family
        if rows is None or not isinstance(family, ExponentialFamily) or rows.shape[1] != 2:
            return None
        return CompiledRows.of(family, rows, None if self.all_counts_are_one else self.counts)

    @cached_property
    def pass_share(self) -> float:
        """Rows ÷ observations: what one mixture's evaluation at all rows is of a pass."""
        return len(self.counts) / self.size

    @property
    def all_counts_are_one(self) -> bool:
        """Whether each row is one observation."""
        return self.counts.strides == (0,)

    def _count_passes(self, batch: MixtureBatch, kernel: str) -> None:
        self.count(len(batch.weights) * self.pass_share, kernel)

    def _count_differences(self, batch: MixtureBatch, order: int) -> None:
        """Count the densities for derivatives up to ``order``, if they are numeric."""
        densities = self.family.difference_densities(order)
        if densities:
            self.count(len(batch.weights) * densities * self.pass_share)


def _single(mixture: Mixture) -> MixtureBatch:
    return MixtureBatch(mixture.family, mixture.weights[None], mixture.parameters[None])
