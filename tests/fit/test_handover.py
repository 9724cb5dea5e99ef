"""A mixture in other libraries' hands: the same numbers, by their own formulas."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import mixturebench as mb
from benchmarks.fit.answer import Answer
from benchmarks.fit.handover import to_scipy, to_sklearn
from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.families.beta import Beta
from tests.conftest import PARAMETERS, WEIGHTS, components, frozen, mixture


def plain(name: str) -> ScipyMixture:
    return ScipyMixture(name, WEIGHTS, components(name))


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_scipys_mixture_is_the_same_distribution(name: str) -> None:
    handed, parts = to_scipy(plain(name)), frozen(name)
    x = mixture(name).sample(50, 0)
    assert_allclose(handed.pdf(x), WEIGHTS @ [part.pdf(x) for part in parts], rtol=1e-10)
    assert_allclose(handed.pdf(x), plain(name).pdf(x), rtol=1e-10)
    assert_allclose(handed.cdf(x), WEIGHTS @ [part.cdf(x) for part in parts], rtol=1e-10)
    assert_allclose(handed.cdf(x), plain(name).cdf(x), rtol=1e-10)
    assert handed.mean() == pytest.approx(WEIGHTS @ [part.mean() for part in parts], rel=1e-10)
    assert_allclose(handed.weights, WEIGHTS)
    # Component by component, in the same order.
    assert_allclose([c.median() for c in handed.components], [p.median() for p in parts])


def test_draws_of_scipys_mixture_have_its_moments() -> None:
    handed = to_scipy(plain("gamma"))
    draws = handed.sample(20_000, rng=np.random.default_rng(0))
    parts = frozen("gamma")
    mean = WEIGHTS @ [part.mean() for part in parts]
    variance = WEIGHTS @ [part.var() + part.mean() ** 2 for part in parts] - mean**2
    assert handed.variance() == pytest.approx(variance, rel=1e-9)
    assert draws.mean() == pytest.approx(mean, abs=4.0 * np.sqrt(variance / 20_000))
    assert stats.kstest(draws, plain("gamma").cdf).pvalue > 1e-3


def test_what_scipy_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    mises = {"scipy": "stats.vonmises({alpha}, {beta})"}
    with monkeypatch.context() as patch:
        patch.setattr(Beta, "expressions", mises)
        with pytest.raises(mb.UserError, match=r"vonmises can't be part of a scipy.stats.Mixture"):
            to_scipy(plain("beta"))
        patch.setattr(Beta, "expressions", {})
        with pytest.raises(mb.UserError, match="'beta' has no expression in scipy"):
            to_scipy(plain("beta"))
    monkeypatch.delattr(stats, "Mixture")
    with pytest.raises(mb.UserError, match=r"has no stats.Mixture: install scipy 1\.15"):
        to_scipy(plain("beta"))


@pytest.fixture(scope="module")
def overlapping() -> tuple[np.ndarray, Answer]:
    """Two normals that overlap, in units in which a variance of 1e-6 would be large."""
    x = 1e-4 * np.random.default_rng(1).normal([0.0, 3.0], [1.0, 0.6], size=(150, 2)).ravel()
    return x, mb.fit(x, family="normal", components=2, restarts=4)


def test_an_answer_is_handed_to_scipy(overlapping: tuple) -> None:
    x, answer = overlapping
    handed = answer.to_scipy()
    assert handed.logpdf(x).sum() == pytest.approx(answer.best.log_likelihood, rel=1e-10)


def test_scikit_learn_has_the_same_mixture_fitted(overlapping: tuple) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn comes from the extra 'peers'")
    x, answer = overlapping
    gm = answer.to_sklearn()
    weights, rows = answer.mixture.weights, answer.mixture.parameters
    joint = weights[:, None] * stats.norm.pdf(x, rows[:, [0]], rows[:, [1]])
    density, shares = joint.sum(axis=0), joint / joint.sum(axis=0)
    assert_allclose(gm.score_samples(x[:, None]), np.log(density), rtol=1e-10)
    assert_allclose(gm.predict_proba(x[:, None]), shares.T, atol=1e-10)
    assert_allclose(gm.predict(x[:, None]), answer.groups["group"] - 1)
    assert gm.bic(x[:, None]) == pytest.approx(answer.chosen.bic, rel=1e-10)
    assert gm.lower_bound_ == pytest.approx(gm.score(x[:, None]), rel=1e-10)
    assert_allclose(gm.precisions_ * gm.covariances_, 1.0)
    draws, labels = gm.set_params(random_state=0).sample(20_000)
    exact = stats.norm(rows[:, 0], rows[:, 1])
    for k, (mean, deviation) in enumerate(zip(exact.mean(), exact.std(), strict=True)):
        drawn = draws[labels == k]
        assert len(drawn) / 20_000 == pytest.approx(weights[k], abs=0.015)
        assert drawn.mean() == pytest.approx(mean, abs=4.0 * deviation / np.sqrt(len(drawn)))
        assert drawn.std() == pytest.approx(deviation, rel=0.05)


def test_a_fit_of_scikit_learn_stays_where_it_begins(overlapping: tuple) -> None:
    sklearn = pytest.importorskip("sklearn", reason="scikit-learn comes from the extra 'peers'")
    x, answer = overlapping
    again = sklearn.base.clone(answer.to_sklearn()).fit(x[:, None])
    assert again.converged_
    assert_allclose(again.weights_, answer.mixture.weights, rtol=1e-3)
    assert_allclose(again.means_.ravel(), answer.mixture.parameters[:, 0], rtol=1e-3, atol=1e-7)
    assert_allclose(np.sqrt(again.covariances_.ravel()), answer.mixture.parameters[:, 1], rtol=1e-3)


def test_what_scikit_learn_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(mb.UserError, match="mixtures of normals alone, and this is one of gamma"):
        to_sklearn(plain("gamma"), -1.0)
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    with pytest.raises(mb.UserError, match=r"pip install 'mixturebench\[peers\]'"):
        to_sklearn(plain("normal"), -1.0)
