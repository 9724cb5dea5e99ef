"""A reference: the best known optimum of one data set, and its certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmarks.reference.scipy_mixture import ScipyMixture


@dataclass(frozen=True)
class Optimum:
    """A distinct optimum of the search, and the number of searches that ended there."""

    log_likelihood: float
    times: int
    weights: list[float]
    parameters: list[list[float]]
    rejection_reason: str
    """Why it can't be the reference; empty if it can."""


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
    searches: int
    optima: list[Optimum]
    unseen: float | None
    """Boender & Rinnooy Kan's estimate of the number of optima not found; None of few searches."""
    directional: float | None
    """The largest Lindsay's D(θ) = mean(f_θ / f̂) - 1 that a local search found. n sup D bounds the
    nats that more components gain; a larger D may have been missed."""
    fewer_components: bool
    """Whether no admissible stationary point beats the best with one component fewer."""
    limits: list[str]
    """A sentence for each component that is of another family, at an end of the parameters."""

    @property
    def mixture(self) -> ScipyMixture:
        """The optimum as plain numbers."""
        return ScipyMixture.of(self.family, self.weights, self.parameters)

    def __repr__(self) -> str:
        fewer = f"; none with {self.components} is better" if self.fewer_components else ""
        return (
            f"{self.mixture}{fewer}\nlog likelihood {self.log_likelihood:.6f} by {self.method}; "
            f"{self.predicted_gain:.1e} nats still to be gained\n"
            f"{self.searches} searches met {len(self.optima)} distinct optima"
            f"{''.join(f'; {limit}' for limit in self.limits)}"
        )

    @classmethod
    def loads(cls, text: str) -> Reference:
        """Read what ``json.dumps(asdict(reference))`` wrote."""
        content = json.loads(text)
        return cls(**{**content, "optima": [Optimum(**o) for o in content["optima"]]})
