"""Stochastic gradient descent with PyTorch Lightning, for any density that torch can evaluate.

The general method: it needs a density that torch can differentiate and nothing else, so it fits
any family. For an exponential family that density is logsumexp(T(x)·η - A(η)), with T(x) computed
once. Adam moves unconstrained parameters along the gradient of the mean negative log likelihood,
one step a batch of observations, until the loss of recent epochs no longer falls.
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
from fitters.sketching import Bins, judged, sketch_unsupported_reason, view_of
from fitters.torch_density import distribution_nll, natural_nll
from scenarios.families import ExponentialFamily, Family
from scenarios.families.base import Array

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
    kernels = ("gradients", "hessians")
    presets = {
        "article": {
            "learning_rate": 1.0, "max_epochs": 100, "precision": "float32", "tolerance": 0,
            "density": "distribution",
        }
    }  # fmt: skip

    learning_rate: Annotated[float, Field(gt=0)] = 0.3
    """Adam's learning rate; its other parameters are torch's defaults."""
    max_epochs: Annotated[int, Field(ge=1)] = 1000
    """Epochs after which to stop."""
    batch_size: Annotated[int, Field(ge=0)] = 0
    """Observations in a batch, shuffled anew each epoch; 0: all of them."""
    precision: Literal["float32", "float64"] = "float64"
    """Type of the data and of the parameters in torch."""
    density: Literal["natural", "distribution"] = "natural"
    """``natural``: from the statistics T(x) of an exponential family, which in float32 lose digits
    to components much narrower than the data; ``distribution``: by ``torch.distributions``, as
    for any other family."""
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
        if self.bins and self.density == "distribution":
            return "a sketch has no observations for a distribution: leave out bins or density"
        return sketch_unsupported_reason(model, self.bins)

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Import Lightning, and move the statistics or the observations into a tensor."""
        import torch

        dtype, view = getattr(torch, self.precision), view_of(sample, self.bins)
        counts = torch.tensor(view.counts, dtype=dtype)
        with quiet():
            _module_class()
        if self.density == "natural" and isinstance(view.family, ExponentialFamily):
            # Statistics of numbers that float32 rounds to an end of the support are finite.
            columns = torch.tensor(view.rows.T, dtype=dtype)
            return _PreparedGradient(self, view, view.family, columns, counts)
        # Rounding to float32 may land on an end of the support, where there is no density.
        low, high = (torch.tensor(end, dtype=dtype) for end in model.family.support)
        columns = torch.tensor(view.observations[None], dtype=dtype)
        columns = columns.clamp(torch.nextafter(low, high), torch.nextafter(high, low))
        return _PreparedGradient(self, view, None, columns, counts)


@plain_dataclass(frozen=True)
class _PreparedGradient(Prepared):
    settings: Gradient
    sample: Sample
    exponential: ExponentialFamily | None
    """The family whose T(x) the columns are; None: they are observations."""
    columns: torch.Tensor
    """T(x), (d, r), or the observations, (1, n)."""
    counts: torch.Tensor
    """How many observations each column stands for."""

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        settings, before = self.settings, dict(self.sample.passes)
        module = self.module(start.mixture, observe)
        self.train(module, seed)
        losses, epochs = module.losses, len(module.losses.epochs)
        loss = losses.epochs[-1]
        claimed = None if settings.tolerance == 0.0 and math.isfinite(loss) else losses.settled
        passes, message = self.sample.passes_since(before), f"loss {loss:.6g} after {epochs} epochs"
        return judged(Fit(module.mixture(), claimed, epochs, passes, message), self.sample)

    def module(self, start: Mixture, observe: Observe) -> Any:
        """The LightningModule that holds the data and a mixture, at ``start``."""
        return _module_class()(self, start, observe)

    def train(self, module: Any, seed: int) -> None:
        """Train the module until it stops or the epochs are over."""
        import pytorch_lightning as pl

        settings = self.settings
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
            trainer.fit(module, _Batches(len(self.counts), settings.batch_size, seed))


class _Batches:
    """The columns that each batch of an epoch takes; the module has the data.

    Data in the module move to the accelerator once. Lightning's own loader would collate single
    observations, at twenty times the cost.
    """

    def __init__(self, columns: int, size: int, seed: int) -> None:
        import torch

        self.columns, self.size = columns, size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(self.columns / self.size) if self.size else 1

    def __iter__(self) -> Iterator[slice | torch.Tensor]:
        import torch

        if not self.size:
            yield slice(None)
            return
        yield from torch.randperm(self.columns, generator=self.generator).split(self.size)


