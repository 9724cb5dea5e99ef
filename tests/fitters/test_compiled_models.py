"""The densities that MCMC samples: PyMC's and the kernel's agree, and code is stored and loaded.

The first session compiles three models, for a minute; later ones load them.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from numba.core.caching import NullCache
from numpy.testing import assert_allclose
from scipy import special, stats

from fitters.mcmc import MCMC
from fitters.pymc_density import (
    _digamma,
    _folder_of_code,
    _function,
    _stores_code_in,
    compile_density,
)
from fitters.pymc_model import build_model, constrained, unconstrained
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import Family
from scenarios.model import Model
from scenarios.sample import Sample
from tests.conftest import EXPONENTIAL, PARAMETERS, environment, mixture, sample

PRIORS = "weight_concentration=2.5,positive_sd=0.7,location_sd=2"
"""Other priors than the default ones."""
MODELS = [
    (name, components, more)
    for name in PARAMETERS
    for components in (2, 3)
    for more in ("", PRIORS)
]
FAST = [("beta", 2, ""), ("normal", 2, PRIORS), ("student_t", 2, "")]
SHORT = "draws=20,tune=20"
FIT = """
import json, sys
from tests.fitters.test_compiled_models import fitted
name, *requests = json.loads(sys.argv[1])
for spec, size in requests:
    print(json.dumps(fitted(spec, name, size)), flush=True)
"""


def prepared(spec: str, data: Sample, components: int = 2) -> Any:
    """A fitter prepared for data."""
    return parse(spec).prepare(data, Model(data.family, components))


def fitted(spec: str, name: str, size: int = 400) -> list[Any]:
    """Whether the code was cached, and the parameters of a fit to a sample."""
    data = sample(name, size)
    start = Start.of(policy("quantile"), data, Model(data.family, 2), 0)
    fit = prepared(spec, data).fit(start, 1, lambda copy: None)
    return [fit.extra["cached"], fit.mixture.parameters.tolist()]


def fitting(folder: Path, name: str, *requests: tuple[str, int]) -> subprocess.Popen[str]:
    """A process that prints what ``fitted`` returns for each fitter and size."""
    return subprocess.Popen(
        [sys.executable, "-c", FIT, json.dumps([name, *requests])],
        env={**environment(), "MIXTUREBENCH_COMPILED": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(process: subprocess.Popen[str]) -> list[list[Any]]:
    """What such a process printed; nothing on standard error."""
    lines, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    return [json.loads(line) for line in lines.splitlines()]


def stored_files(folder: Path) -> dict[str, int]:
    """The files of stored code by name, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.nb[ci]")}


@pytest.fixture
def stored() -> Path:
    """The folder of the tests' stored code, with that of two betas."""
    prepared("mcmc", sample("beta"))
    return _folder_of_code()


@pytest.mark.parametrize(
    ("name", "components", "more"),
    [pytest.param(*case, marks=() if case in FAST else pytest.mark.slow) for case in MODELS],
)
def test_the_kernel_has_the_density_of_pymc(name: str, components: int, more: str) -> None:
    data, truth = sample(name), mixture(name, components)
    steps = np.random.default_rng(0).normal(size=(6, truth.dimension))
    points = unconstrained(truth) + 0.5 * np.concatenate([np.zeros((1, truth.dimension)), steps])
    pymcs = prepared(f"mcmc:{more or 'density=pymc'}", data, components)
    for view in (data, data.sketch(64)) if name in EXPONENTIAL else (data,):
        pymcs = pymcs.rebind(view)
        kernels = prepared(f"mcmc:{more or 'chains=4'},density=kernel", view, components)
        values, gradients = zip(*(kernels.density(point) for point in points), strict=True)
        expected, slopes = zip(*(pymcs.density(point) for point in points), strict=True)
        assert_allclose(np.diff(values), np.diff(expected), rtol=1e-9, atol=1e-9)
        sizes = np.abs(slopes).max(axis=1, keepdims=True)
        assert_allclose(gradients / sizes, slopes / sizes, atol=1e-9)


@pytest.mark.usefixtures("numpy_passes")
@pytest.mark.parametrize("spec", ["mcmc", "mcmc:density=kernel"])
def test_a_point_without_a_gradient_has_no_finite_value(spec: str) -> None:
    density = prepared(spec, sample("beta")).density
    # The gradient alone is not finite at the last two: of PyMC's density, and of the kernel's.
    for point in (
        [800] * 5,
        [0, -800, 0, 0, 0],
        [700, 0, 700, 100, 500],
        [100, -709, 500, -500, 10],
    ):
        assert not np.isfinite(density(np.array(point, dtype=np.float64))[0])


