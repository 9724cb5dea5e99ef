"""The page and the tables that tell an answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.harness.metrics import duration
from benchmarks.own_data import code, figures, words
from benchmarks.own_data.answer import Answer
from benchmarks.report.estimates import usual_names
from benchmarks.report.tables import Column, Drawn, Table
from benchmarks.report.template import render


def html(told: Page) -> str:
    """The page's text."""
    return render("fit.html", page=told)


@dataclass(frozen=True)
class Page:
    """What the template may ask for."""

    answer: Answer

    @property
    def headline(self) -> str:
        """The answer in words."""
        return words.headline(self.answer)

    @cached_property
    def warnings(self) -> list[str]:
        """What to beware of."""
        return words.warnings(self.answer)

    @property
    def caveat(self) -> str:
        """What a choice by BIC deserves to hear."""
        return words.CAVEAT

    @property
    def estimates(self) -> Table:
        """Weights and parameters."""
        return estimates(self.answer)

    @property
    def posterior(self) -> Table | None:
        """Posterior intervals, where a method sampled them."""
        return posterior(self.answer)

    @property
    def candidates(self) -> Table:
        """All that was tried, best first."""
        return candidates(self.answer)

    @property
    def optima(self) -> Table:
        """The optima that the search met."""
        return optima(self.answer)

    @cached_property
    def drawn(self) -> list[Drawn]:
        """The figures."""
        answer = self.answer
        return [
            Drawn(
                "density",
                figures.density_figure(answer, "density"),
                "The data as a histogram, the fitted mixture (solid) and its components (dashed).",
                figures.density_numbers(answer),
            ),
            Drawn(
                "quantiles",
                figures.quantile_figure(answer, "quantiles"),
                "Left, the distribution functions against each other: outside the band (95 %, "
                "Kolmogorov's, narrow by what fitting takes) the fit is off. Right, the quantiles: "
                "off the line in the tails is where the shape is wrong.",
                figures.quantile_numbers(answer),
            ),
        ]

    @property
    def code(self) -> dict[str, str]:
        """The lines that rebuild the mixture, by library."""
        return code.lines(self.answer.mixture, self.answer.family.parameter_names())

    @property
    def versions(self) -> str:
        """What computed it."""
        return ", ".join(f"{name} {version(name)}" for name in ("mixturebench", "numpy", "scipy"))


def estimates(answer: Answer) -> Table:
    """Weights and parameters with standard errors and intervals."""
    columns = [Column("name", "parameter", left=True), Column("value", "estimate")]
    columns += [Column("error", "standard error"), Column("interval", "95 % interval")]
    rows = [
        {
            "name": e.name,
            "value": f"{e.value:.5g}",
            "error": _told(e.error),
            "interval": f"{e.low:.4g} to {e.high:.4g}" if np.isfinite(e.low) else "–",
        }
        for e in answer.estimates
    ]
    return Table("The estimate", columns, rows)


def posterior(answer: Answer) -> Table | None:
    """Posterior medians' neighbourhoods: central 50 % and 90 % intervals."""
    told = answer.chosen.posterior
    if told is None:
        return None
    table = np.array(told["quantiles"], dtype=float)  # (level, K, weight and parameters)
    table = table[:, np.argsort(table[1:3, :, 1].mean(axis=0), kind="stable")]
    flat = np.concatenate([table[:, :, 0], table[:, :, 1:].reshape(len(table), -1)], axis=1)
    columns = [Column("name", "parameter", left=True)]
    columns += [Column("half", "50 % interval"), Column("most", "90 % interval")]
    names = usual_names(answer.family, answer.chosen.components)
    rows = [
        {"name": name, "half": f"{q[1]:.4g} to {q[2]:.4g}", "most": f"{q[0]:.4g} to {q[3]:.4g}"}
        for name, q in zip(names, flat.T, strict=True)
    ]
    r_hat = "–" if told["r_hat"] is None else f"{float(told['r_hat']):.3f}"
    label = f"The posterior (R̂ {r_hat}, effective sample size {float(told['ess']):,.0f})"
    return Table(label, columns, rows)


def candidates(answer: Answer) -> Table:
    """Every family and number of components that was tried, best by BIC first."""
    columns = [
        Column("family", "family", left=True), Column("components", "components"),
        Column("parameters", "parameters"), Column("log_likelihood", "log likelihood"),
        Column("bic", "BIC − best"), Column("icl", "ICL − best"), Column("met", "met by"),
        Column("seconds", "time"),
    ]  # fmt: skip
    best = {name: min(getattr(c, name) for c in answer.candidates) for name in ("bic", "icl")}
    rows = [
        {
            "family": c.family,
            "components": str(c.components),
            "parameters": str(c.parameters),
            "log_likelihood": f"{c.best.log_likelihood:.3f}" if c.best else "none admissible",
            "bic": f"{c.bic - best['bic']:.1f}" if c.best else "–",
            "icl": f"{c.icl - best['icl']:.1f}" if c.best else "–",
            "met": f"{c.best.times}/{c.restarts}" if c.best else "–",
            "seconds": duration(c.seconds),
        }
        for c in sorted(answer.candidates, key=lambda c: c.bic)
    ]
    return Table("Which family, and how many components", columns, rows)


def optima(answer: Answer) -> Table:
    """The distinct optima of the chosen family and number, the greatest likelihood first."""
    columns = [Column("value", "log likelihood"), Column("times", "restarts")]
    columns += [Column("weights", "weights", left=True), Column("fault", "set aside", left=True)]
    rows = [
        {
            "value": f"{o.log_likelihood:.3f}",
            "times": f"{o.times}/{answer.chosen.restarts}",
            "weights": ", ".join(f"{weight:.3f}" for weight in np.sort(o.summit.mixture.weights)),
            "fault": o.fault,
        }
        for o in answer.chosen.optima
    ]
    return Table("The optima met", columns, rows)


def _told(value: Any) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "–"
