"""The score of one mixture that was given, as a run's trials are scored."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.reference.certificate import Reference
from benchmarks.reference.scipy_mixture import ScipyMixture, mean_nll
from benchmarks.runner.status import RETURNED, Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.score import MIN_GAIN, Score, score_trial, trial_status
from scenarios.errors import UserError
from scenarios.mixture import Mixture


class Fitted(Protocol):
    """A fit or an answer: anything that has a mixture."""

    @property
    def mixture(self) -> Mixture | ScipyMixture:
        """The fitted mixture."""


def score_mixture(
    fitted: Mixture | ScipyMixture | Fitted, x: ArrayLike, reference: Reference | None = None
) -> Score:
    """Score a mixture, or that of a fit, as a fit of observations ``x`` (n,).

    Without a ``reference`` it is searched for, with as many components. Raises ``UserError`` for
    what is no mixture, and for a reference of another family or number of components. A mixture
    that is better than the reference has a negative excess, and the message says so.
    """
    mixture = getattr(fitted, "mixture", fitted)
    if not isinstance(mixture, Mixture | ScipyMixture):
        raise UserError(
            f"a {type(fitted).__name__} is no mixture: give a Mixture, or a fit or answer that "
            "has one, and then the observations"
        )
    family = mixture.family if isinstance(mixture.family, str) else mixture.family.name
    components = len(mixture.weights)
    data_set = DataSet.given(x, family, components)
    reference = data_set.reference if reference is None else reference
    if (reference.family, reference.components) != (family, components):
        raise UserError(
            f"the reference is of {reference.components} {reference.family} components and the "
            f"mixture has {components} of {family}: search for another with reference()"
        )
    if reference.size != data_set.sample.size:
        raise UserError(
            f"the reference is of {reference.size} observations, and {data_set.sample.size} are "
            "given: search for theirs with reference()"
        )
    record = {
        "outcome": RETURNED,
        "weights": mixture.weights.tolist(),
        "parameters": np.asarray(mixture.parameters).tolist(),
    }
    reference_nll = mean_nll(reference.mixture, data_set.observations)
    score = replace(score_trial(record, data_set), reference_nll=reference_nll)
    if score.status is not None:
        return score
    gap = data_set.sample.size * (score.nll - reference_nll)
    excess = 2.0 * gap / data_set.scenario.model.dimension
    if gap < -MIN_GAIN:
        message = f"better than the reference by {-gap:.3g} nats"
        return replace(score, status=Status.ABOVE_REFERENCE, excess=excess, message=message)
    status = trial_status(excess, score, reference_nll, data_set.sample.size)
    return replace(score, status=status, excess=excess)
