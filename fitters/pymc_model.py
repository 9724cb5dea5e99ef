"""The mixture as a PyMC model whose data can be replaced without compiling it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fitters.sketching import affine_basis
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array
from scenarios.mixture import Mixture
from scenarios.sample import Sample

if TYPE_CHECKING:
    from fitters.mcmc import MCMC


def build_model(sample: Sample, components: int, settings: MCMC) -> Any:
    """Build the ``pymc.Model`` of ``weights`` and one variable for each usual parameter.

    ``settings`` has the widths of the priors.
    """
    import pymc as pm

    family = sample.family
    with pm.Model(coords={"component": range(components)}) as model:
        values = model_data(sample, components, settings)
        data = {name: pm.Data(name, value) for name, value in values.items()}
        weights = pm.Dirichlet(
            "weights", np.full(components, settings.weight_concentration), dims="component"
        )
        parameters = [
            pm.LogNormal(p.name, data["centres"][j], settings.positive_sd, dims="component")
            if p.positive
            else pm.Normal(p.name, data["centres"][j], data["location_sd"], dims="component")
            for j, p in enumerate(family.parameters)
        ]
        pm.Potential("likelihood", _log_likelihood(family, weights, parameters, data, components))
    return model


def model_data(sample: Sample, components: int, settings: MCMC) -> dict[str, Array]:
    """The model's data by name: all that changes from one sample to the next."""
    family = sample.family
    bins = np.array_split(sample.ordered, components)
    estimates = np.stack([family.moment_estimate(group) for group in bins])
    positive = family.positive()
    centres = np.full(len(positive), family.centre)
    centres[positive] = np.log(estimates[:, positive]).mean(axis=0)
    data = {"centres": centres, "counts": np.array(sample.counts)}
    if not positive.all():
        data["location_sd"] = np.array(settings.location_sd * family.scale)
    if isinstance(family, ExponentialFamily):
        data["nodes"], data["basis"] = affine_basis(sample)
    else:
        data["nodes"] = sample.rows[:, 0]
    # One compiled model serves any number of rows; contiguous arrays are of one type to it.
    return {name: np.array(value, order="C") for name, value in data.items()}


def initial_values(start: Mixture) -> dict[str, Array]:
    """The start as the model's variables, by name."""
    names = start.family.parameter_names()
    values = {name: start.parameters[:, j] for j, name in enumerate(names)}
    return {"weights": _inside(start.weights), **values}


def unconstrained(start: Mixture) -> Array:
    """The start as a flat point of the model's unconstrained space, in the model's order.

    PyMC's simplex transform is the centred log ratio without its last entry; a lognormal is
    transformed by the logarithm, a normal not at all.
    """
    logs = np.log(_inside(start.weights))
    values = [logs[:-1] - logs.mean()]
    for j, parameter in enumerate(start.family.parameters):
        column = start.parameters[:, j]
        values.append(np.log(column) if parameter.positive else column)
    return np.concatenate(values)


def constrained(point: Array, family: Family, components: int) -> dict[str, Array]:
    """The inverse of ``unconstrained``: the model's variables (K,), by name."""
    logs = np.append(point[: components - 1], -point[: components - 1].sum())
    weights = np.exp(logs - logs.max())
    values = point[components - 1 :].reshape(-1, components)
    columns = [
        np.exp(column) if parameter.positive else column.copy()
        for parameter, column in zip(family.parameters, values, strict=True)
    ]
    return dict(
        zip(
            ("weights", *family.parameter_names()), (weights / weights.sum(), *columns), strict=True
        )
    )


def _inside(weights: Array) -> Array:
    """Weights strictly inside the simplex, where its transform is finite."""
    positive = np.maximum(weights, 1e-6)
    return np.asarray(positive / positive.sum())


def _log_likelihood(
    family: Family, weights: Any, parameters: list[Any], data: dict[str, Any], components: int
) -> Any:
    """Σ counts · log Σₖ wₖ f(row | θₖ) up to a constant, as a PyTensor scalar."""
    import pymc as pm
    import pytensor.tensor as pt

    at_nodes = pm.logp(family.pymc_distribution(parameters), data["nodes"][:, None])
    # A chain of logaddexp fuses into one loop over the rows; logsumexp does not.
    total = None
    for k in range(components):
        component = at_nodes[:, k]
        if "basis" in data:
            component = component @ data["basis"]
        component = component + pt.log(weights[k])
        total = component if total is None else pt.logaddexp(total, component)
    return pt.dot(data["counts"], total)
