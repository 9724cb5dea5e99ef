"""Plans, runs, baselines and pairs, from records that are written by hand."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.compare.baseline import write_baseline
from benchmarks.compare.pairs import FIGURES, pair, pair_fitters, paired_table, rated
from benchmarks.reference.search import find_reference
from benchmarks.runner import SCHEMA
from benchmarks.runner.choices import Choices
from benchmarks.runner.journal import TRIALS, Journal, read, to_line, write_run
from benchmarks.runner.plan import TRIAL, Cell, Limits, Plan
from benchmarks.runner.run_status import status_of
from benchmarks.runner.session import RunSession, open_session, plan_differences
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.facts import Facts
from benchmarks.scoring.scored_run import score_run
from fitters import CONTRACT
from scenarios.data_summary import summarise_data
from scenarios.errors import UserError
from scenarios.scenario import load, names
from tests.conftest import mixturebench

PLAN = Choices(scenarios=("small", "unequal"), fitters=("em", "direct"), restarts=2).plan()


class ListBackend:
    """A backend that yields the same records whatever cells it is to run."""

    workers = 1

    def __init__(self, records: list[dict | None]) -> None:
        self.records = records

    def run(self, cells: Iterable[Cell]) -> Generator[dict | None, None, None]:
        yield from self.records


def run_of(folder: Path, plan: Plan, records: list[dict], /, **more: object) -> Path:
    """The folder of a run, as the runner writes it."""
    folder.mkdir()
    run = {"schema": SCHEMA, "contract": CONTRACT, "begun": "now", "plan": plan.content(), **more}
    write_run(folder, run)
    (folder / TRIALS).write_bytes(b"".join(to_line({"schema": SCHEMA, **r}) for r in records))
    return folder


def trials_of(plan: Plan, **more: object) -> list[dict]:
    """A record of each trial of a plan, in its order, all alike."""
    columns = ("scenario", "replicate", "fitter", "start", "restart")
    keys = [key for cell in plan.cells() for key in cell.trial_keys()]
    return [
        {**dict(zip(columns, key, strict=True)), "outcome": "returned", "message": "", **more}
        for key in keys
    ]


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_limits_are_positive_and_finite(value: float) -> None:
    for name in ("timeout", "setup_timeout", "memory"):
        with pytest.raises(UserError, match="above 0"):
            Limits(**{name: value})


def test_the_standard_profile_has_every_scenario_whose_truth_is_known() -> None:
    plan = Choices(profile="standard").plan()
    known = [name for name in names() if load(name).truth is not None]
    assert [scenario.name for scenario in plan.scenarios] == known
    assert plan.restarts == {"gradient": 2, "direct": 5, "newton": 5, "em": 5, "mcmc:bins=256": 1}
    assert plan.size() == 8 * len(known) * (2 + 3 * 5 + 1)


def test_a_fitter_of_the_quick_profile_has_one_scenario() -> None:
    plan = Choices(profile="quick").plan()
    assert plan.size() == 3 * (4 * 10 + 1) + 1
    assert Plan.of(plan.content()).size() == plan.size()
    cells = [cell.scenario.name for cell in plan.cells() if cell.fitter == "mcmc"]
    assert cells == [scenario.name for scenario in plan.scenarios_of("mcmc")] == ["unequal"]
    chosen = Choices(profile="quick", fitters=("mcmc",)).plan()
    assert len(list(chosen.cells())) == 3
    more = {**plan.content(), "fewer_scenarios": {"mcmc": ["founding", "unequal"]}}
    assert plan_differences(plan.content(), more) == []
    assert plan_differences(more, plan.content()) == [
        "scenarios of mcmc founding, unequal, not unequal"
    ]


def test_the_rest_of_a_cell_knows_the_losses_before_it() -> None:
    cell = Cell(load("small"), 0, "em", 0, tuple(("quantile", r) for r in range(5)), losses=0)

    def rest(*lost: bool) -> Cell:
        keys = cell.trial_keys()[: len(lost)]
        return cell.remaining(
            {k: {"lost_worker": True} if gone else {} for k, gone in zip(keys, lost, strict=True)}
        )

    assert rest().losses == 0
    assert rest(True, True).losses == 2
    assert rest(True, False).losses == 0
    assert rest(True, False, True).losses == 1
    assert rest(True, True).trials == cell.trials[2:]
    first, *_, fourth, _ = ({key: {"lost_worker": True}} for key in cell.trial_keys())
    assert replace(cell, losses=2).remaining(first).losses == 3
    # A loss after the first remaining trial does not count: it is not just before them.
    assert cell.remaining(fourth).losses == 0


def test_records_are_sorted_by_the_plan_and_restarts_can_be_chosen() -> None:
    plan = Choices(
        scenarios=("small", "unequal"), fitters=("em", "mcmc"), restarts=3, data_sets=2
    ).plan()
    assert plan.restarts == {"em": 3, "mcmc": 3}
    assert Choices(fitters=("em", "mcmc")).plan().restarts == {"em": 10, "mcmc": 1}
    keys = [key for cell in plan.cells() for key in cell.trial_keys()]
    assert plan.size() == len(keys) == len(set(keys)) == 2 * 2 * 2 * 3
    records = [
        dict(zip(("scenario", "replicate", "fitter", "start", "restart"), k, strict=True))
        for k in keys
    ]
    mixed = [records[i] for i in np.random.default_rng(0).permutation(len(records))]
    assert plan.ordered(mixed) == records


def test_a_session_records_each_remaining_trial_once(tmp_path: Path) -> None:
    data = {name: summarise_data(load(name).observations(0, 0)) for name in ("small", "unequal")}
    records = [
        {"schema": SCHEMA, "host": "h", "data": data[r["scenario"]], **r} for r in trials_of(PLAN)
    ]
    stray = {**records[0], "restart": 7}
    shown: list[dict] = []
    sent = [records[0], None, records[0], stray, *records[1:]]
    folder = run_of(tmp_path / "run", PLAN, [])
    with Journal(folder) as journal:
        session = RunSession(PLAN, folder, journal)
        assert sum(len(cell.trials) for cell in session.remaining()) == 8
        session.execute(ListBackend(sent), shown.append)
        assert session.remaining() == []
    assert shown == read(folder)[1] == records
    half = run_of(tmp_path / "half", PLAN, records[:3])
    with Journal(half) as journal:
        session = RunSession(PLAN, half, journal)
        assert [len(cell.trials) for cell in session.remaining()] == [1, 2, 2]
        with pytest.raises(UserError, match="4 trials did not come back"):
            session.execute(ListBackend(records[:4]), shown.append)
        other = {**records[5], "data": {**records[5]["data"], "mean": 0.5}}
        with pytest.raises(UserError, match="h had other data"):
            session.execute(ListBackend([records[4], other]), shown.append)
    assert read(half)[1] == [*records[:4], records[4]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"seed": 3}, ["seed 0, not 3"]),
        ({"data_sets": 2}, []),
        ({"data_sets": 0}, ["data_sets em 1, not 0", "data_sets direct 1, not 0"]),
        ({"fewer_data_sets": {"em": 0}}, ["data_sets em 1, not 0"]),
        ({"data_sets": 2, "fewer_data_sets": {"em": 1}}, []),
        ({"fitters": ["em", "direct", "newton"]}, []),
        ({"fitters": ["em"]}, ["fitters em, direct, not em"]),
        ({"starts": ["kmeans"]}, ["starts quantile, not kmeans"]),
        ({"restarts": {"em": 2, "direct": 5}}, []),
        ({"restarts": {"em": 2, "direct": 1}}, ["restarts direct 2, not 1"]),
        ({"limits": {"timeout": 5.0}}, ["limits timeout 600.0, not 5.0"]),
    ],
)
def test_differences_between_plans_are_listed(change: dict, words: list[str]) -> None:
    assert plan_differences(PLAN.content(), PLAN.content() | change) == words


def test_differences_between_scenarios_are_listed() -> None:
    stored, asked = PLAN.content(), json.loads(json.dumps(PLAN.content()))
    asked["scenarios"] = asked["scenarios"][:1]
    assert plan_differences(stored, asked) == ["scenarios small, unequal, not small"]
    asked["scenarios"][0]["content"]["n"] = 101
    assert plan_differences(stored, asked)[1:] == ["scenario small was another"]


def test_a_status_adds_up_the_records(tmp_path: Path) -> None:
    records = trials_of(PLAN, seconds=2.0, start_seconds=0.5, setup_seconds=3.0)[:5]
    records[1] |= {"outcome": "error", "message": "no"}
    records[2] |= {"outcome": "error", "message": "no"}
    records[4] |= {"outcome": "timeout", "message": "late"}
    del records[3]["seconds"], records[4]["setup_seconds"]
    sessions = [
        {"trials": 2, "seconds": 10.0, "workers": 9},
        {"trials": 3, "seconds": 20.0, "workers": 2},
    ]
    found = status_of(run_of(tmp_path / "run", PLAN, records, sessions=sessions))
    assert (found.trials, found.trials_done, found.state) == (8, 5, "interrupted")
    assert (found.seconds, found.workers, found.begun) == (30.0, 4, "now")
    assert found.times == {"fits": 8.0, "starts": 2.5, "setup": 6.0}
    em, direct = found.fitters.itertuples()
    assert (em.cells, em.cells_done, em.trials, em.trials_done) == (2, 2, 4, 4)
    assert (direct.cells, direct.cells_done, direct.trials, direct.trials_done) == (2, 0, 4, 1)
    assert (em.failures, direct.failures) == ("2 error", "1 timeout")
    assert found.reasons["count"].tolist() == [1, 1, 1]
    cut = status_of(run_of(tmp_path / "cut", PLAN, records, sessions=sessions[:1]))
    assert cut.seconds is None
    none = status_of(run_of(tmp_path / "none", PLAN, []))
    assert (none.seconds, none.workers, none.times["setup"]) == (None, 1, 0)
    assert status_of(run_of(tmp_path / "all", PLAN, trials_of(PLAN))).state == "finished"


def test_a_baseline_has_the_facts_in_the_plans_order(tmp_path: Path) -> None:
    records = trials_of(PLAN, trace=[1], host="h", nll=0.5)
    run = run_of(tmp_path / "run", PLAN, records[::-1])
    count, size = write_baseline(run, tmp_path / "baseline")
    found, written = read(tmp_path / "baseline")
    dropped = ("trace", "host", "nll", "data", "message")
    expected = [{k: v for k, v in r.items() if k not in dropped} for r in records]
    assert [{k: v for k, v in r.items() if k != "schema"} for r in written] == expected
    assert (count, size) == (8, (tmp_path / "baseline" / TRIALS).stat().st_size)
    assert {s["folder"] for s in found["plan"]["scenarios"]} == {"."}
    write_baseline(run, tmp_path / "baseline")  # again, over what is there
    (tmp_path / "baseline" / "mine").touch()
    for out, words in (("baseline", "something else"), ("run/run.json/x", "can't be written")):
        with pytest.raises(UserError, match=words):
            write_baseline(run, tmp_path / out)
    with pytest.raises(UserError, match="7 of 8 trials"):
        write_baseline(run_of(tmp_path / "cut", PLAN, records[1:]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_runs_with_other_plans_or_starts_are_not_compared(tmp_path: Path) -> None:
    one = run_of(tmp_path / "one", PLAN, trials_of(PLAN, start_weights=[0.5, 0.5]))
    started = trials_of(PLAN, start_weights=[0.4, 0.6])
    disjoint = replace(PLAN, scenarios=(load("rare"),))
    others = {
        "contract": run_of(tmp_path / "contract", PLAN, [], contract=CONTRACT + 1),
        "has seed 0": run_of(tmp_path / "seed", replace(PLAN, seed=1), []),
        "is not the same": run_of(tmp_path / "changed", PLAN, [], plan=json.loads(
            json.dumps(PLAN.content()).replace('"n": 100', '"n": 101', 1))),
        "no scenario in common": run_of(tmp_path / "disjoint", disjoint, []),
        "the start of": run_of(tmp_path / "start", PLAN, started),
    }  # fmt: skip
    for words, other in others.items():
        with pytest.raises(UserError, match=words):
            pair(one, other)


def test_pairs_are_of_the_same_trial_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    data_set = DataSet.of(load("unequal"), 0, seed=0)
    reference = find_reference(data_set.sample, 2, data_set.min_spread)
    plan = Choices(scenarios=("unequal",), fitters=("em", "direct"), restarts=2).plan()
    fits = {"weights": reference.weights, "parameters": reference.parameters, "claimed": True}
    base, new = (
        [
            {**r, "passes": {"gradient": float(at), "hessian": 10.0 * index}, "seconds": 1.0}
            for index, r in enumerate(trials_of(plan, **fits))
        ]
        for at in (1, 2)
    )
    mark = {"interleaved_with": "x"}
    one, two = (
        run_of(tmp_path / "one", plan, base, **mark),
        run_of(tmp_path / "two", plan, new[1:], **mark),
    )
    found = pair(one, two)
    assert found.unpaired == {"em": (1, 0)}
    assert found.interleaved
    assert (found.table["new_cost"] - found.table["base_cost"]).tolist() == [1.0] * 3
    assert found.table[["fitter", "restart"]].to_numpy().tolist() == [
        ["em", 1],
        ["direct", 0],
        ["direct", 1],
    ]
    assert set(found.table["base_status"]) == {"converged"}
    alone = pair(one, run_of(tmp_path / "alone", plan, new, interleaved_with="y"))
    assert not alone.interleaved
    assert alone.unpaired == {}


def test_two_fitters_of_a_run_are_paired_by_data_set_and_start(tmp_path: Path) -> None:
    data_set = DataSet.of(load("unequal"), 0, seed=0)
    reference = find_reference(data_set.sample, 2, data_set.min_spread)
    best = {"weights": reference.weights, "parameters": reference.parameters}
    one = {"weights": [0.5, 0.5], "parameters": [[2.0, 5.0], [2.0, 5.0]]}
    plan = Choices(scenarios=("unequal",), fitters=("em", "direct", "newton"), restarts=3).plan()
    records = trials_of(plan, seconds=1.0)
    for record in records:
        record.update(best if record["fitter"] == "em" or record["restart"] == 0 else one)
    del records[0]  # em has no restart 0
    run = run_of(tmp_path / "run", plan, records)
    found = pair_fitters(run, "em", "direct")
    assert set(found.table["fitter"]) == {"direct against em"}
    assert found.table["restart"].tolist() == [1, 2]
    assert set(found.table["base_status"]) == {"converged"}
    assert set(found.table["new_status"]) == {"unfinished"}
    assert found.unpaired == {"direct against em": (0, 1)}
    assert not found.interleaved
    for second, words in (("mcmc", "no fitter of the run 'mcmc'"), ("em", "name two different")):
        with pytest.raises(UserError, match=words):
            pair_fitters(run, "em", second)


def test_what_no_rate_counts_is_in_no_comparison() -> None:
    keys = [("s", 0, "f", "quantile", restart) for restart in range(4)]
    rows = [
        {**dict(zip(TRIAL, key, strict=True)), **dict.fromkeys(FIGURES, 1.0),
         "status": "converged", "outside_rates": ""}
        for key in keys
    ]  # fmt: skip
    new = [dict(row) for row in rows]
    for side in (rows, new):
        side[0]["outside_rates"] = "not distinguishable"
        side[1]["status"] = "unsupported"
    new[2]["status"] = "unsupported"  # it applied before: that is a loss
    assert rated(paired_table(rows, new))["restart"].tolist() == [2, 3]


def test_a_run_whose_journal_is_open_is_running(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", PLAN, trials_of(PLAN)[:6])
    with Journal(folder):
        assert status_of(folder).running
    printed = mixturebench("status", str(folder)).stdout
    assert "interrupted, 6 of 8 trials" in printed
    with pytest.raises(UserError, match="there is no run in"):
        status_of(tmp_path / "nothing")


def test_the_most_frequent_failure_is_first(tmp_path: Path) -> None:
    records = trials_of(PLAN)
    for index, message in ((0, "once"), (4, "twice"), (5, "twice")):
        records[index] |= {"outcome": "error", "message": message}
    status = status_of(run_of(tmp_path / "run", PLAN, records))
    assert status.reasons.iloc[0].tolist() == [2, "direct", "small", "error", "twice"]
    assert status.fitters["failures"].tolist() == ["1 error", "2 error"]


def test_a_run_begins_in_a_folder_below_folders_that_are_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with open_session(PLAN, folder) as session:
        assert [len(cell.trials) for cell in session.remaining()] == [2, 2, 2, 2]
    with open_session(PLAN, folder) as session:  # and resumes there
        assert session.plan.content() == PLAN.content()


def test_a_note_on_a_reference_is_in_the_scored_run(tmp_path: Path) -> None:
    # Two normals on two values have no bounded likelihood: one normal is the reference.
    (tmp_path / "x.csv").write_text("x\n" + "1\n2\n" * 20)
    (tmp_path / "two.toml").write_text(
        'title = "t"\nfamily = "normal"\n[data]\nfile = "x.csv"\ncomponents = 2\n'
    )
    plan = Choices(scenarios=(str(tmp_path / "two.toml"),), fitters=("em",), restarts=1).plan()
    run = run_of(tmp_path / "run", plan, trials_of(plan, outcome="error"))
    # The last note counts the trial that returned no fit.
    note, doubt, _ = score_run(run).notes
    assert note.startswith("two: no admissible optimum with 2 components beats")
    assert "its reference is doubtful: an inadmissible optimum is" in doubt


def test_the_fits_of_all_fitters_on_a_data_set_share_one_reference(tmp_path: Path) -> None:
    chosen = {"scenarios": ("small", "separated"), "fitters": ("em", "direct"), "restarts": 1}
    plan = Choices(**chosen, data_sets=2).plan()
    folder = run_of(tmp_path / "run", plan, trials_of(plan, weights=[1.0], parameters=[[1.0, 1.0]]))
    scored: list[str] = []
    trials = score_run(folder, scored.append).trials
    scored = [line for line in scored if line.startswith("scoring")]
    assert len(scored) == len(set(scored)) == 4
    # The rows of a data set stand together, whichever fitter they are of.
    assert list(zip(trials["scenario"], trials["replicate"], strict=True)) == [
        (name, replicate) for name in ("small", "separated") for replicate in (0, 1) for _ in "ab"
    ]


def test_trials_that_returned_no_fit_are_counted_in_a_note(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em",), restarts=2).plan()
    records = trials_of(plan, weights=[1.0], parameters=[[1.0, 1.0]])
    records[1] |= {"outcome": "error", "message": "no licence"}
    notes = score_run(run_of(tmp_path / "run", plan, records)).notes
    assert any("1 of 2 trials returned no fit" in note for note in notes)


def test_passes_are_weighted_by_what_a_kernel_costs() -> None:
    passes = {"expectation": 3.0, "gradient": 2.0, "likelihood": 5.0, "hessian": 4.0, "own": 1.0}
    # 3 + 2 + .6 · 5 + (1 + 5/2) · 4 + 1
    facts = Facts.of({"passes": passes, "start_passes": {"density": 10.0}}, 5)
    assert (facts.passes, facts.start_passes) == (23.0, 6.0)


@pytest.mark.parametrize(("cpu", "disturbed"), [(1.9, False), (1.89, True), (3.9, False)])
def test_a_time_is_disturbed_by_other_work_of_the_processor(cpu: float, disturbed: bool) -> None:
    assert Facts.of({"seconds": 2.0, "cpu_seconds": cpu}, 5).disturbed == disturbed
    assert not Facts.of({"seconds": 2.0}, 5).disturbed


def test_a_setup_from_nothing_is_the_longest_of_its_shape(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small", "separated", "gamma_pair"), fitters=("em",),
                   restarts=1).plan()  # fmt: skip
    records = trials_of(plan, outcome="error")
    setups = {"small": (20.0, False), "separated": (0.1, True), "gamma_pair": (3.0, False)}
    for record in records:
        seconds, rebound = setups[record["scenario"]]
        record |= {"setup_seconds": seconds, "setup_cpu_seconds": seconds / 2, "rebound": rebound}
    trials = score_run(run_of(tmp_path / "run", plan, records)).trials.set_index("scenario")
    assert trials["cold_setup_seconds"].to_dict() == {
        "small": 20.0, "separated": 20.0, "gamma_pair": 3.0,
    }  # fmt: skip
    assert trials.loc["separated", "cold_setup_cpu_seconds"] == 10.0
    assert trials.loc["separated", "setup_seconds"] == 0.1
