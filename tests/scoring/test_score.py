"""Scores of one data set: rows of the scored table from records and a reference."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

from benchmarks.reference.admissible import rejection_reason
from benchmarks.reference.ascent import ascend
from benchmarks.reference.certificate import Reference
from benchmarks.reference.newton import Ascent
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.reference.search import find_reference
from benchmarks.scoring.data_set import DataSet, worst_standard_error
from benchmarks.scoring.facts import Facts
from benchmarks.scoring.score import Score, trial_status
from benchmarks.scoring.scored_run import check_drawn, score_data_set, score_without_search
from benchmarks.scoring.targets import target_costs
from benchmarks.scoring.truth_errors import interval_coverage, label_order, truth_errors
from fitters.starts import Start, policy
from scenarios.data_summary import summarise_data
from scenarios.errors import UserError
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.scenario import build, load
from tests.conftest import moved

FITTED = [[1.8, 9.5], [11.0, 3.2]]


@pytest.fixture(scope="module")
def unequal() -> DataSet:
    return DataSet.of(load("unequal"), 0, seed=0)


@pytest.fixture(scope="module")
def reference(unequal: DataSet) -> Reference:
    return find_reference(unequal.sample, 2, unequal.min_spread)


def record(outcome: str = "returned", **facts: object) -> dict:
    """The facts of a trial, of which ``facts`` are all that is known beyond its outcome."""
    base = {"scenario": "unequal", "replicate": 0, "fitter": "f", "start": "quantile",
            "restart": 3, "outcome": outcome, "message": "said"}  # fmt: skip
    return {**base, **facts}


def loss(mixture: ScipyMixture, data_set: DataSet) -> float:
    """-log f over the data, by scipy alone."""
    parts = [w * stats.beta(*row).pdf(data_set.observations)
             for w, row in zip(mixture.weights, mixture.parameters, strict=True)]  # fmt: skip
    return float(-np.log(np.sum(parts, axis=0)).sum())


@pytest.mark.parametrize("outcome", ["error", "timeout", "memory", "crashed", "not_attempted"])
def test_a_trial_without_a_fit_is_a_row_without_figures(
    unequal: DataSet, reference: Reference, outcome: str
) -> None:
    facts = record(outcome, seconds=2.5, peak_mb=70.0)
    (row,), notes = score_data_set([facts], unequal, reference)
    assert notes == []
    assert (row["status"], row["message"], row["restart"]) == (outcome, "said", 3)
    assert (row["seconds"], row["peak_mb"]) == (2.5, 70.0)
    assert (row["n"], row["p"]) == (2000, 5)
    assert row.keys() >= {field.name for cls in (Score, Facts) for field in fields(cls)}
    assert np.isnan([row[name] for name in ("nll", "excess", "hellinger", "passes")]).all()
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000)


def test_excess_and_errors_are_those_of_the_definitions(
    unequal: DataSet, reference: Reference
) -> None:
    weights = [0.93, 0.07]
    row = score_data_set(
        [record(weights=weights, parameters=FITTED)], unequal, reference
    )[0][0]  # fmt: skip
    fitted = ScipyMixture.of("beta", weights, FITTED)
    lost = loss(fitted, unequal) + reference.log_likelihood
    assert row["excess"] == pytest.approx(2.0 * lost / 5, rel=1e-9)
    true = [[2.0, 10.0], [12.0, 3.0]]
    gaps = np.abs(np.array(FITTED) - true)
    assert_allclose(row["parameter_error"], gaps)
    assert_allclose(row["parameter_error_relative"], gaps / true)
    assert_allclose(row["weight_error"], [0.03, 0.03])
    # A weight of .07 for .1 is further off than any parameter.
    assert row["worst_relative_error"] == pytest.approx(0.3)
    only = truth_errors(ScipyMixture.of("beta", [0.9, 0.1], [[2.0, 10.0], [12.0, 3.6]]), unequal)
    assert only["worst_relative_error"] == pytest.approx(0.2)


def test_information_error_is_a_quadratic_form(unequal: DataSet) -> None:
    """Against the scores' covariance over draws of the truth: within the error of that."""
    assert unequal.truth is not None
    truth, scenario = unequal.truth, load("unequal")
    assert scenario.truth is not None
    x = scenario.truth.sample(400_000, 0)
    step = 1e-4
    scores = np.stack([
        (moved(truth, i, step).log_density(x) - moved(truth, i, -step).log_density(x))
        / (2.0 * step) for i in range(5)
    ])  # fmt: skip
    information = 2000 * scores @ scores.T / x.size
    near = ScipyMixture.of("beta", [0.91, 0.09], [[2.05, 10.3], [11.7, 2.9]])
    gap = np.concatenate([
        special.logit([0.91]) - special.logit([0.9]),
        np.log(near.parameters / [[2.0, 10.0], [12.0, 3.0]]).ravel(),
    ])  # fmt: skip
    expected = gap @ information @ gap / 5
    assert truth_errors(near, unequal)["information_error"] == pytest.approx(expected, rel=0.02)


