"""The data of a run: drawn from the scenario and the seed alone, the same wherever it is drawn."""

from __future__ import annotations

from benchmarks.harness.plan import Plan
from benchmarks.harness.seeds import derive
from scenarios.errors import UserError
from scenarios.families import Family
from scenarios.sample import Sample
from scenarios.scenario import Scenario


def draw_sample(scenario: Scenario, data_set: int, seed: int) -> Sample:
    """The sample of one data set; ``UserError`` names the scenario if its data are unfit."""
    drawn_with = derive("data", seed, scenario.digest(), data_set)
    try:
        return Sample.of(scenario.observations(data_set, drawn_with), scenario.family)
    except UserError as error:
        raise UserError(f"scenario {scenario.name!r}: {error}") from error


def free_parameters(family: Family, components: int) -> int:
    """p = K - 1 + K d of a mixture of so many components."""
    return components * (1 + len(family.parameters)) - 1


def check_data(plan: Plan) -> dict[str, str]:
    """Draw the first data set of every scenario, so that bad data is said before the run.

    Returns the digest of each, by the scenario's name.
    """
    digests = {}
    for scenario in plan.scenarios:
        sample = draw_sample(scenario, 0, plan.seed)
        if sample.observations.min() == sample.observations.max():
            raise UserError(
                f"scenario {scenario.name!r}: all {sample.size} observations are equal, so there "
                "is nothing to fit: check the column"
            )
        size = free_parameters(sample.family, scenario.components)
        if sample.size < size:
            raise UserError(
                f"scenario {scenario.name!r} has {sample.size} observations for {size} "
                "parameters: fit fewer components, or give more data"
            )
        digests[scenario.name] = sample.digest()
    return digests
