"""EM: plain, with SQUAREM, and the hybrid that finishes by Newton steps."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reference.ascent import ascend
from fitters.em import EM
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load

PLAIN, SQUAREM, HYBRID = "em:accelerate=false", "em:accelerate=true", "em:newton=true"
NO_LOSS = -1e-7
"""Smallest change of a total log likelihood that rounding can't explain."""


def data_of(scenario_name: str, seed: int = 0) -> Sample:
    scenario = load(scenario_name)
    return Sample.of(scenario.observations(0, seed), scenario.family)


@pytest.mark.parametrize("variant", [PLAIN, SQUAREM, HYBRID])
@pytest.mark.parametrize("name", ["overlapping", "gamma_pair", "unequal"])
def test_each_variant_reaches_scipys_optimum_and_never_loses_likelihood(
    variant: str, name: str
) -> None:
    data = data_of(name)
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    by_scipy = parse("direct").prepare(data, model).fit(start, 0, lambda copy: None)
    observed: list[float] = []
    em = parse(f"{variant},tolerance=1e-6").prepare(data, model)
    fit = em.fit(start, 0, lambda copy: observed.append(data.log_likelihood(copy())))
    observed.append(data.log_likelihood(fit.mixture))
    assert len(observed) > 5
    assert observed[0] == pytest.approx(data.log_likelihood(start.mixture))
    assert (np.diff(observed) > NO_LOSS).all()
    assert observed[-1] == pytest.approx(data.log_likelihood(by_scipy.mixture), abs=1e-5)
    assert fit.claimed


def test_each_acceleration_takes_fewer_passes() -> None:
    data = data_of("overlapping_hard")
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    passes = {}
    for variant in (PLAIN, SQUAREM, HYBRID):
        fit = parse(variant).prepare(data, model).fit(start, 0, lambda copy: None)
        passes[variant] = sum(fit.passes.values())
    assert passes[HYBRID] < 0.5 * passes[SQUAREM] < 0.25 * passes[PLAIN]


def test_the_hybrid_takes_a_hessian_in_every_round_after_thirty_e_steps() -> None:
    data = data_of("overlapping_hard")
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    hessians = {}
    for variant in (SQUAREM, HYBRID):
        em = parse(f"{variant},max_iterations=60").prepare(data, model)
        hessians[variant] = em.fit(start, 0, lambda copy: None).passes["hessian"]
    # A round is three E-steps. Before, and without Newton steps, convergence is checked at times.
    assert hessians[SQUAREM] < 5
    assert 10 <= hessians[HYBRID] < 15


@pytest.mark.parametrize("name", ["beta", "normal", "gamma", "lognormal"])
@pytest.mark.parametrize("components", [1, 2, 3])
def test_em_never_loses_likelihood_and_agrees_with_scipy(name: str, components: int) -> None:
    rows = {
        "beta": [[2.0, 9.0], [9.0, 2.0], [30.0, 30.0]],
        "normal": [[-3.0, 1.0], [3.0, 0.5], [0.0, 0.3]],
        "gamma": [[2.0, 2.0], [60.0, 10.0], [90.0, 6.0]],
        "lognormal": [[-2.0, 0.4], [2.0, 0.4], [0.0, 0.2]],
    }
    truth = Mixture(family(name), np.full(3, 1 / 3), np.array(rows[name]))
    data = Sample.of(truth.sample(2000, 4), truth.family)
    model = Model(data.family, components)
    start = Start.of(policy("kmeans"), data, model, 1)
    by_scipy = parse("direct").prepare(data, model).fit(start, 0, lambda copy: None)
    for variant in (SQUAREM, HYBRID):
        observed: list[float] = []
        em = parse(f"{variant},tolerance=1e-8").prepare(data, model)
        fit = em.fit(start, 0, lambda copy: observed.append(data.log_likelihood(copy())))  # noqa: B023
        assert (np.diff(observed) > NO_LOSS).all()
        assert data.log_likelihood(fit.mixture) == pytest.approx(
            data.log_likelihood(by_scipy.mixture), abs=1e-5
        )


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("em:tolerance=0.05,newton=true", "overlapping_hard"),
        ("em:tolerance=0.05", "overlapping"),
        ("em:tolerance=0.05,accelerate=false", "overlapping"),
    ],
)
def test_em_that_claims_to_have_converged_has_little_left_to_gain(spec: str, name: str) -> None:
    data = data_of(name)
    model = Model(data.family, 2)
    em = parse(spec).prepare(data, model)
    for seed in range(4):
        fit = em.fit(Start.of(policy("quantile"), data, model, seed), 0, lambda copy: None)
        assert fit.claimed
        gained = ascend(data, fit.mixture).log_likelihood - data.log_likelihood(fit.mixture)
        assert gained < 0.06  # the tolerance in nats, which a quadratic model predicts


def test_em_without_a_maximum_in_reach_claims_nothing() -> None:
    data = data_of("overlapping_hard")
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    fit = parse("em:max_iterations=7").prepare(data, model).fit(start, 0, lambda copy: None)
    assert not fit.claimed
    assert fit.message == "stopped after max_iterations=7"
    assert 7 <= fit.iterations <= 9  # a round takes two E-steps, and one for its extrapolation


def test_em_says_why_it_does_not_apply() -> None:
    reason = EM().supports(Model(family("weibull"), 2))
    assert reason is not None
    assert "no M-step" in reason
    assert EM().supports(Model(family("beta"), 2)) is None


def test_the_hybrid_without_acceleration_is_refused_in_a_sentence() -> None:
    reason = parse("em:newton=true,accelerate=false").supports(Model(family("beta"), 2))
    assert reason is not None
    assert "leave out accelerate=false" in reason
    assert parse(HYBRID).supports(Model(family("beta"), 2)) is None
