"""Compiled passes against numpy's, scipy's densities and extended precision, and their cache."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

from fitters import em_round, newton_round
from scenarios.families import beta, family, gamma, normal, polygamma
from scenarios.families.beta import Beta
from scenarios.kernels import loading
from scenarios.kernels.folder import kernel_folder
from scenarios.kernels.loading import compiled
from scenarios.mixture import Mixture, MixtureBatch
from scenarios.sample import Sample
from scenarios.sketch import Sketch
from tests.conftest import ROOT, components, sample

CODED = ("beta", "normal", "gamma", "lognormal")
MODULES = {"beta": beta, "normal": normal, "lognormal": normal, "gamma": gamma}


pytestmark = pytest.mark.usefixtures("compiled_passes")


def numpy_only(s: Sample) -> Sample:
    """The same sample without compiled passes."""
    plain = copy.copy(s)
    plain.__dict__["compiled_rows"] = None
    return plain


def batch_near(name: str, s: Sample, count: int, size: int, spread: float = 0.2) -> MixtureBatch:
    generator = np.random.default_rng(count)
    rows = np.resize(components(name), (count, 2))
    free = s.family.free(rows) + spread * generator.normal(size=(size, count, 2))
    return MixtureBatch(s.family, generator.dirichlet(np.ones(count), size), s.family.usual(free))


# ------------------------------------------------------------- elementary functions and families


def vectorised(function, x: np.ndarray) -> np.ndarray:
    """The function at each number, compiled as in a pass: in vectors, with sums in any order."""
    import numba

    from scenarios.kernels.jit import SUMS

    @numba.njit(fastmath=SUMS, error_model="numpy")
    def loop(x, result):
        for i in range(x.size):
            result[i] = function(x[i])

    result = np.empty(x.size)
    loop(x, result)
    return result


def test_the_exponential_is_exact_to_rounding() -> None:
    from scenarios.kernels.elementary import LOWEST, exp_down

    x = -np.concatenate([np.geomspace(1e-20, -LOWEST, 40_001), np.linspace(0.0, 40.0, 40_001)])
    exact = np.exp(x.astype(np.longdouble))
    error = np.abs(vectorised(exp_down, x) / exact - 1.0)
    assert (error < 2e-16 + 4e-17 * np.abs(x)).all()
    ends = vectorised(exp_down, np.array([LOWEST * 1.001, -1e300, -np.inf, np.nan, -0.0]))
    assert_array_equal(ends, [0.0, 0.0, 0.0, np.nan, 1.0])


def test_the_logarithms_are_exact_to_rounding() -> None:
    from scenarios.kernels.elementary import log_and_share, log_up

    x = np.concatenate([np.linspace(1.0, 3.0, 40_001), np.geomspace(1.0, 1e15, 40_001)])
    exact = np.log(x.astype(np.longdouble))
    error = np.abs(vectorised(log_up, x) - exact)
    assert (error < 2e-16 + 1.5e-16 * exact).all()
    ratio = np.linspace(0.0, 1.0, 40_001)
    logarithm = vectorised(log_up, 1.0 + ratio)
    both = np.array([log_and_share.py_func(np.float64(r)) for r in ratio[::40]])
    assert_allclose(
        both[:, 0], np.log1p(ratio[::40].astype(np.longdouble)).astype(float), atol=4e-16
    )
    assert_allclose(both[:, 1], 1.0 / (1.0 + ratio[::40]), rtol=4e-16)
    assert_allclose(logarithm, np.log1p(ratio), atol=4e-16)
    assert np.isnan(vectorised(log_up, np.array([np.nan, 1.0]))).tolist() == [True, False]


def test_gamma_functions_are_scipys() -> None:
    x = np.geomspace(1e-3, 1e9, 2001)
    found = np.array([polygamma.digamma_and_trigamma(value) for value in x])
    assert_allclose(found[:, 0], special.psi(x), rtol=2e-14, atol=1e-14)
    assert_allclose(found[:, 1], special.zeta(2.0, x), rtol=2e-14)
    a, b = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e-3, 1e7, 61), x[::33]))
    found = np.array([polygamma.log_beta(*pair) for pair in zip(a, b, strict=True)])
    assert_allclose(found, special.betaln(a, b), rtol=3e-8)  # as exact as scipy's is


@pytest.mark.parametrize("a", [0.003, 0.7, 1.0, 9.99, 10.0, 2.5e3])
@pytest.mark.parametrize("b", [0.02, 3.3, 12.0, 4e4, 1e12])
def test_the_logarithm_of_the_beta_function_does_not_cancel(a: float, b: float) -> None:
    with mpmath.workdps(50):
        exact = mpmath.log(mpmath.beta(mpmath.mpf(a), mpmath.mpf(b)))
    for pair in ((a, b), (b, a)):
        assert polygamma.log_beta(*pair) == pytest.approx(float(exact), rel=2e-15, abs=4e-15)


@pytest.mark.parametrize("name", CODED)
def test_functions_of_one_component_are_the_familys(name: str) -> None:
    chosen, module = sample(name).family, MODULES[name]
    rows, anchor = components(name), (chosen.centre, chosen.scale)
    eta = chosen.natural(rows)
    terms = np.array([module.natural_terms(*row, *anchor) for row in rows])
    assert_allclose(terms, np.column_stack([eta, chosen.log_partition(eta)]), rtol=1e-12)
    moments = np.array([module.moments(*row, *anchor) for row in rows])
    covariance = chosen.covariance_statistics(eta).reshape(-1, 4)[:, [0, 1, 3]]
    assert_allclose(moments, np.column_stack([chosen.mean_statistics(eta), covariance]), rtol=1e-11)
    slopes = np.array([module.natural_slopes(*row, *anchor) for row in rows])
    first, second = chosen.natural_derivatives(rows)
    bends = second.reshape(-1, 2, 4)[:, :, [0, 1, 3]].reshape(-1, 6)
    assert_allclose(slopes, np.column_stack([first.reshape(-1, 4), bends]), rtol=1e-12, atol=1e-12)
    means, starts = chosen.mean_statistics(eta), np.roll(rows, 1, axis=0)
    found = [module.maximum(*m, *s, *anchor) for m, s in zip(means, starts, strict=True)]
    assert_allclose(found, rows, rtol=1e-9)


@pytest.mark.parametrize("name", CODED)
def test_there_is_no_m_step_where_all_mass_is_on_one_point(name: str) -> None:
    chosen = sample(name).family
    mean = chosen.statistics(np.array([0.3]))[0]
    found = MODULES[name].maximum(*mean, 2.0, 2.0, chosen.centre, chosen.scale)
    assert not np.isfinite(found).all()


# ------------------------------------------------------------------------------------- passes


@pytest.mark.parametrize("sketched", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 16])
@pytest.mark.parametrize("name", CODED)
def test_passes_are_numpys(name: str, count: int, sketched: bool) -> None:
    s = sample(name, 1111)
    s = s.sketch(300) if sketched else s
    batch = batch_near(name, s, count, size=3)
    plain = numpy_only(s)
    assert_allclose(s.log_likelihoods(batch), plain.log_likelihoods(batch), rtol=1e-12)
    for one, two in zip(s.expectations(batch), plain.expectations(batch), strict=True):
        assert_allclose(one, two, rtol=1e-11, atol=1e-11)
    for one, two in zip(s.hessians(batch), plain.hessians(batch), strict=True):
        assert_allclose(one, two, rtol=1e-10, atol=1e-10 * np.abs(two).max())
    for one, two in zip(s.gradient(batch[1]), plain.gradient(batch[1]), strict=True):
        assert_allclose(one, two, rtol=1e-10, atol=1e-10 * np.abs(two).max())
    assert s.passes == plain.passes


def test_a_value_is_scipys() -> None:
    s = sample("beta", 3000)
    m = Mixture(s.family, np.array([0.3, 0.7]), components("beta")[:2])
    joint = s.family.scipy_distribution(m.parameters).logpdf(s.observations)
    exact = special.logsumexp(joint + np.log(m.weights)[:, None], axis=0).sum()
    assert s.log_likelihood(m) == pytest.approx(exact, rel=1e-13)


class Tilted(Beta):
    """A family that inherits a code, with parameters that mean something else."""

    name = "tilted"

    def natural(self, parameters: np.ndarray) -> np.ndarray:
        return 2.0 * parameters - 1.0


def test_a_family_that_inherits_a_code_keeps_its_own_formulas() -> None:
    x = sample("beta").observations
    for s in (Sample.of(x, Tilted()), Sample.of(x, Tilted()).sketch(64)):
        assert s.compiled_rows is not None
        assert s.compiled_rows.code == -1
        assert s.compiled_rows.function("sums") is not None
        batch, plain = batch_near("beta", s, 3, size=2), numpy_only(s)
        for one, two in zip(s.expectations(batch), plain.expectations(batch), strict=True):
            assert_allclose(one, two, rtol=1e-12)
        assert_array_equal(s.hessians(batch)[2], plain.hessians(batch)[2])


def test_a_component_without_weight_has_no_mass() -> None:
    s = sample("gamma")
    weights = np.array([[0.4, 0.6, 0.0], [1.0, 0.0, 0.0]])
    parameters = np.stack([components("gamma")] * 2)
    _, mass, totals = s.expectations(MixtureBatch(s.family, weights, parameters))
    assert (mass[weights == 0.0] == 0.0).all()
    assert (totals[weights == 0.0] == 0.0).all()
    _, mass, _ = s.expectations(MixtureBatch(s.family, weights[1:, :2], parameters[1:, :2]))
    assert mass[0, 1] == 0.0


def test_what_is_not_a_number_is_not_hidden() -> None:
    s = sample("beta")
    parameters = np.stack([components("beta")] * 2)
    parameters[0, 1, 0] = np.nan
    batch = MixtureBatch(s.family, np.full((2, 3), 1.0 / 3.0), parameters)
    for values in (s.log_likelihoods(batch), s.expectations(batch)[0], s.hessians(batch)[0]):
        assert np.isnan(values).tolist() == [True, False]
    pair = MixtureBatch(s.family, np.full((2, 2), 0.5), parameters[:, :2])
    assert np.isnan(s.log_likelihoods(pair)).tolist() == [True, False]


def test_sums_over_many_rows_are_those_of_extended_precision() -> None:
    s = sample("beta", 1_000_000)
    m = Mixture(s.family, np.array([0.5, 0.2, 0.3]), components("beta"))
    rows = s.rows.astype(np.longdouble)
    eta = s.family.natural(m.parameters)
    joint = rows @ eta.T + (np.log(m.weights) - s.family.log_partition(eta))
    largest = joint.max(axis=1, keepdims=True)
    densities = np.exp(joint - largest)
    total = densities.sum(axis=1, keepdims=True)
    shares = densities / total
    value, mass, totals = s.expectation(m)
    assert value == pytest.approx(float((largest + np.log(total)).sum()), rel=2e-14)
    assert_allclose(mass, shares.sum(axis=0).astype(float), rtol=2e-14)
    assert_allclose(totals, (shares.T @ rows).astype(float), rtol=2e-14)


def test_a_narrow_component_far_from_zero_keeps_its_digits() -> None:
    """The Hessian of a spike: sums of squares about 0 would leave no digit."""
    x = 1080.0 + 0.03 * np.random.default_rng(0).normal(size=800)
    s = Sample.of(np.concatenate([x, np.linspace(200.0, 3000.0, 400)]), family("gamma"))
    shape = (1080.0 / 0.03) ** 2
    m = Mixture(s.family, np.array([0.6, 0.4]), np.array([[shape, shape / 1080.0], [3.0, 3e-3]]))
    for order in ((0, 1), (1, 0)):
        at = m.permuted(order)
        _, gradient, hessian = s.hessian(at)
        _, exact_gradient, exact = numpy_only(s).hessian(at)
        assert_allclose(gradient, exact_gradient, rtol=1e-6, atol=1e-6 * np.abs(exact).max())
        assert_allclose(hessian, exact, rtol=1e-6, atol=1e-6 * np.abs(exact).max())


@pytest.mark.parametrize("count", [2, 3])
def test_bits_depend_neither_on_place_nor_on_company_nor_on_threads(count: int) -> None:
    s = sample("beta", 5000)
    batch = batch_near("beta", s, count, size=6)
    together = [*s.expectations(batch), *s.hessians(batch)]
    for index in (0, 5):
        alone = [*s.expectations(batch.take([index])), *s.hessians(batch.take([index]))]
        for one, two in zip(together, alone, strict=True):
            assert_array_equal(one[index], two[0])
    rows = s.compiled_rows
    assert rows is not None
    for shift in range(1, 9):  # elsewhere in memory
        place = np.empty(rows.rows.size + shift)[shift:].reshape(rows.rows.shape)
        place[:] = rows.rows
        moved = replace(rows, rows=place).expectations(batch)
        assert moved is not None
        assert_array_equal(moved[1], together[1])
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: s.hessians(batch), range(8)):
            assert_array_equal(found[2], together[-1])


# ------------------------------------------------------------------------------------- rounds


def state_of(restarts: object) -> dict[str, np.ndarray]:
    return {k: v.copy() for k, v in vars(restarts).items() if isinstance(v, np.ndarray)}


def assert_same_state(one: object, two: object) -> None:
    for name, value in state_of(one).items():
        other = getattr(two, name)
        if value.dtype == np.float64:
            scale = np.nanmax(np.abs(value[np.isfinite(value)]), initial=1.0)
            assert_allclose(other, value, rtol=1e-6, atol=1e-6 * scale, err_msg=name)
        else:
            assert_array_equal(other, value, err_msg=name)


@pytest.mark.parametrize("accelerate", [0.0, 1.0])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CODED)
def test_rounds_of_em_are_numpys(name: str, count: int, accelerate: float) -> None:
    s = sample(name, 900)
    starts = batch_near(name, s, count, size=5, spread=0.4)
    starts.weights[3], starts.parameters[3] = np.eye(count)[0], starts.parameters[2]  # leaves
    rules = em_round.Rules(7, 1e-4, 1e-14, 1e9, accelerate)
    one, two = em_round.Restarts.at(starts), em_round.Restarts.at(starts)
    plain = numpy_only(s)
    for _ in range(5):
        em_round.advance(s, one, rules)
        with np.errstate(all="ignore"):
            em_round.advance(plain, two, rules)
        for each in (one, two):  # leaps that are taken back, too
            each.points[each.leaping & (np.arange(5) == 1)] += 3.0
        assert_same_state(one, two)
    assert set(one.state.tolist()) == {em_round.EXHAUSTED, em_round.OUTSIDE}
    assert s.passes == plain.passes


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", CODED)
def test_steps_of_newton_are_numpys(name: str, count: int) -> None:
    s = sample(name, 900)
    starts = batch_near(name, s, count, size=5, spread=0.6)
    plain = numpy_only(s)
    one, two = (newton_round.Restarts.at(each, starts) for each in (s, plain))
    rejected = False
    for _ in range(12):
        before = one.points.copy()
        assert one.advance(1e-6) == newton_round.numpy_round(two, 1e-6)
        rejected |= bool((one.points == before).all(axis=1).any())
        assert_same_state(one, two)
    assert rejected
    assert s.passes == plain.passes


# ---------------------------------------------------------------------------------- the cache

PASS = """
import sys, warnings
import numpy as np
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from scenarios.sketch import Sketch
size = int(sys.argv[1])
warnings.simplefilter("always")
s = Sample.of(np.random.default_rng(0).beta(2.0, 3.0, size), family("beta"))
m = Mixture(s.family, np.array([0.4, 0.6]), np.array([[2.0, 2.0], [1.0, 3.0]]))
print(repr(s.log_likelihood(m)), "numba" in sys.modules)
"""


def passed(
    folder: Path, size: int = 3000, choice: str = "", before: str = ""
) -> tuple[float, bool, list[str]]:
    """A pass in another process: the likelihood, whether numba was imported, and warnings."""
    environment = {**os.environ, "MIXTUREBENCH_COMPILED": str(folder), loading.CHOICE: choice}
    command = [sys.executable, "-c", before + PASS, str(size)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    value, imported = done.stdout.split()
    warned = [line for line in done.stderr.splitlines() if "Warning" in line]
    return float(value), imported == "True", warned


def files(folder: Path) -> dict[str, int]:
    return {str(p): p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix in (".nbi", ".nbc")}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder in which one function is stored, by the only one of two processes that compiled."""
    folder = tmp_path_factory.mktemp("stored")
    with ThreadPoolExecutor(2) as pool:
        (value, *_), (other, *_) = pool.map(lambda _: passed(folder, choice="compiled"), range(2))
    assert value == other
    assert len([name for name in files(folder) if name.endswith(".nbc")]) == 1
    return folder, value


