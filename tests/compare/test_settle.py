"""Comparisons that settle themselves, on simulated pairs: looks, budgets, and several bases."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.compare import ALPHA
from benchmarks.compare.looks import DATA_SETS, SHARES, looks_of, plan_of
from benchmarks.compare.pairs import Pairs
from benchmarks.compare.settle import Settled, settle
from benchmarks.compare.verdict import Comparison, compare
from benchmarks.runner.choices import Choices
from benchmarks.runner.plan import Plan
from benchmarks.runner.profiles import PROFILES
from benchmarks.runner.progress import seconds_of
from benchmarks.studies import power
from benchmarks.studies.power import Case, renewals
from scenarios.errors import UserError

SOUND = Case("sound", "size", flips=0.0)
LOST = Case("half is lost", "power", loss=0.5, flips=0.02)
SLIGHT = Case("five points are lost", "power", loss=0.05, flips=0.02)


def paired(case: Case, size: int, generator: np.random.Generator) -> pd.DataFrame:
    """Paired trials, one a data set of six scenarios, whose changes are those of a case."""
    losses, _, cost, seconds = power.simulated_values(case, size, generator).T
    index = np.arange(size)
    return pd.DataFrame(
        {
            "scenario": [f"s{i % 6}" for i in index], "replicate": index // 6, "fitter": "em",
            "start": "quantile", "restart": 0, "identical": False,
            "base_status": np.where(losses < 0, "local", "converged"),
            "new_status": np.where(losses > 0, "local", "converged"),
            "base_cost": 100.0, "new_cost": 100.0 * np.exp(cost),
            "base_seconds": 1.0, "new_seconds": np.exp(seconds),
            **dict.fromkeys(("base_cpu_share", "new_cpu_share"), 1.0),
            **{f"{side}_{name}": np.nan for side in ("base", "new")
               for name in ("excess", "information_error", "hellinger")},
        }
    )  # fmt: skip


class Simulated:
    """Sides whose trials are simulated; ``plans`` has the plan of every look."""

    def __init__(self, cases: Mapping[str, Case], repeats: tuple[str, ...] = ()) -> None:
        self.plans: list[Plan] = []
        self.looks = looks_of(cases, 6)
        self.repeats = repeats
        generator = np.random.default_rng(8)
        self.tables = {
            name: paired(case, 216, generator).assign(fitter=name) for name, case in cases.items()
        }
        self.slow = 0.0

    def repeating(self) -> set[str]:
        return set(self.repeats)

    def run(self, plan: Plan, deadline: float) -> None:
        self.plans.append(plan)
        time.sleep(self.slow)

    def compare(self) -> Mapping[Path, Comparison]:
        plan = self.plans[-1]
        table = pd.concat(
            [t[t["replicate"] < plan.replicates(name)] for name, t in self.tables.items()]
        )
        repeats = dict.fromkeys(self.repeats, True)
        pairs = Pairs(table, interleaved=True, looks=self.looks, repeats=repeats)
        return {Path("base"): compare(pairs, ALPHA)}


def settled(sides: Simulated, budget: float = 60.0) -> Comparison:
    plan = Choices(profile="check", fitters=tuple(sides.tables)).plan()
    first = plan_of(plan, {name: sizes[0] for name, sizes in sides.looks.items()})
    (comparison,) = settle(first, sides.looks, sides, budget).values()
    return comparison


def data_sets(plan: Plan) -> dict[str, int]:
    return {name: 6 * plan.replicates(name) for name in plan.fitters}


def test_a_gross_loss_is_a_regression_at_the_first_looks() -> None:
    sides = Simulated({"em": LOST, "direct": SLIGHT})
    assert settled(sides).verdict == "regressed"
    assert data_sets(sides.plans[-1]) == {"em": 24, "direct": 24}  # it is decided


def test_only_fitters_that_are_not_decided_get_more_data_sets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sides = Simulated({"em": SOUND, "mcmc:chains=2": SLIGHT})
    comparison = settled(sides)
    looks = [data_sets(plan) for plan in sides.plans]
    assert looks[:2] == [{"em": 24, "mcmc:chains=2": 12}, {"em": 72, "mcmc:chains=2": 36}]
    assert looks[2]["mcmc:chains=2"] == 108
    assert comparison.fitters.set_index("fitter").loc["em", "verdict"] == "passed"
    assert "mcmc:chains=2 is not decided: look 2 of 3, 36 data sets" in capsys.readouterr().err


def test_a_budget_that_ends_leaves_it_inconclusive() -> None:
    sides = Simulated({"em": SLIGHT})
    sides.slow = 0.05
    assert settled(sides, 0.04).verdict == "inconclusive"
    assert len(sides.plans) == 1


def test_fitters_that_repeat_on_recorded_data_run_all_of_them_at_once() -> None:
    sides = Simulated({"em": SOUND, "mcmc": SOUND}, repeats=("em",))
    settled(sides)
    assert data_sets(sides.plans[0]) == {"em": 216, "mcmc": 12}


def test_without_looks_the_plan_is_run_once() -> None:
    sides = Simulated({"em": SLIGHT})
    plan = Choices(profile="check", fitters=("em",), data_sets=3).plan()
    settle(plan, {}, sides, 60.0)
    assert sides.plans == [plan]


def test_the_verdict_is_the_worst_of_several_bases() -> None:
    def verdict(*names: str) -> str:
        made = {Path(f"{i}"): MADE[name]() for i, name in enumerate(names)}
        return Settled(Path("new"), made).verdict

    assert verdict("passed", "regressed") == "regressed"
    assert verdict("inconclusive", "passed") == "inconclusive"
    # A fitter that is younger than the release is measured against the baseline.
    assert verdict("passed", "measured nothing") == "passed"
    assert verdict("measured nothing") == "measured nothing"
    two = Settled(Path("new"), {Path("a"): MADE["passed"](), Path("b"): MADE["regressed"]()})
    assert two.exit_code == 1
    assert "Against a: Passed" in two.sentence
    assert "Against b: Regressed" in two.sentence
    for form in ("text", "markdown"):
        assert two.text(form).index("Against a") < two.text(form).index("Against b")


def _made(case: Case, size: int) -> Callable[[], Comparison]:
    table = paired(case, size, np.random.default_rng(0))
    return lambda: compare(Pairs(table, interleaved=True), ALPHA)


MADE = MappingProxyType(
    {
        "passed": _made(SOUND, 216),
        "regressed": _made(LOST, 72),
        "inconclusive": _made(SLIGHT, 24),
        "measured nothing": lambda: compare(Pairs(pd.DataFrame(columns=["fitter"])), ALPHA),
    }
)


def test_twenty_renewals_two_points_worse_each_are_caught_by_the_release_alone() -> None:
    table = renewals(4).set_index("base")
    assert table.loc["the release", "detected"] == 4
    assert table.loc["the release", "first, at the latest"] <= 6
    assert table.loc["the renewal before", "detected"] == 0


def test_the_looks_fit_the_profile_and_spend_the_level() -> None:
    assert sum(SHARES) == pytest.approx(1.0)
    check = PROFILES["check"]
    looks = looks_of(check.fitters, len(check.scenarios))
    plan = Choices(profile="check").plan()
    for name, sizes in looks.items():
        # The baseline has every look's data sets, and a look has as many on every scenario.
        assert sizes[-1] == plan.replicates(name)
        known = DATA_SETS.get(name.partition(":")[0], DATA_SETS[""])
        assert tuple(size * len(check.scenarios) for size in sizes) == known


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in power.CASES if c.kind == "size"])
def test_false_alarms_are_as_rare_as_alpha_says(case: Case) -> None:
    outcomes = [power._outcome(case, np.random.default_rng([i, 99])) for i in range(400)]
    alarms = sum(verdict == "regressed" for verdict, _ in outcomes)
    assert alarms <= stats.binom.ppf(0.999, 400, ALPHA)


def test_a_budget_is_a_time() -> None:
    assert [seconds_of(text) for text in ("90s", "20m", "1.5h")] == [90.0, 1200.0, 5400.0]
    for text in ("", "20", "m", "20 minutes"):
        with pytest.raises(UserError, match="--budget"):
            seconds_of(text)
