"""A third party's package, installed by pip, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tests.conftest import mixturebench, process, ran


def test_plug_ins_are_listed(plugin: Path) -> None:
    for kind, name in [("fitters", "stays"), ("families", "kumaraswamy"), ("starts", "halves")]:
        assert name in mixturebench("list", kind, site=plugin).stdout
        assert name not in mixturebench("list", kind).stdout
    # A process of its own finds them as this one does.
    assert (
        process("list", "starts", site=plugin).stdout
        == mixturebench("list", "starts", site=plugin).stdout
    )


def test_the_contract_test_passes_good_fitters_and_fails_bad_ones(plugin: Path) -> None:
    good = mixturebench("check", "stays", site=plugin)
    assert good.returncode == 0, good.stdout
    assert "stays meets the contract" in good.stdout
    for spec, word in [
        ("raises", "ZeroDivisionError"),
        ("raises:when=prepare", "no licence found"),
        ("liar:how=nan", "not finite"),
        ("liar:how=nothing", "returned a str"),
        ("liar:how=prints", "it printed"),
    ]:
        bad = mixturebench("check", spec, site=plugin)
        assert bad.returncode == 1
        assert "FAIL" in bad.stdout
        assert word in bad.stdout


def test_a_run_records_every_breach_of_the_contract(plugin: Path, tmp_path: Path) -> None:
    expected = {
        "em": "converged",
        "raises": "error",
        "raises:when=prepare": "error",
        "liar:how=nan": "invalid",
        "liar:how=negative": "invalid",
        "liar:how=weights": "invalid",
        "liar:how=spike": "spurious",
        "liar:how=nothing": "error",
        "liar:how=three": "invalid",
        "liar:how=posterior": "error",
        "liar:how=observes": "error",
    }
    chosen = [
        part for spec in (*expected, "stays", "liar:how=swapped") for part in ("--fitter", spec)
    ]
    out = tmp_path / "run"
    trials = ran(out, "--scenario", "unequal", "--restarts", "2", *chosen, site=plugin)
    assert len(trials) == 2 * (len(expected) + 2)
    for spec, status in expected.items():
        rows = trials[trials["fitter"] == spec]
        assert set(rows["status"]) == {status}, spec
        if status in ("error", "invalid", "spurious"):
            assert rows["message"].str.len().gt(0).all()
            assert rows["nll"].isna().all()
    claimed = trials[trials["fitter"] == "liar:how=nan"]["claimed"]
    assert claimed.all()  # its claim is on record and not used
    # Swapped labels change no figure.
    figures = ["nll", "excess", "hellinger", "information_error", "worst_relative_error", "status"]
    stays, swapped = (
        trials[trials["fitter"] == spec][figures].reset_index(drop=True)
        for spec in ("stays", "liar:how=swapped")
    )
    pd.testing.assert_frame_equal(stays, swapped, rtol=1e-9)


def test_a_plug_in_family_is_fitted_and_scored(plugin: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "mine.toml"
    scenario.write_text(
        'title = "t"\nfamily = "kumaraswamy"\nn = 600\n'
        "[[components]]\nweight = 0.5\na = 2.0\nb = 12.0\n"
        "[[components]]\nweight = 0.5\na = 12.0\nb = 2.0\n"
    )
    out = tmp_path / "run"
    trials = ran(
        out, "--scenario", str(scenario), "--fitter", "direct", "--fitter", "em",
        "--start", "halves", "--restarts", "1", site=plugin,
    ).set_index("fitter")  # fmt: skip
    assert trials.loc["direct", "status"] == "converged"
    assert trials.loc["direct", "worst_relative_error"] < 0.2
    assert trials.loc["em", "status"] == "unsupported"
    assert "M-step" in trials.loc["em", "message"]


def test_a_malformed_fit_is_a_row_of_its_own_trial_alone(plugin: Path, tmp_path: Path) -> None:
    expected = {
        "ragged_weights": "invalid", "ragged_parameters": "invalid", "square_weights": "invalid",
        "flat_parameters": "invalid", "tiny": "local", "complex": "invalid", "text": "invalid",
        "no_mixture": "invalid", "many": "invalid", "endless": "error", "countless": "error",
        "half_an_iteration": "error", "all_passes": "error", "no_passes": "error",
        "kernels": "error", "surrogate": None, "unshowable": "error", "claims": "error",
        "extra": "error",
    }  # fmt: skip
    hostile = [part for how in expected for part in ("--fitter", f"liar:how={how}")]
    plan = ("--scenario", "unequal", "--restarts", "2", "--fitter", "em")
    trials = ran(tmp_path / "all", *plan, *hostile, site=plugin)
    assert len(trials) == 2 * (1 + len(expected))
    for how, status in expected.items():
        rows = trials[trials["fitter"] == f"liar:how={how}"]
        if status is not None:
            assert set(rows["status"]) == {status}, (how, rows["message"].tolist())
            assert status == "local" or rows["message"].str.len().gt(0).all(), how
        else:
            assert "? is no text" in rows["message"].iloc[0]
    # em's rows, the report and the comparison are as if the others were not there.
    alone = ran(tmp_path / "em", *plan)
    timed = [c for c in trials if "second" in c or c in ("peak_mb", "host", "disturbed")]
    both = trials[trials["fitter"] == "em"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        both.drop(columns=timed), alone.drop(columns=timed), check_dtype=False
    )
    page = mixturebench("report", "all", folder=tmp_path, site=plugin)
    assert page.returncode == 0, page.stderr
    done = mixturebench("compare", "em", "all", "--json", folder=tmp_path, site=plugin)
    (row,) = [
        row for row in json.loads(done.stdout)["fitters"] if row["fitter"] == "em"
    ]  # fmt: skip
    assert (row["identical"], row["changed"], row["verdict"]) == (2, 0, "passed")
