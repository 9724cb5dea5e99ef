"""The bootstrap tests, and how many groups are confirmed, on data whose answer is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, stats

import mixturebench as mb
from benchmarks.fit import confirm
from benchmarks.fit.answer import Answer
from benchmarks.fit.bootstrap import EXACT, FEWEST, RatioTest, _is_decided, drawn, ratio_test
from benchmarks.fit.confirm import fitted_model, one_peaked
from benchmarks.fit.draws import Draws, Passes
from benchmarks.fit.evidence import DipTest, dip_test, needs_test
from benchmarks.fit.find import find_mixture
from benchmarks.fit.many import fit_all
from benchmarks.fit.models import MIN_SPREAD, BetaBetween, FittedMixture, FromEnd, Uniform
from benchmarks.fit.options import Options
from benchmarks.fit.plateau import SoftUniform, _log_likelihood
from benchmarks.fit.rounded import Rounding
from benchmarks.reference.admissible import Region
from scenarios.data_files import Data
from scenarios.families import families, family
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample
from tests.conftest import PARAMETERS, mixture


def fitted(x: np.ndarray, name: str = "normal", highest: int = 3) -> Answer:
    options = Options(name, range(1, highest + 1), restarts=6)
    return find_mixture(Data("data", "", x, ""), options)


def model(name: str, x: np.ndarray, count: int) -> FittedMixture:
    return fitted_model(next(c for c in fitted(x, name, count).candidates if c.components == count))


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_passes_over_many_data_sets_are_those_of_a_sample(name: str) -> None:
    law, truth = family(name), mixture(name)
    x = np.stack([truth.sample(60, seed) for seed in range(3)])
    law = law.anchored(x)
    owner = np.array([0, 0, 2])
    batch = MixtureBatch.of([truth, truth.permuted([2, 0, 1]), truth], law)
    counts = np.arange(1.0, 61.0)
    for draws in (Draws(x), Draws(x[:1], np.stack([counts, counts[::-1], counts + 1.0]))):
        passes = Passes.of(law, draws).owned(owner)
        found = passes.hessians(batch)
        values = passes.log_likelihoods(batch)
        for place, index in enumerate(owner):
            each = draws.x[index if draws.counts is None else 0]
            sample = Sample.of(each, law)
            if draws.counts is not None:
                repeats = draws.counts[index].astype(int)
                sample = Sample.of(np.repeat(each, repeats), law)
            at = Mixture(sample.family, batch.weights[place], batch.parameters[place])
            # The anchors differ: derivatives by locations are in units of the family's scale.
            units = np.ones((3, len(law.parameters)))
            units[:, ~law.positive()] = law.scale / sample.family.scale
            scale = np.concatenate([np.ones(2), units.ravel()])
            value, gradient, hessian = sample.hessian(at)
            assert values[place] == pytest.approx(value, rel=1e-10)
            assert_allclose(found[1][place], gradient * scale, rtol=1e-7, atol=1e-7 * len(x))
            assert_allclose(found[2][place], hessian * np.outer(scale, scale), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", ["beta", "lognormal", "weibull", "student_t"])
def test_fits_of_many_data_sets_reach_the_optima_of_a_search(name: str) -> None:
    law = family(name)
    truth = Mixture(law, np.array([0.4, 0.6]), np.array(law.example))
    x = np.stack([truth.sample(150, seed) for seed in range(3)])
    sample = Sample.of(x[0], law)
    region = Region.of(sample, MIN_SPREAD)
    start = truth.within(sample.family)
    values = fit_all(Draws(x), start, region, 6, np.random.default_rng(0)).values
    for each, value in zip(x, values, strict=True):
        best = find_mixture(Data("", "", each, ""), Options(name, range(2, 3), restarts=8)).best
        assert value == pytest.approx(best.log_likelihood, abs=0.05)


def test_the_ratio_of_a_model_to_itself_is_zero_and_p_counts_ties() -> None:
    x = np.random.default_rng(0).gamma(3.0, 1.0, 300)
    one = model("gamma", x, 1)
    test = ratio_test(one, one, 300, 0, 20)
    assert test.statistic == 0.0
    assert_allclose(test.simulated, 0.0, atol=1e-6)
    assert test.p == 1.0
    assert RatioTest("", "", 3.0, np.array([1.0, 3.0, 5.0, 2.0])).p == pytest.approx(3 / 5)


def test_one_normal_is_not_rejected_and_two_are() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(0.0, 1.0, 150)
    two = np.concatenate([x[:75], x[75:] + 5.0])
    assert ratio_test(model("normal", x, 1), model("normal", x, 2), 150, 0, 60).p > 0.05
    test = ratio_test(model("normal", two, 1), model("normal", two, 2), 150, 0, 60)
    assert test.p == pytest.approx(1 / 61)
    early = ratio_test(model("normal", x, 1), model("normal", x, 2), 150, 0, 500, level=0.05)
    assert early.replicates < 500


def test_p_values_of_one_component_are_uniform() -> None:
    """40 data sets of one normal: p of 1 against 2, by Kolmogorov's test."""
    ps = []
    for seed in range(40):
        x = np.random.default_rng([seed, 7]).normal(0.0, 1.0, 80)
        law = family("normal").anchored(x)
        region = Region.of(Sample.of(x, law), MIN_SPREAD)
        models = []
        for count in (1, 2):
            start = Mixture(
                law, np.full(count, 1 / count), np.array([[0.0, 1.0], [1.0, 1.0]])[:count]
            )
            fits = fit_all(Draws(x[None]), start, region, 6, np.random.default_rng(0))
            models.append(FittedMixture.of(fits.batch[0], float(fits.values[0]), region))
        ps.append(ratio_test(*models, 80, seed, 39).p)
    assert stats.kstest(ps, "uniform").pvalue > 0.01


