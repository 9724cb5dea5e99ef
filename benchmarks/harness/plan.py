"""What a run is to do: scenarios × data sets × fitters × starts × restarts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fitters.spec import parse
from fitters.starts import policy
from scenarios.errors import UserError
from scenarios.registry import choose
from scenarios.scenario import Scenario, build, file_of, load, names

FITTERS = ("gradient", "direct", "em", "mcmc")

TRIAL = ("scenario", "data_set", "fitter", "start", "restart")
"""What tells one trial of a run from all others."""
Record = dict[str, Any]
Key = tuple[str, int, str, str, int]
Shape = tuple[str, str, int]
"""(fitter, family, K): what a worker prepared for one is of use to all cells of the same."""


def key_of(record: Record) -> Key:
    """Which trial a record is of."""
    return tuple(record[name] for name in TRIAL)


@dataclass(frozen=True)
class Limits:
    """What a trial may take before its worker is killed."""

    timeout: float = 600.0
    """Seconds for one trial."""
    setup_timeout: float = 600.0
    """Seconds until a worker has read its data and prepared its fitter."""
    memory: float = 4000.0
    """MB of anonymous resident memory, of a worker and all that it starts."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 < value < float("inf"):
                option = "--" + name.replace("_", "-")
                raise UserError(f"{option} {value:g}: it takes a number above 0")


@dataclass(frozen=True)
class Profile:
    """A ready-made plan."""

    scenarios: tuple[str, ...]
    """Names; empty for every scenario of the catalogue whose truth is known."""
    starts: tuple[str, ...]
    restarts: Mapping[str, int]
    """Restarts by fitter name; the entry ``""`` is for all others."""
    data_sets: int
    fitters: tuple[str, ...] = FITTERS

    def scenario_names(self) -> tuple[str, ...]:
        """The names of its scenarios."""
        return self.scenarios or tuple(name for name in names() if load(name).truth is not None)


# ``quick`` and ``check`` take minutes, ``standard`` hours, ``full`` days on two cores.
PROFILES = {
    "quick": Profile(("founding", "overlapping", "unequal"), ("quantile",), {"mcmc": 1, "": 10}, 1),
    # What the regression gate runs: data sets count there, more than restarts.
    "check": Profile(
        ("unequal", "separated", "overlapping", "three", "gamma_pair", "normal_skewed"),
        ("quantile",),
        {"mcmc": 3, "gradient": 4, "": 5},
        3,
        ("em", "direct", "direct:bins=1024,batch=5", "gradient", "mcmc:bins=256"),
    ),
    "standard": Profile((), ("quantile", "kmeans"), {"mcmc": 1, "": 10}, 1),
    "full": Profile((), ("quantile", "kmeans", "article"), {"mcmc": 4, "": 50}, 10),
}


@dataclass(frozen=True)
class Cell:
    """All trials of one (scenario, data set, fitter): the unit of accounting and rescheduling."""

    scenario: Scenario
    data_set: int
    fitter: str
    seed: int
    trials: tuple[tuple[str, int], ...]
    """(start policy, restart) of each trial that is still to be done."""
    lost: int = 0
    """How many of the trials just before these were lost with their worker, in a row."""
    alone: bool = False
    """Whether to do its trials one by one, since a batch of them was lost."""

    @property
    def shape(self) -> Shape:
        """What its worker must be prepared for."""
        return (self.fitter, self.scenario.family.name, self.scenario.components)

    def record(self, start: str, restart: int) -> Record:
        """What every record of one of its trials begins with."""
        values = (self.scenario.name, self.data_set, self.fitter, start, restart)
        return dict(zip(TRIAL, values, strict=True))

    def trial_keys(self) -> list[Key]:
        """The keys of its trials, in their order."""
        return [key_of(self.record(*trial)) for trial in self.trials]

    def left(self, done: Mapping[Key, Record]) -> Cell:
        """What is left of the cell once there are records of some of its trials."""
        undone, lost = [], self.lost
        for trial, key in zip(self.trials, self.trial_keys(), strict=True):
            if key not in done:
                undone.append(trial)
            elif not undone:
                lost = lost + 1 if done[key].get("lost_worker") else 0
        return replace(self, trials=tuple(undone), lost=lost)

    def content(self) -> dict[str, Any]:
        """The cell as plain values, for a worker that may be on another machine."""
        return {
            "scenario": _scenario_content(self.scenario),
            "data_set": self.data_set,
            "fitter": self.fitter,
            "seed": self.seed,
            "trials": [list(trial) for trial in self.trials],
            "lost": self.lost,
            "alone": self.alone,
        }

    @classmethod
    def of(cls, content: dict[str, Any]) -> Cell:
        """The cell that ``content`` was made of."""
        told = {**content, "scenario": _scenario(content["scenario"])}
        return cls(**{**told, "trials": tuple((s, r) for s, r in content["trials"])})


