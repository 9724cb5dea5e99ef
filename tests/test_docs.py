"""The documentation's examples are run, and what it names exists."""

from __future__ import annotations

import importlib
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from scenarios.families import ExponentialFamily, families
from tests import conftest, test_families
from tests.conftest import install, mixturebench, sample

ROOT = Path(__file__).parent.parent
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
ROWS = [[1.0, 4.0], [6.0, 60.0], [0.3, 0.1]]


def blocks(page: Path) -> dict[str, str]:
    """The fenced blocks of a page whose first line is a comment with a file's name."""
    found = re.findall(r"^```\w*\n(# (\S+)\n.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return {name: text for text, name in found}


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    return blocks(CONTRIBUTING)


@pytest.fixture(scope="module")
def installed(examples: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's fitter and family as the package that it describes."""
    source = tmp_path_factory.mktemp("source")
    package = source / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (source / "pyproject.toml").write_text(examples["pyproject.toml"], "utf-8")
    for name in ("fitters/mine.py", "scenarios/families/inverse_gaussian.py"):
        (package / Path(name).name).write_text(examples[name], "utf-8")
    return install(source, tmp_path_factory.mktemp("site"))


def ran(toml: str, folder: Path, fitters: str, site: Path | None = None) -> pd.DataFrame:
    """The trials of ``mixturebench run`` on a scenario of the page's."""
    (folder / "mine.toml").write_text(toml, "utf-8")
    chosen = [part for name in fitters.split() for part in ("--fitter", name)]
    done = mixturebench(
        "run", "--scenario", "./mine.toml", "--restarts", "2", "--out", "run", *chosen,
        folder=folder, PYTHONPATH=os.pathsep.join([str(ROOT), str(site or ROOT)]),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return pd.read_parquet(folder / "run" / "trials.parquet")


def test_the_scenario_runs(examples: dict[str, str], tmp_path: Path) -> None:
    trials = ran(examples["mine.toml"], tmp_path, "direct")
    assert set(trials["status"]) == {"converged"}
    assert set(trials["n"]) == {2000}


def test_the_fitter_keeps_the_contract(installed: Path) -> None:
    done = mixturebench("check", "mine", site=installed)
    assert done.returncode == 0, done.stdout
    assert "mine keeps the contract" in done.stdout


def test_the_family_is_fitted_and_judged(
    examples: dict[str, str], installed: Path, tmp_path: Path
) -> None:
    trials = ran(examples["waiting.toml"], tmp_path, "direct em", installed)
    assert set(trials["status"]) == {"converged"}
    assert trials["worst_relative_error"].max() < 0.25
    # Recounted: they are of one height, the reference's.
    assert trials["nll"].max() - trials["nll"].min() < 1e-6
    assert (trials["nll"] <= trials["reference_nll"] + 1e-6).all()
    assert set(trials["claimed"]) == {True}


@pytest.fixture(scope="module")
def inverse_gaussian(
    examples: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExponentialFamily]:
    """The page's family, among those that the tests of all families know."""
    folder = tmp_path_factory.mktemp("module")
    text = examples["scenarios/families/inverse_gaussian.py"]
    (folder / "its_inverse_gaussian.py").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        cls = importlib.import_module("its_inverse_gaussian").InverseGaussian
        patch.setitem(families(), cls.name, cls)
        patch.setitem(conftest.PARAMETERS, cls.name, ROWS)
        patch.setitem(conftest.SCIPY, cls.name, lambda m, s: stats.invgauss(m / s, scale=s))
        yield cls().anchored(sample(cls.name).observations)


GENERIC = {
    name: function
    for name, function in vars(test_families).items()
    if name.startswith("test_")
    and list(inspect.signature(function).parameters) in (["any_family"], ["exponential"])
    and name != "test_m_step_is_scipys_maximum_likelihood"
}


@pytest.mark.parametrize("name", sorted(GENERIC))
def test_the_family_passes_the_tests_of_families(
    name: str, inverse_gaussian: ExponentialFamily
) -> None:
    GENERIC[name](inverse_gaussian)


def test_the_m_step_of_the_family_is_scipys_maximum_likelihood(
    inverse_gaussian: ExponentialFamily,
) -> None:
    x = stats.invgauss(0.25, scale=4.0).rvs(size=500, random_state=3)
    shape, _, scale = stats.invgauss.fit(x, floc=0)
    found = inverse_gaussian.maximise(inverse_gaussian.statistics(x).mean(axis=0)[None])
    assert_allclose(found[0], [shape * scale, scale], rtol=1e-4)
    eta = inverse_gaussian.natural(np.array(ROWS))
    assert_allclose(inverse_gaussian.maximise(inverse_gaussian.mean_statistics(eta)), ROWS)
