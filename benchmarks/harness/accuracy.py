"""How far a fitted mixture is from the truth, where there is one that can be told."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.harness import judge
from benchmarks.harness.problem import Problem


def coverage_of(quantiles: Any, fitted: judge.Judged, problem: Problem) -> dict[str, Any]:
    """Which true weights and parameters a posterior's central intervals hold, labels aligned."""
    if quantiles is None or problem.truth is None or problem.why_no_error:
        return {}
    truth = problem.truth
    order = judge.alignment(fitted, truth, truth.information)
    table = np.array(quantiles, dtype=float)[:, list(order)]  # (level, K, 1 + d)
    target = np.column_stack([truth.weights, truth.parameters])
    inside = {
        "covered_50": (table[1] <= target) & (target <= table[2]),
        "covered_90": (table[0] <= target) & (target <= table[3]),
    }
    # The last weight is what the others leave: it is no parameter of its own.
    return {
        name: [*held[:-1, 0].tolist(), *held[:, 1:].ravel().tolist()]
        for name, held in inside.items()
    }


def errors_of(fitted: judge.Judged, problem: Problem) -> dict[str, Any]:
    """Distances from the truth, as far as there is one and it can be told."""
    if problem.truth is None:
        return {"no_error_because": problem.why_no_error}
    truth = problem.truth
    hellinger, kl = judge.divergences(truth, fitted)
    figures: dict[str, Any] = {"hellinger": hellinger, "kl": kl}
    if problem.why_no_error:
        return figures | {"no_error_because": problem.why_no_error}
    aligned = fitted.permuted(judge.alignment(fitted, truth, truth.information))
    gap = aligned.coordinates() - truth.coordinates()
    information = problem.observations.size * truth.information
    scale = np.abs(truth.parameters)
    for j in truth.locations:  # a location has no natural zero: its component's spread is its unit
        scale[:, j] = truth.spreads()
    weights = aligned.weights - truth.weights
    parameters = aligned.parameters - truth.parameters
    relative = np.concatenate([np.abs(weights / truth.weights), np.abs(parameters / scale).ravel()])
    return figures | {
        "information_error": float(gap @ information @ gap) / truth.size,
        "weight_error": np.abs(weights).tolist(),
        "parameter_error": np.abs(parameters).tolist(),
        "parameter_error_relative": np.abs(parameters / scale).tolist(),
        "worst_relative_error": float(relative.max()),
    }
