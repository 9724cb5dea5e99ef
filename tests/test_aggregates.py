"""Aggregates against tables worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.harness import aggregates


def trial(**told: object) -> dict:
    base = {"scenario": "s", "data_set": 0, "fitter": "f", "start": "q", "restart": 0,
            "status": "converged", "claimed": True, "weights": [1.0], "optimum": -1.0,
            "nll": -1.0, "reference_nll": -1.0, "seconds": 1.0, "evaluations": 10.0,
            "excess": 0.0, "covered_50": None, "covered_90": None}  # fmt: skip
    return {**base, **told}


def test_basins_are_counted_by_start() -> None:
    trials = pd.DataFrame(
        [
            trial(start="q", optimum=-1.0),
            trial(start="q", optimum=-1.0 + 1e-5),  # .01 nats off: the same optimum
            trial(start="q", optimum=-0.5),
            trial(start="a", optimum=-0.5),
            trial(start="a", optimum=np.nan, status="error"),
        ]
    )
    rows = aggregates.basins(trials, {("s", 0): 1000}).set_index(["rank", "start"])
    assert rows.loc[(0, "q"), ["times", "of"]].tolist() == [2, 3]
    assert rows.loc[(1, "q"), ["times", "of"]].tolist() == [1, 3]
    assert rows.loc[(1, "a"), ["times", "of"]].tolist() == [1, 2]
    assert rows.loc[(1, "a"), "nll"] == -0.5


def test_honesty_is_a_confusion_matrix() -> None:
    cases = [(True, "converged"), (True, "basin"), (True, "local"), (True, "invalid"),
             (False, "converged"), (False, "unfinished"), (None, "local")]  # fmt: skip
    trials = pd.DataFrame([trial(claimed=c, status=s) for c, s in cases])
    trials.loc[len(trials)] = trial(claimed=None, status="error", weights=None)
    (row,) = aggregates.honesty(trials).to_dict("records")
    counts = {k: row[k] for k in ("right", "false", "modest", "admitted", "silent", "returned")}
    assert counts == {
        "right": 2, "false": 2, "modest": 1, "admitted": 1, "silent": 1, "returned": 7,
    }  # fmt: skip


def test_times_to_target_follow_the_trace() -> None:
    # n = 100, p = 2: excess = 100 (nll - reference).
    points = [(0.1, 1.0, 0.0), (0.2, 2.0, -0.95), (0.3, 3.0, -0.99995)]
    trials = pd.DataFrame(
        [
            trial(restart=0, nll=-0.999995, seconds=0.5, evaluations=5.0),
            trial(restart=1, nll=np.nan, status="error"),
        ]
    )
    traces = {("s", 0, "f", "q", 0): points}
    table = aggregates.times_to_target(traces, trials, {("s", 0): (100, 2)})
    first = table[table["restart"] == 0].set_index("target")["evaluations"].to_dict()
    assert first == {
        100.0: 1.0,  # excess 100 at the first point
        10.0: 2.0,  # 5 at the second
        1.0: 3.0,
        0.1: 3.0,
        0.01: 3.0,  # 0.005 at the third
        0.001: 5.0,  # 0.0005 at the end
        0.0001: np.inf,
    }
    assert np.isinf(table[table["restart"] == 1]["seconds"]).all()


def test_ecdf_counts_those_that_never_arrive() -> None:
    x, share = aggregates.ecdf(np.array([3.0, np.inf, 1.0, np.inf]))
    assert x.tolist() == [1.0, 3.0]
    assert share.tolist() == [0.25, 0.5]


def test_quartiles_and_their_bootstrap() -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=40)
    trials = pd.DataFrame(
        [trial(data_set=d, excess=c + e) for d, c in enumerate(centres) for e in (-0.1, 0.0, 0.1)]
    )
    (row,) = aggregates.spread_of(trials, "excess").to_dict("records")
    assert row["median"] == pytest.approx(np.median(trials["excess"]))
    assert row["low"] < np.median(centres) < row["high"]
    # The median of 40 normals has standard error 1.25/√40 = .2: the interval is about .8 wide.
    assert 0.3 < row["high"] - row["low"] < 1.4


def test_coverage_counts_parameters_over_data_sets() -> None:
    trials = pd.DataFrame(
        [trial(data_set=d, covered_50=[d < 5, True], covered_90=[True, d < 9]) for d in range(10)]
    )
    rows = aggregates.coverage(trials).set_index(["level", "parameter"])["held"].to_dict()
    assert rows == {(0.5, 0): 5, (0.5, 1): 10, (0.9, 0): 10, (0.9, 1): 9}
