"""Fitters: the contract, and the optima and posteriors that independent scripts found."""

from __future__ import annotations

from dataclasses import fields
from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from benchmarks.harness.ascent import ascend
from benchmarks.harness.contract import check_fitter
from fitters.base import Fit
from fitters.em import EM
from fitters.relabelling import relabel
from fitters.spec import fitters, parse
from fitters.starts import Start, policies, policy
from scenarios.errors import UserError
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import load

# The founding data's optimum, found three ways by other code.
OPTIMUM = -0.4142118994
MERGED = -0.113622
BEST = [[1.5291, 10.0214], [9.8949, 1.5153]]


@pytest.fixture(scope="module")
def founding() -> Sample:
    scenario = load("founding")
    return Sample.of(scenario.observations(0, 0), scenario.family)


def fit_all(spec: str, sample: Sample, start: str, restarts: range) -> list[tuple[float, Fit]]:
    """(mean NLL, fit) of each restart."""
    prepared = parse(spec).prepare(sample, sample.family, 2)
    results = []
    for index in restarts:
        at = Start.of(policy(start), sample, 2, index)
        fit = prepared.fit(at, index, lambda copy: None)
        results.append((-sample.log_likelihood(fit.mixture) / sample.size, fit))
    return results


@pytest.mark.parametrize(
    "spec", ["em", "em:accelerate=false", "em:bins=64", "em:bins=64,batch=2",
             "direct", "direct:bins=64", "direct:bins=64,batch=2", "direct:method=newton",
             "gradient", "gradient:batch_size=64,max_epochs=20", "gradient:bins=64,max_epochs=50",
             pytest.param("gradient:bins=64", marks=pytest.mark.slow),
             "sklearn", "scipy_user", "pomegranate", "pomegranate:preset=tight"]
)  # fmt: skip
def test_contract(spec: str) -> None:
    problems = {point: problem for point, problem in check_fitter(spec) if problem is not None}
    assert problems == {}


def test_contract_is_run_on_every_fitter_here() -> None:
    assert {"direct", "em", "gradient", "mcmc", "pomegranate", "scipy_user", "sklearn"} == set(
        fitters()
    )


def test_em_finds_what_scikit_learn_finds() -> None:
    truth = Mixture(family("normal"), np.array([0.4, 0.6]), np.array([[-1.0, 0.8], [1.5, 0.6]]))
    sample = Sample.of(truth.sample(np.random.default_rng(0), 20_000), truth.family)
    specs = ("sklearn:preset=tight,regularisation=0", "em", "scipy_user")
    (theirs, _), (ours, fit), (users, _) = (
        fit_all(spec, sample, "quantile", range(1))[0] for spec in specs
    )
    assert ours == pytest.approx(theirs, abs=1e-8)
    assert users == pytest.approx(theirs, abs=1e-7)
    assert fit.evaluations < 60


@pytest.mark.parametrize("name", ["normal_bimodal", "lognormal_pair", "gamma_pair"])
def test_em_finds_what_pomegranate_finds(name: str) -> None:
    import torch

    scenario = load(name)
    sample = Sample.of(scenario.observations(0, 7), scenario.family)
    specs = (
        "pomegranate:preset=tight",
        "em:tolerance=1e-9",
        "pomegranate:preset=tight,tolerance=1",
    )
    (theirs, fit), (ours, _), (early, short) = (
        fit_all(spec, sample, "quantile", range(1))[0] for spec in specs
    )
    assert theirs == pytest.approx(ours, abs=1e-11)
    # One nat of all the data, in one step, is where the third stopped.
    assert 1e-10 < early - theirs < 10.0 / sample.size
    assert short.evaluations < fit.evaluations
    assert fit.converged is None
    assert torch.get_default_dtype() == torch.float32  # it was lent, and given back


def test_pomegranate_begins_at_the_start_and_shows_how_it_goes_up() -> None:
    scenario = load("gamma_pair")
    sample = Sample.of(scenario.observations(0, 7), scenario.family)
    start = Start.of(policy("quantile"), sample, 2, 1)
    seen: list[Mixture] = []
    fitter = parse("pomegranate:preset=tight")
    fit = fitter.prepare(sample, sample.family, 2).fit(start, 0, lambda copy: seen.append(copy()))
    assert len(seen) == fit.iterations
    assert_allclose(seen[0].parameters, start.mixture.parameters)
    assert_allclose(seen[0].weights, start.mixture.weights)
    likelihoods = [sample.log_likelihood(mixture) for mixture in seen]
    assert (np.diff(likelihoods) > -1e-7).all()


