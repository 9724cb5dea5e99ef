"""What a run is to do: scenarios × data sets × fitters × starts × restarts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fitters.spec import parse
from fitters.starts import policy
from scenarios.errors import UserError
from scenarios.registry import choose
from scenarios.scenario import Scenario, load, names

FITTERS = ("gradient", "direct", "em", "mcmc")


@dataclass(frozen=True)
class Profile:
    """A ready-made plan."""

    scenarios: tuple[str, ...]
    starts: tuple[str, ...]
    restarts: Mapping[str, int]
    """Restarts by fitter name; the entry ``""`` is for all others."""
    data_sets: int


def profiles() -> dict[str, Profile]:
    """``quick`` takes minutes, ``standard`` hours, ``full`` days on two cores."""
    drawn = tuple(name for name in names() if load(name).truth is not None)
    return {
        "quick": Profile(
            ("founding", "overlapping", "unequal"), ("quantile",), {"mcmc": 1, "": 10}, 1
        ),
        "standard": Profile(drawn, ("quantile", "kmeans"), {"mcmc": 1, "": 10}, 1),
        "full": Profile(drawn, ("quantile", "kmeans", "article"), {"mcmc": 4, "": 50}, 10),
    }


@dataclass(frozen=True)
class Cell:
    """All trials of one (scenario, data set, fitter): the unit of accounting."""

    scenario: Scenario
    data_set: int
    fitter: str
    trials: tuple[tuple[str, int], ...]
    """(start policy, restart) of each trial."""


@dataclass(frozen=True)
class Plan:
    """What a run is to do."""

    scenarios: tuple[Scenario, ...]
    fitters: tuple[str, ...]
    starts: tuple[str, ...]
    restarts: Mapping[str, int]
    """Restarts by fitter, as it is specified."""
    data_sets: int
    seed: int
    profile: str

    def cells(self) -> Iterator[Cell]:
        """The cells, those of one fitter in a row so that what it prepared can be reused."""
        for fitter in self.fitters:
            trials = tuple((s, r) for s in self.starts for r in range(self.restarts[fitter]))
            for scenario in self.scenarios:
                for data_set in range(self.data_sets):
                    yield Cell(scenario, data_set, fitter, trials)

    def size(self) -> int:
        """The number of trials."""
        each = len(self.scenarios) * self.data_sets * len(self.starts)
        return each * sum(self.restarts[fitter] for fitter in self.fitters)

    def content(self) -> dict[str, Any]:
        """The plan as plain values, scenarios in full."""
        return {
            "profile": self.profile,
            "seed": self.seed,
            "data_sets": self.data_sets,
            "fitters": list(self.fitters),
            "starts": list(self.starts),
            "restarts": dict(self.restarts),
            "scenarios": [
                {"name": s.name, "folder": str(s.folder), "content": s.content}
                for s in self.scenarios
            ],
        }


def make_plan(
    profile: str,
    scenarios: list[str],
    fitters: list[str],
    starts: list[str],
    restarts: int | None,
    data_sets: int | None,
    seed: int,
) -> Plan:
    """A profile with what was given in place of its own; ``UserError`` if any of it is wrong."""
    base = profiles()[choose("profile", profile, profiles())]
    specs = tuple(dict.fromkeys(fitters or FITTERS))
    loaded = tuple(load(name) for name in dict.fromkeys(scenarios or base.scenarios))
    policies = tuple(dict.fromkeys(starts or base.starts))
    for what, count in (("--restarts", restarts), ("--data-sets", data_sets)):
        if count is not None and count < 1:
            raise UserError(f"{what} {count}: it takes a whole number of at least 1")
    counts = {}
    for spec in specs:
        name = parse(spec).name
        counts[spec] = restarts or base.restarts.get(name, base.restarts[""])
    for name in policies:
        policy(name)
    repeated = [s.name for i, s in enumerate(loaded) if s.name in {o.name for o in loaded[:i]}]
    if repeated:
        raise UserError(f"two scenarios are called {repeated[0]!r}: rename one of the files")
    sets = data_sets or base.data_sets
    real = [scenario.name for scenario in loaded if scenario.truth is None]
    if real and sets > 1:
        raise UserError(
            f"--data-sets {sets}: {real[0]} is real data, of which there is one data set; "
            "run it on its own with --data-sets 1"
        )
    return Plan(loaded, specs, policies, counts, sets, seed, profile)
