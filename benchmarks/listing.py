"""``mixturebench list``: what there is, from the places that define it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence


def show(kind: str) -> None:
    """Print one kind as a table."""
    from rich.console import Console
    from rich.table import Table

    heading, rows = {
        "scenarios": _scenarios,
        "fitters": _fitters,
        "families": _families,
        "starts": _starts,
    }[kind]()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in heading:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


Listing = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def _summary(cls: type) -> str:
    """The first paragraph of a docstring, on one line, without its markup."""
    text = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0]
    return " ".join(text.split()).replace("``", "").replace("*", "")


def _scenarios() -> Listing:
    from scenarios.scenario import load, names

    rows = []
    for name in names():
        scenario = load(name)
        size = scenario.specification.n
        rows.append(
            (
                name,
                scenario.family.name,
                str(scenario.components),
                f"{size:,}" if size else "real",
                scenario.title,
            )
        )
    return ("scenario", "family", "K", "n", "title"), rows


def _fitters() -> Listing:
    from fitters.spec import fitters, settings

    rows = []
    for name, cls in fitters().items():
        told = ", ".join(f"{key}={value}" for key, value in settings(cls).items())
        presets = "; ".join(f"preset={preset}" for preset in cls.presets)
        rows.append((name, _summary(cls), "; ".join(part for part in (told, presets) if part)))
    return ("fitter", "method", "settings and their defaults"), rows


def _families() -> Listing:
    from scenarios.families import ExponentialFamily, families

    rows = [
        (
            name,
            " ".join(cls.parameter_names()),
            "yes" if issubclass(cls, ExponentialFamily) else "no",
            _summary(cls),
        )
        for name, cls in families().items()
    ]
    return ("family", "parameters", "exponential", "form"), rows


def _starts() -> Listing:
    from fitters.starts import policies

    return ("start", "policy"), [(name, _summary(cls)) for name, cls in policies().items()]
