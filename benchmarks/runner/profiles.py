"""The predefined plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FITTERS = ("gradient", "direct", "newton", "em", "mcmc")


@dataclass(frozen=True)
class Profile:
    """A predefined plan."""

    scenarios: tuple[str, ...]
    """Names; empty for every scenario of the catalogue whose truth is known."""
    starts: tuple[str, ...]
    restarts: Mapping[str, int]
    """Restarts by fitter name; the entry ``""`` is for all others."""
    data_sets: int
    fitters: tuple[str, ...] = FITTERS


# ``quick`` and ``check`` take minutes, ``standard`` hours, ``full`` days on two cores.
PROFILES = {
    "quick": Profile(("founding", "overlapping", "unequal"), ("quantile",), {"mcmc": 1, "": 10}, 1),
    # For regression tests, where data sets count more than restarts.
    "check": Profile(
        ("unequal", "separated", "overlapping", "three", "gamma_pair", "normal_skewed"),
        ("quantile",),
        {"mcmc": 3, "gradient": 4, "": 5},
        3,
        ("em", "em:newton=true", "direct", "newton:bins=1024,batch=5", "gradient", "mcmc:bins=256"),
    ),
    "standard": Profile((), ("quantile", "kmeans"), {"mcmc": 1, "": 10}, 1),
    "full": Profile((), ("quantile", "kmeans", "article"), {"mcmc": 4, "": 50}, 10),
}
