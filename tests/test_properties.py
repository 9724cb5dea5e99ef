"""Laws that hold for all inputs, on inputs that hypothesis draws."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from itertools import product
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks.runner import journal, seeds
from benchmarks.runner.plan import TRIAL, Cell, Limits, Plan
from benchmarks.scoring.score import Score, trial_status
from fitters import spec
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, Family, family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.scenario import load, names
from scenarios.sketch import Sketch
from tests.conftest import EXPONENTIAL, PARAMETERS, SCIPY


def law(examples: int = 50, each: Any = (), **drawn: st.SearchStrategy) -> Any:
    """A test over drawn inputs, the same in every session: only a change of code can fail it."""
    chosen = settings(max_examples=examples, derandomize=True, deadline=None)
    if each:  # for each of these names, with data to draw by it
        over = pytest.mark.parametrize("name", sorted(each))
        return lambda test: over(chosen(given(data=st.data())(test)))
    return lambda test: chosen(given(**drawn)(test))


def positive(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(math.log(low), math.log(high)).map(math.exp)


# A beta's shape below 0.5 has mass between 1 and its neighbour 1 - 1e-16, where no doubles are. A
# shape of thousands leaves few digits of log(mean) - mean(log), where the M-step starts. A wider
# lognormal, and a t of fewer degrees of freedom, has its variance in tails beyond the panels below.
SHAPE, RATE, SIGMA = positive(0.5, 200.0), positive(0.01, 100.0), positive(0.1, 20.0)
WIDE, LOCATION, TAIL = positive(0.5, 20.0), st.floats(-20.0, 20.0), np.geomspace(1e-14, 0.5, 100)
ROWS = {
    "beta": (SHAPE, SHAPE), "gamma": (SHAPE, RATE), "weibull": (WIDE, RATE),
    "normal": (LOCATION, SIGMA), "lognormal": (st.floats(-3.0, 3.0), positive(0.1, 1.0)),
    "student_t": (positive(5.0, 60.0), LOCATION, SIGMA),
}  # fmt: skip


def components(name: str, data: st.DataObject, count: int = 1) -> tuple[np.ndarray, Any]:
    """Parameters (count, d), and their family, with its anchor anywhere near them."""
    rows = [data.draw(st.tuples(*ROWS[name])) for _ in range(count)]
    # Farther away, squares of (x - centre) / scale cost a density more than 6 of its 16 digits.
    anchor = {"centre": data.draw(st.floats(-3.0, 3.0)), "scale": data.draw(positive(0.3, 30.0))}
    return np.array(rows), replace(family(name), **anchor)


def measure(chosen: Family, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, their mass by the family's density, and the ends of panels of twelve nodes each."""
    true, (low, high) = SCIPY[chosen.name](*row), chosen.support
    ends = np.unique(np.concatenate([true.ppf(TAIL), true.isf(TAIL)]))  # these place panels only
    ends = ends[(ends > low) & (ends < high)]
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(ends)[:, None]
    x = (ends[:-1, None] + half * (1.0 + nodes)).ravel()
    return x, (half * weights).ravel() * np.exp(chosen.log_density(x, row[None])[0]), ends


@law(40, PARAMETERS)
def test_the_density_integrates_to_the_cdf_and_to_one(name: str, data: st.DataObject) -> None:
    (row,), chosen = components(name, data)
    _, mass, ends = measure(chosen, row)
    assert mass.sum() == pytest.approx(1.0, abs=1e-7)
    assert_allclose(chosen.cdf(ends[1:], row[None])[0], mass.cumsum()[11::12], atol=1e-7)


@law(40, PARAMETERS)
def test_moments_are_those_under_the_density(name: str, data: st.DataObject) -> None:
    rows, chosen = components(name, data)
    (x, mass, _), true = measure(chosen, rows[0]), SCIPY[name](*rows[0])
    assert mass @ x == pytest.approx(true.mean(), rel=1e-6, abs=1e-6 * true.std())
    assert mass @ (x - true.mean()) ** 2 == pytest.approx(true.var(), rel=1e-6)
    if isinstance(chosen, ExponentialFamily):
        found, statistics = chosen.mean_statistics(chosen.natural(rows))[0], chosen.statistics(x)
        assert (np.abs(mass @ statistics - found) <= 1e-6 * np.sqrt(mass @ statistics**2)).all()


