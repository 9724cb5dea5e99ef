"""The upper bound of the likelihood: by scipy's densities, it holds, and it is tight."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.admissible import Region
from benchmarks.reference.bound import Bound, upper_bound
from benchmarks.reference.branching import Search, cell_bounds, gap_bounds, parts
from benchmarks.reference.cells import CELLS, Cells
from benchmarks.reference.nonparametric import Nonparametric, atoms, fit
from benchmarks.reference.plane import Plane
from benchmarks.reference.ratio import Ratio
from benchmarks.reference.scipy_mixture import ScipyMixture, log_densities, mean_nll
from benchmarks.studies.branch_and_bound import Nodes, prove
from scenarios.families import ExponentialFamily, family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

EXPONENTIAL = sorted(CELLS)
TRUTHS = {
    "beta": [[0.6, 0.8], [30.0, 12.0]],
    "gamma": [[0.7, 0.5], [40.0, 8.0]],
    "lognormal": [[0.0, 1.2], [1.0, 0.1]],
    "normal": [[0.0, 1.0], [2.5, 0.2]],
    "weibull": [[0.9, 1.0], [8.0, 3.0]],
    "student_t": [[3.0, 0.0, 1.0], [5.0, 4.0, 0.3]],
}
FLOOR = 0.05


def sample_of(name: str, size: int = 60, seed: int = 3) -> Sample:
    """A wide and a narrow component, with the mixture's own outliers."""
    truth = Mixture(family(name), np.array([0.6, 0.4]), np.array(TRUTHS[name]))
    return Sample.of(truth.sample(size, seed), truth.family)


def random_mixtures(sample: Sample, count: int, rng: np.random.Generator) -> list[Mixture]:
    """Mixtures of 1 to 6 admissible components near and off the data, wide and narrow."""
    plane = Plane(sample, FLOOR)
    mixtures = []
    for _ in range(count):
        k = int(rng.integers(1, 7))
        points = np.stack([rng.choice(plane.links, k), rng.exponential(1.0, k)], axis=1)
        points[:, 0] += rng.normal(0.0, 0.1 * plane.scale, k)
        points[rng.random(k) < 0.3, 1] = 1e-3
        weights = rng.dirichlet(np.full(k, rng.choice([0.3, 1.0, 5.0])))
        mixtures.append(Mixture(sample.family, weights, plane.usual(points)))
    return mixtures


def admissible(sample: Sample, mixture: Mixture) -> bool:
    shares = Region.of(sample, FLOOR).relative_spreads(mixture.parameters)
    return mixture.valid() and bool((shares >= FLOOR).all())


def climbed(sample: Sample, mixture: Mixture, steps: int = 30) -> Mixture:
    """The mixture after EM steps, the last one before a component becomes too narrow."""
    law = sample.family
    assert isinstance(law, ExponentialFamily)
    for _ in range(steps):
        _, mass, totals = sample.expectation(mixture)
        with np.errstate(all="ignore"):
            rows = law.maximise(totals / mass[:, None], initial=mixture.parameters)
        moved = Mixture(law, mass / mass.sum(), rows)
        if not (moved.valid() and admissible(sample, moved)):
            break
        mixture = moved
    return mixture


def log_likelihood(sample: Sample, mixture: Mixture) -> float:
    """By scipy."""
    scipys = ScipyMixture(sample.family.name, mixture.weights, mixture.parameters)
    return -sample.size * mean_nll(scipys, sample.observations)


def largest_excess(sample: Sample, bound: Bound, seed: int) -> float:
    """The largest log likelihood of many admissible mixtures, less the bound."""
    rng = np.random.default_rng(seed)
    mixtures = random_mixtures(sample, 60, rng)
    if isinstance(sample.family, ExponentialFamily):
        mixtures += [climbed(sample, mixture) for mixture in mixtures[:40]]
    values = [log_likelihood(sample, each) for each in mixtures if admissible(sample, each)]
    assert len(values) >= 30 and bound.log_likelihood is not None
    return max(values) - bound.log_likelihood


@pytest.mark.parametrize("name", [*EXPONENTIAL, "weibull"])
def test_no_admissible_mixture_is_above_the_bound(name: str) -> None:
    sample = sample_of(name)
    bound = upper_bound(sample, FLOOR, seconds=20.0)
    assert bound.log_likelihood is not None and bound.weights is not None
    assert bound.proved == (name in CELLS) and bound.reason.startswith(
        "" if bound.proved else "an estimate"
    )
    assert largest_excess(sample, bound, seed=5) < 0.0
    # G itself attains almost as much, by scipy: no bound could be much lower.
    found = ScipyMixture(name, bound.weights, bound.parameters)
    assert_allclose(-sample.size * mean_nll(found, sample.observations), bound.attained, rtol=1e-9)
    assert bound.log_likelihood - bound.attained < 2.0
    shares = Region.of(sample, FLOOR).relative_spreads(found.parameters)
    assert (shares >= 0.99 * FLOOR).all()


