from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Before numpy is imported, and for the processes that pytest-xdist starts: on two cores two
# processes with two threads of linear algebra each would spend most of their time waiting.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.scoring.scored_run import score_run
from fitters.spec import fitters
from fitters.starts import policies
from scenarios.families import ExponentialFamily, Family, families, family
from scenarios.kernels import loading
from scenarios.kernels.folder import kernel_folder
from scenarios.kernels.loading import CHOICE
from scenarios.mixture import Mixture
from scenarios.sample import Sample

ROOT = Path(__file__).parent.parent
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
    """scipy's distributions of the components."""
    return [SCIPY[name](*row) for row in components(name)]


def mixture(name: str, count: int = 3) -> Mixture:
    weights = WEIGHTS[:count] / WEIGHTS[:count].sum()
    return Mixture(family(name), weights, components(name, count))


def moved(mixture: ScipyMixture, index: int, by: float) -> ScipyMixture:
    """A mixture with one of its coordinates increased."""
    points = mixture.coordinates()[None] + by * np.eye(mixture.size)[index]
    (weights,), (parameters,) = mixture.from_coordinates(points)
    return ScipyMixture(mixture.family, weights, parameters)


def sample(name: str, size: int = 400, seed: int = 0) -> Sample:
    return Sample.of(mixture(name).sample(size, seed), family(name))


# pytest-xdist gives a file to one process. These files take longest, so they begin first.
LONG = ("test_sampler", "test_survival", "test_run", "test_fit", "test_search", "test_compare")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    ranks = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session, the same for all of pytest-xdist's workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def own_caches(shared: Path) -> Iterator[None]:
    """Use caches of the tests' own: new references in each session, compiled code for all.

    Passes are compiled wherever they can be, so that they are what a run's workers make.
    """
    compiled, installed = ROOT / ".pytest_cache" / "compiled", kernel_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIXTUREBENCH_CACHE", str(shared / "references"))
        patch.setenv("MIXTUREBENCH_COMPILED", str(compiled / "mixturebench"))
        patch.setenv("PYTENSOR_FLAGS", f"base_compiledir={compiled / 'pytensor'}")
        patch.setenv("NUMBA_CACHE_DIR", str(compiled / "numba"))
        patch.setenv(CHOICE, os.environ.get(CHOICE, "compiled"))
        _copy_once(installed, kernel_folder())
        yield


def _copy_once(source: Path, target: Path) -> None:
    """Copy what is compiled already; another process of the session may do so at once."""
    if source.is_dir() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=target.parent))
        shutil.copytree(source, part, dirs_exist_ok=True)
        with contextlib.suppress(OSError):
            part.rename(target)


@pytest.fixture
def compiled_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled passes over the rows of a sample, whatever the tests' setting is."""
    monkeypatch.setenv(CHOICE, "compiled")
    for key, function in tuple(loading._functions.items()):
        if function is None:  # by another setting
            del loading._functions[key]


@pytest.fixture
def numpy_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiled passes over the rows of a sample."""
    monkeypatch.setattr("scenarios.kernels.compiled_rows.compiled", lambda *_: None)


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def mixturebench(*arguments: str, folder: Path | None = None, site: Path | None = None) -> Done:
    """Run the command line in this process, in ``folder``, with the packages in ``site``.

    Workers are processes of their own. Raises an exception that would print a traceback.
    """
    with contextlib.chdir(folder or Path.cwd()), installed(site):
        result = CliRunner().invoke(app, list(arguments), prog_name="mixturebench")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def ran(folder: Path, *arguments: str, site: Path | None = None) -> pd.DataFrame:
    """Return the scored trials of ``mixturebench run`` in ``folder``, without its report."""
    done = mixturebench("run", "--no-report", "--out", str(folder), *arguments, site=site)
    assert done.returncode == 0, done.stderr
    with installed(site):
        return score_run(folder).trials


def command(*arguments: str) -> list[str]:
    """The command line for a process of its own."""
    return [sys.executable, "-m", "benchmarks", *arguments]


def environment(site: Path | None = None) -> dict[str, str]:
    """Variables for a process of its own that runs this tree, with the packages in ``site``."""
    path = os.pathsep.join(str(place) for place in (ROOT, site) if place is not None)
    return {**os.environ, "PYTHONPATH": path}


def process(
    *arguments: str, folder: Path | None = None, site: Path | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own; ``text`` is its standard input."""
    return subprocess.run(
        command(*arguments),
        env=environment(site),
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def begin(*arguments: str, site: Path | None = None) -> subprocess.Popen[str]:
    """Start the command line in a process of its own, which a test may interrupt.

    Under ``nohup ... &`` the tests inherit an ignored SIGINT, and so would a child. While a
    handler is set here, a child starts with the default action.
    """
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            command(*arguments),
            env=environment(site),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, inherited)


@contextlib.contextmanager
def installed(site: Path | None) -> Iterator[None]:
    """Install the packages in ``site``, for this process and those that it starts."""
    if site is None:
        yield
        return
    known = (fitters, policies, families)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", str(site))
        for registry in known:
            registry.cache_clear()
        yield
    for registry in known:
        registry.cache_clear()


def install(package: Path, target: Path) -> Path:
    """Install a package of the tests by pip into the folder ``target``."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    pip += ["--no-build-isolation", "--no-index", "--target", str(target), str(package)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the package of hostile fitters is installed."""
    return install(ROOT / "tests" / "hostile", tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the plug-in package is installed."""
    return install(ROOT / "tests" / "plugin", tmp_path_factory.mktemp("plugin"))


@pytest.fixture(params=sorted(PARAMETERS))
def any_family(request: pytest.FixtureRequest) -> Family:
    return family(request.param)


@pytest.fixture(params=sorted(EXPONENTIAL))
def exponential(request: pytest.FixtureRequest) -> ExponentialFamily:
    chosen = family(request.param)
    assert isinstance(chosen, ExponentialFamily)
    # Anchored away from the origin, since centre and scale must cancel out of every density.
    return chosen.anchored(sample(chosen.name).observations)


def differences(function, point: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of ``function`` along every coordinate, stacked on the last axis."""
    columns = []
    for index in range(point.size):
        shift = np.zeros(point.size)
        shift[index] = step
        columns.append((function(point + shift) - function(point - shift)) / (2.0 * step))
    return np.stack(columns, axis=-1)
