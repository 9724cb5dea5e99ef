"""The contract of a fitter.

A fitter is a pydantic dataclass whose fields are its settings, each with a default. Its life
cycle: ``supports(model)``; ``prepare(sample, model)`` once for a sample; then ``fit`` once for
each start, or ``fit_many`` once for a batch of starts. A fit's claim is recorded; every score
is computed elsewhere, from the mixture that it returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fitters.starts import Start
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample

__all__ = [
    "Array", "Batch", "Fit", "Fitter", "Mixture", "Model", "Observe", "Prepared", "Sample", "Start",
]  # fmt: skip

Observe = Callable[[Callable[[], Mixture]], None]
"""``observe(copy)``: call it at every iterate with a function that returns the current mixture.

It costs next to nothing: ``copy`` is called at some 64 log-spaced passes only.
"""

Batch = Annotated[int, Field(ge=1)]
"""The setting ``batch``: how many restarts ``fit_many`` takes at once."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of one fit. Fields that are added later have defaults."""

    mixture: Mixture
    claimed: bool | None
    """Whether the fitter claims convergence; None: it claims nothing."""
    iterations: int
    passes: Mapping[str, float]
    """Passes over the data by kernel, such as ``{"expectation": 12.0}``."""
    message: str = ""
    posterior: Any = None
    """The posterior as ArviZ data, from a fitter that samples one."""
    extra: Mapping[str, Any] | None = None
    """Figures of the fitter's own, as plain JSON values; they are recorded, not scored."""


class Prepared(ABC):
    """A fitter prepared for one sample: it owns what all restarts share."""

    @abstractmethod
    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        """Fit from ``start``; ``seed`` is for the method's own randomness."""

    @property
    def batch(self) -> int:
        """How many restarts ``fit_many`` takes at once; 1: it is never called."""
        return 1

    def fit_many(self, starts: Sequence[Start], seeds: Sequence[int]) -> list[Fit]:
        """Fit from several starts at once: the same fits as ``fit`` gives, to rounding."""
        raise NotImplementedError("this fitter takes one start at a time")

    def rebind(self, sample: Sample) -> Prepared | None:
        """Prepare for another sample of the same family and K at less cost, or return None.

        Define it where preparing is expensive, as compiling a model is. The object that it is
        called on is not used again.
        """
        return None


class Fitter(ABC):
    """A fitting method with its settings."""

    name: ClassVar[str]
    counted_by: ClassVar[Literal["sample", "fitter"]] = "sample"
    """Who counts passes: the sample's kernels, or the fitter itself in ``Fit.passes``."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named groups of settings, for ``name:preset=...``."""

    def supports(self, model: Model) -> str | None:
        """Return a sentence that says why the model can't be fitted, or None if it can."""
        return None

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Do the work that all restarts on ``sample`` share; ``model.family`` is the sample's.

        A method that shares nothing between restarts defines ``fit_one`` instead.
        """
        return _Unprepared(self, sample)

    def fit_one(self, sample: Sample, start: Start, seed: int, observe: Observe) -> Fit:
        """Fit ``sample`` from ``start``; called where ``prepare`` is not defined."""
        raise NotImplementedError(f"{self.name} defines neither prepare nor fit_one")


@dataclass(frozen=True, eq=False)
class _Unprepared(Prepared):
    """A fitter that shares nothing between restarts."""

    fitter: Fitter
    sample: Sample

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        return self.fitter.fit_one(self.sample, start, seed, observe)