def test_a_bound_far_too_early_still_holds() -> None:
    sample = sample_of("gamma")
    loose, tight = (upper_bound(sample, FLOOR, seconds) for seconds in (1e-9, 20.0))
    assert tight.log_likelihood is not None
    assert loose.reason.startswith("time was up")
    assert loose.log_likelihood is None or loose.log_likelihood >= tight.log_likelihood - 0.5


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_a_bound_by_a_poor_mixture_still_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = sample_of(name)
    tight = upper_bound(sample, FLOOR, seconds=20.0)

    def poor(sample: Sample, min_spread: float, *args: object) -> Nonparametric:
        return fit(sample, min_spread, rounds=1)

    monkeypatch.setattr("benchmarks.reference.bound.fit", poor)
    loose = upper_bound(sample, FLOOR, seconds=20.0)
    assert loose.log_likelihood is not None and loose.proved and not loose.reason
    assert loose.attained < tight.attained - 1.0 and loose.largest_directional > 0.1
    assert loose.log_likelihood > tight.attained


def test_students_t_has_no_bound_and_says_why() -> None:
    bound = upper_bound(sample_of("student_t"), FLOOR)
    assert bound.log_likelihood is None and not bound.proved
    assert "degrees of freedom" in bound.reason


def test_observations_that_are_all_but_equal_have_no_bound() -> None:
    x = np.append(np.full(80, 2.0), [1.0, 3.0])
    bound = upper_bound(Sample.of(x, family("normal")), FLOOR)
    assert bound.log_likelihood is None and "one value" in bound.reason


def test_a_stream_of_which_only_a_part_is_stored_has_no_bound() -> None:
    chunks = np.random.default_rng(0).normal(size=(3, 1 << 16))
    bound = upper_bound(Sample.stream(iter(chunks), family("normal")), FLOOR)
    assert bound.log_likelihood is None and "not stored" in bound.reason


# --- cells ---------------------------------------------------------------------------------------


def cells_and_ratio(sample: Sample, components: int = 2) -> tuple[Cells, Ratio, Mixture]:
    """Cells of a sample's region, and the ratio to a mixture that is far from the best."""
    rows = [sample.family.moment_estimate(part) for part in np.array_split(sample.ordered, 2)]
    mixture = Mixture(sample.family, np.array([0.5, 0.5]), np.stack(rows))
    cells = CELLS[sample.family.name](Region.of(sample, FLOOR))
    return cells, Ratio(sample, mixture, cells), mixture


def random_cells(cells: Cells, ratio: Ratio, count: int, rng: np.random.Generator) -> Array:
    """Cells (m, 4) of all sizes, where the data are."""
    middle = rng.choice(ratio.links, count)
    width = np.exp(
        rng.uniform(np.log(0.5 * cells.least_link), np.log(40.0 * cells.least_link), count)
    )
    shift = cells.precision(middle, np.zeros(count))
    t = -2.0 * np.log(width) - np.log(shift)
    size = np.exp(rng.uniform(np.log(0.01), np.log(2.0), count))
    return np.stack([middle - size * width, middle + size * width, t - size, t + size], axis=1)


def log_ratio(sample: Sample, mixture: Mixture, parameters: Array) -> Array:
    """log mean(f / G) by scipy, (m,)."""
    scipys = ScipyMixture(sample.family.name, mixture.weights, mixture.parameters)
    under = scipys.log_density(sample.observations)
    over = np.asarray(sample.family.scipy_distribution(parameters).logpdf(sample.observations))
    return np.asarray(np.logaddexp.reduce(over - under, axis=1) - np.log(sample.size))


