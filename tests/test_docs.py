"""The documents: their examples run, their tables are complete, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from tests.conftest import install, mixturebench

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def block(title: str) -> str:
    """The fenced block of CONTRIBUTING.md whose first line is the comment ``# title``."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(rf"```\w+\n(# {re.escape(title)}\n.*?)```", text, flags=re.DOTALL)
    assert len(found) == 1, title
    return found[0]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that CONTRIBUTING.md describes, installed."""
    package = tmp_path_factory.mktemp("package")
    (package / "pyproject.toml").write_text(block("pyproject.toml"))
    code = [block("fitters/mine.py"), block("scenarios/families/rayleigh.py")]
    (package / "my_package.py").write_text("\n\n".join(code), encoding="utf-8")
    return install(package, tmp_path_factory.mktemp("site"))


def test_the_scenario_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(block("mine.toml"))
    done = mixturebench(
        "run", "--scenario", "./mine.toml", "--fitter", "direct", "--restarts", "2",
        "--out", "run", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    assert set(trials["scenario"]) == {"mine"}
    assert (trials["status"] == "converged").any()


def test_the_fitter_keeps_the_contract(site: Path) -> None:
    done = mixturebench("check", "mine", site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine keeps the contract" in done.stdout


def test_the_family_is_fitted_by_every_method(site: Path, tmp_path: Path) -> None:
    (tmp_path / "two.toml").write_text(block("two_rayleighs.toml"))
    done = mixturebench(
        "run", "--scenario", "two.toml", "--restarts", "2", "--out", "run", "--fitter", "em",
        "--fitter", "direct", "--fitter", "direct:bins=256", "--fitter", "gradient", "--fitter",
        "mine", folder=tmp_path, site=site,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    assert (trials["excess"] < 1.0).groupby(trials["fitter"]).any().all()
    assert (trials[trials["fitter"].isin(["em", "direct"])]["status"] == "converged").all()


def test_the_family_is_scipys(tmp_path: Path) -> None:
    scope: dict = {}
    exec(block("scenarios/families/rayleigh.py"), scope)
    rayleigh, sigma, q = scope["Rayleigh"](), np.array([[0.7], [3.0]]), np.array([0.01, 0.4, 0.99])
    for row, law in zip(sigma, (stats.rayleigh(scale=0.7), stats.rayleigh(scale=3.0)), strict=True):
        x = law.ppf(q)
        assert_allclose(rayleigh.log_density(x, row[None])[0], law.logpdf(x), rtol=1e-12)
        assert_allclose(rayleigh.cdf(x, row[None])[0], q, rtol=1e-12)
        assert_allclose(rayleigh.quantile(q, row[None])[0], x, rtol=1e-12)
        drawn = rayleigh.draw(np.random.default_rng(0), row, 4000)
        assert stats.kstest(drawn, law.cdf).pvalue > 1e-3
    eta, step = rayleigh.natural(sigma), 1e-6
    slope = (rayleigh.log_partition(eta + step) - rayleigh.log_partition(eta - step)) / (2 * step)
    assert_allclose(rayleigh.mean_statistics(eta)[:, 0], slope, rtol=1e-6)


def test_every_column_is_explained(tmp_path: Path) -> None:
    done = mixturebench(
        "run", "--scenario", "small", "--fitter", "em", "--restarts", "1", "--out", "run",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    columns = pd.read_parquet(tmp_path / "run" / "trials.parquet").columns
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, flags=re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(columns)


def test_the_article_is_made_of_its_run(tmp_path: Path) -> None:
    done = mixturebench(
        "run", "--scenario", "founding", "--restarts", "3", "--start", "article", "--start",
        "quantile", "--fitter", "gradient:preset=article", "--fitter", "gradient:max_epochs=30",
        "--fitter", "em", "--fitter", "direct", "--out", "run", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    from benchmarks.article import retell

    retell(tmp_path / "run", tmp_path / "article.md")
    text = (tmp_path / "article.md").read_text(encoding="utf-8")
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    own = trials[(trials.fitter == "gradient:preset=article") & (trials.start == "article")]
    assert f"{(own.excess <= 0.01).sum()} of its 3 restarts" in text
    shown = own.set_index("restart").loc[1]  # the seed that the article shows
    assert f"{shown.nll:.5f}" in text
    assert (tmp_path / "article-traces.svg").is_file()
    assert "nan" not in text.lower().replace("finance", "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        place = (page.parent / name) if name else page
        assert place.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
            assert anchor in slugs, target
