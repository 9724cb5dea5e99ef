from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from scenarios.families import ExponentialFamily, Family, families, family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

# Three components of every family, none symmetric, one of them narrow.
PARAMETERS: dict[str, list[list[float]]] = {
    "beta": [[2.0, 7.5], [0.6, 0.8], [45.0, 12.0]],
    "normal": [[-1.3, 0.7], [0.4, 2.0], [3.0, 0.2]],
    "lognormal": [[-1.3, 0.7], [0.4, 1.0], [2.0, 0.2]],
    "gamma": [[0.7, 1.4], [3.0, 0.5], [40.0, 9.0]],
    "weibull": [[0.8, 1.4], [2.0, 3.0], [9.0, 5.0]],
    "student_t": [[1.5, -2.0, 0.8], [4.0, 0.5, 2.0], [30.0, 6.0, 0.3]],
}
WEIGHTS = np.array([0.5, 0.2, 0.3])
EXPONENTIAL = [n for n, cls in families().items() if issubclass(cls, ExponentialFamily)]


def components(name: str, count: int = 3) -> np.ndarray:
    return np.array(PARAMETERS[name][:count])


SCIPY = {
    "beta": stats.beta,
    "normal": stats.norm,
    "lognormal": lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu)),
    "gamma": lambda shape, rate: stats.gamma(shape, scale=1.0 / rate),
    "weibull": lambda shape, scale: stats.weibull_min(shape, scale=scale),
    "student_t": stats.t,
}


def frozen(name: str) -> list:
    """scipy's own distributions, with their own names for the parameters."""
    return [SCIPY[name](*row) for row in components(name)]


def mixture(name: str, count: int = 3) -> Mixture:
    weights = WEIGHTS[:count] / WEIGHTS[:count].sum()
    return Mixture(family(name), weights, components(name, count))


def sample(name: str, size: int = 400, seed: int = 0) -> Sample:
    return Sample.of(mixture(name).sample(np.random.default_rng(seed), size), family(name))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """References are searched for anew in a test session, never taken from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIXTUREBENCH_CACHE", str(tmp_path_factory.mktemp("references")))
        yield


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *arguments]


def mixturebench(
    *arguments: str, folder: Path | None = None, site: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """The real command line, in ``folder``, with the packages in ``site`` installed."""
    own = {"PYTHONPATH": str(site)} if site is not None else {}
    return subprocess.run(
        command(*arguments),
        env={**os.environ, **own, **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def install(package: Path, target: Path) -> Path:
    """A package of the tests', installed by pip into a folder of its own."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation", "--no-index", "--target", str(target), str(package)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


@pytest.fixture(params=sorted(PARAMETERS))
def any_family(request: pytest.FixtureRequest) -> Family:
    return family(request.param)


@pytest.fixture(params=sorted(EXPONENTIAL))
def exponential(request: pytest.FixtureRequest) -> ExponentialFamily:
    chosen = family(request.param)
    assert isinstance(chosen, ExponentialFamily)
    # Anchored away from the origin: centre and scale must cancel out of every density.
    return chosen.anchored(sample(chosen.name).observations)


def differences(function, point: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of ``function`` along every coordinate, stacked on the last axis."""
    columns = []
    for index in range(point.size):
        shift = np.zeros(point.size)
        shift[index] = step
        columns.append((function(point + shift) - function(point - shift)) / (2.0 * step))
    return np.stack(columns, axis=-1)
