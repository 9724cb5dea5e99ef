"""Draw data sets, which depend on the scenario and the seed alone."""

from __future__ import annotations

from typing import Any

from benchmarks.reference.admissible import spurious_reason
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.reference.verify import check_family
from benchmarks.runner.plan import Plan
from benchmarks.runner.seeds import derive
from scenarios.data_summary import summarise_data
from scenarios.errors import UserError
from scenarios.sample import Sample
from scenarios.scenario import Scenario


def draw_sample(scenario: Scenario, replicate: int, seed: int) -> Sample:
    """Draw the sample of one data set; ``UserError`` names the scenario if it can't be fitted."""
    data_seed = derive("data", seed, scenario.digest(), replicate)
    try:
        return Sample.of(scenario.observations(replicate, data_seed), scenario.family)
    except UserError as error:
        raise UserError(f"scenario {scenario.name!r}: {error}") from error


def check_data(plan: Plan) -> dict[str, dict[str, Any]]:
    """Draw the first data set of every scenario; returns their summaries by scenario name.

    Raises ``UserError`` for data that can't be fitted, and for a family whose formulas are wrong.
    """
    summaries = {}
    for scenario in plan.scenarios:
        sample = draw_sample(scenario, 0, plan.seed)
        if sample.observations.min() == sample.observations.max():
            raise UserError(
                f"scenario {scenario.name!r}: all {sample.size} observations are equal, so there "
                "is nothing to fit: check the column"
            )
        parameters = scenario.model.dimension
        if sample.size < parameters:
            raise UserError(
                f"scenario {scenario.name!r} has {sample.size} observations for {parameters} "
                "parameters: fit fewer components, or give more data"
            )
        _check_truth(scenario, sample)
        check_family(sample)
        summaries[scenario.name] = summarise_data(sample.observations)
    return summaries


def _check_truth(scenario: Scenario, sample: Sample) -> None:
    """Raise ``UserError`` for a truth that would be spurious as a fit: no fit could find it."""
    if scenario.truth is None:
        return
    truth = scenario.truth
    mixture = ScipyMixture(truth.family.name, truth.weights, truth.parameters)
    min_spread = scenario.specification.spread_floor
    reason = spurious_reason(mixture, sample.observations, min_spread)
    if reason is not None:
        raise UserError(
            f"scenario {scenario.name!r}: its true mixture would be rejected as spurious, because "
            f"{reason}: set a smaller spread_floor in its file, or widen the component"
        )
