"""mixturebench in Python: run and compare methods that fit mixtures, and fit data of your own.

    import mixturebench as mb

    run = mb.run(scenarios=["founding"], fitters=["em", mb.Direct()], restarts=20, out="demo")
    run.summary()
    answer = mb.fit([...], family="normal", components=range(1, 5))

The command line calls these functions. What is wrong with an argument is a ``UserError``, with
the same sentence as there. Everything heavy is imported when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from benchmarks.compare.run import Run
    from benchmarks.compare.verdict import Comparison
    from benchmarks.fit.answer import Answer
    from benchmarks.reference.certificate import Reference
    from benchmarks.reference.scipy_mixture import ScipyMixture
    from benchmarks.runner.estimate import Estimate
    from benchmarks.runner.progress import Progress
    from benchmarks.scoring.score import Score
    from fitters.base import Fit, Fitter
    from scenarios.mixture import Mixture

_HOMES = {
    "scenarios.errors": ("UserError",),
    "scenarios.mixture": ("Mixture",),
    "fitters.base": ("Fit", "Fitter", "Prepared"),
    "fitters.em": ("EM",),
    "fitters.newton": ("Newton",),
    "fitters.direct": ("Direct",),
    "fitters.gradient": ("Gradient",),
    "fitters.mcmc": ("MCMC",),
    "benchmarks.report.inventory": ("scenarios", "fitters", "starts", "families", "settings"),
    "benchmarks.runner.contract": ("check_fitter",),
    "benchmarks.compare.run": ("Run",),
    "benchmarks.compare.against": ("run_against",),
    "benchmarks.compare.baseline": ("write_baseline",),
    "benchmarks.reference.cache": ("cache", "clear_cache"),
    "benchmarks.scoring.published": ("results",),
    "benchmarks.scoring.truth_errors": ("information_errors",),
    "benchmarks.scoring.upper_bound": ("upper_bound",),
}
"""The other public names, by the modules that define them."""
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["compare", "estimate", "fit", "load", "reference", "run", "score", *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mixturebench")
    if name not in _HOME:
        raise AttributeError(f"mixturebench has no {name!r}: it has {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def run(
    scenarios: Iterable[str] = (),
    fitters: Iterable[str | Fitter] = (),
    *,
    data: ArrayLike | str | Path | None = None,
    column: str | None = None,
    family: str | None = None,
    components: int | None = None,
    starts: Iterable[str] = (),
    restarts: int | None = None,
    data_sets: int | None = None,
    seed: int | None = None,
    profile: str | None = None,
    timeout: float | None = None,
    setup_timeout: float | None = None,
    memory: float | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    dask: str | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Run:
    """Run fitters on scenarios, or on ``data`` of your own, and record every fit in a folder.

    ``fitters`` are specs such as "em:tolerance=1e-6" or objects, of your own classes too. A run
    that is in ``out`` is resumed, and grows by what is asked for beyond it; by default the
    folder is a new one below results/runs/. ``data`` (n,) or a file need a ``family``. Limits:
    ``timeout`` and ``setup_timeout`` in seconds, ``memory`` in MB. What is left out, ``profile``
    decides. ``progress`` is called after every trial; by default a line shows it.
    """
    chosen = dict(locals())
    for name in ("out", "workers", "dask", "progress"):
        del chosen[name]
    from benchmarks.compare.run import Run
    from benchmarks.runner.choices import Choices
    from benchmarks.runner.execution import run_choices
    from benchmarks.runner.progress import say, show_line
    from scenarios.errors import UserError

    for name, given in (("scenarios", scenarios), ("fitters", fitters)):
        if given == []:
            raise UserError(f"{name}=[] leaves nothing to run: name one, or leave it out")
    choices, folder = Choices.of(chosen), None if out is None else Path(out)
    try:
        return Run(run_choices(choices, folder, workers, dask, progress or show_line))
    finally:
        say("")


def estimate(
    scenarios: Iterable[str] = (),
    fitters: Iterable[str | Fitter] = (),
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    **choices: Any,
) -> Estimate:
    """The trials that ``run`` would run with these choices, and about how long they take."""
    from benchmarks.runner.choices import Choices
    from benchmarks.runner.estimate import estimate as estimated
    from benchmarks.runner.execution import planned

    chosen = Choices.of({"scenarios": scenarios, "fitters": fitters, **choices})
    plan, folder = planned(chosen, None if out is None else Path(out))
    return estimated(plan, folder, workers)


def load(folder: str | Path) -> Run:
    """The run in a folder; ``UserError`` if there is none."""
    from benchmarks.compare.run import Run

    return Run(folder)


def compare(
    base: str | Path,
    new: str | Path | None = None,
    alpha: float | None = None,
    fitters: tuple[str, str] | None = None,
) -> Comparison:
    """Whether the run in ``new`` is worse than that in ``base``, trial by trial.

    With two ``fitters``, whether the second is worse than the first, both in the run ``base``.
    """
    from benchmarks.compare.folders import compare_folders

    return compare_folders(Path(base), None if new is None else Path(new), alpha, fitters)


def reference(
    x: ArrayLike | str, family: str | None = None, components: int | None = None, seed: int = 0
) -> Reference:
    """The best known optimum of observations ``x`` (n,) or of a scenario, with its certificate."""
    from benchmarks.scoring.data_set import DataSet

    return DataSet.given(x, family, components, seed).reference


def score(
    mixture: Mixture | ScipyMixture | Fit | Answer, x: ArrayLike, reference: Reference | None = None
) -> Score:
    """Score a mixture, a fit's or an answer's, as a fit of observations ``x`` (n,)."""
    from benchmarks.scoring.mixture_score import score_mixture

    return score_mixture(mixture, x, reference)


def fit(
    x: ArrayLike | str | Path,
    family: str = "auto",
    components: int | str | Iterable[int] = range(1, 5),
    *,
    column: str | None = None,
    fitters: Iterable[str | Fitter] = (),
    restarts: int = 20,
    seed: int = 0,
    drop_missing: bool = False,
    methods: bool = False,
    by: str = "group",
    test: bool = False,
    bootstrap: bool = False,
    costs: Iterable[float] = (),
) -> Answer:
    """Fit a mixture to observations ``x`` (n,) or a file, choosing among families and K by BIC.

    With ``methods`` every method is run on the chosen family and K too, which takes about a
    minute: ``answer.methods`` says which finds the optimum, how often and at what cost. Shares,
    cuts and rows are ``by`` group, the components under one peak, or by "component". ``test``
    tests the number of components against one fewer, which else happens where BIC is unclear;
    ``bootstrap`` is for the errors of groups; ``costs`` are those of a misplaced observation of
    each group, for the cuts.
    """
    from benchmarks.fit.find import find_mixture
    from benchmarks.fit.options import Options
    from benchmarks.runner.progress import say
    from scenarios.data_files import as_data

    options = Options.of(
        family, components, fitters, costs, restarts=restarts, seed=seed, by=by, test=test,
        bootstrap=bootstrap,
    )  # fmt: skip
    try:
        answer = find_mixture(as_data(x, column, drop_missing), options, say)
        return answer.with_methods(say) if methods else answer
    finally:
        say("")