def test_a_small_job_waits_for_no_compiler(tmp_path: Path, stored: tuple[Path, float]) -> None:
    value, imported, warned = passed(tmp_path)
    assert (imported, warned) == (False, [])
    assert value == pytest.approx(stored[1], rel=1e-13)
    assert not list(tmp_path.iterdir())


def test_a_stored_function_is_used_by_the_next_process(stored: tuple[Path, float]) -> None:
    folder, value = stored
    before = files(folder)
    assert passed(folder) == (value, True, [])
    assert files(folder) == before


def test_a_stored_function_is_read_from_a_folder_that_cant_be_written(
    stored: tuple[Path, float], tmp_path: Path
) -> None:
    folder = shutil.copytree(stored[0], tmp_path / "stored")
    readonly(folder)
    try:
        assert passed(folder) == (stored[1], True, [])
    finally:
        writable(folder)


@pytest.mark.parametrize("place", ["file", "/proc/nowhere"])  # it can't be read, or written
def test_without_a_place_for_it_a_function_is_compiled_in_memory(
    stored: tuple[Path, float], tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    blocked = tmp_path / place
    value, imported, warned = passed(blocked, choice="compiled")
    assert (value, imported) == (stored[1], True)
    assert len(warned) == 1
    assert "can't be stored" in warned[0]
    assert "set MIXTUREBENCH_COMPILED" in warned[0]


def test_without_numba_passes_are_numpys(stored: tuple[Path, float], tmp_path: Path) -> None:
    missing = "import sys; sys.modules['numba'] = None\n"
    value, _, warned = passed(tmp_path, choice="compiled", before=missing)
    assert value == pytest.approx(stored[1], rel=1e-13)
    assert len(warned) == 1
    assert "the passes are not compiled (ModuleNotFoundError" in warned[0]


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95 no pickle"])
def test_a_damaged_file_is_written_anew(
    stored: tuple[Path, float], tmp_path: Path, suffix: str, content: bytes
) -> None:
    folder = shutil.copytree(stored[0], tmp_path / "stored")
    (damaged,) = folder.rglob(f"*{suffix}")
    whole = damaged.stat().st_size
    damaged.write_bytes(content)
    assert passed(folder) == (stored[1], True, [])
    (again,) = folder.rglob(f"*{suffix}")
    assert again.stat().st_size > whole // 2


def test_other_source_has_another_folder(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    command = [
        sys.executable,
        "-c",
        "from scenarios.kernels.folder import *; print(kernel_folder())",
    ]

    def folder() -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
        )
        return done.stdout.strip()

    same = folder()
    assert same == str(kernel_folder())
    with (tmp_path / "scenarios" / "families" / "polygamma.py").open("a") as file:
        file.write("\nLARGE = 12.0\n")
    assert folder() != same


def readonly(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def writable(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


# -------------------------------------------------------------------------------- the sketch


@pytest.mark.parametrize("name", CODED)
def test_a_sketch_is_numpys(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = sample(name, 200_000).observations
    x = np.concatenate([x, x[:20] * 1e-5, x[:20] * 0.5])  # some are outside the window
    chosen = family(name).anchored(x)
    assert compiled("add_to_cells", False, 1) is not None
    one = Sketch(chosen)
    one.add(x)
    monkeypatch.setattr("scenarios.sketch.compiled", lambda *_: None)
    two = Sketch(chosen)
    two.add(x)
    for bins in (64, 4096):
        for mine, theirs in zip(one.rows(bins), two.rows(bins), strict=True):
            assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13)


def test_observations_that_can_not_be_written_to_are_sketched() -> None:
    x = sample("normal", 2000).observations.copy()
    expected = Sample.of(x, family("normal")).sketch(64)
    x.flags.writeable = False  # as those of a mapped file
    sketch = Sample.of(x, family("normal")).sketch(64)
    assert_array_equal(sketch.rows, expected.rows)
    assert_array_equal(sketch.counts, expected.counts)
