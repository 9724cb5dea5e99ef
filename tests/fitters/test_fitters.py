"""Fitters: the contract, and the optima and posteriors that independent scripts found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import fields
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic.dataclasses import dataclass

from benchmarks.runner.contract import check_fitter
from benchmarks.runner.plan import Cell
from benchmarks.runner.trial import CellRunner
from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.em import EM
from fitters.relabelling import relabel
from fitters.spec import fitters, parse
from fitters.starts import Start, policy
from scenarios.errors import UserError
from scenarios.families import family
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.sample import Sample
from scenarios.scenario import load

# The founding data's optimum, found three ways by other code.
OPTIMUM = -0.4142118994
MERGED = -0.113622
BEST = [[1.5291, 10.0214], [9.8949, 1.5153]]


@pytest.fixture(scope="module")
def founding() -> Sample:
    scenario = load("founding")
    return Sample.of(scenario.observations(0, 0), scenario.family)


def fit_all(spec: str, data: Sample, start: str, restarts: range) -> list[tuple[float, Fit]]:
    """(mean NLL, fit) of each restart, of two components."""
    model = Model(data.family, 2)
    prepared, results = parse(spec).prepare(data, model), []
    for index in restarts:
        at = Start.of(policy(start), data, model, index)
        fit = prepared.fit(at, index, lambda copy: None)
        results.append((-data.log_likelihood(fit.mixture) / data.size, fit))
    return results


@pytest.mark.parametrize(
    "spec", ["em", "em:accelerate=false", "em:newton=true", "em:bins=64", "em:bins=64,batch=2",
             "newton", "newton:bins=64", "newton:bins=64,batch=2",
             "direct", "direct:method=L-BFGS-B",
             "gradient", "gradient:batch_size=64,max_epochs=20", "gradient:bins=64,max_epochs=50",
             pytest.param("gradient:bins=64", marks=pytest.mark.slow),
             "sklearn", "scipy_user", "pomegranate", "pomegranate:preset=tight"]
)  # fmt: skip
def test_contract(spec: str) -> None:
    wrong = {point: reason for point, reason in check_fitter(spec) if reason is not None}
    assert wrong == {}


def test_contract_is_run_on_every_fitter_here() -> None:
    assert set(fitters()) == {
        "direct", "em", "gradient", "mcmc", "newton", "pomegranate", "scipy_user", "sklearn",
    }  # fmt: skip


@pytest.mark.usefixtures("numpy_passes")  # compiled rounds count what numpy's make
@pytest.mark.parametrize(
    ("spec", "per_iteration"),
    [
        ("em", {"expectation": 1.0}),
        ("em:newton=true", {"expectation": 1.0}),
        ("em:accelerate=false", {"expectation": 1.0}),
        ("newton", {"hessian": 1.0}),
        ("direct", {}),
        ("direct:method=BFGS", {}),
        ("gradient:max_epochs=20", {"gradient": 1.0}),
        ("scipy_user", {}),
    ],
)
def test_passes_by_kernel_are_those_made(
    spec: str, per_iteration: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Sample.of(load("unequal").observations(0, 0), family("beta"))
    model, made = Model(data.family, 2), Counter[str]()
    start, prepared = Start.of(policy("quantile"), data, model, 1), parse(spec).prepare(data, model)

    def counted(name: str, kernel: str) -> None:
        original = getattr(Sample, name)

        def wrapped(self: Sample, batch: Any, *arguments: Any) -> Any:
            made[arguments[0] if arguments else kernel] += 1
            return original(self, batch, *arguments)

        monkeypatch.setattr(Sample, name, wrapped)

    counted("expectations", "expectation")  # its further argument is the kernel
    counted("gradient", "gradient")
    counted("hessians", "hessian")
    data.passes.clear()
    fit = prepared.fit(start, 0, lambda copy: None)
    assert fit.passes == pytest.approx(data.passes)
    if spec not in ("gradient:max_epochs=20", "scipy_user"):  # which use no kernel of the sample
        assert fit.passes == pytest.approx({k: float(n) for k, n in made.items()})
    for kernel, passes in per_iteration.items():
        extra = 1 if kernel == "hessian" else 0  # Newton evaluates its start
        assert fit.passes[kernel] == pytest.approx(passes * (fit.iterations + extra))


def test_passes_over_a_sketch_are_shares_of_one(founding: Sample) -> None:
    model = Model(founding.family, 2)
    start, prepared = Start.of(policy("quantile"), founding, model, 1), parse("em:bins=64")
    founding.passes.clear()
    fit = prepared.prepare(founding, model).fit(start, 0, lambda copy: None)
    share = len(founding.sketch(64).counts) / founding.size
    assert fit.passes == pytest.approx(founding.passes)
    assert fit.passes["expectation"] == pytest.approx(fit.iterations * share)
    # Its cost is judged by a gradient on the sketch and a Hessian on all cells of its grid.
    fine = len(founding.sketch(64).finer.counts) / founding.size  # type: ignore[union-attr]
    assert fit.passes["gradient"] == pytest.approx(share)
    assert (fit.passes["hessian"] - fine) / share == pytest.approx(
        round((fit.passes["hessian"] - fine) / share)
    )


@pytest.mark.parametrize(
    "spec",
    ["direct", "em", "em:newton=true", "newton", "direct:method=L-BFGS-B", "direct:method=BFGS"],
)
def test_the_founding_optimum_from_every_quantile_start(spec: str, founding: Sample) -> None:
    for nll, fit in fit_all(spec, founding, "quantile", range(20)):
        assert nll == pytest.approx(OPTIMUM, abs=1e-8)
        rows = fit.mixture.parameters[np.argsort(fit.mixture.parameters[:, 0])]
        # em stops 1e-4 nats short, which is some 1e-3 in the parameters
        assert_allclose(rows, BEST, rtol=1e-3)
        assert fit.claimed


def test_a_minibatch_costs_its_share_of_a_pass(founding: Sample) -> None:
    small = Sample.of(founding.observations[:300], founding.family)
    model = Model(small.family, 2)
    prepared = parse("gradient:batch_size=64,max_epochs=3,tolerance=0").prepare(small, model)
    start = Start.of(policy("quantile"), small, model, 1)
    small.passes.clear()
    prepared.fit(start, 0, lambda copy: None)
    assert small.passes == {"gradient": pytest.approx(3.0)}  # 64 + 64 + 64 + 64 + 44 an epoch


def test_the_article_reproduced(founding: Sample) -> None:
    (nll, fit), *_ = fit_all("gradient:preset=article", founding, "article", range(1, 2))
    assert nll == pytest.approx(-0.41419, abs=1e-5)
    assert_allclose(fit.mixture.parameters, [[1.5257, 9.9830], [10.0109, 1.5317]], atol=1e-3)
    assert_allclose(fit.mixture.weights, [0.4997, 0.5003], atol=1e-3)
    assert fit.iterations == 100
    assert fit.claimed is None  # it runs its epochs, and makes no claim


def test_the_article_from_another_start_merges_both_components(founding: Sample) -> None:
    (nll, _), *_ = fit_all("gradient:preset=article", founding, "article", range(1))
    assert nll == pytest.approx(MERGED, abs=1e-5)


@pytest.mark.parametrize("start", ["quantile", "kmeans"])
def test_gradient_descent_needs_no_exponential_family(start: str) -> None:
    scenario = load("student_pair")
    data = Sample.of(scenario.observations(0, 5), scenario.family)
    (best, _), *_ = fit_all("direct", data, start, range(1))
    (nll, _), *_ = fit_all("gradient", data, start, range(1))
    assert nll == pytest.approx(best, abs=5e-4)


@pytest.mark.parametrize("same_mean", [False, True])
def test_relabelling_undoes_switches(same_mean: bool) -> None:
    generator = np.random.default_rng(0)
    rows = [[2.0, 2.0], [40.0, 40.0], [3.0, 20.0]] if same_mean else [[3, 20], [20, 3], [9, 9]]
    truth = np.column_stack([[0.5, 0.3, 0.2], np.array(rows, dtype=float)])
    draws = truth * np.exp(0.1 * generator.normal(size=(2, 300, 3, 3)))
    switched = draws.copy()
    orders = list(permutations(range(3)))
    for chain in range(2):
        for draw in range(300):
            switched[chain, draw] = draws[chain, draw][list(orders[generator.integers(6)])]
    found = relabel(switched, family("beta"))
    reference = found.reshape(-1, 3, 3).mean(axis=0)
    order = np.argmin(np.abs(truth[:, None] - reference[None]).sum(axis=2), axis=1)
    assert_allclose(found[:, :, order], draws)


class Fixed(Fitter):
    """Returns its starts as a batch, each with one of ``extras``; None: with four fields only."""

    name = "fixed"
    extras: Sequence[Any] = (None,)

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        return _Fixed()


class _Fixed(Prepared):
    @property
    def batch(self) -> int:
        return len(Fixed.extras)

    def fit(self, start: Start, seed: int, observe: Any) -> Fit:
        return self.fit_many([start], [seed])[0]

    def fit_many(self, starts: Sequence[Start], seeds: Sequence[int]) -> list[Fit]:
        return [
            Fit(start.mixture, True, 3, {"density": 1.0}, **({} if e is None else {"extra": e}))
            for start, e in zip(starts, Fixed.extras, strict=True)
        ]


@pytest.mark.parametrize(
    ("extras", "outcomes"),
    [
        ([None], "returned"),
        ([{"restarts": [1, 2], "name": "é"}], "returned"),
        ([{"gap": math.nan}], "error"),
        ([{"gap": math.inf}, {"gap": 0.5}, None], "error returned returned"),
        ([{}, {"matrix": np.eye(2)}, {"gap": None}], "returned error returned"),
    ],
)
def test_a_fit_needs_four_fields_and_its_extra_is_recorded(
    extras: list[Any], outcomes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fitters(), "fixed", Fixed)
    monkeypatch.setattr(Fixed, "extras", extras)
    scenario = load("small")
    data = Sample.of(scenario.observations(0, 0), scenario.family)
    trials = tuple(("quantile", restart) for restart in range(len(extras)))
    runner = CellRunner(Cell(scenario, 0, "fixed", 0, trials), data)
    runner.prepare(None)
    records = runner.run(trials)
    assert [record["outcome"] for record in records] == outcomes.split()
    for record, extra in zip(records, extras, strict=True):
        if record["outcome"] == "error":  # of this trial alone: strict JSON can't hold its extra
            assert "JSON" in record["message"]
            assert "extra" not in record
        else:
            assert record.get("extra") == extra
            assert (record["claimed"], record["iterations"], record["message"]) == (True, 3, "")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("emm", "did you mean 'em'"),
        ("em:tolerence=1", "did you mean 'tolerance'"),
        ("em:tolerance", "not of the form"),
        ("em:tolerance=0", "greater than 0"),
        ("em:tolerance=x", "valid number"),
        ("em:tolerance=1,tolerance=2", "twice"),
        ("em:preset=article", "no presets"),
        ("em:bins=8", "at least 16 rows"),
        ("gradient:preset=artikle", "did you mean 'article'"),
        ("direct:method=simplex", "method=simplex"),
        ("direct:batch=2", "no direct setting 'batch'"),
    ],
)
def test_wrong_specs(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse(spec)


def test_settings_are_converted_and_presets_can_be_overridden() -> None:
    fitter = parse("gradient:preset=article,max_epochs=7")
    settings = {f.name: getattr(fitter, f.name) for f in fields(fitter)}  # type: ignore[arg-type]
    assert settings["max_epochs"] == 7
    assert settings["learning_rate"] == 1.0
    assert settings["precision"] == "float32"
    # In Python the sentence is that of the command line.
    with pytest.raises(UserError, match=r"em: tolerance=-1.0: it should be greater than 0"):
        EM(tolerance=-1.0)
    with pytest.raises(UserError, match=r"tolerance=-1: it should be greater than 0"):
        parse("em:tolerance=-1")


@pytest.mark.parametrize(
    ("breach", "point"),
    [
        ("second", "the same start and seed give the same mixture"),
        ("many", "fit_many() gives each start what fit() gives it"),
        ("rebind", "rebind() gives what preparing anew gives"),
        ("supports", "supports() gives a sentence, or None"),
        ("iterate", "the mixtures given to observe() are valid"),
        ("ragged", "fit() returns a Fit of a valid mixture, with its claims"),
        ("iterations", "fit() returns a Fit of a valid mixture, with its claims"),
    ],
)
def test_the_contract_names_the_point_that_an_exception_breaks(breach: str, point: str) -> None:
    calls = []

    @plain_dataclass
    class Prepared_(Prepared):
        batch = 2 if breach == "many" else 1  # type: ignore[assignment]

        def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
            calls.append(seed)
            if breach == "second" and len(calls) == 2:
                raise RuntimeError("worn out")
            observe(lambda: None if breach == "iterate" else start.mixture)  # type: ignore[arg-type,return-value]
            mixture: Any = start.mixture
            if breach == "ragged":
                mixture = Mixture(mixture.family, [[1.0], [1.0, 2.0]], mixture.parameters)
            iterations = float("inf") if breach == "iterations" else 1
            return Fit(mixture, None, iterations, {"likelihood": 1.0})  # type: ignore[arg-type]

        def fit_many(self, starts: Any, seeds: Any) -> list[Fit]:
            raise RuntimeError("one at a time")

        def rebind(self, sample: Sample) -> Prepared | None:
            if breach == "rebind":
                raise RuntimeError("bound")
            return None

    @dataclass(frozen=True)
    class Breaks(Fitter):
        """Breaks one point."""

        counted_by = "fitter"

        def supports(self, model: Model) -> str | None:
            if breach == "supports":
                raise RuntimeError("unsure")
            return None

        def prepare(self, sample: Sample, model: Model) -> Prepared:
            return Prepared_()

    wrong = {name: reason for name, reason in check_fitter(Breaks()) if reason is not None}
    assert list(wrong) == [point]


def test_every_tensor_of_the_module_moves_with_it(founding: Sample) -> None:
    import torch

    model = Model(founding.family, 2)
    start = Start.of(policy("quantile"), founding, model, 1)
    for spec in ("gradient", "gradient:bins=64", "gradient:density=distribution"):
        prepared: Any = parse(spec).prepare(founding, model)
        module = prepared.module(start.mixture, lambda copy: None)
        own = [name for name, value in vars(module).items() if isinstance(value, torch.Tensor)]
        assert own == []  # Lightning moves parameters and buffers to the accelerator, no others
        moved = dict(module.named_buffers())
        assert moved.keys() == {"columns", "counts", "unit", "shift", "positive"}
