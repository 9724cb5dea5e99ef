"""A reference: the best known optimum of one data set, and its certificate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.reference.scipy_mixture import ScipyMixture

SAME_OPTIMUM = 1e-2
"""Optima whose log likelihoods differ by less, in nats, are one."""


def hits(heights: Sequence[float | None]) -> int:
    """How many searches ended at the best of these log likelihoods; None where one found none."""
    known = [height for height in heights if height is not None]
    return sum(max(known) - height < SAME_OPTIMUM for height in known)


@dataclass(frozen=True)
class Optimum:
    """A distinct optimum of the search, and the number of ascents that ended there."""

    log_likelihood: float
    times: int
    weights: list[float]
    parameters: list[list[float]]
    rejection_reason: str
    """Why it can't be the reference; empty if it can."""
    recipe: str
    """How the mixture was made from which an ascent first led there."""

    def met(self, times: int) -> Optimum:
        """The same optimum, met so many times."""
        return replace(self, times=times)


@dataclass(frozen=True)
class Reference:
    """The best admissible stationary point found, and its certificate."""

    version: str
    """Digest of the code of the search."""
    family: str
    components: int
    size: int
    """The number of observations."""
    weights: list[float]
    parameters: list[list[float]]
    log_likelihood: float
    method: str
    predicted_gain: float
    """Height of the quadratic model's maximum above the optimum, in nats."""
    smallest_eigenvalue: float
    """Of the mean observed information in coordinates: positive at a strict maximum."""
    ascents: int
    """The ascents of all searches together."""
    recipe: str
    """How the mixture was made from which an ascent first led to the optimum."""
    best_of_each: list[float | None]
    """The log likelihood of the best optimum of each whole search; None where it found none."""
    flags: list[str]
    """Reasons to doubt the reference, a sentence each, whether searches agree or not."""
    optima: list[Optimum]
    """The optima met with K components, the best first."""
    fewer_components: bool
    """Whether no admissible stationary point beats the best with one component fewer."""
    log_likelihood_of_fewer: float | None
    """The log likelihood of the best admissible optimum with fewer components, where one is known;
    None for one component."""
    limits: list[str]
    """A sentence for each component that is of another family, at an end of the parameters."""

    @property
    def searches(self) -> int:
        """The number of whole searches R."""
        return len(self.best_of_each)

    @property
    def hits(self) -> int:
        """How many of them ended at the best optimum."""
        return hits(self.best_of_each)

    @property
    def agreed(self) -> bool:
        """Whether all of them did."""
        return self.hits == self.searches

    @property
    def excluded(self) -> float:
        """1 - .05^(1/R): what agreement excludes.

        Were there a better optimum that one search finds with a larger probability, the R searches
        would have missed it with less than 5 %.
        """
        return float(1.0 - 0.05 ** (1.0 / self.searches))

    @property
    def mixture(self) -> ScipyMixture:
        """The optimum as plain numbers."""
        return ScipyMixture.of(self.family, self.weights, self.parameters)

    def __repr__(self) -> str:
        fewer = f"; none with {self.components} is better" if self.fewer_components else ""
        return (
            f"{self.mixture}{fewer}\nlog likelihood {self.log_likelihood:.6f} by {self.method}; "
            f"{self.predicted_gain:.1e} nats still to be gained\n"
            f"{'; '.join(self.verdict)}"
            f"{''.join(f'; {limit}' for limit in self.limits)}"
        )

    @property
    def admissible(self) -> list[Optimum]:
        """The optima with K components that may be a reference, the best first."""
        return [optimum for optimum in self.optima if not optimum.rejection_reason]

    @property
    def verdict(self) -> list[str]:
        """Sentences: whether the searches agreed, what that excludes, and why to doubt."""
        if not self.agreed:
            first = (
                f"not agreed: {self.hits} of {self.searches} searches of different seeds end "
                f"within {SAME_OPTIMUM:g} nats of this"
            )
        else:
            first = (
                f"agreed: {self.searches} searches of different seeds end within {SAME_OPTIMUM:g} "
                "nats, which excludes (at 95%) only an optimum that one search finds with "
                f"probability above {self.excluded:.0%}"
            )
        return [first, *(f"flagged: {flag}" for flag in self.flags)]

    @classmethod
    def loads(cls, text: str) -> Reference:
        """Read what ``json.dumps(asdict(reference))`` wrote."""
        content = json.loads(text)
        return cls(**{**content, "optima": [Optimum(**o) for o in content["optima"]]})
