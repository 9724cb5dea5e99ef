"""Judging one data set: rows of figures from records of facts and a reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from benchmarks.harness import judge
from benchmarks.harness.accuracy import coverage_of, errors_of
from benchmarks.harness.ascent import ascend
from benchmarks.harness.directional import directional_supremum
from benchmarks.harness.judgement import FACTS, FIGURES, check_drawn, judge_data_set
from benchmarks.harness.problem import Problem, worst_standard_error
from benchmarks.harness.reference import Reference, fault, find_reference
from scenarios.errors import UserError
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import build, load

FITTED = [[1.8, 9.5], [11.0, 3.2]]


@pytest.fixture(scope="module")
def unequal() -> Problem:
    return Problem.of(load("unequal"), 0, seed=0)


@pytest.fixture(scope="module")
def reference(unequal: Problem) -> Reference:
    return find_reference(unequal.sample, 2, unequal.floor)


def record(outcome: str = "returned", **facts: object) -> dict:
    """The facts of a trial, of which ``facts`` are all that is known beyond its outcome."""
    base = {"scenario": "unequal", "data_set": 0, "fitter": "f", "start": "quantile",
            "restart": 3, "outcome": outcome, "message": "said"}  # fmt: skip
    return {**base, **facts}


def loss(mixture: judge.Judged, problem: Problem) -> float:
    """-log f over the data, by scipy alone."""
    parts = [w * stats.beta(*row).pdf(problem.observations)
             for w, row in zip(mixture.weights, mixture.parameters, strict=True)]  # fmt: skip
    return float(-np.log(np.sum(parts, axis=0)).sum())


@pytest.mark.parametrize("outcome", ["error", "timeout", "memory", "crashed", "not_attempted"])
def test_a_trial_without_a_fit_is_a_row_without_figures(
    unequal: Problem, reference: Reference, outcome: str
) -> None:
    facts = record(outcome, seconds=2.5, peak_mb=70.0)
    (row,), notes = judge_data_set([facts], unequal, reference)
    assert notes == []
    assert (row["status"], row["message"], row["restart"]) == (outcome, "said", 3)
    assert (row["seconds"], row["peak_mb"]) == (2.5, 70.0)
    assert (row["n"], row["p"]) == (2000, 5)
    assert row.keys() >= {*FIGURES, *FACTS}
    assert np.isnan([row[name] for name in ("nll", "excess", "hellinger", "evaluations")]).all()
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000)


def test_excess_and_errors_are_those_of_the_definitions(
    unequal: Problem, reference: Reference
) -> None:
    weights = [0.93, 0.07]
    row = judge_data_set(
        [record(weights=weights, parameters=FITTED)], unequal, reference
    )[0][0]  # fmt: skip
    fitted = judge.Judged.of("beta", weights, FITTED)
    lost = loss(fitted, unequal) + reference.log_likelihood
    assert row["excess"] == pytest.approx(2.0 * lost / 5, rel=1e-9)
    true = [[2.0, 10.0], [12.0, 3.0]]
    gaps = np.abs(np.array(FITTED) - true)
    assert_allclose(row["parameter_error"], gaps)
    assert_allclose(row["parameter_error_relative"], gaps / true)
    assert_allclose(row["weight_error"], [0.03, 0.03])
    # A weight of .07 for .1 is further off than any parameter.
    assert row["worst_relative_error"] == pytest.approx(0.3)
    only = errors_of(judge.Judged.of("beta", [0.9, 0.1], [[2.0, 10.0], [12.0, 3.6]]), unequal)
    assert only["worst_relative_error"] == pytest.approx(0.2)


def test_information_error_is_a_quadratic_form(unequal: Problem) -> None:
    """Against the scores' covariance over draws of the truth: within the error of that."""
    assert unequal.truth is not None
    truth = load("unequal").truth
    assert truth is not None
    x = truth.sample(np.random.default_rng(0), 400_000)
    step = 1e-4
    scores = np.stack([
        (unequal.truth.moved(i, step).log_density(x) - unequal.truth.moved(i, -step).log_density(x))
        / (2.0 * step) for i in range(5)
    ])  # fmt: skip
    information = 2000 * scores @ scores.T / x.size
    moved = judge.Judged.of("beta", [0.91, 0.09], [[2.05, 10.3], [11.7, 2.9]])
    gap = np.concatenate([
        special.logit([0.91]) - special.logit([0.9]),
        np.log(moved.parameters / [[2.0, 10.0], [12.0, 3.0]]).ravel(),
    ])  # fmt: skip
    expected = gap @ information @ gap / 5
    assert errors_of(moved, unequal)["information_error"] == pytest.approx(expected, rel=0.02)