def test_constrained_is_the_inverse_of_unconstrained(any_family: Family) -> None:
    truth = mixture(any_family.name)
    variables = constrained(unconstrained(truth), any_family, 3)
    assert list(variables) == ["weights", *any_family.parameter_names()]
    expected = np.column_stack([truth.weights, truth.parameters])
    assert_allclose(np.column_stack(list(variables.values())), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("beta", "bins=64,chains=2,draws=500,tune=500"),
        pytest.param("student_t", "draws=2000", marks=pytest.mark.slow),
    ],
)
def test_both_densities_have_one_posterior(name: str, more: str) -> None:
    data = sample(name)
    start = Start(mixture(name, 2), policy("quantile"), 0)
    moments = []
    for density in ("pymc", "kernel"):
        fit = prepared(f"mcmc:{more},density={density}", data).fit(start, 1, lambda copy: None)
        posterior = fit.posterior.posterior
        assert posterior["weights"].dims == ("chain", "draw", "component")
        variables = ["weights", *data.family.parameter_names()]
        means, errors = (
            np.column_stack([moment[name] for name in variables])
            for moment in (posterior.mean(("chain", "draw")), az.mcse(posterior))
        )
        order = np.argsort(means[:, 1])
        moments.append((means[order], errors[order]))
    (mean, error), (other, other_error) = moments
    # With seven independent parameters at most, so large a difference has a chance of 5e-5.
    assert (np.abs(mean - other) < 4.5 * np.hypot(error, other_error)).all()


def test_code_of_every_family_can_be_stored(any_family: Family, tmp_path: Path) -> None:
    model = build_model(sample(any_family.name), 2, MCMC())
    with _stores_code_in(tmp_path):
        function = _function(model)
    assert not isinstance(function.vm.jit_fn._cache, NullCache)


def test_digamma() -> None:
    x = np.concatenate([np.geomspace(1e-6, 1e8, 500), -np.linspace(0.05, 9.95, 100)])
    assert_allclose([_digamma(value) for value in x], special.psi(x), rtol=1e-11, atol=1e-13)
    assert np.isnan([_digamma(0.0), _digamma(-3.0)]).all()


def test_a_second_process_loads_the_code_for_any_number_of_rows(stored: Path) -> None:
    before = stored_files(stored)
    requests = [(f"mcmc:{SHORT}", 400), (f"mcmc:bins=64,{SHORT}", 300)]
    here = [fitted(spec, "beta", size) for spec, size in requests]
    assert printed(fitting(stored.parent, "beta", *requests)) == here
    assert [cached for cached, _ in here] == [True, True]
    assert stored_files(stored) == before


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="it shows who waits for a lock")
def test_a_process_waits_while_another_compiles(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / stored.name
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = fitting(tmp_path, "beta", (f"mcmc:{SHORT}", 400))
        while not any(
            "->" in line and f" {process.pid} " in line
            for line in Path("/proc/locks").read_text().splitlines()
        ):
            assert process.poll() is None
            time.sleep(0.05)
        for path in stored.glob("*.nb[ci]"):
            shutil.copy2(path, folder)
    ((cached, parameters),) = printed(process)
    assert not cached
    assert parameters == fitted(f"mcmc:{SHORT}", "beta")[1]
    assert stored_files(folder) == stored_files(stored)  # it has compiled nothing


@pytest.mark.slow
def test_the_first_process_takes_the_steps_of_later_ones(tmp_path: Path) -> None:
    first, second = (
        printed(fitting(tmp_path, "student_t", (f"mcmc:{SHORT}", 400))) for _ in range(2)
    )
    assert first == [[False, second[0][1]]]
    assert second[0][0]


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated index", "truncated code", "no folder", "no process"])
def test_without_stored_code_it_compiles_in_memory(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = f"mcmc:{SHORT}"
    expected = fitted(spec, "normal")[1]
    stored = _folder_of_code()
    monkeypatch.setenv("MIXTUREBENCH_COMPILED", str(tmp_path / "compiled"))
    if damage == "no folder":
        (tmp_path / "compiled").write_text("a file, in which no folder can be made")
    elif damage == "no process":
        monkeypatch.setattr("sys.executable", "/no/python")
    else:
        shutil.copytree(stored, tmp_path / "compiled" / stored.name)
        for path in tmp_path.rglob("*.nbi" if damage == "truncated index" else "*.nbc"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.warns(UserWarning, match=r"in memory: .* MIXTUREBENCH_COMPILED") as warned:
        cached, parameters = fitted(spec, "normal")
    assert len(warned) == 1
    assert not cached
    # The code is another compilation's: its last bits, and later the draws, may differ.
    assert_allclose(parameters, expected, rtol=1e-6)


def test_a_function_that_cannot_be_stored_is_named_and_compiled_in_memory() -> None:
    with pm.Model() as model:
        x = pm.Normal("x")
        pm.Potential("likelihood", -pt.log(pt.i0(x)))  # which PyTensor calls by its address
    request = {"family": "i0", "components": 1}
    with pytest.warns(UserWarning, match="1 × i0 in memory: PyTensor can't store a function"):
        compiled = compile_density(model, request)
    assert not compiled.cached
    value, gradient = compiled.log_density(np.array([0.5]))
    assert value == pytest.approx(stats.norm.logpdf(0.5) - np.log(special.i0(0.5)))
    assert_allclose(gradient, [-0.5 - special.i1(0.5) / special.i0(0.5)])