def test_cells_of_many_observations_have_the_model_s_distribution() -> None:
    x = mixture("gamma", 2).sample(20_000, 0)
    fit = model("gamma", x, 2)
    draws, _ = next(iter(drawn(fit, 20_000, 0, 3)))
    assert draws.counts is not None and draws.size == 20_000 > EXACT
    for index in range(3):
        values = np.repeat(draws.x[0], draws.counts[index].astype(int))
        assert stats.kstest(values, fit.mixture.cdf).pvalue > 1e-3
    # The likelihood ratio in cells is that of single draws: null against itself plus one.
    exact = Draws(fit.draw(np.random.default_rng(0), 20_000)[None])
    condensed = Draws.condensed(exact.x[0], 2_000)
    one, two = (
        fit_all(each, fit.mixture, fit.region, 0, np.random.default_rng(0)).values[0]
        - fit_all(each, Mixture(fit.mixture.family, np.ones(1), fit.mixture.parameters[:1]),
                  fit.region, 0, np.random.default_rng(0)).values[0]
        for each in (exact, condensed)
    )  # fmt: skip
    assert one == pytest.approx(two, abs=0.5)


def test_models_between_ends_are_scipy_s() -> None:
    x = np.random.default_rng(0).beta(2.0, 3.0, 400) * 7.0 + 3.0
    fit = BetaBetween.of(Draws(x[None]))
    assert fit is not None
    law = stats.beta(*fit.shapes, loc=fit.low, scale=fit.high - fit.low)
    assert fit.log_likelihood == pytest.approx(law.logpdf(x).sum())
    for shapes in (fit.shapes * [1.02, 1.0], fit.shapes * [1.0, 1.02]):  # a maximum
        other = stats.beta(*shapes, loc=fit.low, scale=fit.high - fit.low)
        assert other.logpdf(x).sum() < fit.log_likelihood
    assert_allclose(fit.refit(Draws(np.stack([x, x])), np.random.default_rng()), fit.log_likelihood)
    flat = Uniform.of(Draws(x[None]))
    assert flat.log_likelihood == pytest.approx(
        stats.uniform(x.min(), x.max() - x.min()).logpdf(x).sum()
    )
    arcsine = np.random.default_rng(0).beta(0.4, 0.4, 400)
    assert BetaBetween.of(Draws(arcsine[None])) is None  # two peaks


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_families_from_an_end_are_scipy_s(sign: float) -> None:
    x = 50.0 + sign * np.random.default_rng(0).weibull(1.5, 300) * 4.0
    fit = FromEnd.of(Draws(x[None]), families()["weibull"], sign)
    assert fit is not None
    assert (fit.end < x.min()) if sign > 0.0 else (fit.end > x.max())
    shape, scale = fit.inner.mixture.parameters[0]
    law = stats.weibull_min(shape, scale=scale)
    distances = sign * (x - fit.end)
    assert fit.log_likelihood == pytest.approx(law.logpdf(distances).sum())
    assert_allclose([shape, scale], stats.weibull_min.fit(distances, floc=0.0)[::2], rtol=0.01)
    (again,) = fit.refit(Draws(x[None]), np.random.default_rng(0))
    assert again == pytest.approx(fit.log_likelihood, abs=0.01)
    levels = np.array([0.1, 0.5, 0.8])
    expected = fit.end + sign * law.ppf(levels if sign > 0.0 else 1.0 - levels)
    assert_allclose(fit.quantiles(levels), expected, rtol=2e-4)  # they are interpolated
    drawn = fit.draw(np.random.default_rng(1), 4000)
    assert stats.kstest(sign * (drawn - fit.end), law.cdf).pvalue > 1e-3


