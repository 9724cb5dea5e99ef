"""The trials that a change may break: ``results/accepted.toml`` names each, with a reason."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.runner.plan import TRIAL, Key
from scenarios.errors import UserError, first_problem

ACCEPTED = Path("results") / "accepted.toml"
USUAL_START = "quantile"
"""The start policy that the name of a trial leaves out."""
_NAME = re.compile(r"(\S+) data set (\d+) restart (\d+)(?: from (\S+))?")


class _Entry(BaseModel):
    """Trials of one fitter that may break, for one reason."""

    model_config = ConfigDict(extra="forbid", strict=True)
    fitter: str
    reason: Annotated[str, Field(min_length=1)]
    trials: list[str]
    seed: int = 0


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    accepted: list[_Entry] = []


def trial_name(trial: Mapping[str, Any]) -> str:
    """The name of a trial of a fitter, such as "nested data set 3 restart 1"."""
    start = "" if trial["start"] == USUAL_START else f" from {trial['start']}"
    return f"{trial['scenario']} data set {trial['replicate']} restart {trial['restart']}{start}"


def accepted_trials(seed: int, path: Path = ACCEPTED) -> dict[Key, str]:
    """The accepted trials of the data sets of a seed, with the reason for each.

    None where there is no file. Raises ``UserError`` for a file that can't be read.
    """
    if not path.is_file():
        return {}
    try:
        content = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}") from error
    return {
        _key(entry.fitter, name, path): entry.reason
        for entry in content.accepted
        if entry.seed == seed
        for name in entry.trials
    }


def _key(fitter: str, name: str, path: Path) -> Key:
    found = _NAME.fullmatch(name)
    if found is None:
        raise UserError(
            f'{path}: {name!r} names no trial: write it as the comparison does, "nested data set 3 '
            'restart 1"'
        )
    scenario, replicate, restart, start = found.groups()
    values = {
        "scenario": scenario, "replicate": int(replicate), "fitter": fitter,
        "start": start or USUAL_START, "restart": int(restart),
    }  # fmt: skip
    return tuple(values[name] for name in TRIAL)  # type: ignore[return-value]