def cells_exceeded(name: str) -> float:
    """The share of cells with a point inside at which log(1 + D), by scipy, is above the bound."""
    sample, rng = sample_of(name), np.random.default_rng(7)
    cells, ratio, mixture = cells_and_ratio(sample)
    boxes = random_cells(cells, ratio, 400, rng)
    corners = boxes[:, [[0, 2], [0, 3], [1, 2], [1, 3]]].reshape(-1, 2)
    bounds = cell_bounds(cells, boxes, ratio(*corners.T).reshape(-1, 4))
    exceeded = np.zeros(len(boxes), dtype=bool)
    for share in [np.full((len(boxes), 2), 0.5), *rng.random((20, len(boxes), 2))]:
        inside = boxes[:, [0, 2]] + share * (boxes[:, [1, 3]] - boxes[:, [0, 2]])
        values = log_ratio(sample, mixture, cells.usual(*inside.T))
        exceeded |= values > bounds + 1e-9
    return float(exceeded.mean())


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_a_cells_bound_is_above_d_everywhere_inside(name: str) -> None:
    assert cells_exceeded(name) == 0.0


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_the_bound_far_from_observations_is_above_d(name: str) -> None:
    sample, rng = sample_of(name, size=12), np.random.default_rng(17)
    cells, ratio, mixture = cells_and_ratio(sample)
    boxes = random_cells(cells, ratio, 2000, rng)
    boxes[:, :2] += rng.uniform(-1.5, 1.5, (len(boxes), 1))
    bounds = gap_bounds(cells, ratio, boxes)
    boxes, bounds = boxes[np.isfinite(bounds)], bounds[np.isfinite(bounds)]
    assert len(boxes) > 50
    for share in rng.random((20, len(boxes), 2)):
        inside = boxes[:, [0, 2]] + share * (boxes[:, [1, 3]] - boxes[:, [0, 2]])
        assert (log_ratio(sample, mixture, cells.usual(*inside.T)) <= bounds + 1e-9).all()


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_the_corners_alone_would_be_no_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        CELLS[name], "divergence", lambda self, centre, corners: np.zeros(corners.shape[:2])
    )
    assert cells_exceeded(name) > 0.05


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_half_the_slack_would_be_no_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CELLS[name].divergence
    monkeypatch.setattr(CELLS[name], "divergence", lambda *args: 0.3 * whole(*args))
    assert cells_exceeded(name) > 0.0


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_the_slack_is_the_kullback_leibler_divergence(name: str) -> None:
    sample, rng = sample_of(name), np.random.default_rng(9)
    cells, ratio, _ = cells_and_ratio(sample)
    boxes = random_cells(cells, ratio, 200, rng)
    centres, corners = boxes[:, [0, 2]], boxes[:, None, [1, 3]]
    law = cells.family
    eta, other = (law.natural(cells.usual(*p.reshape(-1, 2).T)) for p in (centres, corners))
    along = np.einsum("mj,mj->m", law.mean_statistics(eta), other - eta)
    expected = law.log_partition(other) - law.log_partition(eta) - along
    assert_allclose(cells.divergence(centres, corners)[:, 0], expected, rtol=1e-6, atol=1e-8)
    # Of a very narrow one, where the terms cancel but for the last digits: no noise.
    narrow = np.array([[0.5, 60.0]]), np.array([[[0.5, 60.0 + 1e-3]]])
    assert_allclose(cells.divergence(*narrow), [[0.25e-6]], rtol=1e-3)


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_a_cell_is_the_hull_of_its_corners(name: str) -> None:
    sample, rng = sample_of(name), np.random.default_rng(1)
    cells, ratio, _ = cells_and_ratio(sample)
    law = cells.family
    for low_u, high_u, low_t, high_t in random_cells(cells, ratio, 20, rng):
        share = rng.random((50, 2))
        u, t = low_u + share[:, 0] * (high_u - low_u), low_t + share[:, 1] * (high_t - low_t)
        inside = law.natural(cells.usual(u, t))
        ends = np.array([[low_u, low_t], [high_u, low_t], [high_u, high_t], [low_u, high_t]])
        hull = law.natural(cells.usual(*ends.T))
        for one, two in zip(hull, np.roll(hull, -1, axis=0), strict=True):
            normal = np.array([one[1] - two[1], two[0] - one[0]])
            side, others = (inside - one) @ normal, (hull - one) @ normal
            direction = np.sign(others[np.abs(others).argmax()])
            assert (direction * side >= -1e-7 * np.abs(others).max()).all()


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_no_admissible_component_is_dropped(name: str) -> None:
    sample, rng = sample_of(name), np.random.default_rng(2)
    cells, ratio, _ = cells_and_ratio(sample)
    boxes = random_cells(cells, ratio, 600, rng)
    boxes[:, 2:] += rng.uniform(-1.0, 3.0, (len(boxes), 1))
    with np.errstate(all="ignore"):  # NaN: nothing is known of a very large cell
        spread, link_spread = cells.largest_spreads(boxes)
    levels = np.array([0.16, 0.84])
    for share in rng.random((20, len(boxes), 2)):
        inside = boxes[:, [0, 2]] + share * (boxes[:, [1, 3]] - boxes[:, [0, 2]])
        ends = sample.family.scipy_distribution(cells.usual(*inside.T)).ppf(levels)
        links = sample.family.link(ends)
        assert not (0.5 * np.diff(ends)[:, 0] > spread * (1.0 + 1e-6)).any()
        if name == "beta":
            links[ends > 1.0 - 1e-12] = np.nan  # rounded
        assert not (0.5 * np.diff(links)[:, 0] > link_spread * (1.0 + 1e-6)).any()
        # Of those inside, none admissible is outside all parts.
        left, _ = parts(cells, boxes)
        held = np.zeros(len(boxes), dtype=bool)
        for low in range(0, len(left), 200):
            part = left[low : low + 200, :, None]
            u, t = inside.T
            held |= (
                (part[:, 0] <= u) & (u <= part[:, 1]) & (part[:, 2] <= t) & (t <= part[:, 3])
            ).any(axis=0)
        assert not (cells.admissible(*inside.T) & ~held).any()
    tight = spread[boxes[:, 3] - boxes[:, 2] < 0.1] / cells.least
    assert tight.size and np.isfinite(tight).all()


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_the_envelope_is_above_the_density(name: str) -> None:
    sample, rng = sample_of(name), np.random.default_rng(4)
    cells, _, _ = cells_and_ratio(sample)
    u, t = rng.normal(0.0, 3.0, 300), rng.uniform(-4.0, 9.0, 300)
    x = sample.observations
    log_f = sample.family.scipy_distribution(cells.usual(u, t)).logpdf(x) + np.log(cells.stretch(x))
    precision, y = cells.precision(u, t)[:, None], sample.family.link(x)
    envelope = 0.5 * np.log(precision / (2.0 * np.pi)) - precision * cells.distance(u[:, None], y)
    assert (log_f <= envelope + 1e-7 * (1.0 + np.abs(envelope))).all()


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_components_outside_the_first_cell_gain_nothing_or_are_inadmissible(name: str) -> None:
    sample, rng = sample_of(name), np.random.default_rng(6)
    cells, ratio, mixture = cells_and_ratio(sample)
    ((low, high, wide, narrow),) = Search(cells, ratio, sample.size).boxes
    reach = high - low
    u = np.concatenate([low - reach * rng.random(200), high + reach * rng.random(200)])
    t = rng.uniform(wide - 5.0, min(narrow, 30.0), u.size)
    # Above: wherever one may be. Below: κ is nowhere above its bound.
    u, t = np.append(u, rng.uniform(low, high, 200)), np.append(t, wide - 5.0 * rng.random(200))
    assert (log_ratio(sample, mixture, cells.usual(u, t)) <= 1e-9).all()
    u = rng.uniform(low, high, 200)
    assert not cells.admissible(u, np.full(200, narrow + 1e-3)).any()


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_the_supremum_is_that_of_a_very_fine_grid(name: str) -> None:
    sample = sample_of(name, size=15)
    cells, ratio, mixture = cells_and_ratio(sample)
    search = Search(cells, ratio, sample.size)
    low, high = ratio.links[0], ratio.links[-1]
    ((_, _, wide, narrow),) = search.boxes
    search.run(0.01, time.monotonic() + 10.0)
    u, t = np.meshgrid(np.linspace(low, high, 500), np.linspace(wide, min(narrow, 25.0), 500))
    u, t = u.ravel(), t.ravel()
    inside = cells.admissible(u, t)
    values = [
        log_ratio(sample, mixture, cells.usual(some_u, some_t)).max()
        for some_u, some_t in zip(
            np.array_split(u[inside], 50), np.array_split(t[inside], 50), strict=True
        )
    ]
    grid = sample.size * max(values)
    assert grid <= sample.size * search.supremum <= sample.size * search.best + 0.01 + 1e-9
    assert sample.size * search.supremum < 1.05 * grid + 0.05


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_binned_observations_raise_the_ratio_a_little(name: str) -> None:
    sample, rng = sample_of(name, size=30_000), np.random.default_rng(8)
    cells, exact, mixture = cells_and_ratio(sample)
    binned = Ratio(sample, mixture, cells, most=6000)
    assert binned.rows.shape[1] <= 6000 < exact.rows.shape[1]
    boxes = random_cells(cells, exact, 200, rng)
    u, t = boxes[:, 0], boxes[:, 2]
    apart = binned(u, t) - exact(u, t)
    assert (apart > -1e-9).all() and apart.max() < 0.02
    some = slice(0, 20)
    by_scipy = log_ratio(sample, mixture, cells.usual(u[some], t[some]))
    assert_allclose(exact(u[some], t[some]), by_scipy, atol=1e-8)


