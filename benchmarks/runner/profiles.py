"""The predefined plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FITTERS = ("gradient", "direct", "newton", "em", "mcmc:bins=256")


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
    fewer_data_sets: Mapping[str, int] = field(default_factory=dict)
    """Data sets by fitter name, where a fitter has fewer."""
    fewer_scenarios: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Scenarios by fitter with its settings, where it has not all of them."""


# ``quick`` and ``check`` take minutes, ``standard`` half an hour, ``full`` days on two cores.
PROFILES = {
    # MCMC on all the data beside that on a sketch, where the data are fewest.
    "quick": Profile(
        ("founding", "overlapping", "unequal"),
        ("quantile",),
        {"mcmc": 1, "": 10},
        1,
        (*FITTERS, "mcmc"),
        fewer_scenarios={"mcmc": ("unequal",)},
    ),
    # For comparisons, where data sets count more than restarts. On four of its scenarios most
    # methods fail now and then, so that a change shows; two are of other families.
    "check": Profile(
        ("nested", "ushaped", "small", "three", "normal_skewed", "gamma_pair"),
        ("quantile",),
        {"": 2},
        36,
        (
            "em", "em:newton=true", "direct", "newton:bins=1024,batch=2", "gradient:bins=1024",
            "mcmc:bins=256,chains=2",
        ),
        {"gradient": 18, "mcmc": 18},
    ),
    "standard": Profile((), ("quantile",), {"mcmc": 1, "gradient": 2, "": 5}, 8),
    "full": Profile((), ("quantile", "kmeans", "article"), {"mcmc": 4, "": 50}, 10),
}  # fmt: skip