def status(excess: float, nats: float = 0.0, gain: float = 0.0, ends: list | None = None) -> str:
    """The status of a fit of 100 observations whose ascent ends so many nats from the reference."""
    score = Score(optimum=-1.0 + nats / 100, gain_left=gain, chain_optima=ends)
    return str(trial_status(excess, score, -1.0, 100))


def test_a_status_is_decided_by_where_the_ascent_ends_and_by_excess() -> None:
    assert status(0.0099) == "converged"
    assert status(0.011) == status(0.99, gain=0.99) == "found"
    assert status(1.01, gain=0.0099) == "local"
    assert status(1.01, gain=0.011) == "unfinished"
    # Within the noise of the reference, but on the way to another optimum, or at one.
    assert status(0.5, nats=0.051, gain=0.4) == "unfinished"
    assert status(0.5, nats=0.051) == status(0.005, nats=-0.051) == "local"
    assert status(float("nan")) == status(float("nan"), nats=float("nan")) == "local"
    # A posterior is judged by the same rule; if it fails, its chains say how.
    assert status(0.5, ends=[-1.0, -0.9]) == "found"
    assert status(2.0, ends=[-1.0, -1.0 + 0.049 / 100]) == "local"
    assert status(2.0, ends=[-1.0, -1.0 + 0.051 / 100]) == "unmixed"
    assert status(2.0, gain=0.5, ends=[-1.0, float("nan"), -1.0]) == "unmixed"


def test_the_optimum_above_a_better_fit_takes_the_references_place(
    unequal: DataSet, reference: Reference
) -> None:
    one = Mixture(unequal.sample.family, np.ones(1), np.ones((1, 2)))
    merged = ascend(unequal.sample, one)
    low = replace(
        reference,
        weights=[0.5, 0.5],
        parameters=merged.mixture.parameters.tolist() * 2,
        log_likelihood=merged.log_likelihood,
    )
    (row,), notes = score_data_set([record(weights=[0.93, 0.07], parameters=FITTED)], unequal, low)
    assert row["gain_left"] > 0.01
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000)
    assert row["excess"] > 0.0
    assert row["status"] == "unfinished"
    assert "leads to an optimum that is better than the reference" in notes[0]


def test_a_better_fit_that_may_not_be_the_reference_is_no_success(
    unequal: DataSet, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "benchmarks.scoring.challengers.rejection_reason", lambda *arguments: "a ridge"
    )
    low = replace(
        reference, weights=[0.5, 0.5], parameters=[[1.0, 1.0], [1.1, 1.0]], log_likelihood=0.0,
        log_likelihood_of_fewer=None,
    )  # fmt: skip
    facts = record(weights=reference.weights, parameters=reference.parameters)
    (row,), (note,) = score_data_set([facts], unequal, low)
    assert row["status"] == "above_reference"
    assert row["excess"] < 0.0
    assert "better than the reference and may not replace it: 1, the best (" in note
    assert "(a ridge); do not trust" in note
    assert target_costs([], row, bool)["target_passes"] == [np.inf] * 7
    # Less than rounding above it is no contradiction.
    near = replace(low, weights=reference.weights, parameters=reference.parameters)
    (row,), notes = score_data_set([facts], unequal, near)
    assert row["status"] == "converged"
    assert notes == []