@dataclass(frozen=True)
class Plan:
    """What a run is to do."""

    profile: str
    scenarios: tuple[Scenario, ...]
    fitters: tuple[str, ...]
    starts: tuple[str, ...]
    restarts: Mapping[str, int]
    """Restarts by fitter, as it is specified."""
    data_sets: int
    seed: int
    limits: Limits = field(default_factory=Limits)

    def cells(self) -> Iterator[Cell]:
        """The cells, those of one fitter in a row."""
        for fitter in self.fitters:
            trials = tuple((s, r) for s in self.starts for r in range(self.restarts[fitter]))
            for scenario in self.scenarios:
                for data_set in range(self.data_sets):
                    yield Cell(scenario, data_set, fitter, self.seed, trials)

    def size(self) -> int:
        """The number of trials."""
        each = len(self.scenarios) * self.data_sets * len(self.starts)
        return each * sum(self.restarts[fitter] for fitter in self.fitters)

    def ordered(self, records: Iterable[Record]) -> list[Record]:
        """Records in the plan's order, in whichever order the workers ended them."""
        place = {
            key: index for index, key in enumerate(k for c in self.cells() for k in c.trial_keys())
        }
        return sorted(records, key=lambda record: place[key_of(record)])

    def content(self) -> dict[str, Any]:
        """The plan as plain values, scenarios in full."""
        return {
            "profile": self.profile,
            "seed": self.seed,
            "data_sets": self.data_sets,
            "fitters": list(self.fitters),
            "starts": list(self.starts),
            "restarts": dict(self.restarts),
            "limits": asdict(self.limits),
            "scenarios": [_scenario_content(scenario) for scenario in self.scenarios],
        }

    @classmethod
    def of(cls, content: dict[str, Any]) -> Plan:
        """The plan that ``content`` was made of."""
        return cls(
            profile=content["profile"],
            scenarios=tuple(_scenario(entry) for entry in content["scenarios"]),
            fitters=tuple(content["fitters"]),
            starts=tuple(content["starts"]),
            restarts=content["restarts"],
            data_sets=content["data_sets"],
            seed=content["seed"],
            limits=Limits(**content.get("limits", {})),  # the first runs had none
        )


@dataclass(frozen=True)
class Choices:
    """What a user asked of a plan; what is None or empty is the profile's to say."""

    profile: str | None = None
    scenarios: tuple[str, ...] = ()
    fitters: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    restarts: int | None = None
    data_sets: int | None = None
    seed: int | None = None
    timeout: float | None = None
    setup_timeout: float | None = None
    memory: float | None = None

    def nothing(self) -> bool:
        """Whether all is left to the profile."""
        return self == Choices()

    def plan(self) -> Plan:
        """The profile with these in place of its own; ``UserError`` if any of it is wrong.

        What is quick to check comes first: names, then fitters, whose modules are imported to
        know them, then the scenarios' contents, which import all families.
        """
        profile = choose("profile", self.profile or "quick", PROFILES)
        base = PROFILES[profile]
        for what, count in (("--restarts", self.restarts), ("--data-sets", self.data_sets)):
            if count is not None and count < 1:
                raise UserError(f"{what} {count}: it takes a whole number of at least 1")
        given = {name: getattr(self, name) for name in asdict(Limits())}
        limits = Limits(**{name: value for name, value in given.items() if value is not None})
        for name in self.scenarios:
            file_of(name)
        specs = tuple(dict.fromkeys(self.fitters or base.fitters))
        counts = {}
        for spec in specs:
            name = parse(spec).name
            counts[spec] = self.restarts or base.restarts.get(name, base.restarts[""])
        starts = tuple(dict.fromkeys(self.starts or base.starts))
        for name in starts:
            policy(name)
        chosen = self.scenarios or base.scenario_names()
        loaded = tuple(load(name) for name in dict.fromkeys(chosen))
        repeated = [s.name for i, s in enumerate(loaded) if s.name in {o.name for o in loaded[:i]}]
        if repeated:
            raise UserError(f"two scenarios are called {repeated[0]!r}: rename one of the files")
        sets = self.data_sets or base.data_sets
        real = [scenario.name for scenario in loaded if scenario.truth is None]
        if real and sets > 1:
            raise UserError(
                f"--data-sets {sets}: {real[0]} is real data, of which there is one data set; "
                "run it on its own with --data-sets 1"
            )
        return Plan(profile, loaded, specs, starts, counts, sets, self.seed or 0, limits)


def _scenario_content(scenario: Scenario) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "folder": str(scenario.folder),
        "content": scenario.content,
    }


def _scenario(entry: dict[str, Any]) -> Scenario:
    return build(entry["name"], entry["content"], Path(entry["folder"]))