# --- a few components ----------------------------------------------------------------------------


def kept_mixtures(sample: Sample, components: int, rng: np.random.Generator) -> list[Mixture]:
    """Random admissible mixtures of so many components, and where EM takes them."""
    region = Region.of(sample, FLOOR)
    mixtures = [m for m in random_mixtures(sample, 300, rng) if m.components == components]
    mixtures += [climbed(sample, mixture, 100) for mixture in mixtures]
    return [m for m in mixtures if region.inside(m.weights * sample.size, m.parameters).all()]


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_no_mixture_of_two_components_is_above_what_is_proved(name: str) -> None:
    sample = sample_of(name, size=30)
    proof = prove(sample, 2, FLOOR, seconds=10.0, tolerance=0.2)
    mixtures = kept_mixtures(sample, 2, np.random.default_rng(11))
    values = [log_likelihood(sample, each) for each in mixtures]
    assert len(values) > 20 and max(values) <= proof.bound
    assert_allclose(proof.bound, proof.attained + 0.2, atol=1e-9)  # it ended in time
    assert max(values) > proof.attained - 0.3  # EM ends there too
    # With any number of components, it is larger.
    any_number = upper_bound(sample, FLOOR)
    assert any_number.log_likelihood is not None and any_number.log_likelihood > proof.attained


