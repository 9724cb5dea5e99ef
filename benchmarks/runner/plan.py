"""The plan of a run: scenarios × data sets × fitters × starts × restarts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.runner import SCHEMA
from fitters.base import Fitter
from fitters.own import OwnFitter
from fitters.spec import parse
from scenarios.errors import UserError
from scenarios.scenario import Scenario, build

TRIAL = ("scenario", "replicate", "fitter", "start", "restart")
"""The fields that identify a trial within a run."""
Record = dict[str, Any]
Key = tuple[str, int, str, str, int]
Shape = tuple[str, str, int]
"""(fitter, family, K): a worker prepared for a shape can run all cells of that shape."""


def key_of(record: Record) -> Key:
    """Return the values of ``TRIAL``."""
    return tuple(record[name] for name in TRIAL)


@dataclass(frozen=True)
class Limits:
    """The time and the memory that a trial may use before its worker is killed."""

    timeout: float = 600.0
    """Seconds for one trial."""
    setup_timeout: float = 600.0
    """Seconds until a worker has read its data and prepared its fitter."""
    memory: float = 4000.0
    """MB of anonymous resident memory, of a worker and all processes that it starts."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 < value < float("inf"):
                option = "--" + name.replace("_", "-")
                raise UserError(f"{option} {value:g}: it takes a number above 0")

    @classmethod
    def of(cls, values: Mapping[str, float | None]) -> Limits:
        """Take the limits among ``values``; a missing limit, or None, is the default."""
        given = {name: values.get(name) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class Cell:
    """All trials of one scenario, data set and fitter, which one worker runs."""

    scenario: Scenario
    replicate: int
    fitter: str
    seed: int
    trials: tuple[tuple[str, int], ...]
    """(start policy, restart) of each trial that is not on record yet."""
    losses: int = 0
    """How many trials in a row, just before these, lost their worker."""
    unbatched: bool = False
    """Whether to run its trials one by one, because a batch of them was lost."""
    again: bool = False
    """Whether to fit with other seeds for the method's own randomness: does it draw?"""
    own: OwnFitter | None = None
    """The fitter itself, where no package provides it."""

    @property
    def shape(self) -> Shape:
        """The shape that its worker must have."""
        fitter = self.fitter if self.own is None else f"{self.fitter} {self.own.source}"
        return (fitter, self.scenario.family.name, self.scenario.components)

    def make_fitter(self) -> Fitter:
        """Return the fitter of its trials."""
        return parse(self.fitter) if self.own is None else self.own.load()

    def record(self, start: str, restart: int) -> Record:
        """Return the first fields of a trial's record: ``schema`` and those of ``TRIAL``."""
        values = (self.scenario.name, self.replicate, self.fitter, start, restart)
        return {"schema": SCHEMA, **dict(zip(TRIAL, values, strict=True))}

    def trial_keys(self) -> list[Key]:
        """Return the keys of its trials, in order."""
        return [key_of(self.record(*trial)) for trial in self.trials]

    def remaining(self, done: Mapping[Key, Record]) -> Cell:
        """Return the cell without the trials that have a record in ``done``."""
        trials, losses = [], self.losses
        for trial, key in zip(self.trials, self.trial_keys(), strict=True):
            if key not in done:
                trials.append(trial)
            elif not trials:
                losses = losses + 1 if done[key].get("lost_worker") else 0
        return replace(self, trials=tuple(trials), losses=losses)

    def content(self) -> dict[str, Any]:
        """Return the cell as plain values, for a worker that may be on another machine."""
        own = None if self.own is None else asdict(self.own)
        return {**vars(self), "scenario": scenario_content(self.scenario), "own": own}

    @classmethod
    def of(cls, content: dict[str, Any]) -> Cell:
        """Return the cell of a ``content``, which may have been through JSON."""
        own = content["own"] and OwnFitter(**content["own"])
        trials = tuple(map(tuple, content["trials"]))
        scenario = scenario_of(content["scenario"])
        return cls(**{**content, "scenario": scenario, "trials": trials, "own": own})


@dataclass(frozen=True)
class Plan:
    """The trials of a run, and their limits."""

    profile: str
    scenarios: tuple[Scenario, ...]
    fitters: tuple[str, ...]
    starts: tuple[str, ...]
    restarts: Mapping[str, int]
    """Restarts by fitter, with its settings."""
    data_sets: int
    seed: int
    limits: Limits = field(default_factory=Limits)
    own_fitters: Mapping[str, OwnFitter] = field(default_factory=dict)
    """The fitters that no package provides, by their names in ``fitters``."""
    fewer_data_sets: Mapping[str, int] = field(default_factory=dict)
    """Data sets by fitter, where it has fewer than ``data_sets``."""
    fewer_scenarios: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names of scenarios by fitter, where it has not all of them."""

    def scenarios_of(self, fitter: str) -> tuple[Scenario, ...]:
        """Return the scenarios that a fitter has trials on."""
        names = self.fewer_scenarios.get(fitter)
        return tuple(s for s in self.scenarios if names is None or s.name in names)

    def replicates(self, fitter: str) -> int:
        """Return how many data sets of every scenario a fitter has."""
        return min(self.data_sets, self.fewer_data_sets.get(fitter, self.data_sets))

    def cells(self) -> Iterator[Cell]:
        """Yield the cells, those of one fitter in a row."""
        for fitter in self.fitters:
            trials = tuple((s, r) for s in self.starts for r in range(self.restarts[fitter]))
            for scenario in self.scenarios_of(fitter):
                for replicate in range(self.replicates(fitter)):
                    own = self.own_fitters.get(fitter)
                    yield Cell(scenario, replicate, fitter, self.seed, trials, own=own)

    def size(self) -> int:
        """Return the number of trials."""
        return len(self.starts) * sum(
            len(self.scenarios_of(name)) * self.replicates(name) * self.restarts[name]
            for name in self.fitters
        )

    def ordered(self, records: Iterable[Record]) -> list[Record]:
        """Sort records into the plan's order; workers end them in any order."""
        keys = [key for cell in self.cells() for key in cell.trial_keys()]
        place = {key: index for index, key in enumerate(keys)}
        return sorted(records, key=lambda record: place[key_of(record)])

    def content(self) -> dict[str, Any]:
        """Return the plan as plain values, with each scenario in full."""
        return {
            "profile": self.profile,
            "seed": self.seed,
            "data_sets": self.data_sets,
            "fitters": list(self.fitters),
            "starts": list(self.starts),
            "restarts": dict(self.restarts),
            "limits": asdict(self.limits),
            "scenarios": [scenario_content(scenario) for scenario in self.scenarios],
            "own_fitters": {name: asdict(own) for name, own in self.own_fitters.items()},
            "fewer_data_sets": dict(self.fewer_data_sets),
            "fewer_scenarios": {k: list(names) for k, names in self.fewer_scenarios.items()},
        }

    @classmethod
    def of(cls, content: dict[str, Any]) -> Plan:
        """Return the plan of a ``content``; ``UserError`` if a field except limits is missing."""
        try:
            return cls(
                profile=content["profile"],
                scenarios=tuple(scenario_of(entry) for entry in content["scenarios"]),
                fitters=tuple(content["fitters"]),
                starts=tuple(content["starts"]),
                restarts=content["restarts"],
                data_sets=content["data_sets"],
                seed=content["seed"],
                limits=Limits.of(content.get("limits", {})),
                own_fitters={
                    name: OwnFitter(**own) for name, own in content.get("own_fitters", {}).items()
                },
                fewer_data_sets=content.get("fewer_data_sets", {}),
                fewer_scenarios=content.get("fewer_scenarios", {}),
            )
        except KeyError as error:
            raise UserError(f"the plan of the run lacks {error}: run it again") from error


def scenario_content(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario as plain values."""
    return {"name": scenario.name, "folder": str(scenario.folder), "content": scenario.content}


def scenario_of(entry: dict[str, Any]) -> Scenario:
    """Return the scenario of a ``scenario_content``."""
    return build(entry["name"], entry["content"], Path(entry.get("folder", ".")))