@pytest.mark.parametrize(
    ("weights", "parameters", "word"),
    [
        (["nan", 1.0], FITTED, "a weight or parameter is not finite"),
        ([0.5, 0.5], [["inf", 2.0], [2.0, 2.0]], "a weight or parameter is not finite"),
        ([0.5, 0.500002], FITTED, "are no distribution"),
        ([0.5, 0.499998], FITTED, "are no distribution"),
        ([1.5, -0.5], FITTED, "are no distribution"),
        ([0.5, 0.5], [[-1.0, 2.0], [2.0, 2.0]], "that must be positive is not"),
        ([0.5, 0.5], [[1.0, 2.0]], "do not fit"),
        ([0.5, 0.5], [[1.0], [2.0]], "1 parameters a component"),
        ([0.4, 0.3, 0.3], [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]], "it has 3 components"),
    ],
)
def test_what_is_no_mixture_is_invalid_and_says_why(
    unequal: DataSet, reference: Reference, weights: list, parameters: list, word: str
) -> None:
    facts = record(weights=weights, parameters=parameters)
    (row,), _ = score_data_set([facts], unequal, reference)
    assert row["status"] == "invalid"
    assert word in row["message"]
    assert row["message"].endswith("(the fitter: said)")
    assert np.isnan(row["nll"])


@pytest.mark.parametrize(("nats", "better"), [(0.0005, False), (0.0015, True)])
def test_a_fit_must_be_better_by_more_than_rounding(
    unequal: DataSet, reference: Reference, nats: float, better: bool
) -> None:
    # A reference so many nats below the optimum, by the quadratic model along one parameter.
    rows = np.array(reference.parameters)

    def lost(step: float) -> float:
        changed = rows * np.array([[1.0 + step, 1.0], [1.0, 1.0]])
        return loss(ScipyMixture.of("beta", reference.weights, changed), unequal)

    best = loss(reference.mixture, unequal)
    step = optimize.brentq(lambda each: lost(each) - best - nats, 1e-9, 0.1)
    low = replace(reference, parameters=[[rows[0, 0] * (1.0 + step), rows[0, 1]], rows[1].tolist()])
    facts = record(weights=reference.weights, parameters=reference.parameters)
    (row,), notes = score_data_set([facts], unequal, low)
    assert row["status"] == "converged"
    assert bool(notes) is better


def test_weights_that_claim_too_much_gain_nothing(unequal: DataSet, reference: Reference) -> None:
    weights = np.array(reference.weights)
    cases = [record(weights=w.tolist(), parameters=reference.parameters, restart=i)
             for i, w in enumerate([weights, weights * (1.0 + 9e-7)])]  # fmt: skip
    (exact, generous), _ = score_data_set(cases, unequal, reference)
    assert generous["nll"] == pytest.approx(exact["nll"], abs=1e-12)
    assert sum(generous["weights"]) == pytest.approx(1.0, abs=1e-15)


def test_a_weight_of_zero_is_a_weight() -> None:
    assert ScipyMixture.of("beta", [0.0, 1.0], FITTED).invalid_reason() is None


def test_traces_are_scored_by_scipy_where_the_kernel_is_wrong() -> None:
    data_set = DataSet.of(load("small"), 0, seed=0)
    hessian = {"gradient": 1.0, "hessian": 2.0}  # 1 + 2 (1 + 5/2)
    points = [[0.1, {"expectation": 1.0}, [0.5, 0.5], [[2.0, 9.0], [9.0, 2.0]]],
              [0.2, {"gradient": 1.0}, ["nan", 0.5], [[2.0, 9.0], [9.0, 2.0]]],
              [0.3, hessian, [0.4, 0.6], [[1.5, 10.0], [10.0, 1.5]]]]  # fmt: skip
    mixtures = [ScipyMixture.of("beta", *point[2:]) for point in points]
    expected = [loss(mixture, data_set) / 100 for mixture in mixtures]
    for wrong in (False, True):
        fresh = DataSet.of(load("small"), 0, seed=0)
        if wrong:  # the code under test may have any kernel
            fresh.sample.log_likelihood = lambda mixture: 17.0  # type: ignore[method-assign]
        found = fresh.trace({"trace": points}, 5)
        assert [point[:2] for point in found] == [(0.1, 1.0), (0.2, 1.0), (0.3, 8.0)]
        assert_allclose([point[2] for point in found], expected, rtol=1e-9)
    assert DataSet.of(load("small"), 0, seed=0).trace({}, 5) == []


