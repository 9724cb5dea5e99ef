"""The border between a fitter and a record: what does not fit is a failure of its own trial.

A fitter may return anything. What it returns is checked and copied here, once, into plain values
that the journal can write and that scores can read.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.runner.journal import numbers
from benchmarks.runner.plan import Record
from benchmarks.runner.status import RETURNED, Status, failure, recorded_text
from fitters.base import Fit
from scenarios.errors import first_problem

MAX_NUMBERS = 10_000
"""Numbers in a mixture's weights or parameters, at most."""
Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class InvalidMixture(ValueError):
    """An object is no mixture of numbers; the message says why."""


class _Work(BaseModel):
    """What a fit states besides its mixture."""

    model_config = ConfigDict(frozen=True)
    claimed: bool | None
    iterations: Annotated[int, Field(ge=0, le=2**53)]
    passes: dict[str, Count]


def plain_mixture(mixture: Any) -> dict[str, list[Any]]:
    """``weights`` and ``parameters`` of a mixture as lists for strict JSON.

    Raises ``InvalidMixture`` unless they are real numbers, (K,) and (K, d).
    """
    plain = {}
    for name, dimensions in (("weights", 1), ("parameters", 2)):
        try:
            values = np.asarray(getattr(mixture, name))
        except (AttributeError, ValueError) as error:
            raise InvalidMixture(f"its {name} are no array of numbers: {error}") from error
        if values.dtype.kind not in "fiu":
            raise InvalidMixture(f"its {name} are of type {values.dtype}, not real numbers")
        if values.ndim != dimensions:
            raise InvalidMixture(f"its {name} have the shape {values.shape}: not {dimensions}-D")
        if values.size > MAX_NUMBERS:
            raise InvalidMixture(f"its {name} are {values.size} numbers; at most {MAX_NUMBERS}")
        plain[name] = numbers(values.astype(np.float64).tolist())
    return plain


def facts_of(fit: object) -> Record:
    """The fields of a record that come from a fit, or those of its failure."""
    if not isinstance(fit, Fit):
        return failure(Status.ERROR, f"the fitter returned a {type(fit).__name__}, not a Fit")
    try:
        claimed = None if fit.claimed is None else bool(fit.claimed)
        kernels = {recorded_text(kernel): float(count) for kernel, count in fit.passes.items()}
        work = _Work(claimed=claimed, iterations=_whole(fit.iterations), passes=kernels)
        facts = {"message": recorded_text(fit.message), **work.model_dump()}
        if fit.extra is not None:
            # Through JSON, which raises what the journal can't write, and keeps a copy.
            facts["extra"] = json.loads(json.dumps(dict(fit.extra), allow_nan=False))
        return {"outcome": RETURNED, **facts, **plain_mixture(fit.mixture)}
    except InvalidMixture as error:
        return failure(Status.INVALID, str(error))
    except ValidationError as error:
        return failure(Status.ERROR, f"the fit states {first_problem(error)}")
    except Exception as error:  # whatever its attributes raise
        return error_of(error)


def error_of(error: BaseException, stage: str = "") -> Record:
    """The fields of a record of a trial that an exception ended."""
    try:
        text = str(error)
    except Exception:
        text = "its message can't be shown"
    return failure(Status.ERROR, f"{stage}{type(error).__name__}: {text}")


def _whole(value: Any) -> int:
    """A count as an integer; ``ValueError`` where it is none."""
    number = int(value)
    if number != value:
        raise ValueError(f"iterations is {value!r}: give a whole number")
    return number
