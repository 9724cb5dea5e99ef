"""Data frames of text on what the code defines, for ``mixturebench list`` and the documentation.

Rows come from the classes, and meanings from their docstrings.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from fitters.base import Fitter


def scenarios() -> pd.DataFrame:
    """The catalogue of scenarios."""
    from scenarios.scenario import load, names

    rows = []
    for scenario in map(load, names()):
        content = scenario.specification
        size = f"{content.n:,}" if content.n else "real"
        row = (scenario.name, scenario.family.name, scenario.components, size, content.title)
        rows.append(map(str, (*row, content.source)))
    return _frame("scenario, family, K, n, title, source", rows)


def fitters() -> pd.DataFrame:
    """The fitters, plug-ins included."""
    from fitters.base import Fitter
    from fitters.spec import fitters as known

    rows = [
        (name, source(cls), line(cls.__doc__), _applies(cls, Fitter))
        for name, cls in known().items()
    ]
    return _frame("fitter, source, method, applies to", rows)


def settings(fitter: str) -> pd.DataFrame:
    """The settings of a fitter, by its name or its file; ``UserError`` if there is none."""
    from fitters.spec import class_of

    return settings_of(class_of(fitter)).replace("`", "", regex=True)


def settings_of(cls: type[Fitter]) -> pd.DataFrame:
    """A fitter's settings, and what its presets set.

    Raises ``UserError`` for a setting without a docstring.
    """
    from fitters.base import settings
    from fitters.spec import setting_text

    docs, hints = attribute_docs(cls), get_type_hints(cls)
    rows = []
    for name, default in settings(cls).items():
        if name not in docs:
            raise UserError(f"{cls.__module__}: the setting {name} of {cls.name} has no docstring")
        meaning = docs[name]
        if get_origin(hints[name]) is Literal:
            meaning += f" One of {', '.join(f'`{value}`' for value in get_args(hints[name]))}."
        rows.append((name, f"`{setting_text(default)}`", meaning))
    for name, values in cls.presets.items():
        given = ",".join(f"{key}={setting_text(value)}" for key, value in values.items())
        rows.append((f"preset={name}", "", f"`{given}`"))
    return _frame("setting, default, meaning", rows)


def starts() -> pd.DataFrame:
    """The start policies, plug-ins included."""
    from fitters.starts import StartPolicy, policies

    known = policies().items()
    rows = [
        (name, source(cls), line(cls.__doc__), _applies(cls, StartPolicy)) for name, cls in known
    ]
    return _frame("start, source, policy, applies to", rows)


def families() -> pd.DataFrame:
    """The families, plug-ins included."""
    from scenarios.families import ExponentialFamily
    from scenarios.families import families as known

    rows = []
    for name, cls in known().items():
        support = "({:g}, {:g})".format(*cls.support).replace("inf", "∞")
        exponential = "yes" if issubclass(cls, ExponentialFamily) else "no"
        parameters = " ".join(cls.parameter_names())
        rows.append((name, source(cls), parameters, support, exponential, line(cls.__doc__)))
    return _frame("family, source, parameters, support, exponential, form", rows)


def statuses() -> pd.DataFrame:
    """The statuses of a trial, and the rates that count them."""
    from benchmarks.runner.status import FOUND, SUCCESS, Status

    groups = {"rate": SUCCESS, "found": FOUND}
    rows = [
        (str(s), s.meaning, ", ".join(name for name, group in groups.items() if s in group))
        for s in Status
    ]
    return _frame("status, meaning, counted in", rows)


def trial_columns() -> pd.DataFrame:
    """The columns of ``trials.parquet``."""
    from benchmarks.scoring.facts import Facts
    from benchmarks.scoring.score import Score

    meanings = {
        "scenario": "The scenario's name.",
        "replicate": "Which of the scenario's data sets, from 0.",
        "fitter": "The method and its settings, as on the command line.",
        "start": "The start policy.",
        "restart": "Which of the policy's starts, from 0.",
        **attribute_docs(Score),
        **attribute_docs(Facts),
        "n": "Observations.",
        "p": "Free parameters.",
        "target_seconds": "Seconds until each target of excess was first reached, (7,).",
        "target_passes": "The same in passes.",
        "cold_setup_seconds": "Wall time of a cold preparation of the fitter: the longest in "
        "the run of this fitter, family and K.",
        "cold_setup_cpu_seconds": "Processor time of the same.",
    }
    return _frame("column, meaning", meanings.items())


def summary_columns() -> pd.DataFrame:
    """The columns of a comparison of fitters."""
    from benchmarks.report.columns import COMPARISON

    return _frame("heading, meaning", ((c.heading, c.meaning) for c in COMPARISON))


def source(cls: type) -> str:
    """Where a class comes from: ``built in``, or the package that brings it."""
    package = cls.__module__.partition(".")[0]
    return "built in" if package in ("scenarios", "fitters") else package


def attribute_docs(cls: type) -> dict[str, str]:
    """The docstrings of the attributes that a class's own source defines, each on one line."""
    body = ast.parse(dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    docs = {}
    for node, following in pairwise(body.body):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            docs[node.target.id] = line(str(following.value.value))
    return docs


def line(docstring: str | None) -> str:
    """The first paragraph of a docstring on one line, its code in Markdown's marks."""
    paragraph = inspect.cleandoc(docstring or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


def _frame(headings: str, rows: Iterable[Iterable[str]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(map(tuple, rows)), columns=headings.split(", "))


def _applies(cls: Any, base: Any) -> str:
    """The models to which a fitter or a start policy applies, from its ``supports``."""
    return "Any family." if cls.supports is base.supports else line(cls.supports.__doc__)