def test_a_better_fit_that_is_still_on_its_way_is_no_reference(
    unequal: Problem, reference: Reference
) -> None:
    one = Mixture(unequal.sample.family, np.ones(1), np.ones((1, 2)))
    merged = ascend(unequal.sample, one)
    low = replace(
        reference,
        weights=[0.5, 0.5],
        parameters=merged.mixture.parameters.tolist() * 2,
        log_likelihood=merged.log_likelihood,
    )
    (row,), notes = judge_data_set([record(weights=[0.93, 0.07], parameters=FITTED)], unequal, low)
    assert row["nll"] < row["reference_nll"]
    assert row["gain_left"] > 0.01
    assert row["reference_nll"] == pytest.approx(-merged.log_likelihood / 2000)
    assert notes == []


@pytest.mark.parametrize(
    ("weights", "parameters", "word"),
    [
        (["nan", 1.0], FITTED, "a weight or parameter is not finite"),
        ([0.5, 0.5], [["inf", 2.0], [2.0, 2.0]], "a weight or parameter is not finite"),
        ([0.5, 0.500002], FITTED, "are no distribution"),
        ([1.5, -0.5], FITTED, "are no distribution"),
        ([0.5, 0.5], [[-1.0, 2.0], [2.0, 2.0]], "that must be positive is not"),
        ([0.5, 0.5], [[1.0, 2.0]], "do not fit"),
        ([0.5, 0.5], [[1.0], [2.0]], "1 parameters a component"),
        ([0.4, 0.3, 0.3], [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]], "it has 3 components"),
    ],
)
def test_what_is_no_mixture_is_invalid_and_says_why(
    unequal: Problem, reference: Reference, weights: list, parameters: list, word: str
) -> None:
    facts = record(weights=weights, parameters=parameters)
    (row,), _ = judge_data_set([facts], unequal, reference)
    assert row["status"] == "invalid"
    assert word in row["message"]
    assert row["message"].endswith("(the fitter: said)")
    assert np.isnan(row["nll"])


def test_a_weight_of_zero_is_a_weight() -> None:
    assert judge.Judged.of("beta", [0.0, 1.0], FITTED).problem() is None


def test_traces_are_judged_by_scipy_where_the_kernel_is_wrong() -> None:
    problem = Problem.of(load("small"), 0, seed=0)
    points = [[0.1, 1.0, [0.5, 0.5], [[2.0, 9.0], [9.0, 2.0]]],
              [0.2, 2.0, ["nan", 0.5], [[2.0, 9.0], [9.0, 2.0]]],
              [0.3, 3.0, [0.4, 0.6], [[1.5, 10.0], [10.0, 1.5]]]]  # fmt: skip
    mixtures = [judge.Judged.of("beta", *point[2:]) for point in points]
    expected = [loss(mixture, problem) / 100 for mixture in mixtures]
    for wrong in (False, True):
        fresh = Problem.of(load("small"), 0, seed=0)
        if wrong:  # the code under test may have any kernel
            fresh.sample.log_likelihood = lambda mixture: 17.0  # type: ignore[method-assign]
        found = fresh.trace({"trace": points})
        assert [point[:2] for point in found] == [(0.1, 1.0), (0.2, 2.0), (0.3, 3.0)]
        assert_allclose([point[2] for point in found], expected, rtol=1e-9)
    assert Problem.of(load("small"), 0, seed=0).trace({}) == []


