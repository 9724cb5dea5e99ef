"""The studies, with few repetitions, against other computations of their figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from benchmarks.studies import article, effects, neutral, peers, scaling
from benchmarks.studies.planted import DEFECTS, plant
from benchmarks.studies.study import app, show
from tests.conftest import environment


def test_every_study_is_a_command() -> None:
    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names >= {"article", "peers", "scaling", "neutral", "planted", "effects"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.studies", "neutral", "--variant", "rows permutted"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'rows permuted'" in done.stderr.lower()


def test_a_frame_is_shown_with_its_formats(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "value": [0.5, np.inf], "count": [1, 20]})
    show(frame, "a title", {"value": "{:.1%}".format})
    title, headings, first, second = capsys.readouterr().out.splitlines()
    assert title == "a title"
    assert headings.split() == ["name", "value", "count"]
    assert first.split() == ["a", "50.0%", "1"]
    assert second.split() == ["b", "inf%", "20"]
    assert first.index(" 1") == second.index("20")  # aligned to the right


def test_the_smallest_detected_loss_is_that_of_the_binomial_distribution() -> None:
    found = effects.min_losses(400).set_index("trials")["0% flip anyway"]
    # Without other changes a loss is significant if so many trials are lost.
    lost = int(np.floor(-np.log2(effects.LEVEL))) + 1
    for trials in (36, 90, 360):
        loss = optimize.brentq(
            lambda q, n=trials: stats.binom.sf(lost - 1, n, q) - effects.POWER, 1e-6, 1.0 - 1e-9
        )
        assert found[trials] == pytest.approx(100.0 * loss, abs=3.0)


def test_the_smallest_detected_ratio_is_near_that_of_a_t_test() -> None:
    table = effects.min_ratios(20).set_index("data sets")
    # Fewer data sets than this have no pattern of signs as rare as the level.
    fewest = int(np.ceil(-np.log2(effects.LEVEL)))
    assert np.isinf(table.loc[table.index < fewest].to_numpy()).all()
    n, scatter = 30, 0.2
    critical = stats.t.ppf(1.0 - effects.LEVEL, n - 1)
    shift = optimize.brentq(
        lambda d: stats.nct.sf(critical, n - 1, d * np.sqrt(n) / scatter) - effects.POWER, 0.01, 1.0
    )
    assert np.log(table.loc[n, "scatter 20%"]) == pytest.approx(shift, rel=0.2)


@pytest.mark.parametrize("variant", list(neutral.VARIANTS))
def test_a_neutral_variant_finds_the_same_optimum(variant: str) -> None:
    comparison = neutral.NeutralComparison(variant, ("em", "newton:bins=1024,batch=5"), 2, 3)
    table = neutral._pairs(comparison, "separated", 0)
    assert table[["fitter", "restart"]].to_numpy().tolist() == [
        [fitter, restart] for fitter in comparison.fitters for restart in (12, 13)
    ]
    assert set(table["base_status"]) == set(table["new_status"]) == {"converged"}
    np.testing.assert_allclose(table["base_hellinger"], table["new_hellinger"], atol=1e-4)


def test_peers_are_timed_relative_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "METHODS", ("em", "newton", "em:max_iterations=1"))
    table = peers.peer_times(2_000, 3).set_index("method")
    assert list(table.index) == ["em", "newton", "em:max_iterations=1"]
    assert table.loc["em", ["time ÷ first", "lowest", "highest"]].tolist() == [1.0, 1.0, 1.0]
    assert (table["lowest"] <= table["time ÷ first"]).all()
    assert (table["time ÷ first"] <= table["highest"]).all()
    assert table["short of best"].min() == 0.0
    assert table.loc["em", "short of best"] < 1e-3
    assert table.loc["em:max_iterations=1", "short of best"] > 1.0
    assert table["claim"].tolist() == ["converged", "converged", "not converged"]


def test_the_steps_of_a_sketched_fit_are_timed() -> None:
    (row,) = scaling.step_times(10_000, 1, 10_000).to_dict("records")
    assert row["n"] == 10_000
    assert row["÷ pass"] == pytest.approx(row["sketched"] / row["a pass"])
    assert row["sketched"] >= row["sample"] + row["sketch"]
    assert row["exact"] > row["sample"]
    assert "<svg" in scaling.growth_figure(scaling.step_times(100_000, 1, 10_000))[:200]


def test_stuck_fits_have_the_likelihood_of_one_beta_or_an_empty_component() -> None:
    trials = pd.DataFrame(
        {
            "nll": [-0.4142, -0.1139, -0.2, np.nan],
            "weights": [[0.5, 0.5], [0.4, 0.6], [0.995, 0.005], None],
        }
    )
    assert article.stuck(trials, -0.1136).tolist() == [False, True, True, False]


def test_the_restarts_that_are_needed_find_the_optimum_with_confidence() -> None:
    needed = article.restarts_needed(14 / 50)
    assert 1.0 - 0.72**needed >= 0.95 > 1.0 - 0.72 ** (needed - 1)
    assert [article.restarts_needed(share) for share in (0.0, 1.0)] == [0, 0]


def test_every_defect_can_be_planted(tmp_path: Path) -> None:
    for index, defect in enumerate(DEFECTS):
        for size in defect.sizes:
            tree = plant(defect, size, tmp_path / f"{index}-{size}")
            compile((tree / defect.file).read_text(), defect.file, "exec")
