"""MCMC: the contract, a posterior that another program found, and the intervals of a fit.

The first session compiles the density of two betas, for half a minute; later ones load it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.runner.contract import check_fitter
from fitters.spec import parse
from fitters.starts import Start, policy
from scenarios.families import Family, family
from scenarios.families.base import Parameter
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load
from tests.conftest import mixturebench
from tests.report.test_report import Page


def broken_points(spec: str) -> dict[str, str]:
    """The points of the contract that a fitter breaks, and how."""
    return {point: reason for point, reason in check_fitter(spec) if reason is not None}


@pytest.mark.parametrize(
    "more",
    ["", ",bins=64", ",density=kernel", pytest.param(",sampler=pymc", marks=pytest.mark.slow)],
)
def test_contract(more: str) -> None:
    assert broken_points(f"mcmc:draws=50,tune=50{more}") == {}


@pytest.mark.parametrize(
    ("spec", "name", "components", "reason"),
    [
        ("mcmc", "beta", 1, "no weights to sample"),
        ("mcmc:density=kernel,sampler=pymc", "beta", 2, "use density=pymc"),
        ("mcmc:density=kernel", "numeric", 2, "numeric has no exact gradient"),
        ("mcmc:density=kernel", "weibull", 2, None),
        ("mcmc:bins=64", "weibull", 2, "no exponential family"),
    ],
)
def test_what_is_not_supported(spec: str, name: str, components: int, reason: str | None) -> None:
    class Numeric(Family):
        """A family whose derivatives are numeric."""

        name = "numeric"
        parameters = (Parameter("scale", "scale"),)

        def moment_estimate(self, x: np.ndarray) -> np.ndarray:
            return np.array([1.0])

    chosen = Numeric() if name == "numeric" else family(name)
    message = parse(spec).supports(Model(chosen, components))
    assert message is None if reason is None else reason in str(message)


@pytest.mark.parametrize("bins", [1024, pytest.param(0, marks=pytest.mark.slow)])
def test_the_founding_posterior(bins: int) -> None:
    scenario = load("founding")
    founding = Sample.of(scenario.observations(0, 0), scenario.family)
    model = Model(founding.family, 2)
    start = Start.of(policy("quantile"), founding, model, 0)
    prepared = parse(f"mcmc:bins={bins}").prepare(founding, model)
    fit = prepared.fit(start, 0, lambda copy: None)
    posterior = fit.posterior.posterior
    mean = (posterior["alpha"] / (posterior["alpha"] + posterior["beta"])).to_numpy()
    total = (posterior["alpha"] + posterior["beta"]).to_numpy()
    order = np.argsort(mean.mean(axis=(0, 1)))
    # Another program's posterior, and the Monte-Carlo error of a few hundred effective draws.
    assert_allclose(mean.mean(axis=(0, 1))[order], [0.132, 0.867], atol=6e-4)
    assert_allclose(mean.std(axis=(0, 1))[order], [0.001, 0.001], atol=6e-4)
    assert_allclose(total.mean(axis=(0, 1))[order], [11.55, 11.40], atol=0.04)
    assert_allclose(total.std(axis=(0, 1))[order], [0.26, 0.25], atol=0.03)
    assert fit.claimed is None  # a mean is no maximum
    # At least one leapfrog step a draw, tuning included, each a gradient over all rows.
    rows = len(founding.sketch(bins).counts) if bins else founding.size
    assert set(fit.passes) == ({"gradient", "hessian"} if bins else {"gradient"})
    assert fit.passes["gradient"] > 2 * 2000 * rows / founding.size


def test_a_posterior_has_intervals(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    x = np.concatenate([generator.beta(4.0, 20.0, 160), generator.beta(20.0, 4.0, 240)])
    np.savetxt(tmp_path / "x.csv", x)
    done = mixturebench(
        "fit", "x.csv", "--family", "beta", "--components", "2", "--fitter",
        "mcmc:draws=300,tune=300", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "90 % interval" in done.stdout
    page = Page((tmp_path / "x.fit.html").read_text())
    sampled = next(table for table in page.tables if "90 % interval" in table[0])
    estimates = next(table for table in page.tables if table[0][:2] == ["parameter", "estimate"])
    maximum = {row[0]: float(row[1]) for row in estimates[1:]}
    assert len(sampled) == 1 + 6
    for name, _, interval in sampled[1:]:
        low, high = map(float, interval.split(" to "))
        assert low < maximum[name] < high
