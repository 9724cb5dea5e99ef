"""The commit under test, and the data, starts and fitters that the asv suites give it.

asv takes ``benchmarks`` from the working tree, and ``scenarios`` and ``fitters`` from the wheel
of the commit under test, which may have another contract. So the suites import both inside
functions, after a check of the contract.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from benchmarks.runner import CONTRACT

if TYPE_CHECKING:
    from fitters.base import Prepared
    from fitters.starts import Start
    from scenarios.sample import Sample
    from scenarios.scenario import Scenario

FITTERS = ("gradient", "direct", "newton", "em", "mcmc:bins=256", "mcmc")
SLOWEST, SLOWEST_SCENARIO = "mcmc", "unequal"
"""The fitter that is measured on one scenario alone, its smallest."""
START = "quantile"
SEED = 0


def commit_skip_reason(*modules: str) -> str:
    """Why this commit can't be measured; empty if it can.

    It may have another contract, or lack a name that ``modules`` of the runner import from it.
    """
    import fitters

    contract = getattr(fitters, "CONTRACT", None)
    if contract != CONTRACT:
        return (
            f"this commit has fitters.CONTRACT {contract}, the runner supports {CONTRACT}: skipped"
        )
    try:
        for name in modules:
            import_module(name)
    except ImportError as error:
        if str(error.name).partition(".")[0] not in ("scenarios", "fitters"):
            raise
        return f"this commit lacks a module or name that the runner imports ({error}): skipped"
    return ""


def point_skip_reason(fitter: str, scenario_name: str) -> str:
    """Why the grid lacks a point; empty where it has it."""
    if fitter.partition(":")[0] == SLOWEST and scenario_name != SLOWEST_SCENARIO:
        return f"{SLOWEST} is slow, and is measured on {SLOWEST_SCENARIO} alone"
    return ""


def skip_if(reason: str) -> None:
    """Raise ``NotImplementedError``, by which asv skips a point, if there is a reason."""
    if reason:
        raise NotImplementedError(reason)


def draw(scenario_name: str) -> tuple[Scenario, Sample]:
    """The scenario and its data set 0, drawn by this commit; skips an unknown scenario."""
    skip_if(commit_skip_reason("benchmarks.runner.datasets"))
    from benchmarks.runner.datasets import draw_sample
    from benchmarks.runner.kernels import load_kernels
    from scenarios.errors import UserError
    from scenarios.scenario import load

    try:
        scenario = load(scenario_name)
        sample = draw_sample(scenario, 0, SEED)
    except UserError as error:
        raise NotImplementedError(f"not in this commit: {error}") from error
    load_kernels(sample)
    return scenario, sample


def prepare(fitter: str, scenario_name: str) -> tuple[Prepared, Start]:
    """The fitter prepared for data set 0, and a start; skips a point that is not measured."""
    skip_if(point_skip_reason(fitter, scenario_name))
    scenario, sample = draw(scenario_name)
    from benchmarks.runner.kernels import load_kernels_of
    from fitters.spec import parse
    from fitters.starts import Start, policy
    from scenarios.errors import UserError
    from scenarios.model import Model

    try:
        chosen = parse(fitter)
    except UserError as error:
        raise NotImplementedError(f"not in this commit: {error}") from error
    model = Model(sample.family, scenario.components)
    load_kernels_of(chosen, [START], sample)
    return chosen.prepare(sample, model), Start.of(policy(START), sample, model, 1)
