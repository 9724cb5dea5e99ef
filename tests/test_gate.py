"""The regression gate: its statistics against other sources, its verdicts on real runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from benchmarks.gate.pairs import Pairs, table_of
from benchmarks.gate.planted import DEFECTS, plant
from benchmarks.gate.show import as_json, markdown, sentence
from benchmarks.gate.verdict import EXIT, METRICS, Comparison, compare
from benchmarks.harness import evidence
from benchmarks.harness.journal import RUN, TRIALS, from_line, read, to_line
from benchmarks.harness.plan import PROFILES
from tests.conftest import mixturebench

PLAN = ("--scenario", "separated", "--scenario", "unequal", "--data-sets", "7", "--restarts", "3")


@pytest.mark.parametrize(
    ("worse", "better", "expected"), [(0, 0, 1.0), (8, 2, 56 / 1024), (0, 3, 1.0), (7, 0, 1 / 128)]
)
def test_mcnemar_is_a_tail_of_fair_coins(worse: int, better: int, expected: float) -> None:
    assert evidence.mcnemar(worse, better) == pytest.approx(expected, rel=1e-12)


def test_bounds_of_a_loss_are_the_published_ones() -> None:
    # The example of Newcombe (1998), his method 10 at 95 %.
    low, high = evidence.loss_bounds(36, 12, 2, 0, 0.025)
    assert (low, high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@pytest.mark.parametrize(
    "shares", [(0.8, 0.1, 0.1, 0.0), (0.4, 0.1, 0.1, 0.4), (0.3, 0.2, 0.1, 0.4)]
)
def test_bounds_of_a_loss_are_missed_as_often_as_they_say(shares: tuple[float, ...]) -> None:
    counts = np.random.default_rng(0).multinomial(80, shares, 1500)
    bounds = np.array([evidence.loss_bounds(*map(int, row), 0.05) for row in counts])
    missed = (bounds[:, 1] < shares[1] - shares[2]).mean()
    # Approximate by nature; three standard errors of 1,500 draws are .017. Bounds that knew
    # nothing of the correlation of the sides would be missed by fewer than one in a hundred.
    assert 0.05 - 0.017 - 0.01 < missed < 0.05 + 0.017 + 0.01


@pytest.mark.parametrize("count", [2, 5, 9, 14])
def test_sign_flips_are_scipys(count: int) -> None:
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert evidence.sign_flip(values) == pytest.approx(theirs.pvalue, rel=1e-12)


def test_drawn_sign_flips_are_near_the_exact_ones() -> None:
    values = np.random.default_rng(1).normal(0.4, 1.0, 16)
    exact = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
    ).pvalue
    error = np.sqrt(exact * (1.0 - exact) / evidence.DRAWN)
    assert evidence.sign_flip(values) == pytest.approx(exact, abs=4.0 * error)


def test_flip_bounds_are_where_the_test_turns() -> None:
    values = np.random.default_rng(2).normal(0.2, 0.1, 12)
    low, high = evidence.flip_bounds(values, 0.01)
    for bound, sign in ((high, 1.0), (low, -1.0)):
        inside, outside = (sign * (bound + shift - values) for shift in (-1e-6 * sign, 1e-6 * sign))
        assert evidence.sign_flip(inside) > 0.01
        assert evidence.sign_flip(outside) <= 0.01
    t = stats.ttest_1samp(values, 0.0).confidence_interval(0.98)
    assert_allclose([low, high], [t.low, t.high], atol=0.02)  # normal data: nearly Student's
    assert evidence.flip_bounds(values[:6], 0.01)[1] == np.inf
    assert evidence.fewest(0.01) == 7


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("count", "level"), [(7, 1 / 128), (8, 0.01), (11, 0.05), (14, 0.0007)])
def test_flip_bounds_are_those_that_bisection_finds(count: int, level: float, tied: bool) -> None:
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    values = np.round(values, 1) if tied else values

    def bound(sign: float) -> float:
        low, high = values.mean(), sign * np.max(sign * values) + sign
        for _ in range(60):
            middle = 0.5 * (low + high)
            rejected = evidence.sign_flip(sign * (middle - values)) <= level
            low, high = (low, middle) if rejected else (middle, high)
        return float(high)

    # The test counts ties up to 1e-12 of the sum of all magnitudes.
    near = 2e-12 * np.abs(values).sum()
    assert evidence.flip_bounds(values, level) == pytest.approx((bound(-1.0), bound(1.0)), abs=near)
    means = [np.mean(s) for k in range(1, count + 1) for s in combinations(values, k)]
    rank = int(level * 2**count)  # so many patterns may count against a centre, and none more
    assert evidence.flip_bounds(values, level)[1] == pytest.approx(sorted(means)[-rank], rel=1e-12)


def test_bounds_of_agreeing_pairs_are_corrected_for_continuity() -> None:
    # By hand: 60 pairs good and 30 bad on both sides, 6 lost, 4 won: phi of the corrected table.
    low, high = evidence.loss_bounds(60, 6, 4, 30, 0.025)
    intervals = [stats.binomtest(k, 100).proportion_ci(method="wilson") for k in (66, 64)]
    phi = (60 * 30 - 6 * 4 - 50) / np.sqrt(66 * 34 * 64 * 36)
    a, b = 0.66 - intervals[0].low, intervals[1].high - 0.64
    c, d = intervals[0].high - 0.66, 0.64 - intervals[1].low
    assert low == pytest.approx(0.02 - np.sqrt(a * a - 2 * phi * a * b + b * b))
    assert high == pytest.approx(0.02 + np.sqrt(c * c - 2 * phi * c * d + d * d))


def test_sides_of_which_one_always_succeeds_are_uncorrelated() -> None:
    low, high = evidence.loss_bounds(40, 10, 0, 0, 0.025)
    base, new = (stats.binomtest(k, 50).proportion_ci(method="wilson") for k in (50, 40))
    assert low == pytest.approx(0.2 - np.hypot(1.0 - base.low, new.high - 0.8))
    assert high == pytest.approx(0.2 + np.hypot(base.high - 1.0, 0.8 - new.low))


def test_the_least_shift_is_found_with_the_power_that_it_states() -> None:
    # The textbook's (1.645 + 0.842) s / 5 for 25 values, at 5 % and 80 %.
    values = np.tile([-1.0, 1.0], 13)[:25]
    spread = values.std(ddof=1)
    expected = (1.6448536 + 0.8416212) * spread / 5.0
    assert evidence.least_shift(values, 0.05) == pytest.approx(expected, rel=1e-6)
    assert evidence.least_shift(values, 0.05, power=0.5) == pytest.approx(1.6448536 * spread / 5.0)
    assert evidence.least_shift(values[:4], 0.05) == np.inf  # 1/16 is above the level


def test_holm_is_the_textbooks() -> None:
    # R: p.adjust(c(.01, .04, .03, .005), "holm")
    assert_allclose(evidence.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    assert_allclose(evidence.holm(np.array([0.6, 0.2, 0.7])), [1.0, 0.6, 1.0])
    assert evidence.holm(np.array([])).size == 0


def side(data_sets: int, restarts: int, new: dict, changes: dict | None = None) -> Pairs:
    """Pairs of a sound fitter with one whose figures are ``new``, a function of the index."""
    sound = {"status": "converged", "excess": 1e-3, "information_error": 1.0,
             "hellinger": 0.01, "evaluations": 10.0, "seconds": 0.1}  # fmt: skip
    generator = np.random.default_rng(0)
    rows = []
    for data_set in range(data_sets):
        for restart in range(restarts):
            row = {"scenario": "s", "data_set": data_set, "fitter": "f", "start": "quantile",
                   "restart": restart}  # fmt: skip
            for name, value in sound.items():
                row[f"base_{name}"] = value
                row[f"new_{name}"] = new[name](generator) if name in new else value
            rows.append({**row, **(changes or {})})
    return Pairs(table_of(rows), {}, True, [])


def word(comparison: Comparison, metric: str) -> str:
    (found,) = [v.word for v in comparison.verdicts if v.metric == metric]
    return found


def test_equal_pairs_pass_and_say_so() -> None:
    comparison = compare(side(3, 2, {}), 0.01)
    assert comparison.word == "passed"
    assert {verdict.unequal for verdict in comparison.verdicts} == {0}
    assert "all pairs equal" in markdown(comparison)


def test_a_figure_that_is_worse_everywhere_has_regressed() -> None:
    worse = {"evaluations": lambda g: 13.0 + g.uniform(0.0, 0.1)}
    comparison = compare(side(14, 3, worse), 0.01)
    assert comparison.exit_code == 1
    assert word(comparison, "passes") == "regressed"
    assert word(comparison, "excess") == "passed"
    (found,) = [v for v in comparison.verdicts if v.metric == "passes"]
    assert found.low <= found.estimate <= found.high
    assert 1.3 < found.estimate < 1.32
    assert "f: passes × 1.3" in sentence(comparison)


def test_a_small_change_is_tolerated_however_sure() -> None:
    worse = {"evaluations": lambda g: 10.2 + g.uniform(0.0, 0.01)}
    comparison = compare(side(14, 3, worse), 0.01)
    assert comparison.word == "passed"
    (found,) = [v for v in comparison.verdicts if v.metric == "passes"]
    assert found.p_holm < 0.01


def test_few_data_sets_end_inconclusive_and_say_what_would_settle_it() -> None:
    comparison = compare(side(4, 50, {"evaluations": lambda g: 20.0 + g.uniform()}), 0.01)
    assert comparison.exit_code == 3
    (found,) = [v for v in comparison.verdicts if v.metric == "passes"]
    assert found.settle == "at least 7 data sets"
    assert found.high == np.inf
    assert json.loads(as_json(comparison))["verdicts"][5]["high"] is None


def test_failures_count_where_the_figures_of_what_is_left_are_fine() -> None:
    fails = {"status": lambda g: "error" if g.uniform() < 0.3 else "converged"}
    comparison = compare(side(14, 5, fails), 0.01)
    assert word(comparison, "converged") == "regressed"
    assert word(comparison, "close") == "regressed"
    assert word(comparison, "excess") == "passed"


def test_a_rate_is_bounded_by_what_became_of_the_pairs_on_both_sides() -> None:
    outcomes = 30 * ["both"] + 8 * ["worse"] + 3 * ["better"] + 9 * ["neither"]
    pairs = side(50, 1, {})
    good, bad = "converged", "local"
    pairs.table["base_status"] = [good if o in ("both", "worse") else bad for o in outcomes]
    pairs.table["new_status"] = [good if o in ("both", "better") else bad for o in outcomes]
    (found,) = [v for v in compare(pairs, 0.01).verdicts if v.metric == "converged"]
    assert (found.low, found.high) == evidence.loss_bounds(30, 8, 3, 9, 0.01)
    assert (found.estimate, found.unequal, found.pairs) == (0.1, 11, 50)
    assert found.p == pytest.approx(stats.binom.sf(7, 11, 0.5))
    assert found.word == "inconclusive"
    # So many trials would bring the upper bound down to a loss of .2, at the same rates.
    needed = np.ceil(50 * ((found.high - 0.1) / 0.1) ** 2)
    assert found.settle == f"about {needed:.0f} trials"


def test_an_inconclusive_verdict_says_how_much_would_settle_it() -> None:
    generator = np.random.default_rng(0)
    some = side(14, 3, {"status": lambda g: "error" if g.uniform() < 0.12 else "converged"})
    (rate,) = [v for v in compare(some, 1e-6).verdicts if v.metric == "converged"]
    room = (rate.high - rate.estimate) / (0.2 - rate.estimate)
    assert rate.word == "inconclusive"
    assert rate.settle == f"about {int(np.ceil(42 * room**2))} trials"
    assert rate.where == f"on s {rate.unequal}"
    many = side(14, 3, {"status": lambda g: "error" if g.uniform() < 0.3 else "converged"})
    (rate,) = [v for v in compare(many, 1e-9).verdicts if v.metric == "converged"]
    assert rate.settle.startswith("more restarts")
    worse = {"evaluations": lambda g: 10.0 * np.exp(generator.normal(0.05, 0.8))}
    (ratio,) = [v for v in compare(side(14, 1, worse), 0.01).verdicts if v.metric == "passes"]
    room = np.log(ratio.high / ratio.estimate) / (np.log(1.5) - np.log(ratio.estimate))
    assert ratio.settle == f"about {int(np.ceil(14 * room**2))} data sets"


def test_times_that_did_not_run_by_turns_are_advisory() -> None:
    slower = side(14, 3, {"seconds": lambda g: 0.2})
    for interleaved, word in ((True, "regressed"), (False, "passed")):
        found = compare(replace(slower, interleaved=interleaved), 0.01)
        assert found.word == word
        assert [v.metric for v in found.verdicts if v.advisory] == [] if interleaved else ["time"]
        # Holm's first of seven or six is held to that share of alpha.
        (rate,) = [v for v in found.verdicts if v.metric == "close"]
        level = 0.01 / (7 if interleaved else 6)
        assert rate.detectable == pytest.approx(evidence.least_loss(42, level))


def test_a_loss_of_three_in_a_hundred_is_a_regression_where_it_is_sure() -> None:
    pairs = side(200, 5, {})
    pairs.table.loc[:29, "new_status"] = "local"
    assert word(compare(pairs, 0.01), "converged") == "regressed"
    pairs.table.loc[10:29, "new_status"] = "converged"
    assert word(compare(pairs, 0.01), "converged") == "passed"  # one in a hundred is tolerated


def test_nothing_to_compare_is_no_pass() -> None:
    comparison = compare(Pairs(table_of([]), {"f": (10, 0)}, False, []), 0.01)
    assert comparison.exit_code == 4
    gone = compare(side(14, 3, {"status": lambda g: "error"}, {"base_status": "error"}), 0.01)
    assert word(gone, "excess") == "measured nothing"
    (nothing,) = [verdict for verdict in gone.verdicts if verdict.metric == "excess"]
    assert (nothing.p, nothing.p_holm, nothing.pairs) == (1.0, 1.0, 0)
    assert word(gone, "converged") == "passed"  # no worse than before, which was hopeless


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_alpha_says() -> None:
    alarms, figures = 0, ("information_error", "evaluations", "seconds")
    generator = np.random.default_rng(5)
    for _ in range(300):
        pairs = side(12, 1, {})
        for name in figures:  # as scattered on both sides
            draw = 10.0 * np.exp(generator.normal(0.0, 0.3, (2, len(pairs.table))))
            pairs.table[f"base_{name}"], pairs.table[f"new_{name}"] = draw
        alarms += compare(pairs, 0.05).word == "regressed"
    assert alarms <= stats.binom.ppf(0.999, 300, 0.05)


@pytest.fixture(scope="module")
def em(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gate") / "em"
    done = mixturebench("run", "--no-report", *PLAN, "--fitter", "em", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def rewritten(run: Path, out: Path, change: dict) -> Path:
    """A copy of a run with ``change`` in its first record."""
    shutil.copytree(run, out)
    first, *rest = (out / TRIALS).read_bytes().splitlines(keepends=True)
    record = from_line(first)
    assert record is not None
    (out / TRIALS).write_bytes(to_line(record | change) + b"".join(rest))
    return out


def test_a_run_passes_beside_itself(em: Path) -> None:
    done = mixturebench("compare", str(em), str(em))
    assert done.returncode == 0, done.stderr
    assert "all pairs equal" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("Passed")


def test_another_start_or_contract_is_broken_input(em: Path, tmp_path: Path) -> None:
    other = rewritten(em, tmp_path / "start", {"start_digest": "0" * 64})
    done = mixturebench("compare", str(em), str(other))
    assert done.returncode == 2
    assert "start" in done.stderr
    assert "separated" in done.stderr
    older = tmp_path / "contract"
    shutil.copytree(em, older)
    run = json.loads((older / RUN).read_text())
    (older / RUN).write_text(json.dumps({**run, "contract": 0}))
    done = mixturebench("compare", str(older), str(em), "--json")
    assert done.returncode == 2
    assert "contract 0" in done.stderr
    assert mixturebench("compare", str(em), str(em), "--alpha", "0.9").returncode == 2
    assert mixturebench("compare", str(em), str(tmp_path / "none")).returncode == 2


def test_runs_without_a_scenario_in_common_are_not_compared(em: Path, tmp_path: Path) -> None:
    plan = ("--scenario", "small", "--fitter", "em", "--restarts", "1")
    other = str(tmp_path / "other")
    assert mixturebench("run", "--no-report", *plan, "--out", other).returncode == 0
    for two in ([str(em), other], [other, str(em)]):
        done = mixturebench("compare", *two)
        assert done.returncode == 2
        assert "no scenario in common" in done.stderr


def test_a_baseline_is_small_and_compares_as_its_run_does(em: Path, tmp_path: Path) -> None:
    kept = tmp_path / "baseline"
    done = mixturebench("baseline", str(em), "--out", str(kept))
    assert done.returncode == 0, done.stderr
    assert (kept / TRIALS).stat().st_size < 0.5 * (em / TRIALS).stat().st_size
    assert [r["parameters"] for r in read(kept)[1]] == [
        r["parameters"] for r in sorted(read(em)[1], key=lambda r: (r["scenario"] != "separated",
                                        r["data_set"], r["restart"]))]  # fmt: skip
    told = mixturebench("compare", str(kept), str(em), "--json")
    assert told.returncode == 0
    assert json.loads(told.stdout)["verdict"] == "passed"
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "precious").write_text("mine")
    assert mixturebench("baseline", str(em), "--out", str(tmp_path / "else")).returncode == 2


def test_an_incomplete_run_is_no_baseline(em: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(em, cut)
    lines = (cut / TRIALS).read_bytes().splitlines(keepends=True)
    (cut / TRIALS).write_bytes(b"".join(lines[:-1]))
    done = mixturebench("baseline", str(cut), "--out", str(tmp_path / "baseline"))
    assert done.returncode == 2
    assert "not complete (41 of 42 trials)" in done.stderr
    assert not (tmp_path / "baseline").exists()


def test_a_planted_defect_is_caught_by_turns(tmp_path: Path) -> None:
    defect = next(d for d in DEFECTS if "E-steps" in d.name)
    tree = plant(defect, "10", tmp_path / "tree")
    out = tmp_path / "run"
    done = mixturebench(
        "run", *PLAN, "--fitter", "em", "--against", str(tree), "--out", str(out), folder=tmp_path
    )
    # The tree is the base here: today's em is better than it, which is no regression. It takes
    # more steps, and what they cost is for a clock to say.
    found = json.loads(mixturebench("compare", f"{out}/base", f"{out}/new", "--json").stdout)
    words = {v["metric"]: v["word"] for v in found["verdicts"]}
    assert {words.pop(name) for name in ("passes", "time")} <= set(EXIT)
    assert set(words.values()) == {"passed"}
    assert done.returncode == EXIT[found["verdict"]], done.stderr
    # The runs are complete: the same command again has nothing to do, and need not compare.
    plan = (*PLAN, "--fitter", "em", "--against", str(tree), "--out", str(out))
    again = mixturebench("run", *plan, "--no-report", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"mixturebench compare {out}/base {out}/new" in again.stdout
    assert "Passed" not in again.stdout
    base, new = (read(out / name)[0] for name in ("base", "new"))
    assert base["interleaved_with"] == new["interleaved_with"]
    assert Path(base["packages"]["fitters"]["file"]).is_relative_to(tree.resolve())
    assert base["packages"]["benchmarks"] == new["packages"]["benchmarks"]
    assert base["packages"]["fitters"]["digest"] != new["packages"]["fitters"]["digest"]
    assert {r["iterations"] for r in read(out / "base")[1]} <= set(range(13))
    turned = mixturebench("compare", str(out / "new"), str(out / "base"))
    assert turned.returncode == 1
    assert "em: converged in" in turned.stdout
    # A record a trial and side, in turns: each cell's ends before the other side's next begins.
    assert len(read(out / "base")[1]) == len(read(out / "new")[1]) == 42


def test_what_is_run_against_must_be_of_this_project(tmp_path: Path) -> None:
    done = mixturebench("run", "--against", "no-such-revision", folder=tmp_path)
    assert done.returncode == 2
    assert "no git revision here and no folder" in done.stderr
    (tmp_path / "empty").mkdir()
    done = mixturebench("run", "--against", "empty", folder=tmp_path)
    assert done.returncode == 2
    assert "has no fitters/" in done.stderr


def test_every_defect_can_still_be_planted(tmp_path: Path) -> None:
    for index, defect in enumerate(DEFECTS):
        for size in defect.sizes:
            tree = plant(defect, size, tmp_path / f"{index}-{size}")
            compile((tree / defect.file).read_text(), defect.file, "exec")


def test_the_check_has_data_sets_enough() -> None:
    check = PROFILES["check"]
    counted = len(check.fitters) * (len(METRICS) - 1)
    assert len(check.scenarios) * check.data_sets >= evidence.fewest(0.01 / counted)


def test_verdicts_keep_their_order_in_every_form() -> None:
    comparison = compare(side(14, 3, {}), 0.01)
    told = json.loads(as_json(comparison))
    names = [verdict["metric"] for verdict in told["verdicts"]]
    assert names == [metric.name for metric in METRICS]
    places = [markdown(comparison).rindex(f"| f | {name} |") for name in names]
    assert all(one < two for one, two in pairwise(places))