def test_intervals_are_those_of_the_aligned_labels(unequal: DataSet) -> None:
    # True values: weights .9 and .1, (2, 10) and (12, 3). The labels are swapped here.
    rows = np.array([[[0.1, 12.0, 3.0], [0.9, 2.0, 10.0]]])
    ends = rows * np.array([0.8, 0.9, 1.1, 1.2])[:, None, None]
    ends[1:3, 0, 1] = [12.5, 13.0]  # the 50 % interval of alpha 2 misses 12
    ends[3, 1, 2] = 9.9  # and the 90 % interval of beta 1 ends below 10
    fitted = ScipyMixture.of("beta", rows[0, :, 0], rows[0, :, 1:])
    found = interval_coverage(ends.tolist(), fitted, unequal)
    # The first weight, then alpha and beta of the first true component and of the second.
    assert found["covered_50"] == [True, True, True, False, True]
    assert found["covered_90"] == [True, True, False, True, True]
    # Without quantiles, without a truth, or where it can't be identified, there is nothing to hold.
    assert interval_coverage(None, fitted, unequal) == {}
    for other in (replace(unequal, truth=None, no_error_reason="no truth"),
                  replace(unequal, no_error_reason="not identifiable at this n")):  # fmt: skip
        assert interval_coverage(ends.tolist(), fitted, other) == {}


def test_errors_of_a_location_are_in_spreads() -> None:
    data_set = DataSet.of(load("normal_bimodal"), 0, seed=0)
    truth = data_set.truth
    rows = truth.parameters + np.array([[0.01, 0.0], [0.0, 0.0]])
    found = truth_errors(ScipyMixture("normal", truth.weights, rows), data_set)
    assert found["worst_relative_error"] == pytest.approx(0.01 / truth.spreads[0])


def test_other_data_than_the_runs_are_refused(unequal: DataSet) -> None:
    x = unequal.observations
    check_drawn(unequal, [{"data": summarise_data(x)}, {"data": summarise_data(x[::-1])}, {}])
    for other in (x[1:], x * (1.0 - 1e-6)):
        with pytest.raises(UserError, match="not those of the run"):
            check_drawn(unequal, [{"data": summarise_data(x)}, {"data": summarise_data(other)}])