@pytest.mark.parametrize(("peer", "fits"), [("sklearn", "normal"), ("pomegranate", "gamma")])
def test_a_peer_says_what_it_does_not_fit(peer: str, fits: str) -> None:
    reason = parse(peer).supports(family("beta"), 2)
    assert reason is not None
    assert fits in reason


@pytest.mark.parametrize("spec", ["direct", "em", "direct:method=L-BFGS-B", "direct:method=BFGS"])
def test_the_founding_optimum_from_every_quantile_start(spec: str, founding: Sample) -> None:
    for nll, fit in fit_all(spec, founding, "quantile", range(20)):
        assert nll == pytest.approx(OPTIMUM, abs=1e-8)
        rows = fit.mixture.parameters[np.argsort(fit.mixture.parameters[:, 0])]
        # em stops 1e-4 nats short, which is some 1e-3 in the parameters
        assert_allclose(rows, BEST, rtol=1e-3)
        assert fit.converged


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("em:tolerance=0.05", "overlapping_hard"),
        ("em:tolerance=0.05,accelerate=false", "overlapping"),
    ],
)
def test_em_that_claims_to_have_converged_has_little_left_to_gain(spec: str, name: str) -> None:
    scenario = load(name)
    sample = Sample.of(scenario.observations(0, 0), scenario.family)
    for _, fit in fit_all(spec, sample, "quantile", range(4)):
        assert fit.converged
        gained = ascend(sample, fit.mixture).log_likelihood - sample.log_likelihood(fit.mixture)
        assert gained < 0.06  # the tolerance, in nats; what is left is a model's estimate


def test_a_minibatch_costs_its_share_of_a_pass(founding: Sample) -> None:
    small = Sample.of(founding.observations[:300], founding.family)
    spec = parse("gradient:batch_size=64,max_epochs=3,tolerance=0")
    start = Start.of(policy("quantile"), small, 2, 1)
    small.evaluations = 0.0
    spec.prepare(small, small.family, 2).fit(start, 0, lambda copy: None)
    assert small.evaluations == pytest.approx(3.0)  # 64 + 64 + 64 + 64 + 44 are one epoch


def test_the_article_reproduced(founding: Sample) -> None:
    (nll, fit), *_ = fit_all("gradient:preset=article", founding, "article", range(1, 2))
    assert nll == pytest.approx(-0.41419, abs=1e-5)
    assert_allclose(fit.mixture.parameters, [[1.5257, 9.9830], [10.0109, 1.5317]], atol=1e-3)
    assert_allclose(fit.mixture.weights, [0.4997, 0.5003], atol=1e-3)
    assert fit.iterations == 100
    assert fit.converged is None  # it runs its epochs, and has no opinion


def test_the_article_from_another_start_merges_both_components(founding: Sample) -> None:
    (nll, _), *_ = fit_all("gradient:preset=article", founding, "article", range(1))
    assert nll == pytest.approx(MERGED, abs=1e-5)


@pytest.mark.parametrize("start", ["quantile", "kmeans"])
def test_gradient_descent_needs_no_exponential_family(start: str) -> None:
    scenario = load("student_pair")
    sample = Sample.of(scenario.observations(0, 5), scenario.family)
    (best, _), *_ = fit_all("direct", sample, start, range(1))
    (nll, _), *_ = fit_all("gradient", sample, start, range(1))
    assert nll == pytest.approx(best, abs=5e-4)


def test_direct_has_no_newton_without_a_hessian() -> None:
    reason = parse("direct:method=trust-exact").supports(family("weibull"), 2)
    assert reason is not None
    assert "no exponential family" in reason


def test_em_says_why_it_does_not_apply() -> None:
    reason = EM().supports(family("weibull"), 2)
    assert reason is not None
    assert "no M-step" in reason
    assert EM().supports(family("beta"), 2) is None


@pytest.mark.parametrize("name", ["beta", "normal", "gamma", "lognormal"])
@pytest.mark.parametrize("components", [1, 2, 3])
def test_em_never_goes_down_and_agrees_with_newton(name: str, components: int) -> None:
    rows = {
        "beta": [[2.0, 9.0], [9.0, 2.0], [30.0, 30.0]],
        "normal": [[-3.0, 1.0], [3.0, 0.5], [0.0, 0.3]],
        "gamma": [[2.0, 2.0], [60.0, 10.0], [90.0, 6.0]],
        "lognormal": [[-2.0, 0.4], [2.0, 0.4], [0.0, 0.2]],
    }
    truth = Mixture(family(name), np.full(3, 1 / 3), np.array(rows[name]))
    sample = Sample.of(truth.sample(np.random.default_rng(4), 2000), truth.family)
    start = Start.of(policy("kmeans"), sample, components, 1)
    seen: list[float] = []
    em = parse("em:tolerance=1e-8").prepare(sample, sample.family, components)
    fit = em.fit(start, 0, lambda copy: seen.append(sample.log_likelihood(copy())))
    assert (np.diff(seen) > -1e-7).all()
    newton = (
        parse("direct").prepare(sample, sample.family, components).fit(start, 0, lambda c: None)
    )
    assert sample.log_likelihood(fit.mixture) == pytest.approx(
        sample.log_likelihood(newton.mixture), abs=1e-5
    )


