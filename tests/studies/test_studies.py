"""The studies, with few repetitions, against other computations of their figures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies import article, epoch, fit, peers, power, rounding, scaling
from benchmarks.studies.planted import DEFECTS, plant
from benchmarks.studies.study import app, show
from scenarios.errors import UserError
from tests.conftest import environment


def test_every_study_is_a_command() -> None:
    names = {command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names >= {"article", "epoch", "peers", "scaling", "power", "rounding", "fit"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.studies", "rounding", "--fitter", "emm"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "did you mean 'em'" in done.stderr.lower()


def test_a_frame_is_shown_with_its_formats(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "value": [0.5, np.inf], "count": [1, 20]})
    show(frame, "a title", {"value": "{:.1%}".format})
    title, headings, first, second = capsys.readouterr().out.splitlines()
    assert title == "a title"
    assert headings.split() == ["name", "value", "count"]
    assert first.split() == ["a", "50.0%", "1"]
    assert second.split() == ["b", "inf%", "20"]
    assert first.index(" 1") == second.index("20")  # aligned to the right


def test_the_size_and_the_power_of_comparisons_are_simulated_and_resumed(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(power, "BLOCK", 4)
        patch.setattr(power, "CASES", (power.Case("sound", "size", flips=0.0),
                                       power.Case("lost", "power", loss=0.9)))  # fmt: skip
        first = power.simulate(8, tmp_path, 1, 1.0, said.append)
        again = power.simulate(8, tmp_path, 1, 1.0, said.append)
    assert first["comparisons"].tolist() == [8, 4]
    assert first["regressed"].tolist() == [0.0, 1.0]
    assert first["passed"].tolist() == [1.0, 0.0]
    assert first["data sets"].tolist()[1] == 24.0
    assert first["95 % to"][0] == pytest.approx(1.0 - 0.025 ** (1 / 8))  # 0 of 8
    pd.testing.assert_frame_equal(first, again)
    assert len(said) == 3  # three blocks, and none again


def test_simulated_changes_have_the_mean_of_their_case() -> None:
    case = power.Case("", "power", loss=0.1, flips=0.3, cost=1.5, scatter=0.2, time=1.2)
    for whole in (True, False):
        values = power.simulated_values(
            replace(case, whole=whole), 40_000, np.random.default_rng(0)
        )
        error = 4.0 * values.std(axis=0) / 200.0
        means = [0.1, 0.1, np.log(1.5), np.log(1.2)]
        assert (np.abs(values.mean(axis=0) - means) < error).all()
        assert set(np.unique(values[:, 0])) == ({-1, 0, 1} if whole else {-1, -0.5, 0, 0.5, 1})


def test_rounding_changes_trials_and_breaks_none() -> None:
    table = rounding.rounding_changes(("direct",), 2).set_index("variant")
    assert table["trials"].tolist() == [24] * len(rounding.VARIANTS)
    assert table["broken"].sum() == 0
    assert table.loc["starts × (1 + 1e-12)", "changed"] <= table.loc[
        "starts × (1 + 1e-6)", "changed"
    ]  # fmt: skip


def test_a_table_is_written_into_its_block_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    other = "b <!-- study: u --> <!-- end -->\n"
    page.write_text(f"a\n\n<!-- study: t -->\nold\n<!-- end -->\n\n{other}")
    frame = pd.DataFrame({"name": ["a"], "count": [1]})
    show(frame, "t", page=page)
    text = page.read_text("utf-8")
    assert "old" not in text
    assert "| a | 1 |" in text
    assert text.startswith("a\n\n<!-- study: t -->\n\n| name |")
    assert text.endswith(f"<!-- end -->\n\n{other}")
    show(frame, "t", page=page)
    assert page.read_text("utf-8") == text
    with pytest.raises(UserError, match="study: none"):
        show(frame, "none", page=page)


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


def test_the_parts_of_an_epoch_add_up_to_the_fitters() -> None:
    times = epoch.epoch_times(100, 4, 2).set_index("loss")
    assert list(times.index) == ["empty", "natural", "distribution"]
    assert (times[list(epoch.LOOPS)] > 0.0).to_numpy().all()
    parts = times[["torch", "density", "Lightning", "bookkeeping"]].sum(axis=1)
    assert parts.to_numpy() == pytest.approx(times["gradient"].to_numpy())
    assert times["torch"].nunique() == 1
    assert times["density"]["empty"] == 0.0


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


def test_the_groups_and_intervals_of_fits_are_counted_and_resumed(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "CELLS", [("t, 3 df", 40)])
        patch.setattr(fit, "COVERED_SIZES", (200,))
        patch.setattr(fit, "COVERED", {name: fit.COVERED[name] for name in list(fit.COVERED)[:1]})
        rows = fit.run_study("groups", 1, tmp_path, 1, 1.0, said.append)
        again = fit.run_study("groups", 1, tmp_path, 1, 1.0, said.append)
        covered = fit.run_study("intervals", 3, tmp_path, 1, 1.0, said.append)
    assert rows == again
    table = fit.groups_table(rows)
    assert table["drawn from"].tolist() == ["t, 3 df", "one peak, pooled"]
    assert table["count"].tolist() == [1, 1]
    coverage = fit.coverage_table(covered).set_index("quantity")
    assert coverage["count"].to_dict() == {"share": 3, "means": 6, "cut": 3}
    assert (coverage["without interval"] == 0).all()


def test_coverage_is_a_share_with_an_exact_interval() -> None:
    row = {"kind": "a", "size": 200, "number": 0, "share 1": True, "mean 1": False, "mean 2": None}
    table = fit.coverage_table([row | {"cut": number > 0} for number in range(8)])
    table = table.set_index("quantity")
    assert table["held"].to_dict() == {"share": 1.0, "means": 0.0, "cut": 7 / 8}
    assert table["without interval"].to_dict() == {"share": 0, "means": 8, "cut": 0}
    assert table.loc["share", "95 % from"] == pytest.approx(0.025 ** (1 / 8))
    frame = pd.DataFrame({"kind": ["normal", "uniform"] * 4, "size": 50, "groups": [1, 2] * 4,
                          "fitted_groups": 2, "fit_seconds": 1.0, "confirm_seconds": 2.0}
                         )  # fmt: skip
    found = fit.groups_table(frame.to_dict("records")).set_index("drawn from")
    assert found["more than one group"].to_dict() == {
        "normal": 0.0, "uniform": 1.0, "one peak, pooled": 0.5,
    }  # fmt: skip
