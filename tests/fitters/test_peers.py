"""Other libraries' methods against the project's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fitters.base import Fit
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load


def fit_once(spec: str, data: Sample) -> tuple[float, Fit]:
    """(mean NLL, fit) from quantile start 0, of two components."""
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 0)
    fit = parse(spec).prepare(data, model).fit(start, 0, lambda copy: None)
    return -data.log_likelihood(fit.mixture) / data.size, fit


def test_em_finds_what_scikit_learn_finds() -> None:
    truth = Mixture(family("normal"), np.array([0.4, 0.6]), np.array([[-1.0, 0.8], [1.5, 0.6]]))
    data = Sample.of(truth.sample(20_000, 0), truth.family)
    theirs, sklearn = fit_once("sklearn:preset=tight,regularisation=0", data)
    ours, em = fit_once("em", data)
    assert ours == pytest.approx(theirs, abs=1e-8)
    assert fit_once("scipy_user", data)[0] == pytest.approx(theirs, abs=1e-7)
    assert sum(em.passes.values()) < 60
    assert sklearn.passes == {"expectation": sklearn.iterations}


@pytest.mark.parametrize("name", ["normal_bimodal", "lognormal_pair", "gamma_pair"])
def test_em_finds_what_pomegranate_finds(name: str) -> None:
    import torch

    scenario = load(name)
    data = Sample.of(scenario.observations(0, 7), scenario.family)
    theirs, fit = fit_once("pomegranate:preset=tight", data)
    ours, _ = fit_once("em:tolerance=1e-9", data)
    early, short = fit_once("pomegranate:preset=tight,tolerance=1", data)
    assert theirs == pytest.approx(ours, abs=1e-11)
    # The third stopped where a step gained less than one nat of all the data.
    assert 1e-10 < early - theirs < 10.0 / data.size
    assert short.iterations < fit.iterations
    assert fit.passes == {"expectation": fit.iterations}
    assert fit.claimed is None
    assert torch.get_default_dtype() == torch.float32  # restored


def test_pomegranate_begins_at_the_start_and_shows_its_iterates() -> None:
    scenario = load("gamma_pair")
    data = Sample.of(scenario.observations(0, 7), scenario.family)
    model = Model(data.family, 2)
    start = Start.of(policy("quantile"), data, model, 1)
    observed: list[Mixture] = []
    prepared = parse("pomegranate:preset=tight").prepare(data, model)
    fit = prepared.fit(start, 0, lambda copy: observed.append(copy()))
    assert len(observed) == fit.iterations
    assert_allclose(observed[0].parameters, start.mixture.parameters)
    assert_allclose(observed[0].weights, start.mixture.weights)
    likelihoods = [data.log_likelihood(mixture) for mixture in observed]
    assert (np.diff(likelihoods) > -1e-7).all()


@pytest.mark.parametrize(("peer", "fits"), [("sklearn", "normal"), ("pomegranate", "gamma")])
def test_a_peer_says_what_it_does_not_fit(peer: str, fits: str) -> None:
    reason = parse(peer).supports(Model(family("beta"), 2))
    assert reason is not None
    assert fits in reason
