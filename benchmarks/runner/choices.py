"""What a user chooses for a run, and the plan that follows: a new one, or a larger one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.files import replace_file
from benchmarks.runner.journal import DATA_FILE
from benchmarks.runner.plan import Limits, Plan
from benchmarks.runner.profiles import PROFILES
from fitters.base import Fitter
from fitters.own import OwnFitter
from fitters.spec import fitter_of, is_own, spec_of
from fitters.starts import policy
from scenarios.data_files import STANDARD_INPUT, as_data
from scenarios.errors import UserError, first_problem
from scenarios.families import families
from scenarios.registry import choose
from scenarios.scenario import Scenario, build, file_of, load, names


class _Scalars(BaseModel):
    """The types of the choices that are one value; others are not checked here."""

    model_config = ConfigDict(strict=True)
    profile: str | None = None
    restarts: int | None = None
    data_sets: int | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    timeout: float | None = None
    setup_timeout: float | None = None
    memory: float | None = None
    column: str | None = None
    family: str | None = None
    components: int | None = None


@dataclass(frozen=True)
class Choices:
    """A user's choices; where one is None or empty, the profile or the earlier run decides."""

    profile: str | None = None
    scenarios: tuple[str | Scenario, ...] = ()
    fitters: tuple[str | Fitter, ...] = ()
    starts: tuple[str, ...] = ()
    restarts: int | None = None
    data_sets: int | None = None
    seed: int | None = None
    timeout: float | None = None
    setup_timeout: float | None = None
    memory: float | None = None
    data: ArrayLike | str | Path | None = None
    """A user's own observations, (n,) or a file; the run has no other scenario then."""
    column: str | None = None
    family: str | None = None
    components: int | None = None
    """The column of the file, the family to fit, and how many components, 2 by default."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Choices:
        """Take choices by name; sequences become tuples, and standard input is read.

        Raises ``UserError`` for a name that is no choice.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            choose("choice of a run", name, known)
        given = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
        try:
            _Scalars.model_validate(given)
        except ValidationError as error:
            raise UserError(first_problem(error)) from error
        for name in ("scenarios", "fitters", "starts"):
            value = given.get(name) or ()
            given[name] = (value,) if isinstance(value, str | Fitter) else tuple(value)
        if isinstance(given.get("data"), str) and given["data"] == STANDARD_INPUT:
            given["data"] = as_data(STANDARD_INPUT, given.pop("column", None)).x
        return cls(**given)

    def plan(self, stored: Plan | None = None, folder: Path = Path()) -> Plan:
        """Return the profile's plan with these choices, or ``stored`` extended by them.

        ``folder`` is where ``save_data`` stores data that are an array. Raises ``UserError`` if a
        choice is wrong, or would not leave the stored trials as they are. Quick checks come
        first: names, then fitters, whose modules must be imported, then the scenarios' contents,
        which import all families.
        """
        profile = choose("profile", self.profile or "quick", PROFILES)
        for option, count in (("--restarts", self.restarts), ("--data-sets", self.data_sets)):
            if count is not None and count < 1:
                raise UserError(f"{option} {count}: it takes a whole number of at least 1")
        limits = Limits.of(vars(self))
        for name in self.scenarios:
            if isinstance(name, str):
                file_of(name)
        scenarios = self._scenarios(folder)
        named = _named(self.fitters)
        for start in self.starts:
            policy(start)
        if stored is not None:
            return self._extended(stored, scenarios, named)
        base = PROFILES[profile]
        named = named or dict.fromkeys(base.fitters)
        usual = {spec: base.restarts.get(_name(spec), base.restarts[""]) for spec in named}
        data_sets = self.data_sets or base.data_sets
        chosen: Iterable[str | Scenario] = scenarios or base.scenarios
        chosen = chosen or tuple(name for name in names() if load(name).truth is not None)
        return Plan(
            profile,
            _load_scenarios(chosen, data_sets),
            tuple(named),
            tuple(dict.fromkeys(self.starts or base.starts)),
            {spec: self.restarts or usual[spec] for spec in named},
            data_sets,
            self.seed or 0,
            limits,
            {spec: own for spec, own in named.items() if own is not None},
            {
                spec: base.fewer_data_sets[_name(spec)]
                for spec in named
                if _name(spec) in base.fewer_data_sets
            },
            {} if self.fitters or self.scenarios else base.fewer_scenarios,
        )

    def save_data(self, folder: Path) -> None:
        """Store data that are an array in ``folder``; ``UserError`` if others are there."""
        if self.data is None or isinstance(self.data, str | Path):
            return
        content, path = io.BytesIO(), folder / DATA_FILE
        np.save(content, as_data(self.data).x)
        if path.is_file() and path.read_bytes() != content.getvalue():
            raise UserError(
                f"{path} holds other data than were given: name another folder with --out"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            replace_file(path, content.getvalue())
        except OSError as error:
            raise UserError(f"--out {folder} can't be written to: {error.strerror}") from error

    def _scenarios(self, folder: Path) -> tuple[str | Scenario, ...]:
        """Return the chosen scenarios, or the one that is made of a user's own data."""
        if self.data is None:
            for option in ("column", "family", "components"):
                if getattr(self, option) is not None:
                    raise UserError(f"--{option} is for --data: a scenario has its own")
            return self.scenarios
        if self.scenarios:
            raise UserError("--data and --scenario exclude each other: run them one by one")
        if self.family is None:
            raise UserError(
                f"--data needs --family, the components' distribution: {', '.join(families())}"
            )
        data = as_data(self.data, self.column)
        is_file = isinstance(self.data, str | Path)
        content: dict[str, Any] = {
            "file": str(Path(str(self.data)).resolve()) if is_file else DATA_FILE,
            "components": 2 if self.components is None else self.components,
        }
        if is_file and data.column:
            content["column"] = data.column
        title = f"{data.column or 'numbers'} of {data.name}"
        name = Path(str(self.data)).stem if is_file else "data"
        specification = {"title": title, "family": self.family, "data": content}
        return (build(name, specification, folder.resolve()),)

    def _extended(
        self,
        stored: Plan,
        scenarios: tuple[str | Scenario, ...],
        named: Mapping[str, OwnFitter | None],
    ) -> Plan:
        """Return ``stored`` with more fitters, starts, scenarios, restarts or data sets."""
        self._check_fixed(stored)
        own_fitters, restarts = dict(stored.own_fitters), dict(stored.restarts)
        for spec, own in named.items():
            if own is not None and own_fitters.setdefault(spec, own).source != own.source:
                raise UserError(
                    f"the run has trials of another fitter {spec}, whose source was different: "
                    "name another folder with --out, or give the class another name"
                )
            usual = PROFILES.get(stored.profile, PROFILES["quick"]).restarts.get(_name(spec))
            restarts.setdefault(spec, self.restarts or usual or max(stored.restarts.values()))
        if self.restarts is not None:
            for spec in named or stored.restarts:
                restarts[spec] = _raised("--restarts", self.restarts, restarts[spec])
        data_sets = stored.data_sets
        if self.data_sets is not None:
            data_sets = _raised("--data-sets", self.data_sets, data_sets)
        return replace(
            stored,
            scenarios=_load_scenarios((*stored.scenarios, *scenarios), data_sets),
            fitters=tuple(dict.fromkeys((*stored.fitters, *named))),
            starts=tuple(dict.fromkeys((*stored.starts, *self.starts))),
            restarts=restarts,
            data_sets=data_sets,
            own_fitters=own_fitters,
        )

    def unseen_changes(self, stored: Plan) -> list[str]:
        """The files of own fitters that have changed since the run began and are not named now."""
        named = _named(self.fitters)
        others = [own for spec, own in stored.own_fitters.items() if spec not in named]
        return [own.file for own in others if own.file_changed]

    def _check_fixed(self, stored: Plan) -> None:
        """Raise ``UserError`` for a choice that is the same for all trials of a run."""
        limits = stored.limits
        for option, chosen, value in (
            ("--profile", self.profile, stored.profile),
            ("--seed", self.seed, stored.seed),
            ("--timeout", self.timeout, limits.timeout),
            ("--setup-timeout", self.setup_timeout, limits.setup_timeout),
            ("--memory", self.memory, limits.memory),
        ):
            if chosen is not None and chosen != value:
                raise UserError(
                    f"{option} {chosen}: the run that is there has {value}: leave the option out, "
                    "or name another folder with --out"
                )


def _named(fitters: Iterable[str | Fitter]) -> dict[str, OwnFitter | None]:
    """The chosen fitters by spec, with the object where no package provides the class."""
    named: dict[str, OwnFitter | None] = {}
    for given in fitters:
        fitter = fitter_of(given)
        if not is_own(fitter):
            named[given if isinstance(given, str) else spec_of(fitter)] = None
            continue
        spec, own = spec_of(fitter), OwnFitter.of(fitter)
        earlier = named.setdefault(spec, own)
        if earlier is not None and earlier.source != own.source:
            raise UserError(f"two fitters are called {spec}: give one of the classes another name")
    return named


def _name(spec: str) -> str:
    return spec.partition(":")[0]


def _raised(option: str, chosen: int, value: int) -> int:
    """Return ``chosen``; ``UserError`` if it is below the ``value`` of the run."""
    if chosen < value:
        raise UserError(
            f"{option} {chosen}: the run that is there has {value}, and a run does not shrink: "
            "name another folder with --out"
        )
    return chosen


def _load_scenarios(chosen: Iterable[str | Scenario], data_sets: int) -> tuple[Scenario, ...]:
    """Load scenarios; ``UserError`` if two share a name, or one lacks so many data sets."""
    scenarios: dict[str, Scenario] = {}
    for entry in dict.fromkeys(chosen):
        scenario = load(entry) if isinstance(entry, str) else entry
        earlier = scenarios.setdefault(scenario.name, scenario)
        if earlier.content != scenario.content:
            raise UserError(
                f"two different scenarios are called {scenario.name!r}: rename one of the files, "
                "or name another folder with --out"
            )
        if scenario.truth is None and data_sets > 1:
            raise UserError(
                f"--data-sets {data_sets}: {scenario.name} is real data and has one "
                "data set; run it on its own with --data-sets 1"
            )
    return tuple(scenarios.values())
