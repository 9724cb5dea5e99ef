"""The nonparametric maximum likelihood mixture: any number of admissible components.

Its atoms are found by the constrained Newton method for multiple support points (Wang 2007, *JRSS
B* 69:185): add the local maxima of D(θ) = mean(f_θ / G) - 1, then fit all weights at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from benchmarks.reference.plane import Plane, bins
from benchmarks.reference.view import densities_at
from scenarios.families import Array, ExponentialFamily
from scenarios.sample import Sample

BLOCK = 1 << 17
"""Densities that are computed at once: they stay in the processor's cache."""
MOST_ROWS = 1000
"""Rows, at most, of a sample that is not a sketch."""
FIRST = 100
"""Components of the mixture that the search starts from."""
FEW, MANY = 60, 240
"""Peaks of the grid that are refined in a round, at most: for speed, and to be exact."""
CLOSE, SAME = 0.5, 0.03
"""Local maxima this close, in widths and in log width, are one: on the grid, and once refined."""
FAR = 30.0
"""Nats to gain by a component on the grid, from which the others stay where they are."""
SHARE = 0.1
"""Weight of the components that are added."""
CORNERS = [[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]
LOW = -0.3
"""D on the grid, at least, near which it may be positive."""
TINY = 1e-290


@dataclass(frozen=True, eq=False)
class Nonparametric:
    """A mixture of any number of components, the end of ``fit``."""

    weights: Array
    parameters: Array
    points: Array
    """The components in the coordinates of ``Plane``."""
    log_likelihood: float
    """Of the sample's rows."""
    largest_directional: float
    """The largest D found: at most sup D."""
    rounds: int


def atoms(
    sample: Sample, min_spread: float, tolerance: float = 0.5, rounds: int = 12
) -> tuple[Array, Array]:
    """Weights (k,) and usual parameters (k, d) of the nonparametric mixture, heaviest first.

    It ends where no component found gains ``tolerance`` nats, or after ``rounds``.
    """
    found = fit(sample, min_spread, tolerance, rounds, peaks=FEW)
    order = np.argsort(-found.weights)
    return found.weights[order], found.parameters[order]


class Rows:
    """Weighted rows, and the densities of components there, but for the factor exp h(x).

    More than ``most`` observations are averaged in bins: T, or x without exponential form.
    """

    def __init__(self, sample: Sample, plane: Plane, most: int = MOST_ROWS) -> None:
        self.family, self.size = sample.family, sample.size
        self.log_base = sample.log_base
        if len(sample.counts) <= most or not sample.all_counts_are_one:
            self.rows, self.counts = np.ascontiguousarray(sample.rows.T), np.array(sample.counts)
            return
        x = np.sort(sample.observations)
        y = self.family.link(x)
        first, last = bins(y, plane.least_widths(y), most)
        self.counts = (last - first + 1).astype(float)
        law = self.family
        rows = law.statistics(x) if isinstance(law, ExponentialFamily) else x[:, None]
        self.rows = np.ascontiguousarray((np.add.reduceat(rows, first) / self.counts[:, None]).T)

    def density(self, parameters: Array) -> Array:
        """Densities (m, r) of components, usual parameters (m, d), at the rows."""
        return densities_at(self.rows, self.family, parameters)

    def directional(self, parameters: Array, fitted: Array) -> Array:
        """D (m,) of components against the density ``fitted`` (r,) of a mixture."""
        over = self.counts / fitted / self.size
        block = max(1, BLOCK // self.counts.size)
        parts = [
            self.density(parameters[low : low + block]) @ over
            for low in range(0, len(parameters), block)
        ]
        return np.nan_to_num(np.concatenate(parts), nan=0.0) - 1.0


def fit(
    sample: Sample,
    min_spread: float,
    tolerance: float = 0.5,
    rounds: int = 40,
    start: Nonparametric | None = None,
    most_rows: int = MOST_ROWS,
    deadline: float = np.inf,
    peaks: int = MANY,
) -> Nonparametric:
    """Maximise the likelihood over mixtures of any number of admissible components.

    A round adds local maxima of D, found from ``peaks`` of a grid and from the components there
    are, and fits the weights. It ends where n log(1 + D) is nowhere found above ``tolerance``, in
    nats, or at ``deadline``, by the monotonic clock.
    """
    plane = Plane(sample, min_spread)
    rows = Rows(sample, plane, most_rows)
    grid = plane.grid()
    on_grid = rows.density(plane.usual(grid))
    if start is None:
        weights, points = _first(plane, rows, grid, on_grid)
    else:
        weights, points = start.weights, start.points
    density = rows.density(plane.usual(points))
    for done in range(1, rounds + 1):
        fitted = np.maximum(weights @ density, TINY)
        heights = on_grid @ (rows.counts / fitted / rows.size) - 1.0
        largest = float(heights.max())
        far = rows.size * np.log1p(max(largest, 0.0)) > FAR
        starts = _starts(plane, grid, heights, points[: 0 if far else None], peaks)
        refined, values = refine(plane, rows, starts, fitted, 2 if far else 5)
        largest = max(float(values.max(initial=-1.0)), largest)
        gain = rows.size * np.log1p(max(largest, 0.0))
        if gain < tolerance or done == rounds or time.monotonic() > deadline:
            break
        fresh = refined[_peaks(plane, refined, values, len(values), 0.0, SAME)]
        points = np.vstack([points, fresh])
        density = np.vstack([density, rows.density(plane.usual(fresh))])
        weights = np.append(weights, np.full(len(fresh), SHARE / max(len(fresh), 1)))
        weights = fit_weights(density, rows.counts, _em_weights(density, rows.counts, weights))
        kept = weights > 0.0
        points, weights, density = points[kept], weights[kept], density[kept]
    value = float(np.log(fitted) @ rows.counts) + rows.log_base
    return Nonparametric(weights, plane.usual(points), points, value, largest, done)


def largest_directional(
    sample: Sample, found: Nonparametric, min_spread: float, most_rows: int = MOST_ROWS
) -> float:
    """The largest D found on a sample, from a grid and from the components, at least 0."""
    plane = Plane(sample, min_spread)
    rows = Rows(sample, plane, most_rows)
    fitted = np.maximum(found.weights @ rows.density(found.parameters), TINY)
    grid = plane.grid()
    heights = rows.directional(plane.usual(grid), fitted)
    starts = _starts(plane, grid, heights, found.points, MANY)
    return float(refine(plane, rows, starts, fitted)[1].max(initial=0.0))


def _starts(plane: Plane, grid: Array, heights: Array, points: Array, most: int) -> Array:
    """Points to refine: these, and peaks of the grid away from them."""
    away = np.where(_near(plane, grid, points, CLOSE), -1.0, heights)
    return np.vstack([points, grid[_peaks(plane, grid, away, most, LOW)]])


def _first(plane: Plane, rows: Rows, grid: Array, density: Array) -> tuple[Array, Array]:
    """Weights and points of the mixture to start from: peaks of weights fitted on the grid."""
    weights = _em_weights(density, rows.counts, np.ones(len(grid)), 40)
    widest = int(np.argmax(np.log(density + TINY) @ rows.counts))  # covers all rows
    chosen = [widest, *_peaks(plane, grid, weights, FIRST)]
    return _em_weights(density[chosen], rows.counts, np.ones(len(chosen))), grid[chosen]


def _peaks(
    plane: Plane, points: Array, heights: Array, most: int, least: float = 0.0, close: float = CLOSE
) -> list[int]:
    """Indices of at most so many points higher than ``least``, none ``close`` to a higher one."""
    chosen: list[int] = []
    far = heights > least
    for index in np.argsort(-heights):
        if len(chosen) == most or not far.any():
            break
        if far[index]:
            chosen.append(int(index))
            far &= ~_near(plane, points, points[[index]], close)
    return chosen


def _near(plane: Plane, points: Array, others: Array, close: float) -> NDArray[np.bool_]:
    """Which points (m, 2 or 3) are ``close`` to one of the others, in widths and in log width."""
    widths, other_widths = plane.log_width(points)[:, None], plane.log_width(others)
    apart = np.abs(points[:, :1] - others[:, 0])
    near = apart < close * np.exp(np.maximum(widths, other_widths))
    return np.asarray((near & (np.abs(widths - other_widths) < close)).any(axis=1))


def refine(
    plane: Plane, rows: Rows, points: Array, fitted: Array, steps: int = 5
) -> tuple[Array, Array]:
    """Local maxima of D from ``points`` (m, 2 or 3), and D there, (m,).

    A step goes to the best of the neighbours, or to the maximum of the quadratic through them.
    """
    axes = points.shape[1]
    corners = np.pad(np.array(CORNERS), ((0, 0), (0, axes - 2)))
    offsets = np.vstack([np.eye(axes), -np.eye(axes), corners])
    points, size = plane.clipped(points), np.full(len(points), 0.3)
    values = rows.directional(plane.usual(points), fitted)
    for _ in range(steps):
        units = np.ones(points.shape)
        units[:, 0] = np.exp(plane.log_width(points))
        units *= size[:, None]
        around = plane.clipped((points[:, None] + offsets * units[:, None]).reshape(-1, axes))
        heights = rows.directional(plane.usual(around), fitted).reshape(len(points), -1)
        newton = plane.clipped(points + units * _quadratic_step(values, heights, axes))
        tops = rows.directional(plane.usual(newton), fitted)
        everything = np.column_stack([values, heights, tops])
        places = np.concatenate(
            [points[:, None], around.reshape(len(points), -1, axes), newton[:, None]], axis=1
        )
        best = everything.argmax(axis=1)
        each = np.arange(len(points))
        points, values = places[each, best], everything[each, best]
        size = np.where((best == 0) | (best == everything.shape[1] - 1), 0.3 * size, size)
    return points, values


def _quadratic_step(values: Array, heights: Array, axes: int) -> Array:
    """The step (m, axes) to the maximum of the quadratic through a point's neighbours.

    At most 2 steps in an axis; along the slope where the quadratic has no maximum.
    """
    above, below = heights[:, :axes], heights[:, axes : 2 * axes]
    slope, bend = 0.5 * (above - below), above + below - 2.0 * values[:, None]
    bend = np.minimum(bend, -1e-3 * np.abs(slope) - 1e-300)
    step = -slope / bend
    plus, cross = heights[:, 2 * axes : 2 * axes + 2], heights[:, 2 * axes + 2 :]
    mixed = 0.25 * (plus.sum(axis=1) - cross.sum(axis=1))
    determinant = bend[:, 0] * bend[:, 1] - mixed**2
    good = determinant > 0.1 * bend[:, 0] * bend[:, 1]
    safe = np.where(good, determinant, 1.0)
    first = (mixed * slope[:, 1] - bend[:, 1] * slope[:, 0]) / safe
    second = (mixed * slope[:, 0] - bend[:, 0] * slope[:, 1]) / safe
    step[:, :2] = np.where(good[:, None], np.stack([first, second], axis=1), step[:, :2])
    return np.clip(np.nan_to_num(step), -2.0, 2.0)


def _em_weights(density: Array, counts: Array, weights: Array, steps: int = 10) -> Array:
    """Weights (k,) after EM steps, which rise from anywhere, where Newton's are short."""
    weights = weights / weights.sum()
    for _ in range(steps):
        fitted = np.maximum(weights @ density, TINY)
        weights = weights * (density @ (counts / fitted)) / counts.sum()
    return weights


def fit_weights(density: Array, counts: Array, weights: Array, steps: int = 3) -> Array:
    """Weights (k,) of larger likelihood, by Newton steps; those of components that go are 0.

    ``density`` (k, r). The Lagrangian Σ c log(Σ v f) - n Σ v is largest at weights of sum 1. A step
    goes to the maximum over v ≥ 0 of its quadratic model (Wang 2007), or part of the way there.
    """
    value = _log_likelihood(density, counts, weights)
    for _ in range(steps):
        shares = density / np.maximum(weights @ density, TINY)
        target = _target(shares, counts)
        for length in 0.5 ** np.arange(14):
            trial = (1.0 - length) * weights + length * target
            trial /= trial.sum()
            new = _log_likelihood(density, counts, trial)
            if new > value:
                break
        else:
            break
        gain, weights, value = new - value, trial, new
        if gain < 1e-6:
            break
    weights = np.where(weights > 1e-8, weights, 0.0)
    return weights / weights.sum()


def _target(shares: Array, counts: Array) -> Array:
    """The maximum over v ≥ 0 of the quadratic model, where Σ c s sᵀ v = 2 Σ c s - n."""
    gram = (shares * counts) @ shares.T
    unit = 1.0 / np.sqrt(np.maximum(gram.diagonal(), TINY))
    root = np.linalg.cholesky(gram * unit * unit[:, None] + 1e-10 * np.eye(len(unit)))
    right = unit * (2.0 * (shares @ counts) - counts.sum())
    return np.asarray(nnls(root.T, np.linalg.solve(root, right), maxiter=30 * len(unit))[0] * unit)


def _log_likelihood(density: Array, counts: Array, weights: Array) -> float:
    return float(np.log(np.maximum(weights @ density, TINY)) @ counts)