def test_ends_lie_outside_by_the_distances_next_to_them() -> None:
    x = np.concatenate([np.arange(0.0, 11.0), [30.0, *np.arange(50.0, 106.0, 5.0)]])
    draws = Draws(np.random.default_rng(0).permuted(x)[None])
    assert [end.tolist() for end in draws.ends()] == [[0.0], [105.0]]
    assert_allclose(np.concatenate(draws.outer_ends()), [-1.0, 110.0])
    values, counts = np.unique(np.repeat(x, 2), return_counts=True)
    counted = Draws(np.append(values, 1e9)[None], np.append(counts, 0.0)[None])
    assert [end.tolist() for end in counted.ends()] == [[0.0], [105.0]]
    assert_allclose(np.concatenate(counted.outer_ends()), [-0.5, 107.5])
    tied = Draws(np.repeat([1.0, 2.0, 3.0], 20)[None])
    assert_allclose(np.concatenate(tied.outer_ends()), [0.5, 3.5])


def test_shifted_data_have_one_group() -> None:
    """Of a distribution that none of the families is, but which begins with the data."""
    x = 1.0 + np.random.default_rng(0).pareto(2.0, 400)
    answer = fitted(x, "lognormal", 4)
    assert len(answer.peaks) > 1
    assert answer.confirmation.groups == 1
    assert "up from the least value" in answer.confirmation.reason


def test_one_peaked_models_are_of_all_families_that_cover_the_data() -> None:
    x = np.random.default_rng(0).gamma(3.0, 1.0, 200)
    names = {each.name for each in one_peaked(x)}
    assert names == {
        "uniform", "uniform with soft edges", "beta over the range",
        "1 × gamma", "1 × lognormal", "1 × normal", "1 × student t", "1 × weibull",
        *(f"{name} {end} value" for name in ("gamma", "lognormal", "weibull")
          for end in ("up from the least", "down from the largest")),
    }  # fmt: skip
    assert "1 × gamma" not in {each.name for each in one_peaked(x - 2.0)}


def test_uniform_data_have_one_group_though_many_components_fit() -> None:
    x = np.random.default_rng(0).uniform(0.0, 10.0, 400)
    answer = fitted(x, "weibull", 4)
    assert len(answer.peaks) > 1  # what the shape needs
    assert answer.confirmation.groups == 1
    assert answer.confirmation.fitted > 1
    assert answer.by_group.count == 1
    assert "uniform" in answer.confirmation.reason
    assert answer.confirmation.ratio_tests == []  # by BIC alone
    assert answer.groups["group"].eq(1).all()
    assert len(answer.cuts) == 0
    assert answer.by_component.count == answer.chosen.components


def test_two_normals_are_two_groups_and_three_are_three() -> None:
    generator = np.random.default_rng(2)
    two = generator.normal([[0.0], [4.0]], 1.0, (2, 100)).ravel()
    answer = fitted(two)
    assert answer.confirmation.groups == 2
    assert [test.p for test in answer.confirmation.ratio_tests] == [pytest.approx(1 / 101)]
    three = generator.normal([[0.0], [6.0], [12.0]], 1.0, (3, 70)).ravel()
    done: list[tuple[int, int]] = []
    answer = fitted(three, highest=4)
    assert answer.confirm(lambda *progress: done.append(progress)).groups == 3
    assert answer.confirmation.groups == 3
    assert len(answer.confirmation.ratio_tests) == 2
    assert done[-1] == (FEWEST, confirm.REPLICATES)  # all is clear after so many
    assert answer.by_group.cuts["cut"].to_numpy() == pytest.approx([3.0, 9.0], abs=0.6)


