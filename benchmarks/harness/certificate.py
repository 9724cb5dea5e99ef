"""``mixturebench reference``: the best known optimum and its certificate, for people."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.data import draw_sample, free_parameters
from benchmarks.harness.judgement import cache_folder
from benchmarks.harness.laws import Array
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import Reference, find_reference
from scenarios.errors import UserError
from scenarios.scenario import load


def show(name: str, components: int | None, data_sets: int, seed: int) -> None:
    """Print the reference of data set 0, or the information errors of many data sets."""
    scenario = load(name)
    for option, value in (("--components", components), ("--data-sets", data_sets)):
        if value is not None and value < 1:
            raise UserError(f"{option} {value}: it takes a whole number of at least 1")
    count = components if components is not None else scenario.components
    if data_sets > 1:
        if components is not None and components != scenario.components:
            raise UserError(
                f"--data-sets compares with the truth, which has {scenario.components} "
                f"components, not {components}: leave --components out"
            )
        errors = information_errors(name, data_sets, seed)
        mean, error = float(errors.mean()), float(errors.std(ddof=1) / np.sqrt(errors.size))
        print(f"information error of the reference over {errors.size} data sets of {name}:")
        print(f"mean {mean:.3f} ± {error:.3f} (1 is the Cramér–Rao bound, for large samples)")
        return
    sample = draw_sample(scenario, 0, seed)
    if sample.size < free_parameters(sample.family, count):
        raise UserError(f"{sample.size} observations are too few for {count} components")
    floor = scenario.specification.spread_floor
    _print(name, sample.size, find_reference(sample, count, floor, cache_folder()))


def information_errors(name: str, data_sets: int, seed: int) -> Array:
    """The references' information errors over data sets 1 to ``data_sets``, drawn afresh.

    By the Cramér–Rao bound their mean is at least 1 for large samples, and maximum
    likelihood attains it: a check of Fisher information, alignment and search at once.
    """
    scenario = load(name)
    if scenario.truth is None:
        raise UserError(f"scenario {name!r} is real data: there is no truth to compare with")
    errors = []
    for data_set in range(1, data_sets + 1):
        problem = Problem.of(scenario, data_set, seed)
        if problem.why_no_error or problem.truth is None:
            raise UserError(f"scenario {name!r}: {problem.why_no_error}, so there is no error")
        found = find_reference(problem.sample, scenario.components, problem.floor, cache_folder())
        truth = problem.truth
        fitted = found.judged.permuted(judge.alignment(found.judged, truth, truth.information))
        gap = fitted.coordinates() - truth.coordinates()
        errors.append(problem.sample.size * float(gap @ truth.information @ gap) / truth.size)
    return np.array(errors)


def _print(name: str, n: int, found: Reference) -> None:
    from scenarios.families import family

    names = family(found.family).parameter_names()
    print(f"{name}, n = {n:,}: the best admissible {found.family} mixture found")
    for weight, row in sorted(
        zip(found.weights, found.parameters, strict=True), key=lambda c: c[1]
    ):
        told = ", ".join(f"{key} {value:.6g}" for key, value in zip(names, row, strict=True))
        print(f"  {weight:.6f} · {found.family}({told})")
    print(f"  log likelihood {found.log_likelihood:.6f}, NLL {-found.log_likelihood / n:.10f}")
    if found.fewer_components:
        print(f"  no admissible optimum with {found.components} components is better than this")
    print("certificate")
    print(f"  still to be gained, by the quadratic model: {found.predicted_gain:.1e} nats")
    print(
        f"  smallest eigenvalue of the mean observed information: {found.smallest_eigenvalue:.3g}"
    )
    print(f"  found by: {found.method}")
    unseen = "" if found.unseen is None else f"; about {found.unseen:.1f} more are still unseen"
    print(f"  {found.searches} searches met {len(found.optima)} distinct optima{unseen}")
    if found.directional is not None:
        print(
            f"  sup D = {found.directional:.4g}: no mixture of any number of components gains "
            f"more than {n * max(found.directional, 0.0):.4g} nats"
        )
    print("optima met, best first (log likelihood, searches that ended there)")
    for optimum in found.optima[:10]:
        why = f"  not admissible: {optimum.fault}" if optimum.fault else ""
        print(f"  {optimum.log_likelihood:14.4f}  {optimum.times:5d}{why}")
    if len(found.optima) > 10:
        print(f"  and {len(found.optima) - 10} more")