@pytest.mark.parametrize("same_mean", [False, True])
def test_relabelling_undoes_switches(same_mean: bool) -> None:
    generator = np.random.default_rng(0)
    rows = [[2.0, 2.0], [40.0, 40.0], [3.0, 20.0]] if same_mean else [[3, 20], [20, 3], [9, 9]]
    truth = np.column_stack([[0.5, 0.3, 0.2], np.array(rows, dtype=float)])
    draws = truth * np.exp(0.1 * generator.normal(size=(2, 300, 3, 3)))
    switched = draws.copy()
    orders = list(permutations(range(3)))
    for chain in range(2):
        for draw in range(300):
            switched[chain, draw] = draws[chain, draw][list(orders[generator.integers(6)])]
    found = relabel(switched, family("beta"))
    reference = found.reshape(-1, 3, 3).mean(axis=0)
    order = np.argmin(np.abs(truth[:, None] - reference[None]).sum(axis=2), axis=1)
    assert_allclose(found[:, :, order], draws)


def test_starts_are_the_same_for_the_same_seed_and_differ_otherwise(founding: Sample) -> None:
    for name in policies():
        one, two, other = (policy(name).draw(founding, 3, seed) for seed in (4, 4, 5))
        assert one.valid()
        assert one.coordinates().tobytes() == two.coordinates().tobytes()
        if name != "kmeans":  # whose clusters may well be the same
            assert one.coordinates().tobytes() != other.coordinates().tobytes()


@pytest.mark.parametrize(("size", "fewest"), [(40, 2), (400, 10)])
def test_quantile_bins_hold_two_observations_and_a_tenth_of_an_equal_share(
    size: int, fewest: int
) -> None:
    x = np.random.default_rng(0).beta(2.0, 3.0, size)
    sample = Sample.of(x, family("beta"))
    held = [policy("quantile").draw(sample, 4, seed).weights * size for seed in range(200)]
    assert np.min(held) == pytest.approx(fewest)  # met, by some of 200, and never undercut
    assert_allclose(np.sum(held, axis=1), size)


def test_siblings_of_a_start_differ_from_it_and_from_each_other(founding: Sample) -> None:
    start = Start.of(policy("quantile"), founding, 2, 7)
    drawn = [start.mixture, *(start.sibling(founding, index) for index in (1, 2, 3))]
    assert len({mixture.coordinates().tobytes() for mixture in drawn}) == 4
    again = start.sibling(founding, 2)
    assert again.coordinates().tobytes() == drawn[2].coordinates().tobytes()


def test_article_starts_are_for_betas() -> None:
    reason = policy("article").supports(family("normal"), 2)
    assert reason is not None
    assert "beta" in reason


@pytest.mark.parametrize("name", ["quantile", "kmeans"])
def test_too_few_observations_to_start_from(name: str) -> None:
    sample = Sample.of(np.array([0.1, 0.2, 0.3]), family("beta"))
    with pytest.raises(UserError, match="3 observations can't start 2 components"):
        policy(name).draw(sample, 2, 0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("emm", "did you mean 'em'"),
        ("em:tolerence=1", "did you mean 'tolerance'"),
        ("em:tolerance", "not of the form"),
        ("em:tolerance=0", "greater than 0"),
        ("em:tolerance=x", "valid number"),
        ("em:tolerance=1,tolerance=2", "twice"),
        ("em:preset=article", "no presets"),
        ("gradient:preset=artikle", "did you mean 'article'"),
        ("direct:method=simplex", "method=simplex"),
    ],
)
def test_wrong_specs(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(spec)


def test_settings_are_converted_and_presets_can_be_overridden() -> None:
    told = {f.name: getattr(parse("gradient:preset=article,max_epochs=7"), f.name)
            for f in fields(parse("gradient"))}  # type: ignore[arg-type]  # fmt: skip
    assert told["max_epochs"] == 7
    assert told["learning_rate"] == 1.0
    assert told["precision"] == "float32"
    with pytest.raises(ValidationError):
        EM(tolerance=-1.0)