def test_rounded_data_are_one_group() -> None:
    x = np.round(np.random.default_rng(3).normal(10.0, 1.0, 300))
    rounding = Rounding.of(x)
    assert rounding == Rounding(x.min(), 1.0)
    answer = fitted(x, "normal", 4)
    assert answer.confirmation.groups == 1
    assert Rounding.of(np.random.default_rng(3).normal(size=300)) is None
    assert Rounding.of(np.array([0.0, 1.0, 1.0, np.pi, np.pi, 4.0])) is None
    tenths = np.round(np.random.default_rng(0).exponential(1.0, 500), 1)
    tenths = tenths[tenths > 0.0]
    found = Rounding.of(tenths)
    assert found is not None
    inside = found.apply(np.array([0.001, 0.04, 0.26, 3.0]), (0.0, np.inf))
    assert_allclose(inside, [0.1, 0.1, 0.3, 3.0])


def test_draws_of_a_test_are_rounded_as_the_data_are() -> None:
    class Recorded(Uniform):
        def refit(self, draws: Draws, generator: np.random.Generator) -> np.ndarray:
            seen.append(draws.x)
            return super().refit(draws, generator)

    seen: list[np.ndarray] = []
    x = np.arange(10.0)
    model = Recorded("uniform", 2, 0.0, x[0], x[-1])
    ratio_test(model, model, 40, 0, 3, rounding=Rounding(0.5, 1.0))
    assert_allclose(np.unique(np.concatenate(seen) % 1.0), 0.5)
    seen.clear()
    ratio_test(model, model, 40, 0, 3)
    assert np.unique(np.concatenate(seen) % 1.0).size > 100


def test_the_dip_is_hartigan_s_or_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal([[0.0], [5.0]], 1.0, (2, 100)).ravel()
    if (pytest.importorskip("diptest", reason="the extra 'dip'")) is not None:
        found = dip_test(x)
        assert isinstance(found, DipTest)
        assert found.p < 0.001
        generator = np.random.default_rng(1)
        y = generator.normal([[0.0], [2.2]], 1.0, (2, 40)).ravel()
        one = dip_test(y)
        uniform = [dip_test(generator.uniform(size=80)).statistic for _ in range(600)]
        share = np.mean([each >= one.statistic for each in uniform])
        assert one.p == pytest.approx(share, abs=3.5 * np.sqrt(0.25 / 600))
    monkeypatch.setitem(sys.modules, "diptest", None)
    missing = dip_test(x)
    assert isinstance(missing, str)
    assert "pip install 'mixturebench[dip]'" in missing


def test_a_small_lead_of_bic_asks_for_a_test() -> None:
    generator = np.random.default_rng(0)
    near = generator.normal([[0.0], [3.0]], 1.0, (2, 40)).ravel()
    far = generator.normal([[0.0], [9.0]], 1.0, (2, 200)).ravel()
    one, two = fitted(near, highest=2), fitted(far, highest=2)
    for answer in (one, two):
        bic = answer.comparison.set_index("components")["bic"]
        if answer.chosen.components == 2:
            assert needs_test(answer) == (bic[1] - bic[2] < 10.0)
    assert not needs_test(two)
    test = two.component_test
    assert test is not None
    assert (test.null, test.alternative) == ("1 × normal", "2 × normal")
    assert test.p == pytest.approx(1 / 201)
    assert fitted(generator.normal(size=100), highest=1).component_test is None


def test_a_soft_uniform_is_scipy_s() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(2.0, 7.0, 800) + generator.normal(0.0, 0.4, 800)
    fit = SoftUniform.of(Draws(x[None]))
    assert fit is not None
    assert [fit.low, fit.high, fit.edge] == pytest.approx([2.0, 7.0, 0.4], abs=0.1)

    def log_likelihood(low: float, high: float, edge: float) -> float:
        below = stats.norm.cdf([x - low, x - high], scale=edge)
        return float(np.log((below[0] - below[1]) / (high - low)).sum())

    best = [fit.low, fit.high, fit.edge]
    assert fit.log_likelihood == pytest.approx(log_likelihood(*best))
    for index in range(3):  # a maximum
        for step in (-0.02, 0.02):
            other = list(best)
            other[index] += step
            assert log_likelihood(*other) < fit.log_likelihood
    drawn = fit.draw(np.random.default_rng(1), 4_000)
    levels = np.linspace(1e-3, 1.0 - 1e-3, 99)
    assert_allclose(fit.quantiles(levels), np.quantile(drawn, levels), atol=0.15)
    assert fit.quantiles(np.array([0.5])) == pytest.approx(4.5, abs=0.1)
    counted = Draws(x[None], np.full((1, 800), 2.0))
    assert fit.refit(counted, generator) == pytest.approx(2.0 * fit.log_likelihood, abs=0.05)


