"""The mixture as a PyMC model whose data can be replaced without compiling it again."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

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
    bins = np.array_split(np.sort(sample.observations), components)
    estimates = np.stack([family.moment_estimate(group) for group in bins])
    positive = family.positive()
    middles = np.full(len(positive), family.centre)
    middles[positive] = np.log(estimates[:, positive]).mean(axis=0)
    data = {"middles": middles, "counts": sample.counts}
    if not positive.all():
        data["reach"] = np.array(priors.location_sd * family.scale)
    if isinstance(family, ExponentialFamily):
        data["nodes"], data["basis"] = _basis(sample, family)
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


def _basis(sample: Sample, family: ExponentialFamily) -> tuple[Array, Array]:
    """Nodes (d + 1,), and a basis (d + 1, r) that carries log densities from them to all rows.

    log f - h is affine in T, so its values at d + 1 nodes fix it everywhere: at the row T
    it is their combination with the barycentric coordinates of T in the nodes' T. PyMC's
    own density is thus evaluated at the nodes alone, whatever the number of rows. (h at the
    nodes comes along as a constant of each row, the same for every component.)
    """
    levels = np.linspace(0.1, 0.9, len(family.parameters) + 1)
    nodes = np.quantile(sample.observations, levels)
    corners = np.column_stack([family.statistics(nodes), np.ones(len(nodes))])
    rows = np.column_stack([sample.rows, np.ones(len(sample.rows))])
    return nodes, np.ascontiguousarray(np.linalg.solve(corners.T, rows.T))


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
