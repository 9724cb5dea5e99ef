"""The pages on the published results: their text is today's, and their figures are recounted."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

import mixturebench as mb
from benchmarks.scoring.published import FOLDER
from benchmarks.studies import results
from benchmarks.studies.results import findings, publish, write_pages
from scenarios.errors import UserError

ROOT = Path(__file__).parents[2]
GOOD = ("converged", "found")


@pytest.fixture(scope="module")
def trials() -> pd.DataFrame:
    """The trials that rates count."""
    trials = mb.results()
    return trials[(trials["outside_rates"] == "") & (trials["status"] != "unsupported")]


def test_the_pages_are_those_of_the_published_results(tmp_path: Path) -> None:
    page, readme = tmp_path / "results.md", tmp_path / "README.md"
    shutil.copy(ROOT / "README.md", readme)
    write_pages(page, readme)
    assert page.read_text("utf-8") == (ROOT / "docs" / "results.md").read_text("utf-8")
    assert readme.read_text("utf-8") == (ROOT / "README.md").read_text("utf-8")
    readme.write_text("no block", "utf-8")
    with pytest.raises(UserError, match="no line <!-- results -->"):
        write_pages(page, readme)


def test_the_figures_of_the_words_are_recounted(trials: pd.DataFrame) -> None:
    found = findings(mb.results())
    good = trials["status"].isin(GOOD)
    converged = (trials["status"] == "converged").groupby([trials["scenario"], trials["fitter"]])
    rates = converged.mean().unstack()
    easy = rates.index[(rates[["em", "newton", "direct"]].fillna(1.0) >= 0.95).all(axis=1)]
    assert set(found["easy"]) == set(easy)
    assert set(found["hard"]) == set(rates.index) - set(easy)
    assert {name: list(found["scenarios"]).count(name) for name in rates.index} == dict.fromkeys(
        rates.index, 1
    )
    for fitter in ("em", "newton", "direct", "gradient"):
        own = (trials["fitter"] == fitter) & ~good
        assert found["misses"][fitter]["all"] == own.sum()
        assert found["misses"][fitter]["claimed"] == (own & (trials["claimed"] == True)).sum()  # noqa: E712
    em = trials[trials["fitter"] == "em"]
    for scenario, rows in em.groupby("scenario"):
        sets = {r.replicate for r in rows.itertuples() if r.status in GOOD}
        text = f"{len(sets)}/{rows['replicate'].nunique()}"
        assert found["best_of"][scenario]["em"] == text
    for scenario in found["hard"]:
        best, rows = found["best"][scenario], trials[trials["scenario"] == scenario]
        share = rows["status"].isin(GOOD).groupby(rows["fitter"]).mean()
        assert share[best.fitter] == share.max()


def test_costs_are_geometric_means_over_the_easy_scenarios(trials: pd.DataFrame) -> None:
    found = findings(mb.results())
    times = trials["seconds"] + trials["start_seconds"]
    keys = [trials["scenario"], trials["fitter"]]
    successes = (trials["status"] == "converged").groupby(keys).sum().unstack()
    spent = times.groupby(keys).sum().unstack().loc[found["easy"]]
    successes = successes.loc[found["easy"]]
    ert = spent / successes.where(successes > 0, 1)
    best = (spent / successes.where(successes > 0)).min(axis=1)
    for fitter in results.FITTERS:
        ratios = (ert[fitter] / best).dropna()
        mean = math.exp(ratios.map(math.log).mean())
        assert found["costs"][fitter][0] == pytest.approx(mean)
        assert found["costs"][fitter][1] == (successes[fitter] == 0).any()


def test_a_method_is_clearly_best_where_intervals_are_apart(trials: pd.DataFrame) -> None:
    found = findings(mb.results())
    for scenario in found["hard"]:
        rows = {f: found["rows"][scenario, f] for f in results.FITTERS}
        sampler = rows.pop(results.SAMPLER)
        apart = all(sampler.found_rate_low > row.found_rate_high for row in rows.values())
        assert (scenario in found["sampled"]) == apart


def test_only_a_whole_run_of_the_profile_is_published(tmp_path: Path) -> None:
    run = mb.run(["small"], ["em"], restarts=1, out=tmp_path / "run")
    with pytest.raises(UserError, match=r"no complete run of the profile standard .*quick"):
        publish(run.folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_of_other_code_are_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"commit": "0" * 40, "clean": True, "digest": "0" * 64}
    monkeypatch.setattr(results, "code_state", lambda: state)
    with pytest.raises(UserError, match="commit, and run again"):
        publish(FOLDER, tmp_path / "out")
    assert not (tmp_path / "out").exists()