@law(40, PARAMETERS)
def test_the_log_density_and_its_natural_form_are_scipys(name: str, data: st.DataObject) -> None:
    rows, chosen = components(name, data)
    true = SCIPY[name](*rows[0])
    x = true.ppf(data.draw(st.lists(st.floats(1e-6, 1.0 - 1e-6), min_size=1)))
    found = [chosen.log_density(x, rows)[0]]
    if isinstance(chosen, ExponentialFamily):
        eta = chosen.natural(rows)
        found += [chosen.statistics(x) @ eta[0] - chosen.log_partition(eta) + chosen.log_base(x)]
    assert_allclose(found, [true.logpdf(x)] * len(found), rtol=1e-9, atol=1e-9)


@law(40, EXPONENTIAL)
def test_the_m_step_inverts_the_mean_statistics(name: str, data: st.DataObject) -> None:
    (rows, chosen), (near, _) = components(name, data, 2), components(name, data, 2)
    mean = chosen.mean_statistics(chosen.natural(rows))
    for found in (chosen.maximise(mean), chosen.maximise(mean, initial=near)):
        assert_allclose(found, rows, rtol=1e-8, atol=1e-8)


@law(40, PARAMETERS)
def test_the_quantile_rises_and_the_cdf_inverts_it(name: str, data: st.DataObject) -> None:
    rows, chosen = components(name, data, 2)
    # Far enough apart for rounding, and not at 0, where scipy's stdtrit is +inf.
    odds = np.array(sorted(data.draw(st.sets(st.integers(-200, 80), min_size=2)))) / 10.0
    q = 1.0 / (1.0 + np.exp(-odds))
    x = chosen.quantile(q, rows)
    assert (np.diff(x, axis=1) > 0.0).all()
    assert_allclose([chosen.cdf(x[k], rows)[k] for k in range(2)], [q, q], rtol=1e-7)


@law(40, PARAMETERS)
def test_coordinates_and_mixtures_are_one_to_one(name: str, data: st.DataObject) -> None:
    odds = data.draw(st.lists(positive(1e-6, 1.0), min_size=1, max_size=4))
    rows, chosen = components(name, data, len(odds))
    mixture = Mixture(chosen, np.array(odds) / sum(odds), rows)
    found = Mixture.from_coordinates(chosen, len(odds), mixture.coordinates())
    assert_allclose(found.weights, mixture.weights, rtol=1e-12)
    assert_allclose(found.parameters, rows, rtol=1e-12, atol=1e-12)
    point = np.array([data.draw(st.floats(-9.0, 9.0)) for _ in range(mixture.dimension)])
    again = Mixture.from_coordinates(chosen, len(odds), point).coordinates()
    assert_allclose(again, point, rtol=1e-12, atol=1e-12)


# Squares of what is beyond 1e154 are infinite, and so is the spread that a normal is anchored at.
# From -1e-150 to 0 the number of a cell underflows to 0, not -1, if others are huge: a known fault.
HALF = st.floats(5e-324, 1e150) | st.sampled_from([5e-324, 1e-300, 1.0, 1.0 + 1e-15, 7.5])
LINE = st.builds(float.__mul__, HALF.filter(lambda x: x >= 1e-150), st.integers(-1, 1))
UNIT = st.floats(5e-324, 1.0 - 1e-16) | st.sampled_from([5e-324, 0.25, 0.5, 1.0 - 1e-16])
OBSERVATIONS = {"beta": UNIT, "normal": LINE, "lognormal": HALF, "gamma": HALF}


def observed(name: str, data: st.DataObject) -> tuple[np.ndarray, Any, list[int]]:
    """Tied, tiny and huge observations, their family, and where to cut them into parts."""
    x = np.array(data.draw(st.lists(OBSERVATIONS[name], min_size=1, max_size=60)))
    return x, family(name).anchored(x), sorted(data.draw(st.lists(st.integers(0, x.size))))


@law(60, EXPONENTIAL)
def test_a_sketch_keeps_counts_and_sums_in_any_order(name: str, data: st.DataObject) -> None:
    (x, chosen, cuts), bins = observed(name, data), data.draw(st.integers(2, 80))
    whole, parts = Sketch(chosen), Sketch(chosen)
    whole.add(x)
    for part in np.split(np.array(data.draw(st.permutations(x.tolist()))), cuts):
        parts.add(part)
    (rows, counts), (others, weights) = whole.rows(bins), parts.rows(bins)
    assert_array_equal(weights, counts)
    assert_allclose(others, rows, rtol=1e-12, atol=1e-13 * np.abs(rows).max())
    assert len(rows) == len(counts) <= bins and counts.sum() == x.size
    statistics = chosen.statistics(x)
    gap, size = np.abs(counts @ rows - statistics.sum(axis=0)), np.abs(statistics).sum(axis=0)
    assert (gap <= 1e-13 * size + 1e-300).all()
    assert parts.log_base == pytest.approx(chosen.log_base(x).sum(), rel=1e-13)