def test_a_gradient_of_a_soft_uniform_is_that_of_differences() -> None:
    y, counts = np.random.default_rng(0).uniform(-1.8, 1.8, 40), np.arange(1.0, 41.0)
    for place in ([0.1, 0.3, -1.0], [-0.2, 0.6, -4.0], [0.0, 0.5, 0.6]):
        at = np.array(place)
        slopes = optimize.approx_fprime(at, lambda q: _log_likelihood(y, counts, *q)[0], 1e-7)
        assert_allclose(_log_likelihood(y, counts, *at)[1], slopes, rtol=1e-5, atol=2e-3)


@pytest.mark.parametrize("softness", [0.05, 0.1, 0.2])
def test_a_flat_top_is_one_group(softness: float) -> None:
    for seed in range(2):
        generator = np.random.default_rng([seed, 11])
        x = generator.uniform(0.0, 1.0, 1_000) + generator.normal(0.0, softness, 1_000)
        assert fitted(x, "normal", 4).confirmation.groups == 1


def test_what_cannot_be_fitted_again_counts_as_exceeding() -> None:
    x = np.random.default_rng(0).gamma(3.0, 1.0, 300)
    one = model("gamma", x, 1)

    class NoFit(FittedMixture):
        def refit(self, draws: Draws, generator: np.random.Generator) -> np.ndarray:
            return np.full(len(draws), -np.inf)

    none = NoFit(one.name, 2, one.log_likelihood, one.mixture, one.region)
    assert ratio_test(one, none, 300, 0, 20).p == 1.0
    assert ratio_test(none, one, 300, 0, 20).p == 1.0


def test_draws_are_inside_the_support_of_both_models() -> None:
    """A normal reaches below 0, where no gamma is."""
    x = np.abs(np.random.default_rng(0).normal(1.0, 1.0, 200)) + 1e-3
    normal, gamma = model("normal", x, 1), model("gamma", x, 1)
    for size in (200, 3 * EXACT):
        draws, _ = next(iter(drawn(normal, size, 0, 20, gamma.support)))
        assert draws.x.min() > 0.0
        assert draws.size == size
    test = ratio_test(normal, gamma, 200, 0, 20)
    assert np.isfinite(test.simulated).all()


def test_a_bootstrap_goes_on_while_its_p_value_is_near_the_level() -> None:
    """By scipy's exact tests: a count of exceeding data sets must differ from the level's."""
    for level in (0.05, 0.2):
        for count in (50, 100, 300, 500):
            for exceeding in range(0, count // 2, 5):
                larger, smaller = (
                    stats.binomtest(exceeding, count, level, alternative=side).pvalue
                    for side in ("greater", "less")
                )
                expected = count >= FEWEST and min(larger, smaller) < 0.01
                assert _is_decided(exceeding, count, level) == expected
    generator = np.random.default_rng(0)
    clear = generator.normal([[0.0], [6.0]], 1.0, (2, 60)).ravel()
    one, two = model("normal", clear, 1), model("normal", clear, 2)
    assert ratio_test(one, two, 120, 0, 500, level=0.05).replicates == FEWEST


def test_a_beta_that_would_have_two_peaks_is_fitted_with_one() -> None:
    """The largest likelihood with shapes of at least 1, against a grid of these."""
    generator = np.random.default_rng(1)
    bathtub = generator.beta(0.5, 0.8, 300)
    fit = BetaBetween.of(Draws(generator.beta(2.0, 3.0, (1, 300))))
    assert fit is not None
    (value,) = fit.refit(Draws(bathtub[None]), generator)
    (low,), (high,) = Draws(bathtub[None]).outer_ends()
    shapes = np.stack(np.meshgrid(np.linspace(1, 3, 41), np.linspace(1, 3, 41)), axis=-1)
    law = stats.beta(*shapes.reshape(-1, 2).T[..., None], loc=low, scale=high - low)
    assert value == pytest.approx(law.logpdf(bathtub).sum(axis=1).max(), abs=0.05)
    skewed = np.concatenate([generator.uniform(0, 1e-3, 200), generator.uniform(0, 1, 100)])
    (value,) = fit.refit(Draws(np.append(skewed, [0.99] * 20)[None]), generator)
    assert np.isfinite(value)


def test_counts_with_two_clear_groups_have_two() -> None:
    """Null hypotheses with two peaks in a draw used to count as exceeding."""
    for seed in range(2):
        generator = np.random.default_rng([seed, 100])
        x = np.concatenate([generator.poisson(2.0, 200), generator.poisson(20.0, 200)])
        answer = mb.fit(x.astype(float))
        assert answer.confirmation.groups == 2, answer.confirmation.reason