def test_intervals_are_those_of_the_aligned_labels(unequal: Problem) -> None:
    # True values: weights .9 and .1, (2, 10) and (12, 3). The labels are swapped here.
    rows = np.array([[[0.1, 12.0, 3.0], [0.9, 2.0, 10.0]]])
    ends = rows * np.array([0.8, 0.9, 1.1, 1.2])[:, None, None]
    ends[1:3, 0, 1] = [12.5, 13.0]  # the 50 % interval of alpha 2 misses 12
    ends[3, 1, 2] = 9.9  # and the 90 % interval of beta 1 ends below 10
    fitted = judge.Judged.of("beta", rows[0, :, 0], rows[0, :, 1:])
    found = coverage_of(ends.tolist(), fitted, unequal)
    # The first weight, then alpha and beta of the first true component and of the second.
    assert found["covered_50"] == [True, True, True, False, True]
    assert found["covered_90"] == [True, True, False, True, True]
    # Without quantiles, without a truth, or where it can't be identified, there is nothing to hold.
    assert coverage_of(None, fitted, unequal) == {}
    for other in (replace(unequal, truth=None, why_no_error="no truth"),
                  replace(unequal, why_no_error="not identifiable at this n")):  # fmt: skip
        assert coverage_of(ends.tolist(), fitted, other) == {}


def test_errors_of_a_location_are_in_spreads() -> None:
    problem = Problem.of(load("normal_bimodal"), 0, seed=0)
    truth = problem.truth
    rows = truth.parameters + np.array([[0.01, 0.0], [0.0, 0.0]])
    found = errors_of(judge.Judged("normal", truth.weights, rows), problem)
    assert found["worst_relative_error"] == pytest.approx(0.01 / truth.spreads()[0])


def test_data_that_were_drawn_otherwise_are_refused(unequal: Problem) -> None:
    problem, digest = unequal, unequal.sample.digest()
    check_drawn(problem, [{"data_digest": digest}, {}])
    with pytest.raises(UserError, match="digests differ"):
        check_drawn(problem, [{"data_digest": digest}, {"data_digest": "other"}])