class _Losses:
    """The mean loss of each epoch, and the rule that stops."""

    def __init__(self, settings: Gradient) -> None:
        self.settings = settings
        self.epochs: list[float] = []
        self.batches: list[torch.Tensor] = []
        self.settled = False

    def end_epoch(self) -> bool:
        """Whether to stop: the loss is not finite, or no longer falls by the tolerance."""
        import torch

        self.epochs.append(float(torch.stack(self.batches).mean()))
        self.batches.clear()
        patience, tolerance = self.settings.patience, self.settings.tolerance
        if not math.isfinite(self.epochs[-1]):
            return True
        if tolerance > 0.0 and len(self.epochs) >= 2 * patience:
            recent = sum(self.epochs[-patience:])
            earlier = sum(self.epochs[-2 * patience : -patience])
            self.settled = earlier - recent < tolerance * patience
        return self.settled


def _scaling(family: Family, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Of the usual parameters, (d,): unit and shift, which are the data's, and which are positive.

    A parameter is shift + unit · value, where the value of a positive one is a softplus.
    """
    import torch

    kinds = [parameter.kind for parameter in family.parameters]
    unit = [1.0 if kind == "shape" else family.scale for kind in kinds]
    shift = [family.centre if kind == "location" else 0.0 for kind in kinds]
    return {
        "unit": torch.tensor(unit, dtype=dtype),
        "shift": torch.tensor(shift, dtype=dtype),
        "positive": torch.from_numpy(family.positive()),
    }


def _raw(
    parameters: Array, unit: torch.Tensor, shift: torch.Tensor, positive: torch.Tensor
) -> torch.Tensor:
    """What is learned for usual parameters (K, d), in float64: it is rounded afterwards."""
    import torch

    values = (torch.from_numpy(parameters) - shift) / unit
    # softplus⁻¹(v) = v + log(1 - exp(-v))
    return torch.where(positive, values + torch.log(-torch.expm1(-values)), values)


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
            self.prepared, self.settings, self.observe = prepared, prepared.settings, observe
            # Units are those of the data, whatever centre and scale the start's family has.
            self.sample, self.family = prepared.sample, prepared.sample.family
            self.losses = _Losses(self.settings)
            dtype = prepared.columns.dtype
            scaling = _scaling(self.family, dtype)
            self.raw = torch.nn.Parameter(_raw(start.parameters, **scaling).to(dtype))
            self.logits = torch.nn.Parameter(torch.from_numpy(start.weights).log().to(dtype))
            # Buffers move to the accelerator with the parameters.
            buffers = {"columns": prepared.columns, "counts": prepared.counts, **scaling}
            for name, tensor in buffers.items():
                self.register_buffer(name, tensor)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Adam with torch's defaults except the learning rate."""
            return torch.optim.Adam(self.parameters(), lr=self.settings.learning_rate)

        def training_step(self, batch: slice | torch.Tensor) -> torch.Tensor:
            """The loss of a batch of columns, whose share of a pass is counted."""
            counts = self.counts[batch]
            self.sample.count(len(counts) / self.sample.size, "gradient")
            loss = self.mean_nll(self.columns[:, batch], counts)
            self.losses.batches.append(loss.detach())
            return loss

        def mean_nll(self, columns: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
            """The mean negative log likelihood; of a batch with the mean h(x) of all the data."""
            usual = self.component_parameters()
            exponential = self.prepared.exponential
            if exponential is None:
                return distribution_nll(columns[0], usual, self.logits, self.family)
            varying = natural_nll(columns, counts, usual, self.logits, exponential)
            return varying - self.sample.log_base / self.sample.size

        def on_train_epoch_end(self) -> None:
            """Show the mixture, and stop if the losses say so."""
            self.observe(self.mixture)
            if self.losses.end_epoch():
                self.trainer.should_stop = True

        def component_parameters(self) -> torch.Tensor:
            """The usual parameters, (K, d)."""
            values = torch.where(self.positive, functional.softplus(self.raw), self.raw)
            return self.shift + self.unit * values

        def mixture(self) -> Mixture:
            """A copy of the current mixture."""
            with torch.no_grad():
                # On the processor, since not every accelerator has float64.
                weights = torch.softmax(self.logits.cpu().double(), dim=0)
                parameters = self.component_parameters().cpu().double()
            return Mixture(self.family, weights.numpy(), parameters.numpy())

    return MixtureModule
