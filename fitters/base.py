"""The contract of a fitter: all that the harness knows of one, and all that it may ask.

A fitter is a pydantic dataclass whose fields are its settings, each with a default. Its
life: ``supports`` → ``prepare`` once for a sample → ``fit`` once for every start, or
``fit_many`` once for a batch of them. What a fit says of itself is recorded as its claim;
everything judged is recomputed elsewhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fitters.starts import Start
from scenarios.families import Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

Observe = Callable[[Callable[[], Mixture]], None]
"""``observe(copy)``: call it at every iterate with a function that returns the mixture there.

It costs next to nothing: ``copy`` is called at some 64 log-spaced passes only.
"""


Batch = Annotated[int, Field(ge=1)]
"""The setting ``batch``: how many restarts a fitter is to be given at once."""


@dataclass(frozen=True, eq=False)
class Fit:
    """What one start led to, in the fitter's own words."""

    mixture: Mixture
    converged: bool | None
    """Whether the fitter believes that it is done: its claim, to be checked; None: no claim."""
    iterations: int
    evaluations: float
    """Passes, as the fitter counts them."""
    message: str = ""
    posterior: Any = None
    """The posterior as ArviZ data, from a fitter that samples one."""


class Prepared(ABC):
    """A fitter made ready for one sample: it owns what many restarts share."""

    @abstractmethod
    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        """Fit from ``start``; ``seed`` is for the method's own randomness."""

    @property
    def batch(self) -> int:
        """How many restarts ``fit_many`` is to be given at once; 1: it is never called."""
        return 1

    def fit_many(self, starts: Sequence[Start], seeds: Sequence[int]) -> list[Fit]:
        """Fit from several starts at once, each to where ``fit`` leads from it, to rounding."""
        raise NotImplementedError("this fitter takes one start at a time")

    def rebind(self, sample: Sample) -> Prepared | None:
        """The same for another sample of the same family and K, or None: prepare anew.

        The one that was rebound is not used again.

        Worth defining where preparing is expensive, as compiling a model is.
        """
        return None


class Fitter(ABC):
    """A fitting method with its settings."""

    name: ClassVar[str]
    counted_by: ClassVar[Literal["sample", "fitter"]] = "sample"
    """Who counts passes: the sample's kernels, or the fitter itself (``Fit.evaluations``)."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named groups of settings, for ``name:preset=...``."""

    def supports(self, family: Family, components: int) -> str | None:
        """Why this fitter can't fit that, in a sentence; None where it can."""
        return None

    @abstractmethod
    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Do once what every restart on this sample needs; ``family`` is the sample's."""
