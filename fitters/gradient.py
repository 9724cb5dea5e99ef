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
from fitters.natural_torch import natural_terms
from fitters.quiet import quiet
from fitters.sketching import Bins, judged, sketch_unsupported_reason, view_of
from scenarios.families import ExponentialFamily, Family

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

        dtype = getattr(torch, self.precision)
        view, natural = view_of(sample, self.bins), self.density == "natural" and model.exponential
        # Statistics of numbers that float32 rounds to an end of the support are finite.
        columns = view.rows.T if natural else view.observations[None]
        data = torch.tensor(columns, dtype=dtype)
        if not natural:
            # Rounding to float32 may land on an end of the support, where there is no density.
            low, high = (torch.tensor(end, dtype=dtype) for end in model.family.support)
            data = data.clamp(torch.nextafter(low, high), torch.nextafter(high, low))
        with quiet():
            _module_class()
        return _PreparedGradient(self, view, natural, data, torch.tensor(view.counts, dtype=dtype))


@plain_dataclass(frozen=True)
class _PreparedGradient(Prepared):
    settings: Gradient
    sample: Sample
    natural: bool
    """Whether the density is computed from T(x)."""
    columns: torch.Tensor
    """T(x), (d, r), or the observations, (1, n)."""
    counts: torch.Tensor
    """How many observations each column stands for."""

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        settings, before = self.settings, dict(self.sample.passes)
        module = self.module(start.mixture, observe)
        self.train(module, seed)
        epochs, loss = len(module.losses), module.losses[-1]
        claimed = None if settings.tolerance == 0.0 and math.isfinite(loss) else module.settled
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


def _scaling(family: Family) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit and shift of each usual parameter, (d,): location and scale have those of the data."""
    import torch

    kinds = [parameter.kind for parameter in family.parameters]
    unit = [1.0 if kind == "shape" else family.scale for kind in kinds]
    shift = [family.centre if kind == "location" else 0.0 for kind in kinds]
    return torch.tensor(unit, dtype=torch.float64), torch.tensor(shift, dtype=torch.float64)


def _no_longer_falls(losses: list[float], settings: Gradient) -> bool:
    """Whether the mean loss of recent epochs is not lower than before by the tolerance."""
    patience, tolerance = settings.patience, settings.tolerance
    if tolerance == 0.0 or len(losses) < 2 * patience:
        return False
    recent, earlier = sum(losses[-patience:]), sum(losses[-2 * patience : -patience])
    return earlier - recent < tolerance * patience


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
            # T(x) depends on the family's centre and scale: they are the sample's, not the start's.
            self.natural, self.family, self.observe = prepared.natural, self.sample.family, observe
            self.settled = False
            self.losses: list[float] = []
            self.batch_losses: list[torch.Tensor] = []
            dtype = prepared.columns.dtype
            unit, shift = _scaling(self.family)
            positive = torch.from_numpy(self.family.positive())
            # Buffers move to the accelerator with the parameters.
            buffers = {"columns": prepared.columns, "counts": prepared.counts, "positive": positive}
            buffers |= {"unit": unit.to(dtype), "shift": shift.to(dtype)}
            for name, tensor in buffers.items():
                self.register_buffer(name, tensor)
            values = (torch.from_numpy(start.parameters) - shift) / unit
            # softplus⁻¹(v) = v + log(1 - exp(-v)), in float64 before any rounding
            raw = torch.where(positive, values + torch.log(-torch.expm1(-values)), values)
            self.raw = torch.nn.Parameter(raw.to(dtype))
            self.logits = torch.nn.Parameter(torch.from_numpy(start.weights).log().to(dtype))

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Adam with torch's defaults except the learning rate."""
            return torch.optim.Adam(self.parameters(), lr=self.settings.learning_rate)

        def training_step(self, batch: slice | torch.Tensor) -> torch.Tensor:
            """The loss of a batch of columns, whose share of a pass is counted."""
            counts = self.counts[batch]
            self.sample.count(len(counts) / self.sample.size, "gradient")
            loss = self.mean_nll(self.columns[:, batch], counts)
            self.batch_losses.append(loss.detach())
            return loss

        def mean_nll(self, columns: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
            """The mean negative log likelihood; of a batch with the mean h(x) of all the data."""
            usual = self.component_parameters()
            if self.natural:
                assert isinstance(self.family, ExponentialFamily)
                eta, partition = natural_terms(usual, self.family)
                offsets = torch.log_softmax(self.logits, dim=0) - partition
                values = torch.logsumexp(torch.addmm(offsets[:, None], eta, columns), dim=0)
                return -(counts @ values) / counts.sum() - self.sample.log_base / self.sample.size
            weights = torch.distributions.Categorical(logits=self.logits)
            components = self.family.torch_distribution(usual)
            mixture = torch.distributions.MixtureSameFamily(
                weights, components, validate_args=False
            )
            return -mixture.log_prob(columns[0]).mean()

        def on_train_epoch_end(self) -> None:
            """Stop when the loss is not finite, or no longer falls."""
            self.observe(self.mixture)
            self.losses.append(float(torch.stack(self.batch_losses).mean()))
            self.batch_losses.clear()
            if not math.isfinite(self.losses[-1]):
                self.trainer.should_stop = True
            elif _no_longer_falls(self.losses, self.settings):
                self.settled = self.trainer.should_stop = True

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