def test_three_components_attain_more_and_what_is_known_saves_nodes() -> None:
    sample = sample_of("normal", size=20)
    two = prove(sample, 2, FLOOR, seconds=10.0)
    again = prove(sample, 2, FLOOR, seconds=10.0, known=two.attained)
    assert again.nodes < two.nodes and abs(again.bound - two.bound) <= 0.1
    three = prove(sample, 3, FLOOR, seconds=0.5)
    mixtures = kept_mixtures(sample, 3, np.random.default_rng(11))
    assert max(log_likelihood(sample, each) for each in mixtures) <= three.bound
    assert three.bound > two.attained


def nodes_exceeded(name: str) -> float:
    """The share of nodes of two cells with a mixture inside, by scipy, that is above the bound."""
    sample, rng = sample_of(name, size=40), np.random.default_rng(13)
    nodes = Nodes(sample, 2, FLOOR, -np.inf, 0.1)
    cells, ratio, _ = cells_and_ratio(sample)
    boxes = random_cells(cells, ratio, 600, rng)
    numbers = np.array(nodes.boxes.add(boxes)).reshape(-1, 2)
    bounds, _ = nodes._bound(numbers, np.full(len(numbers), np.inf))
    exceeded = np.zeros(len(numbers), dtype=bool)
    for _ in range(10):
        share = rng.random((len(boxes), 2))
        inside = boxes[:, [0, 2]] + share * (boxes[:, [1, 3]] - boxes[:, [0, 2]])
        rows = cells.usual(*inside.T).reshape(-1, 2, 2)
        weights = rng.dirichlet([1.0, 1.0], len(rows))
        narrow = nodes.boxes.narrow[numbers]
        kept = ~(narrow & (weights * sample.size < 10.0)).any(axis=1)
        logs = log_densities(name, weights, rows, sample.observations).sum(axis=1)
        exceeded |= kept & (logs > bounds + 1e-7)
    return float(exceeded.mean())


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_a_nodes_bound_is_above_all_mixtures_inside(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert nodes_exceeded(name) == 0.0
    whole = CELLS[name].divergence
    monkeypatch.setattr(CELLS[name], "divergence", lambda *args: 0.05 * whole(*args))
    assert nodes_exceeded(name) > 0.0


# --- the nonparametric mixture -------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_atoms_beat_every_mixture_climbed(name: str) -> None:
    sample = sample_of(name, size=400)
    weights, parameters = atoms(sample, FLOOR)
    found = Mixture(sample.family, weights, parameters)
    assert found.valid() and (np.diff(weights) <= 0.0).all()
    rows = np.array(TRUTHS[name])
    truth = Mixture(sample.family, np.array([0.6, 0.4]), rows)
    assert log_likelihood(sample, found) > log_likelihood(sample, truth) + 1.0


def test_a_fit_ends_where_no_component_gains() -> None:
    sample = sample_of("normal", size=200)
    found = fit(sample, FLOOR, tolerance=0.01)
    mixture = Mixture(sample.family, found.weights, found.parameters)
    grid = Plane(sample, FLOOR).grid()
    values = log_ratio(sample, mixture, Plane(sample, FLOOR).usual(grid))
    assert sample.size * values.max() < 0.011
    assert abs(log_likelihood(sample, mixture) - found.log_likelihood) < 1e-6
