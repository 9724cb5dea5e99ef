"""A start policy and a seed make a start, the same for every fitter."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.model import Model
from scenarios.registry import choose, discover
from scenarios.sample import Sample

__all__ = ["Array", "Mixture", "Model", "Sample", "Start", "StartPolicy"]


class StartPolicy(ABC):
    """A rule that draws the mixture at which a restart begins."""

    name: ClassVar[str]
    seed_is_restart: ClassVar[bool] = False
    """Whether the seed is the restart's index itself, instead of a derived number."""

    kernels: ClassVar[tuple[str, ...]] = ()
    """Compiled passes over a sketch that a worker loads before any clock starts."""

    def supports(self, model: Model) -> str | None:
        """Return a sentence that says why the policy does not apply, or None if it does."""
        return None

    @abstractmethod
    def draw(self, sample: Sample, model: Model, seed: int) -> Mixture:
        """Draw a start; equal arguments give equal mixtures."""


@dataclass(frozen=True, eq=False)
class Start:
    """The mixture at which one restart begins, with the policy and the seed that drew it."""

    mixture: Mixture
    policy: StartPolicy
    seed: int

    @classmethod
    def of(cls, policy: StartPolicy, sample: Sample, model: Model, seed: int) -> Start:
        """Draw the start of ``policy`` with ``seed``."""
        return cls(policy.draw(sample, model, seed), policy, seed)

    def sibling(self, sample: Sample, index: int) -> Mixture:
        """Draw another start of the same policy, for a method that runs several chains."""
        digest = hashlib.sha256(f"{self.seed}/{index}".encode()).digest()
        seed = int.from_bytes(digest[:8], "big") >> 1  # torch's seeds are signed
        return self.policy.draw(sample, Model(sample.family, self.mixture.components), seed)


@cache
def policies() -> dict[str, type[StartPolicy]]:
    """Every start policy by name, plug-ins (``mixturebench.starts``) included."""
    return discover("fitters.starts", StartPolicy, "mixturebench.starts")  # type: ignore[type-abstract]


def policy(name: str) -> StartPolicy:
    """The start policy called ``name``; raises ``UserError`` if there is none."""
    return policies()[choose("start policy", name, policies())]()


def moments_of_groups(sample: Sample, groups: Sequence[Array]) -> Mixture:
    """The mixture with group sizes as weights and each group's moment estimates."""
    parameters = [sample.family.moment_estimate(group) for group in groups]
    sizes = np.array([group.size for group in groups], dtype=np.float64)
    return Mixture(sample.family, sizes / sizes.sum(), np.stack(parameters))