@law(40, EXPONENTIAL)
def test_a_stream_is_the_same_to_the_last_bit_in_any_chunks(name: str, data: st.DataObject) -> None:
    x, chosen, cuts = observed(name, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenarios.sketch.BLOCK", 7)  # so that these few come in many blocks
        patch.setattr("scenarios.random_part.THINNED", 5)
        one, two = (Sample.stream(np.split(x, where), chosen, 8) for where in ([], cuts))
    for part in ("rows", "counts", "observations", "log_base"):
        assert_array_equal(getattr(one, part), getattr(two, part))


NUMBER, PURPOSE = st.integers(0, 2**63), st.sampled_from(["data", "start", "fit"])
DIGEST, SOME = st.text("0aé/", max_size=3), st.sets(st.integers(0, 30), min_size=1, max_size=8)


@law(where=st.tuples(st.sets(PURPOSE), st.sets(NUMBER), st.sets(DIGEST), SOME, SOME))
def test_a_seed_of_63_bits_is_that_of_its_arguments_alone(where: Any) -> None:
    seeds_of = {case: seeds.derive(*case) for case in product(*where)}
    assert all(0 <= seed < 2**63 and seed == seeds.derive(*case) for case, seed in seeds_of.items())
    assert len(set(seeds_of.values())) == len(seeds_of)
    # The same in every process, as Python's own hashes are not.
    digest = hashlib.sha256(b"fit/1/ab/2/3").digest()
    assert seeds.derive("fit", 1, "ab", 2, 3) == int.from_bytes(digest[:8], "big") // 2


# What every setting of a type takes: 16 is the least number of bins.
WORD = st.text("abcdefghij_:-", min_size=1)
VALUES = {int: st.integers(16, 10**9), float: st.floats(1e-300, 1e300), str: WORD}


@law(40, spec.fitters())
def test_a_spec_is_read_as_its_settings_in_any_order(name: str, data: st.DataObject) -> None:
    cls = spec.fitters()[name]
    kinds, preset = get_type_hints(cls), data.draw(st.sampled_from([None, *cls.presets]))
    values = {k: VALUES.get(kinds[k], st.from_type(kinds[k])) for k in spec.settings(cls)}
    chosen = data.draw(st.fixed_dictionaries({}, optional=values))
    items = [f"{key}={value}" for key, value in chosen.items()] + [f"preset={preset}"] * bool(
        preset
    )
    fitter = spec.parse(f"{name}:{','.join(data.draw(st.permutations(items)))}")
    assert vars(fitter) == {**spec.settings(cls), **cls.presets.get(preset, {}), **chosen}


@law(40, spec.fitters())
def test_an_unknown_setting_is_named(name: str, data: st.DataObject) -> None:
    known = {"preset", *spec.settings(spec.fitters()[name])}
    words = st.lists(st.sampled_from(sorted(known)) | WORD, min_size=1).map("".join)
    key = data.draw(words.filter(lambda word: word not in known))
    with pytest.raises(UserError, match=f"no {name} setting '{key}'"):
        spec.parse(f"{name}:{key}=1")


def many(values: st.SearchStrategy, key: Any = None) -> st.SearchStrategy[tuple]:
    return st.lists(values, min_size=1, max_size=3, unique_by=key or (lambda v: v)).map(tuple)


SPECS, START = ("em", "newton:bins=64"), st.sampled_from(["quantile", "kmeans"])
SPEC, SCENARIO, FEW = st.sampled_from(SPECS), st.sampled_from(names()).map(load), st.integers(1, 3)
RESTARTS = st.fixed_dictionaries(dict.fromkeys(SPECS, FEW))
PLANS = st.builds(
    Plan, st.text(), many(SCENARIO, lambda s: s.name), many(SPEC), many(START),
    RESTARTS, FEW, NUMBER, st.builds(Limits, *[positive(1e-9, 1e9)] * 3),
)  # fmt: skip
CELLS = st.builds(Cell, SCENARIO, FEW, SPEC, FEW, many(st.tuples(START, FEW)), FEW, st.booleans())


@law(planned=PLANS | CELLS)
def test_plans_and_cells_can_be_made_again_of_their_content(planned: Any) -> None:
    again: Any = type(planned).of(json.loads(json.dumps(planned.content(), allow_nan=False)))
    assert again.content() == planned.content()
    field = "scenarios" if isinstance(planned, Plan) else "scenario"  # they have no equality
    assert repr(replace(again, **{field: getattr(planned, field)})) == repr(planned)  # types too


@law(plan=PLANS, data=st.data())
def test_cells_have_every_trial_once_in_order(plan: Plan, data: st.DataObject) -> None:
    keys = [key for cell in plan.cells() for key in cell.trial_keys()]
    assert len(keys) == len(set(keys)) == plan.size()
    records = [dict(zip(TRIAL, key, strict=True)) for key in keys]
    mixed = data.draw(st.permutations(records))[: data.draw(st.integers(0, len(records)))]
    assert plan.ordered(mixed) == [record for record in records if record in mixed]


@law(cell=CELLS, done=st.sets(st.integers(0, 2)))
def test_the_trials_without_a_record_remain_in_a_cell(cell: Cell, done: set[int]) -> None:
    records = {key: {} for place, key in enumerate(cell.trial_keys()) if place in done}
    expected = tuple(t for place, t in enumerate(cell.trials) if place not in done)
    assert cell.remaining(records).trials == expected


STEPS = (-math.inf, 0.0, 1.0 - 2**-52, 1.0, 1.0 + 2**-52, math.inf, math.nan)
SMALL, ONE, NATS = ([limit * step for step in STEPS] for limit in (0.01, 1.0, 0.05))
EXCESS = st.floats() | st.sampled_from(SMALL + ONE)
ENDS = [None, [0.0, 0.0], [0.0, 0.06], [0.0, math.nan]]


def status_of(excess: float, nats: float, gain: float, ends: list[float] | None) -> str:
    """The status of a fit of one observation, whose ascent ends so many nats from the reference."""
    return trial_status(excess, Score(optimum=nats, gain_left=gain, chain_optima=ends), 0.0, 1)


def test_a_fit_has_one_status_and_a_limit_is_on_its_better_side() -> None:
    for excess, nats, gain, ends in product(SMALL + ONE, NATS, SMALL, ENDS):
        there = abs(nats) <= 0.05
        failed = "local" if gain <= 0.01 else "unfinished"
        failed = "unmixed" if ends is not None and not abs(ends[1]) <= 0.05 else failed
        found = "converged" if excess <= 0.01 else "found"
        expected = found if there and excess <= 1.0 else failed
        assert status_of(excess, nats, gain, ends) == expected


@law(200, pair=st.tuples(EXCESS, EXCESS), nats=EXCESS, gain=EXCESS, ends=st.sampled_from(ENDS))
def test_a_smaller_excess_is_never_worse(
    pair: tuple, nats: float, gain: float, ends: list | None
) -> None:
    rank = {"converged": 0, "found": 1, "local": 2, "unfinished": 2, "unmixed": 2}
    less, more = (rank[status_of(excess, nats, gain, ends)] for excess in sorted(pair))
    assert less <= more or any(map(math.isnan, pair))


TEXT = st.text() | st.sampled_from(["check", "\udc80"])  # a byte that is no UTF-8, as read
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(PLAIN | TEXT, lambda v: st.lists(v) | st.dictionaries(TEXT, v), max_leaves=8)
RECORDS = st.dictionaries(TEXT, JSON, min_size=1, max_size=5)


@law(100, record=RECORDS)
def test_a_record_is_read_from_its_line(record: dict) -> None:
    line = journal.to_line(record)
    assert line.splitlines(keepends=True) == [line]
    assert repr(journal.from_line(line)) == repr(record)  # types and the sign of zero too


@law(record=RECORDS, flip=st.integers(1, 255))
def test_a_line_with_a_byte_changed_or_lost_is_none(record: dict, flip: int) -> None:
    line = journal.to_line(record)
    for place, byte in enumerate(line):
        before, after = line[:place], line[place + 1 :]
        changed = [before + bytes([byte ^ mask]) + after for mask in (flip, 1, 2, 4, 8, 16, 32, 64)]
        assert all(journal.from_line(each) is None for each in (before, before + after, *changed))


@law(values=st.lists(st.tuples(st.floats(), st.floats())))
def test_numbers_are_read_again_from_strict_json(values: list) -> None:
    back = json.loads(json.dumps(journal.numbers(values), allow_nan=False))
    assert repr([tuple(map(float, pair)) for pair in back]) == repr(values)
