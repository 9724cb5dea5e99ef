"""What the asv suites share: the commit under test, and what its fitters are given.

asv takes ``benchmarks`` from the working tree, and ``scenarios`` and ``fitters`` from the wheel
of the commit under test. Those may be of another contract: so the suites import nothing that
needs them at their top, and what is in here looks at the contract first.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.harness import CONTRACT

if TYPE_CHECKING:
    from fitters.base import Prepared
    from fitters.starts import Start
    from scenarios.sample import Sample
    from scenarios.scenario import Scenario

FITTERS = ("gradient", "direct", "em", "mcmc")
SLOWEST, ITS_SCENARIO = "mcmc", "unequal"
"""The fitter that is measured on a single scenario, its smallest."""
START = "quantile"
SEED = 0

Function = TypeVar("Function", bound=Callable[..., Any])


def described(**attributes: Any) -> Callable[[Function], Function]:
    """Set what asv reads from a function: ``unit``, ``version``, ``timeout``."""

    def decorate(function: Function) -> Function:
        vars(function).update(attributes)
        return function

    return decorate


def other_contract(*needed: str) -> str:
    """Why this commit can't be measured; empty if it can.

    Its contract may be another, or it may lack what ``needed``, modules of the harness by
    name, import of it: commits older than that.
    """
    import fitters

    theirs = getattr(fitters, "CONTRACT", None)
    if theirs != CONTRACT:
        return f"this commit has fitters.CONTRACT {theirs}, the yardstick knows {CONTRACT}: skipped"
    try:
        for name in needed:
            import_module(name)
    except ImportError as error:
        if str(error.name).partition(".")[0] not in ("scenarios", "fitters"):
            raise
        return f"this commit lacks what the yardstick asks of it ({error}): skipped"
    return ""


def not_measured(fitter: str, scenario_name: str) -> str:
    """Why the grid has no such point; empty where it has."""
    if fitter == SLOWEST and scenario_name != ITS_SCENARIO:
        return f"{SLOWEST} takes long, and is measured on {ITS_SCENARIO} alone"
    return ""


def skip(reason: str) -> None:
    """Raise ``NotImplementedError``, asv's word for a point to skip, if there is a reason."""
    if reason:
        raise NotImplementedError(reason)


def drawn(scenario_name: str) -> tuple[Scenario, Sample]:
    """The scenario and its data set 0, as this commit draws it; skips what it doesn't have."""
    skip(other_contract("benchmarks.harness.data"))
    from benchmarks.harness.data import draw_sample
    from scenarios.errors import UserError
    from scenarios.scenario import load

    try:
        scenario = load(scenario_name)
        return scenario, draw_sample(scenario, 0, SEED)
    except UserError as error:
        raise NotImplementedError(f"not in this commit: {error}") from error


def made_ready(fitter: str, scenario_name: str) -> tuple[Prepared, Start]:
    """A fitter that is prepared for data set 0, and a start; skips what isn't measured."""
    skip(not_measured(fitter, scenario_name))
    scenario, sample = drawn(scenario_name)
    from fitters.spec import parse
    from fitters.starts import Start, policy
    from scenarios.errors import UserError

    try:
        chosen = parse(fitter)
    except UserError as error:
        raise NotImplementedError(f"not in this commit: {error}") from error
    start = Start.of(policy(START), sample, scenario.components, 1)
    return chosen.prepare(sample, sample.family, scenario.components), start
