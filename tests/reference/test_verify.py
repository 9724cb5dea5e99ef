"""Wrong formulas, planted in every family, are refused by name before a score rests on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.reference.ascent import ascend
from benchmarks.reference.search import find_reference
from benchmarks.reference.verify import FamilyError
from benchmarks.runner.journal import TRIALS, read, to_line
from scenarios.families import ExponentialFamily, families, family
from scenarios.kernels.compiled_rows import CompiledRows
from scenarios.mixture import Mixture
from scenarios.sample import Sample
from tests.conftest import mixture, mixturebench

EXPONENTIAL = [name for name, cls in families().items() if issubclass(cls, ExponentialFamily)]
OTHERS = [name for name in families() if name not in EXPONENTIAL]


def plus(amount: float) -> Callable[[Any], Any]:
    return lambda value: value + amount


def times(factor: float) -> Callable[[Any], Any]:
    return lambda value: value * factor


def bent(derivatives: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    value, first, second = derivatives
    return value, first, 1.001 * second


PLANTS = [
    *((name, "statistics", plus(-0.1), "mean log density") for name in EXPONENTIAL),
    *((name, "log_partition", plus(1e-6), "mean log density") for name in EXPONENTIAL),
    *((name, "log_base", plus(1e-6), "mean log density") for name in EXPONENTIAL),
    *((name, "mean_statistics", times(1.001), "gradient") for name in EXPONENTIAL),
    *((name, "log_density", plus(1e-6), "mean log density") for name in OTHERS),
    *((name, "score", times(1.001), "gradient") for name in OTHERS),
    *((name, "derivatives", bent, "Hessian") for name in OTHERS),
    *((name, "covariance_statistics", times(1.001), "Hessian") for name in EXPONENTIAL),
    *((name, "cdf", times(1.0 - 1e-6), "distribution function") for name in families()),
    *((name, "quantile", times(1.001), "quantile function") for name in families()),
]


def plant(patch: pytest.MonkeyPatch, name: str, method: str, change: Callable[[Any], Any]) -> None:
    """Change what a method of a family returns."""
    cls = families()[name]
    before = getattr(cls, method)
    patch.setattr(cls, method, lambda self, *args: change(before(self, *args)))


@pytest.mark.usefixtures("numpy_passes")
@pytest.mark.parametrize(("name", "method", "change", "what"), PLANTS)
def test_a_wrong_formula_is_refused_by_name(
    name: str, method: str, change: Callable[[Any], Any], what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    x = mixture(name, 2).sample(300, 1)
    find_reference(Sample.of(x, family(name)), 2, 0.02)
    plant(monkeypatch, name, method, change)
    with pytest.raises(FamilyError, match=f"the {what} of the family '{name}' is"):
        find_reference(Sample.of(x, family(name)), 2, 0.02)


@pytest.mark.usefixtures("compiled_passes")
@pytest.mark.parametrize("name", EXPONENTIAL)
@pytest.mark.parametrize(
    ("method", "change", "what"),
    [
        ("likelihoods", times(1.0 + 1e-8), "mean log density"),
        ("gradients", lambda found: (found[0], 1.001 * found[1]), "gradient"),
        ("hessians", bent, "Hessian"),
    ],
)
def test_a_wrong_compiled_pass_is_refused_by_name(
    name: str, method: str, change: Callable[[Any], Any], what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    x = mixture(name, 2).sample(300, 1)
    before = getattr(CompiledRows, method)
    monkeypatch.setattr(CompiledRows, method, lambda self, *args: change(before(self, *args)))
    with pytest.raises(FamilyError, match=f"the {what} of the family '{name}' is"):
        find_reference(Sample.of(x, family(name)), 2, 0.02)


SCENARIOS = {
    "beta": "small", "gamma": "gamma_pair", "lognormal": "lognormal_pair",
    "normal": "normal_skewed", "student_t": "student_pair", "weibull": "weibull_pair",
}  # fmt: skip


@pytest.mark.usefixtures("numpy_passes")
@pytest.mark.parametrize("name", families())
def test_every_command_that_scores_refuses_a_wrong_family(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = SCENARIOS[name]
    plan = (
        "run",
        "--scenario",
        scenario,
        "--fitter",
        "direct",
        "--restarts",
        "1",
        "--workers",
        "1",
    )
    assert mixturebench(*plan, "--out", "before", folder=tmp_path).returncode == 0
    # A comparison scores what differs, by the optima above the fits.
    shutil.copytree(tmp_path / "before", tmp_path / "other")
    (record,) = read(tmp_path / "other")[1]
    (tmp_path / "other" / TRIALS).write_bytes(to_line({**record, "iterations": 10**6}))
    for method, change in [(m, c) for family_, m, c, _ in PLANTS if family_ == name]:
        with monkeypatch.context() as patch:
            plant(patch, name, method, change)
            for command in (
                (*plan, "--out", "after"),
                ("report", "before"),
                ("score", "before"),
                ("compare", "before", "other"),
                ("reference", scenario),
            ):
                done = mixturebench(*command, folder=tmp_path)
                assert done.returncode == 2, (method, command)
                assert f"of the family '{name}' is" in done.stderr, (method, command)
            assert not (tmp_path / "after").exists()


def test_two_normal_components_of_students_t_are_a_reference() -> None:
    # df grows without bound where the data are normal; the limit is Student's t too.
    generator = np.random.default_rng(0)
    means = np.where(generator.random(1000) < 0.5, -4.0, 4.0)
    x = means + generator.standard_t(200.0, size=1000)
    wide = find_reference(Sample.of(x, family("student_t")), 2, 0.02)
    normal = find_reference(Sample.of(x, family("normal")), 2, 0.02)
    assert not wide.fewer_components
    assert wide.log_likelihood >= normal.log_likelihood - 1e-3
    assert all("is normal in the limit of large df" in limit for limit in wide.limits)
    assert all(limit in repr(wide) for limit in wide.limits)
    assert len(wide.limits) >= 1


def test_a_plateau_that_the_likelihood_falls_to_is_no_limit() -> None:
    # Three degrees of freedom: at df = 10¹² the likelihood is flat, and it rises to small df.
    x = np.random.default_rng(1).standard_t(3.0, size=500)
    sample = Sample.of(x, family("student_t"))
    far = Mixture(sample.family, np.ones(1), np.array([[1e12, 0.0, float(x.std())]]))
    end = ascend(sample, far)
    assert not end.at_limit
    df, loc, scale = stats.t.fit(x)
    assert end.mixture.parameters[0] == pytest.approx([df, loc, scale], rel=1e-2, abs=1e-2)
    assert end.log_likelihood >= stats.t.logpdf(x, df, loc, scale).sum() - 1e-6
