"""Where restarts begin: a policy and a seed, the same for every fitter."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np

from scenarios.errors import UserError
from scenarios.families import Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.registry import choose, discover
from scenarios.sample import Sample, thin


class StartPolicy(ABC):
    """A way to choose where a restart begins."""

    name: ClassVar[str]
    seed_is_restart: ClassVar[bool] = False
    """Whether the restart's index is the seed itself, instead of a derived number."""

    def supports(self, family: Family, components: int) -> str | None:
        """Why this policy can't start that, in a sentence; None where it can."""
        return None

    @abstractmethod
    def draw(self, sample: Sample, components: int, seed: int) -> Mixture:
        """The mixture to start from: the same for the same arguments."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where one restart begins."""

    mixture: Mixture
    policy: StartPolicy
    seed: int

    @classmethod
    def of(cls, policy: StartPolicy, sample: Sample, components: int, seed: int) -> Start:
        """Draw the start of ``policy`` with ``seed``."""
        return cls(policy.draw(sample, components, seed), policy, seed)

    def sibling(self, sample: Sample, index: int) -> Mixture:
        """Another start of the same policy, for a method that runs several chains."""
        told = hashlib.sha256(f"{self.seed}/{index}".encode()).digest()
        seed = int.from_bytes(told[:8], "big") >> 1  # torch's seeds are signed
        return self.policy.draw(sample, self.mixture.components, seed)


@cache
def policies() -> dict[str, type[StartPolicy]]:
    """Every start policy by name, plug-ins (``mixturebench.starts``) included."""
    return discover("fitters", StartPolicy, "mixturebench.starts")  # type: ignore[type-abstract]


def policy(name: str) -> StartPolicy:
    """The start policy called ``name``; ``UserError`` if there is none."""
    return policies()[choose("start policy", name, policies())]()


class Article(StartPolicy):
    """The founding article's: standard-normal raw parameters through softplus and softmax.

    Blind to the data. The draws come in the article's order, whose first two pairs are
    unused, from torch's generator seeded with the restart's index: start 1 is the one
    that the article shows.
    """

    name = "article"
    seed_is_restart = True

    def supports(self, family: Family, components: int) -> str | None:
        """Beta only, whose parameters are of the order that this draws."""
        if family.name != "beta":
            return f"the article's start is for beta components, not {family.name}"
        return None

    def draw(self, sample: Sample, components: int, seed: int) -> Mixture:
        """Float32 draws, carried to float64 through the links."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        for _ in range(2):
            torch.randn(2, generator=generator)
        raw = torch.randn((components, 2), generator=generator).double()
        logits = torch.randn(components, generator=generator).double()
        return Mixture(
            sample.family,
            torch.softmax(logits, dim=0).numpy(),
            torch.nn.functional.softplus(raw).numpy(),
        )


class Quantile(StartPolicy):
    """Random cut points cut the sorted data into bins; each bin gives moment estimates."""

    name = "quantile"

    def draw(self, sample: Sample, components: int, seed: int) -> Mixture:
        """Bins hold at least two observations, and a tenth of an equal share."""
        x = sample.ordered
        least = max(2, x.size // (10 * components))
        free = x.size - components * least
        if free < 0:
            raise UserError(
                f"{x.size} observations can't start {components} components: "
                "the quantile start needs two for each; fit fewer components"
            )
        generator = np.random.default_rng(seed)
        cuts = np.sort(generator.integers(0, free + 1, size=components - 1))
        edges = np.concatenate([[0], cuts + least * np.arange(1, components), [x.size]])
        bins = [x[low:high] for low, high in pairwise(edges)]
        return _from_groups(sample, bins)


class KMeans(StartPolicy):
    """k-means++ and Lloyd's algorithm on the family's link scale; clusters give moments.

    Arthur & Vassilvitskii (2007), *k-means++: the advantages of careful seeding*.
    """

    name = "kmeans"

    def draw(self, sample: Sample, components: int, seed: int) -> Mixture:
        """Falls back to equal bins where a cluster ends with fewer than two observations."""
        from scipy.cluster.vq import kmeans2

        x = thin(sample.observations)
        if x.size < 2 * components:
            raise UserError(
                f"{x.size} observations can't start {components} components: "
                "the kmeans start needs two for each; fit fewer components"
            )
        y = sample.family.link(x)[:, None]
        generator = np.random.default_rng(seed)
        _, labels = kmeans2(y, components, iter=30, minit="++", rng=generator, missing="warn")
        groups = [x[labels == k] for k in range(components)]
        if min(group.size for group in groups) < 2:
            groups = np.array_split(sample.ordered, components)
        return _from_groups(sample, groups)


def _from_groups(sample: Sample, groups: list[Array]) -> Mixture:
    """Group sizes as weights, and each group's moment estimates."""
    parameters = [sample.family.moment_estimate(group) for group in groups]
    sizes = np.array([group.size for group in groups], dtype=np.float64)
    return Mixture(sample.family, sizes / sizes.sum(), np.stack(parameters))
