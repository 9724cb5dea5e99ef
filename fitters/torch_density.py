"""The mean negative log likelihood of a mixture in torch: from T(x), or by a distribution.

Both take usual parameters (K, d) and logits (K,) of the weights.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array

if TYPE_CHECKING:
    import torch


def natural_nll(
    columns: torch.Tensor,
    counts: torch.Tensor,
    usual: torch.Tensor,
    logits: torch.Tensor,
    family: ExponentialFamily,
) -> torch.Tensor:
    """The mean NLL without h(x), of columns T(x) (d, r) that stand for ``counts`` (r,)."""
    import torch

    eta, partition = natural_terms(usual, family)
    offsets = torch.log_softmax(logits, dim=0) - partition
    values = torch.logsumexp(torch.addmm(offsets[:, None], eta, columns), dim=0)
    return -(counts @ values) / counts.sum()


def distribution_nll(
    x: torch.Tensor, usual: torch.Tensor, logits: torch.Tensor, family: Family
) -> torch.Tensor:
    """The mean NLL of observations (n,) by ``torch.distributions``."""
    from torch.distributions import Categorical, MixtureSameFamily

    components = family.torch_distribution(usual)
    mixture = MixtureSameFamily(Categorical(logits=logits), components, validate_args=False)
    return -mixture.log_prob(x).mean()


def natural_terms(
    usual: torch.Tensor, family: ExponentialFamily
) -> tuple[torch.Tensor, torch.Tensor]:
    """η (K, d) and A(η) (K,) of usual parameters (K, d), in their type and on their device.

    The family's own functions compute them and their derivatives, in float64. They are K rows:
    what is long, T(x), stays in torch.
    """
    eta, partition = _function().apply(usual, family)
    return eta, partition


@cache
def _function() -> Any:
    """The function with its gradient, defined on first use: importing torch takes a second."""
    import torch

    class NaturalTerms(torch.autograd.Function):
        @staticmethod
        def forward(
            ctx: Any, usual: torch.Tensor, family: ExponentialFamily
        ) -> tuple[torch.Tensor, torch.Tensor]:
            ctx.family, ctx.parameters = family, _array(usual)
            with np.errstate(all="ignore"):  # a NaN shows in the loss
                ctx.eta = family.natural(ctx.parameters)
                partition = family.log_partition(ctx.eta)
            return usual.new_tensor(ctx.eta), usual.new_tensor(partition)

        @staticmethod
        def backward(
            ctx: Any, by_eta: torch.Tensor, by_partition: torch.Tensor
        ) -> tuple[torch.Tensor, None]:
            family, parameters = ctx.family, ctx.parameters
            with np.errstate(all="ignore"):
                jacobian, _ = family.natural_derivatives(parameters)
                total = _array(by_eta)
                total += _array(by_partition)[:, None] * family.mean_statistics(ctx.eta)
                by_free = (total[:, None] @ jacobian)[:, 0]
                # A free coordinate is the logarithm of a positive parameter, or in units of scale.
                slope = np.where(family.positive(), parameters, family.scale)
                return by_eta.new_tensor(by_free / slope), None

    return NaturalTerms


def _array(tensor: torch.Tensor) -> Array:
    """A copy of a tensor in float64."""
    return np.array(tensor.detach().cpu().numpy(), dtype=np.float64)
