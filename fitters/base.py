"""The contract of a fitter.

A fitter is a pydantic dataclass whose fields are its settings, each with a default. Its life
cycle: ``supports(model)``; ``prepare(sample, model)`` once for a sample; then ``fit`` once for
each start, or ``fit_many`` once for a batch of starts. A fit's claim is recorded; every score
is computed elsewhere, from the mixture that it returns.
"""

from __future__ import annotations

from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

from numpy.typing import ArrayLike
from pydantic import Field, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass

from fitters.starts import Start, policy
from scenarios.data_files import as_data
from scenarios.errors import UserError, first_problem
from scenarios.families import families
from scenarios.families import family as family_called
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.registry import choose
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

    def __repr__(self) -> str:
        claims = {None: "no claim", True: "claims convergence", False: "claims no convergence"}
        claim = claims[None if self.claimed is None else bool(self.claimed)]
        work = f"{self.iterations} iterations, {sum(self.passes.values()):.4g} passes"
        message = f": {self.message}" if self.message else ""
        return f"{self.mixture!r}\n{claim} after {work}{message}"


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


def settings(cls: type) -> dict[str, Any]:
    """A fitter's settings and their defaults; ``UserError`` if it is no pydantic dataclass."""
    if not is_pydantic_dataclass(cls):
        raise UserError(
            f"the fitter {cls.__name__} is no dataclass: put @dataclass(frozen=True) from "
            "pydantic.dataclasses above it, and its settings below it as fields"
        )
    return {field.name: field.default for field in fields(cls) if field.init}


class _FitterClass(ABCMeta):
    """Makes a wrong setting a ``UserError``, in Python as on the command line.

    pydantic checks values, but leaves out names that it does not know without a word.
    """

    name: str

    def __call__(cls, *arguments: Any, **given: Any) -> Any:
        for key in given:
            choose(f"{cls.name} setting", key, settings(cls))
        try:
            return super().__call__(*arguments, **given)
        except ValidationError as error:
            raise UserError(f"{cls.name}: {first_problem(error)}") from error


class Fitter(metaclass=_FitterClass):
    """A fitting method with its settings."""

    name: ClassVar[str]
    """By default the class's own name in lower case."""
    counted_by: ClassVar[Literal["sample", "fitter"]] = "sample"
    """Who counts passes: the sample's kernels, or the fitter itself in ``Fit.passes``."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Modules that a worker imports before any clock starts: imports are no part of setup."""
    kernels: ClassVar[tuple[str, ...]] = ("likelihoods", "expectations", "gradients", "hessians")
    """Compiled passes that a worker loads before any clock starts: by default all of a sample's."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named groups of settings, for ``name:preset=...``."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" not in vars(cls):
            cls.name = cls.__name__.lower()

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

    def fit(
        self,
        x: ArrayLike,
        family: str | None = None,
        components: int = 2,
        start: str | Mixture = "quantile",
        seed: int = 0,
    ) -> Fit:
        """Fit K = ``components`` of ``family`` to the numbers ``x`` (n,) from one start.

        ``start`` is a start policy, drawn with ``seed``, or a mixture. Raises ``UserError`` for
        data outside the family's support, and where the method or the policy does not apply.
        """
        if family is None:
            raise UserError(f"name the family of the components: {', '.join(families())}")
        sample = Sample.of(as_data(x).x, family_called(family))
        model = Model(sample.family, components)
        chosen = policy("quantile" if isinstance(start, Mixture) else start)
        for name, method in ((self.name, self), (chosen.name, chosen)):
            reason = method.supports(model)
            if reason is not None:
                raise UserError(f"{name} does not apply to {components} × {family}: {reason}")
        if isinstance(start, Mixture):
            begin = Start(start, chosen, seed)
        else:
            begin = Start.of(chosen, sample, model, seed)
        return self.prepare(sample, model).fit(begin, seed, lambda copy: None)


@dataclass(frozen=True, eq=False)
class _Unprepared(Prepared):
    """A fitter that shares nothing between restarts."""

    fitter: Fitter
    sample: Sample

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        return self.fitter.fit_one(self.sample, start, seed, observe)