def test_many_components_are_aligned_by_place_and_spread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.array([[float(k // 2), 0.1 if k % 2 else 0.8] for k in range(8)])  # pairs of one mean
    truth = ScipyMixture("normal", np.full(8, 1 / 8), rows)
    order = np.random.default_rng(0).permutation(8)
    found = truth.permuted(order.tolist())
    aligned = found.permuted(label_order(found, truth))
    assert_allclose(aligned.parameters, rows)
    three = truth.permuted([0, 3, 4])
    three = ScipyMixture("normal", np.full(3, 1 / 3), three.parameters)
    monkeypatch.setattr("benchmarks.scoring.truth_errors.MAX_PERMUTED", 2)
    assert label_order(three.permuted([1, 2, 0]), three) == (2, 0, 1)


def test_a_truth_of_equal_components_has_no_standard_error() -> None:
    same = ScipyMixture("beta", np.array([0.5, 0.5]), np.array([[2.0, 3.0], [2.0, 3.0]]))
    assert worst_standard_error(same, 1000) > 1e3


def test_a_fit_that_cannot_have_made_the_data_is_invalid() -> None:
    scenario = load("normal_bimodal")
    content = {**scenario.content, "spread_floor": 0.0}
    data_set = DataSet.of(build(scenario.name, content, Path()), 0, seed=0)
    reference = find_reference(data_set.sample, 2, 0.02)
    narrow = [[-1.0, 1e-200], [1.0, 1e-200]]
    (row,), _ = score_data_set([record(weights=[0.5, 0.5], parameters=narrow)], data_set, reference)
    assert row["status"] == "invalid"
    assert "likelihood of the data is zero" in row["message"]


def test_the_health_of_chains_has_no_part_in_the_status(
    unequal: DataSet, reference: Reference
) -> None:
    fit = {"weights": reference.weights, "parameters": reference.parameters}
    good = {"r_hat": 1.05, "ess": 400.0, "ess_tail": 400.0, "divergences": 2}
    cases = {
        "": good,
        "R̂ is unknown": good | {"r_hat": None},
        "R̂ is 1.051": good | {"r_hat": 1.051},
        "bulk ESS is 399": good | {"ess": 399.0},
        "tail ESS is 399": good | {"ess_tail": 399.0},
        "R̂ is nan, bulk ESS is 50": good | {"r_hat": "nan", "ess": 50.0},
    }
    records = [record(posterior=each, **fit) for each in cases.values()]
    rows, _ = score_data_set(records, unequal, reference)
    assert [row["status"] for row in rows] == ["converged"] * len(cases)
    assert [row["unhealthy_because"] for row in rows] == list(cases)
    assert [row["healthy"] for row in rows] == [not reason for reason in cases]
    assert [row["divergences"] for row in rows] == [2.0] * len(cases)
    assert np.isnan(rows[1]["r_hat"])
    ((row,), _) = score_data_set([record(**fit)], unequal, reference)
    assert row["healthy"] is None


def test_chains_at_different_optima_are_unmixed(unequal: DataSet, reference: Reference) -> None:
    best = np.column_stack([reference.weights, reference.parameters])
    single = fit_of_one_beta(unequal.observations)
    merged = np.column_stack([[0.5, 0.5], [single, single]])
    one = {"weights": [0.5, 0.5], "parameters": [single, single]}
    posterior = {"r_hat": 1.5, "ess": 9.0, "ess_tail": 9.0}
    cases = [[best, merged], [best, best[::-1] * 1.01], [merged, merged]]
    records = [
        record(posterior={**posterior, "chain_means": [m.tolist() for m in chains]}, **one)
        for chains in cases
    ]
    rows, _ = score_data_set(records, unequal, reference)
    assert [row["status"] for row in rows] == ["unmixed", "local", "local"]
    at_one = -stats.beta(*single).logpdf(unequal.observations).mean()
    assert rows[0]["chain_optima"] == pytest.approx([rows[0]["reference_nll"], at_one], abs=1e-9)


def fit_of_one_beta(x: np.ndarray) -> list[float]:
    """The maximum likelihood estimate of a single beta, by scipy."""
    alpha, beta, _, _ = stats.beta.fit(x, floc=0.0, fscale=1.0)
    return [float(alpha), float(beta)]


def test_the_predictive_density_is_the_mean_over_draws(
    unequal: DataSet, reference: Reference
) -> None:
    rng = np.random.default_rng(0)
    base = np.column_stack([reference.weights, reference.parameters])
    kept = base * np.exp(rng.normal(0.0, 0.2, (40, 2, 3)))
    kept[..., 0] /= kept[..., 0].sum(axis=1, keepdims=True)
    posterior = {"r_hat": 1.0, "ess": 900.0, "ess_tail": 900.0, "kept": kept.tolist()}
    fit = {"weights": reference.weights, "parameters": reference.parameters}
    (row,), _ = score_data_set([record(posterior=posterior, **fit)], unequal, reference)
    # By simulation from the truth, .9 Beta(2, 10) + .1 Beta(12, 3).
    large = rng.random(400_000) < 0.1
    x = np.where(large, rng.beta(12.0, 3.0, large.size), rng.beta(2.0, 10.0, large.size))
    truth = 0.9 * stats.beta(2, 10).pdf(x) + 0.1 * stats.beta(12, 3).pdf(x)
    densities = sum(
        kept[:, k, :1] * stats.beta(kept[:, k, 1:2], kept[:, k, 2:]).pdf(x[None, :100_000])
        for k in (0, 1)
    )
    terms = np.log(truth[:100_000]) - np.log(densities.mean(axis=0))
    error = 4.0 * terms.std() / np.sqrt(terms.size)
    assert row["predictive_kl"] == pytest.approx(terms.mean(), abs=error)
    assert error < 0.2 * row["predictive_kl"]


def test_a_better_optimum_above_the_truth_takes_the_references_place(
    unequal: DataSet, reference: Reference
) -> None:
    single = fit_of_one_beta(unequal.observations)
    height = float(stats.beta(*single).logpdf(unequal.observations).sum())
    poor = replace(
        reference, weights=[0.5, 0.5], parameters=[single, single], log_likelihood=height,
        log_likelihood_of_fewer=None,
    )  # fmt: skip
    (row,), (note,) = score_data_set([record("error")], unequal, poor)
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000, abs=1e-9)
    assert "the ascent from the truth leads to an optimum that is better" in note
    # Where there is no truth, nothing but fits can challenge it.
    real = replace(unequal, truth=None, no_error_reason="no truth")
    (row,), notes = score_data_set([record("error")], real, poor)
    assert row["reference_nll"] == pytest.approx(-height / 2000)
    assert notes == []


def test_an_optimum_above_a_fit_that_is_below_the_reference_challenges_it(
    unequal: DataSet, reference: Reference
) -> None:
    single = fit_of_one_beta(unequal.observations)
    height = float(stats.beta(*single).logpdf(unequal.observations).sum())
    real = replace(unequal, truth=None, no_error_reason="no truth")
    poor = replace(
        reference, weights=[0.5, 0.5], parameters=[single, single], log_likelihood=height,
        log_likelihood_of_fewer=None,
    )  # fmt: skip
    start = record(weights=[0.7, 0.3], parameters=[[1.0, 10.0], [10.0, 10.0]])
    below = loss(ScipyMixture.of("beta", start["weights"], start["parameters"]), unequal)
    assert -below < height
    (row,), (note,) = score_data_set([start], real, poor)
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000, abs=1e-9)
    assert note.startswith("unequal, data set 0: f (start quantile, restart 3) leads to an optimum")


def test_a_data_set_that_fewer_components_describe_is_in_no_rate(
    unequal: DataSet, reference: Reference
) -> None:
    fit = record(weights=reference.weights, parameters=reference.parameters)
    best, p = reference.log_likelihood, 5
    for nats, outside in ((0.49 * p, "not distinguishable"), (0.51 * p, "")):
        near = replace(reference, log_likelihood_of_fewer=best - nats)
        (row,), notes = score_data_set([fit], unequal, near)
        assert row["outside_rates"] == outside
        assert [("is not distinguishable" in note) for note in notes] == [True] * bool(outside)
        assert row["status"] == "converged"
    (row,), _ = score_data_set([fit], unequal, replace(reference, log_likelihood_of_fewer=None))
    assert row["outside_rates"] == ""


def test_a_spike_does_not_take_the_references_place_however_good(
    unequal: DataSet, reference: Reference
) -> None:
    # A component on three observations: it is stationary, and likelier than the reference.
    x = np.sort(unequal.observations)
    at = float(x[1000:1003].mean())
    total = at * (1.0 - at) / x[1000:1003].var() - 1.0
    spike = [[1.9, 5.5], [at * total, (1.0 - at) * total]]
    (row,), notes = score_data_set(
        [record(weights=[0.998, 0.002], parameters=spike)], unequal, reference
    )
    assert row["status"] == "spurious"
    assert notes == []
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000)


def test_where_a_fit_would_land_does_not_rest_on_the_kernels_constant(
    unequal: DataSet, reference: Reference
) -> None:
    facts = record(weights=[0.93, 0.07], parameters=FITTED)
    (row,), _ = score_data_set([facts], unequal, reference)
    fitted = ScipyMixture.of("beta", [0.93, 0.07], FITTED)
    gained = loss(fitted, unequal) + reference.log_likelihood
    shifted = replace(unequal, sample=replace(unequal.sample, log_base=unequal.sample.log_base + 3))
    (other,), _ = score_data_set([facts], shifted, reference)
    for found in (row, other):
        assert found["optimum"] == pytest.approx(-reference.log_likelihood / 2000, abs=1e-9)
        assert found["gain_left"] == pytest.approx(2.0 * gained / 5, rel=1e-5)


def test_of_better_fits_the_best_takes_the_references_place(
    unequal: DataSet, reference: Reference
) -> None:
    low = replace(
        reference, weights=[0.5, 0.5], parameters=[[1.0, 1.0], [1.1, 1.0]], log_likelihood=0.0
    )
    near = (np.array(reference.parameters) * 1.001).tolist()
    cases = [record(weights=reference.weights, parameters=rows, restart=index)
             for index, rows in enumerate([near, reference.parameters, near])]  # fmt: skip
    rows, (note,) = score_data_set(cases, unequal, low)
    assert 0.0 < rows[0]["gain_left"] < 0.01
    assert [row["reference_nll"] for row in rows] == pytest.approx([rows[1]["nll"]] * 3, abs=1e-9)
    assert "has taken its place" in note
    assert [row["status"] for row in rows] == ["converged"] * 3


def test_a_ridge_is_no_reference(unequal: DataSet, reference: Reference) -> None:
    top = ascend(
        unequal.sample,
        Mixture(unequal.sample.family, np.array(reference.weights), np.array(reference.parameters)),
    )
    assert rejection_reason(unequal.sample, top, unequal.min_spread) == ""
    for changed in (
        replace(top, smallest_eigenvalue=-1e-3),
        replace(top, smallest_eigenvalue=-2e-7),
        replace(top, predicted_gain=0.1),
        replace(top, predicted_gain=float("nan")),
    ):
        assert "ridge" in rejection_reason(unequal.sample, changed, unequal.min_spread)


def test_a_flat_direction_is_a_ridge_only_where_two_components_are_one(
    unequal: DataSet, reference: Reference
) -> None:
    sample = unequal.sample
    top = Mixture(sample.family, np.array(reference.weights), np.array(reference.parameters))
    for flat in (-5e-8, 0.0, 5e-8):
        end = replace(ascend(sample, top), smallest_eigenvalue=flat)
        assert rejection_reason(sample, end, unequal.min_spread) == ""
        steep = replace(end, predicted_gain=2e-3)
        assert "ridge" in rejection_reason(sample, steep, unequal.min_spread)
    one = ascend(sample, Mixture(sample.family, np.ones(1), np.ones((1, 2)))).mixture.parameters[0]
    twice = Mixture(sample.family, np.array([0.3, 0.7]), np.stack([one, one * (1.0 + 1e-6)]))
    end = Ascent(twice, sample.log_likelihood(twice), 0.0, 0.0)
    assert "ridge" in rejection_reason(sample, end, unequal.min_spread)


@pytest.mark.parametrize("name", ["nested", "ushaped", "small", "three", "gamma_pair"])
def test_without_a_search_statuses_are_those_of_the_reference(name: str) -> None:
    data_set = DataSet.of(load(name), 1, seed=0)
    sample, model = data_set.sample, Model(data_set.sample.family, data_set.scenario.components)
    records = []
    for seed in range(8):
        start = Start.of(policy("quantile"), sample, model, seed)
        for steps in (2, 300):
            end = ascend(sample, start.mixture, max_steps=steps).mixture
            fit = {"weights": end.weights.tolist(), "parameters": end.parameters.tolist()}
            records.append(record(scenario=name, restart=len(records), **fit))
    rows, notes = score_without_search(records, data_set)
    theirs, _ = score_data_set(records, data_set)
    for figure in ("status", "outside_rates"):
        assert [row[figure] for row in rows] == [row[figure] for row in theirs]
    assert [row["excess"] for row in rows] == pytest.approx(
        [row["excess"] for row in theirs], abs=1e-4
    )
    assert name == "gamma_pair" or len({row["status"] for row in rows}) > 1
    assert notes == []


def test_without_a_search_and_without_an_optimum_nothing_is_judged(unequal: DataSet) -> None:
    lost = [record("error"), record(weights=[0.5, 0.5], parameters=[[1.0, -1.0], [1.0, 1.0]])]
    rows, _ = score_without_search(lost, unequal)
    assert [row["status"] for row in rows] == ["error", "invalid"]
    far = replace(unequal, scenario=build("far", {**unequal.scenario.content, "spread_floor": 0.9},
                                          Path()))  # fmt: skip
    fit = {"weights": [0.9, 0.1], "parameters": FITTED}
    rows, notes = score_without_search([record(**fit)], far)
    assert rows[0]["status"] in ("spurious", "no_reference")
    assert rows[0]["outside_rates"] == "no reference"
    assert "has no reference, so that no fit is judged" in notes[0]


def test_without_a_search_what_fewer_components_describe_is_noted() -> None:
    # Two betas that 10,000 observations hardly tell apart, at a tenth of them.
    content = {**load("near_identical").content, "n": 1000}
    data_set = DataSet.of(build("near", content, Path()), 0, seed=0)
    mixture = data_set.scenario.truth
    assert mixture is not None
    fit = {"weights": mixture.weights.tolist(), "parameters": mixture.parameters.tolist()}
    (row,), notes = score_without_search([record(scenario="near", **fit)], data_set)
    assert row["outside_rates"] == "not distinguishable"
    assert ["is not distinguishable" in note for note in notes] == [True]
