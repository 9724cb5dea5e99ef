"""Stochastic gradient descent with PyTorch Lightning, for any density that torch can evaluate.

The general method: it needs a density that torch can differentiate and nothing else, so it fits
any family. Adam moves unconstrained parameters along the gradient of the mean negative log
likelihood, one step a batch of observations, until the loss of recent epochs no longer falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Mixture, Model, Observe, Prepared, Sample, Start
from fitters.quiet import quiet
from fitters.sketching import Bins, affine_basis, judged, sketch_unsupported_reason, view_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Gradient(Fitter):
    """Adam (Kingma & Ba 2015, *ICLR*) on the mean negative log likelihood, by a Lightning trainer.

    Positive parameters are a softplus of what is learned, weights a softmax; locations and
    scales are in units of the data's.
    """

    name = "gradient"
    libraries = ("torch", "pytorch_lightning")
    presets = {
        "article": {"learning_rate": 1.0, "max_epochs": 100, "precision": "float32", "tolerance": 0}
    }

    learning_rate: Annotated[float, Field(gt=0)] = 0.3
    """Adam's learning rate; its other parameters are torch's defaults."""
    max_epochs: Annotated[int, Field(ge=1)] = 1000
    """Epochs after which to stop."""
    batch_size: Annotated[int, Field(ge=0)] = 0
    """Observations in a batch, shuffled anew each epoch; 0: all of them."""
    precision: Literal["float32", "float64"] = "float64"
    """Type of the data and of the parameters in torch."""
    tolerance: Annotated[float, Field(ge=0)] = 1e-8
    """Stop when the mean loss of the last ``patience`` epochs is not lower than that of the
    ``patience`` before by this much; 0: run all epochs and claim nothing."""
    patience: Annotated[int, Field(ge=1)] = 20
    """Epochs over which losses are averaged before they are compared with ``tolerance``."""
    accelerator: str = "cpu"
    """Lightning's accelerator: cpu, gpu, mps, auto."""
    bins: Bins = 0
    """Fit a sketch of so many rows, as one batch; 0: fit all the data."""

    def supports(self, model: Model) -> str | None:
        """Any family; a sketch only as one batch, and of an exponential family."""
        if self.bins and self.batch_size:
            return "a sketch is one batch: leave out bins or batch_size"
        return sketch_unsupported_reason(model, self.bins)

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Import Lightning, and move the data into a tensor."""
        import torch

        dtype = getattr(torch, self.precision)
        view, basis, x = view_of(sample, self.bins), None, sample.observations
        if view is not sample:
            x, affine = affine_basis(view)
            basis = torch.from_numpy(affine).to(dtype)
        data = torch.tensor(x, dtype=dtype)
        # Rounding to float32 may land on an end of the support, where there is no density.
        low, high = (torch.tensor(end, dtype=dtype) for end in model.family.support)
        data = data.clamp(torch.nextafter(low, high), torch.nextafter(high, low))
        with quiet():
            _module_class()
        return _PreparedGradient(self, view, data, basis)


@plain_dataclass(frozen=True)
class _PreparedGradient(Prepared):
    settings: Gradient
    sample: Sample
    data: torch.Tensor
    """The observations, or the nodes of a sketch's ``basis``."""
    basis: torch.Tensor | None
    """Carries log densities from the nodes to all rows of the sketch."""

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        import pytorch_lightning as pl

        settings, before = self.settings, dict(self.sample.passes)
        module = _module_class()(self, start.mixture, observe)
        with quiet():
            trainer = pl.Trainer(
                max_epochs=settings.max_epochs,
                accelerator=settings.accelerator,
                devices=1,
                precision="64-true" if settings.precision == "float64" else "32-true",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, _Batches(self.data, settings.batch_size, seed))
        epochs, loss = len(module.losses), module.losses[-1]
        claimed = None if settings.tolerance == 0.0 and math.isfinite(loss) else module.settled
        passes, message = self.sample.passes_since(before), f"loss {loss:.6g} after {epochs} epochs"
        return judged(Fit(module.mixture(), claimed, epochs, passes, message), self.sample)


