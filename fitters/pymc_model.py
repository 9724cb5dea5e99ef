"""The mixture as a PyMC model whose data can be replaced without compiling it again."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from fitters.sketching import affine_basis
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample


class Priors(Protocol):
    """The settings that say how wide the priors are."""

    @property
    def weight_concentration(self) -> float:
        """The Dirichlet's."""

    @property
    def positive_sd(self) -> float:
        """The lognormals' standard deviation."""

    @property
    def location_sd(self) -> float:
        """The normals', in standard deviations of the sample."""

    @property
    def bins(self) -> int:
        """Rows of a sketch, to which shorter ones are filled up; 0: all the data."""


def build_model(sample: Sample, components: int, priors: Priors) -> Any:
    """A ``pymc.Model`` of ``weights`` and one variable for each usual parameter."""
    import pymc as pm

    family = sample.family
    with pm.Model(coords={"component": range(components)}) as model:
        data = model_data(sample, components, priors)
        shared = {name: pm.Data(name, value) for name, value in data.items()}
        weights = pm.Dirichlet(
            "weights", np.full(components, priors.weight_concentration), dims="component"
        )
        values = [
            pm.LogNormal(p.name, shared["middles"][j], priors.positive_sd, dims="component")
            if p.positive
            else pm.Normal(p.name, shared["middles"][j], shared["reach"], dims="component")
            for j, p in enumerate(family.parameters)
        ]
        likelihood = _log_likelihood(family, components, weights, values, shared)
        pm.Potential("likelihood", likelihood)
    return model


def model_data(sample: Sample, components: int, priors: Priors) -> dict[str, Array]:
    """What changes from one sample to the next, by the model's names for it."""
    family = sample.family
    bins = np.array_split(sample.ordered, components)
    estimates = np.stack([family.moment_estimate(group) for group in bins])
    positive = family.positive()
    middles = np.full(len(positive), family.centre)
    middles[positive] = np.log(estimates[:, positive]).mean(axis=0)
    data = {"middles": middles, "counts": np.array(sample.counts)}
    if not positive.all():
        data["reach"] = np.array(priors.location_sd * family.scale)
    if isinstance(family, ExponentialFamily):
        data["nodes"], data["basis"] = affine_basis(sample, family)
        # Every sketch of so many rows has the same shape, and the same compiled model does.
        missing = priors.bins - len(sample.counts)
        if missing > 0:
            data["counts"] = np.pad(data["counts"], (0, missing))
            data["basis"] = np.pad(data["basis"], ((0, 0), (0, missing)), mode="edge")
    else:
        data["nodes"] = sample.rows[:, 0]
    return data


def unconstrained(start: Mixture) -> Array:
    """The start as a point of the model's unconstrained space, flat, in the model's order.

    PyMC's simplex transform is the centred log ratio without its last entry; a lognormal
    lives on the logarithm, a normal as it is.
    """
    logs = np.log(inside(start.weights))
    values = [logs[:-1] - logs.mean()]
    for j, parameter in enumerate(start.family.parameters):
        column = start.parameters[:, j]
        values.append(np.log(column) if parameter.positive else column)
    return np.concatenate(values)


def inside(weights: Array) -> Array:
    """Weights strictly inside the simplex, where its transform is finite."""
    kept = np.maximum(weights, 1e-6)
    return np.asarray(kept / kept.sum())


def _log_likelihood(
    family: Family, components: int, weights: Any, values: list[Any], shared: dict[str, Any]
) -> Any:
    """Σ counts · log Σₖ wₖ f(row | θₖ) up to a constant, as a PyTensor scalar."""
    import pymc as pm
    import pytensor.tensor as pt

    at_nodes = pm.logp(family.pymc_distribution(values), shared["nodes"][:, None])
    # A chain of logaddexp fuses into one loop over the rows; logsumexp does not.
    total = None
    for k in range(components):
        component = at_nodes[:, k]
        if "basis" in shared:
            component = component @ shared["basis"]
        component = component + pt.log(weights[k])
        total = component if total is None else pt.logaddexp(total, component)
    return pt.dot(shared["counts"], total)
