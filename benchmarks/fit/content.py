"""An answer as plain values, for JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from benchmarks.fit.answer import Answer
from benchmarks.fit.confirm import Confirmation


def content(answer: Answer) -> dict[str, Any]:
    """The values, by names that stay."""
    optimum = ["log_likelihood", "times", "rejection_reason"]
    compared = ["family", "components", "parameters", "log_likelihood", "bic", "icl"]
    return {
        "data": {
            "source": answer.data.name, "column": answer.data.column, "n": answer.size,
            "sha256": answer.data.digest, "dropped": answer.data.dropped,
        },
        "family": answer.chosen.family,
        "components": answer.chosen.components,
        "weights": answer.mixture.weights.tolist(),
        "parameters": [
            dict(zip(answer.family.parameter_names(), row, strict=True))
            for row in answer.mixture.parameters.tolist()
        ],
        "estimates": answer.estimates.to_dict("records"),
        "peaks": answer.peaks.places.tolist(),
        "groups": {
            "by": answer.options.by, "confirmed": answer.confirmation.groups,
            "because": answer.confirmation.reason, "tests": _tests(answer.confirmation),
            "uncertain": answer.shown.uncertain,
            "table": answer.group_table.to_dict("records"),
        },
        "cuts": answer.cuts.to_dict("records"),
        "log_likelihood": answer.best.log_likelihood,
        "predicted_gain": answer.best.ascent.predicted_gain,
        "optima": answer.optima[optimum].to_dict("records"),
        "restarts": answer.chosen.restarts,
        "candidates": answer.comparison[compared].to_dict("records"),
        "posterior": answer.chosen.posterior,
        "untried": answer.untried,
        "failures": answer.chosen.failures,
        "methods": None if answer.methods is None else answer.methods.content(),
        "warnings": answer.warnings,
        "seed": answer.options.seed,
        "seconds": answer.seconds,
    }  # fmt: skip


def _tests(confirmation: Confirmation) -> list[dict[str, Any]]:
    """The tests of one group, of two, …: None where a test was not needed."""
    tests: list[dict[str, Any]] = []
    for index, smooth in enumerate(confirmation.bandwidth_tests):
        ratio = None
        if index < len(confirmation.ratio_tests):
            test = confirmation.ratio_tests[index]
            ratio = {
                "null": test.null, "alternative": test.alternative, "statistic": test.statistic,
                "p": test.p, "replicates": test.replicates, "unfitted": test.unfitted,
            }  # fmt: skip
        tests.append({"groups": index + 1, "silverman": asdict(smooth), "ratio": ratio})
    return tests