class _Batches:
    """The batches of an epoch, as slices of a shuffled tensor.

    Lightning's own loader would collate single observations, at twenty times the cost.
    """

    def __init__(self, data: torch.Tensor, size: int, seed: int) -> None:
        import torch

        self.data, self.size = data, size or len(data)
        self.shuffled = size > 0
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(len(self.data) / self.size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        import torch

        if not self.shuffled:
            yield self.data
            return
        order = torch.randperm(len(self.data), generator=self.generator)
        for part in order.split(self.size):
            yield self.data[part]


@cache
def _module_class() -> Any:
    """The LightningModule, defined on first use: importing Lightning takes seconds."""
    import pytorch_lightning as pl
    import torch
    from torch.nn import functional

    class MixtureModule(pl.LightningModule):
        """A mixture with unconstrained learnable parameters, and the losses of its epochs."""

        def __init__(self, prepared: _PreparedGradient, start: Mixture, observe: Observe):
            super().__init__()
            self.settings, self.sample = prepared.settings, prepared.sample
            self.family, self.observe = start.family, observe
            self.settled = False
            self.losses: list[float] = []
            self.batch_losses: list[torch.Tensor] = []
            dtype = prepared.data.dtype
            kinds = [parameter.kind for parameter in self.family.parameters]
            unit = torch.tensor([1.0 if k == "shape" else self.family.scale for k in kinds])
            shift = torch.tensor([self.family.centre if k == "location" else 0.0 for k in kinds])
            # Buffers move to the accelerator with the parameters.
            self.register_buffer("basis", prepared.basis)
            self.register_buffer("counts", torch.tensor(self.sample.counts, dtype=dtype))
            self.register_buffer("unit", unit.to(dtype))
            self.register_buffer("shift", shift.to(dtype))
            self.register_buffer("positive", torch.from_numpy(self.family.positive()))
            values = (torch.from_numpy(start.parameters) - shift) / unit
            # softplus⁻¹(v) = v + log(1 - exp(-v)), in float64 before any rounding
            raw = torch.where(self.positive, values + torch.log(-torch.expm1(-values)), values)
            self.raw = torch.nn.Parameter(raw.to(dtype))
            self.logits = torch.nn.Parameter(torch.from_numpy(start.weights).log().to(dtype))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Adam with torch's defaults except the learning rate."""
            return torch.optim.Adam(self.parameters(), lr=self.settings.learning_rate)

        def training_step(self, batch: torch.Tensor) -> torch.Tensor:
            """The mean negative log likelihood of a batch."""
            rows = len(self.counts if self.basis is not None else batch)
            self.sample.count(rows / self.sample.size, "gradient")
            components = self.family.torch_distribution(self.component_parameters())
            if self.basis is None:
                weights = torch.distributions.Categorical(logits=self.logits)
                mixture = torch.distributions.MixtureSameFamily(
                    weights, components, validate_args=False
                )
                loss = -mixture.log_prob(batch).mean()
            else:
                joint = components.log_prob(batch[:, None]).T @ self.basis
                joint = joint + torch.log_softmax(self.logits, dim=0)[:, None]
                loss = -(self.counts @ torch.logsumexp(joint, dim=0)) / self.sample.size
            self.batch_losses.append(loss.detach())
            return loss

        def on_train_epoch_end(self) -> None:
            """Stop when the loss is not finite, or no longer falls."""
            self.observe(self.mixture)
            self.losses.append(float(torch.stack(self.batch_losses).mean()))
            self.batch_losses.clear()
            patience, tolerance = self.settings.patience, self.settings.tolerance
            if not math.isfinite(self.losses[-1]):
                self.trainer.should_stop = True
            elif tolerance > 0.0 and len(self.losses) >= 2 * patience:
                recent = sum(self.losses[-patience:])
                earlier = sum(self.losses[-2 * patience : -patience])
                if earlier - recent < tolerance * patience:
                    self.settled = self.trainer.should_stop = True

        def component_parameters(self) -> torch.Tensor:
            """The usual parameters, (K, d)."""
            values = torch.where(self.positive, functional.softplus(self.raw), self.raw)
            return self.shift + self.unit * values

        def mixture(self) -> Mixture:
            """A copy of the current mixture."""
            with torch.no_grad():
                weights = torch.softmax(self.logits.double(), dim=0)
                parameters = self.component_parameters().double()
            return Mixture(self.family, weights.cpu().numpy(), parameters.cpu().numpy())

    return MixtureModule