def test_many_components_are_aligned_by_place_and_spread() -> None:
    rows = np.array([[float(k // 2), 0.1 if k % 2 else 0.8] for k in range(8)])  # pairs of one mean
    truth = judge.Judged("normal", np.full(8, 1 / 8), rows)
    order = np.random.default_rng(0).permutation(8)
    found = truth.permuted(order.tolist())
    aligned = found.permuted(judge.alignment(found, truth, truth.information))
    assert_allclose(aligned.parameters, rows)
    three = truth.permuted([0, 3, 4])
    three = judge.Judged("normal", np.full(3, 1 / 3), three.parameters)
    assert judge.alignment(three.permuted([1, 2, 0]), three, None) == (2, 0, 1)


def test_a_truth_of_equal_components_has_no_standard_error() -> None:
    same = judge.Judged("beta", np.array([0.5, 0.5]), np.array([[2.0, 3.0], [2.0, 3.0]]))
    assert worst_standard_error(same, 1000) > 1e3


def test_a_fit_that_cannot_have_made_the_data_is_invalid() -> None:
    scenario = load("normal_bimodal")
    content = {**scenario.content, "spread_floor": 0.0}
    problem = Problem.of(build(scenario.name, content, Path()), 0, seed=0)
    reference = find_reference(problem.sample, 2, 0.02)
    narrow = [[-1.0, 1e-200], [1.0, 1e-200]]
    (row,), _ = judge_data_set([record(weights=[0.5, 0.5], parameters=narrow)], problem, reference)
    assert row["status"] == "invalid"
    assert "likelihood of the data is zero" in row["message"]


def test_a_posterior_is_judged_by_its_chains_and_a_mean_is_none(
    unequal: Problem, reference: Reference
) -> None:
    fit = {"weights": reference.weights, "parameters": reference.parameters}
    good = {"r_hat": 1.004, "ess": 900.0, "divergences": 2}
    cases = [good, good | {"r_hat": None}, good | {"ess": 50.0}]
    rows, _ = judge_data_set([record(posterior=each, **fit) for each in cases], unequal, reference)
    assert [row["status"] for row in rows] == ["converged", "basin", "basin"]
    assert [row["divergences"] for row in rows] == [2.0] * 3
    assert np.isnan(rows[1]["r_hat"])


def test_a_spike_does_not_take_the_references_place_however_good(
    unequal: Problem, reference: Reference
) -> None:
    # A component on three observations: it is stationary, and likelier than the reference.
    x = np.sort(unequal.observations)
    at = float(x[1000:1003].mean())
    total = at * (1.0 - at) / x[1000:1003].var() - 1.0
    spike = [[1.9, 5.5], [at * total, (1.0 - at) * total]]
    (row,), notes = judge_data_set(
        [record(weights=[0.998, 0.002], parameters=spike)], unequal, reference
    )
    assert row["status"] == "spurious"
    assert notes == []
    assert row["reference_nll"] == pytest.approx(-reference.log_likelihood / 2000)


def test_where_a_fit_would_land_does_not_rest_on_the_kernels_constant(
    unequal: Problem, reference: Reference
) -> None:
    facts = record(weights=[0.93, 0.07], parameters=FITTED)
    (row,), _ = judge_data_set([facts], unequal, reference)
    fitted = judge.Judged.of("beta", [0.93, 0.07], FITTED)
    gained = loss(fitted, unequal) + reference.log_likelihood
    shifted = replace(unequal, sample=replace(unequal.sample, log_base=unequal.sample.log_base + 3))
    (other,), _ = judge_data_set([facts], shifted, reference)
    for found in (row, other):
        assert found["optimum"] == pytest.approx(-reference.log_likelihood / 2000, abs=1e-9)
        assert found["gain_left"] == pytest.approx(2.0 * gained / 5, rel=1e-5)


def test_of_better_fits_the_best_takes_the_references_place(
    unequal: Problem, reference: Reference
) -> None:
    low = replace(
        reference, weights=[0.5, 0.5], parameters=[[1.0, 1.0], [1.1, 1.0]], log_likelihood=0.0
    )
    near = (np.array(reference.parameters) * 1.001).tolist()
    cases = [record(weights=reference.weights, parameters=rows, restart=index)
             for index, rows in enumerate([near, reference.parameters, near])]  # fmt: skip
    rows, (note,) = judge_data_set(cases, unequal, low)
    assert 0.0 < rows[0]["gain_left"] < 0.01
    assert {row["reference_nll"] for row in rows} == {rows[1]["nll"]}
    assert "restart 1" in note
    assert [row["status"] for row in rows] == ["converged"] * 3


def test_a_ridge_is_no_reference(unequal: Problem, reference: Reference) -> None:
    top = ascend(
        unequal.sample,
        Mixture(unequal.sample.family, np.array(reference.weights), np.array(reference.parameters)),
    )
    assert fault(unequal.sample, top, unequal.floor) == ""
    for changed in (
        replace(top, smallest_eigenvalue=0.0),
        replace(top, smallest_eigenvalue=-1e-3),
        replace(top, predicted_gain=0.1),
        replace(top, predicted_gain=float("nan")),
    ):
        assert "ridge" in fault(unequal.sample, changed, unequal.floor)


def test_a_second_component_is_lacking_where_there_are_two() -> None:
    generator = np.random.default_rng(0)
    peaks = [generator.beta(3.0, 30.0, 1000), generator.beta(30.0, 3.0, 1000)]
    sample = Sample.of(np.concatenate(peaks), family("beta"))
    one = Mixture(sample.family, np.ones(1), np.ones((1, 2)))
    fitted = ascend(sample, one).mixture
    density = stats.beta(*fitted.parameters[0]).pdf(sample.observations)
    # At the true peaks D is what scipy says, and where it is largest it is no less.
    at_peak = np.mean(stats.beta(3.0, 30.0).pdf(sample.observations) / density) - 1.0
    found = directional_supremum(sample, fitted, 0.02)
    assert at_peak > 0.5
    assert found >= at_peak


def test_no_second_component_is_lacking_where_there_is_one() -> None:
    sample = Sample.of(np.random.default_rng(0).beta(3.0, 7.0, 2000), family("beta"))
    one = Mixture(sample.family, np.ones(1), np.ones((1, 2)))
    fitted = ascend(sample, one).mixture
    # D is 0 at the fit itself, and components nearly as wide as the data can't gain much.
    assert 0.0 <= directional_supremum(sample, fitted, 0.8) < 0.05
