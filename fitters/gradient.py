"""Gradient descent with PyTorch Lightning: the reference method."""

from __future__ import annotations

import math
from dataclasses import dataclass as plain_dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.quiet import quiet
from fitters.sketching import Bins, affine_basis, seen, unsketchable
from fitters.starts import Start
from scenarios.families import ExponentialFamily, Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

if TYPE_CHECKING:
    import torch

# Lightning's tips, device lines and advice are for other uses than this.
TALKATIVE = tuple(
    f"{name}{suffix}"
    for name in (
        "pytorch_lightning",
        "lightning.pytorch",
        "lightning_fabric",
        "lightning_utilities",
    )
    for suffix in ("", ".utilities.rank_zero")
)


@dataclass(frozen=True)
class Gradient(Fitter):
    """Adam on the mean negative log likelihood, run by a Lightning ``Trainer``.

    Kingma & Ba (2015), *Adam: a method for stochastic optimization*. Positive parameters
    are a softplus of what is learned, weights a softmax; locations and scales are in units
    of the data's. Needs only a density, so any family will do.
    """

    name = "gradient"
    presets = {
        "article": {
            "learning_rate": 1.0,
            "max_epochs": 100,
            "precision": "float32",
            "tolerance": 0.0,
        }
    }

    learning_rate: Annotated[float, Field(gt=0)] = 0.3
    max_epochs: Annotated[int, Field(ge=1)] = 1000
    batch_size: Annotated[int, Field(ge=0)] = 0
    """Observations in a batch, shuffled anew each epoch; 0: all of them, handed over whole."""
    precision: Literal["float32", "float64"] = "float64"
    tolerance: Annotated[float, Field(ge=0)] = 1e-8
    """Stop when the mean loss of the last ``patience`` epochs is not lower than that of the
    ``patience`` before by this much; 0: run all epochs and claim nothing."""
    patience: Annotated[int, Field(ge=1)] = 20
    accelerator: str = "cpu"
    """Lightning's accelerator: cpu, gpu, mps, auto."""
    bins: Bins = 0
    """Learn from a sketch of so many rows, taken whole; 0: from all the data."""

    def supports(self, family: Family, components: int) -> str | None:
        """Any family; a sketch only whole, and of an exponential family."""
        if self.bins and self.batch_size:
            return "a sketch is one batch: leave out bins or batch_size"
        return unsketchable(family, self.bins)

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Import Lightning, and move the data into a tensor."""
        import torch

        dtype = getattr(torch, self.precision)
        looked_at, basis, x = seen(sample, self.bins), None, sample.observations
        if looked_at is not sample:
            assert isinstance(looked_at.family, ExponentialFamily)
            x, carried = affine_basis(looked_at, looked_at.family)
            basis = torch.from_numpy(carried).to(dtype)
        data = torch.tensor(x, dtype=dtype)
        # Rounding to float32 may land on an end of the support, where there is no density.
        low, high = (torch.tensor(end, dtype=dtype) for end in family.support)
        data = data.clamp(torch.nextafter(low, high), torch.nextafter(high, low))
        with quiet(*TALKATIVE):
            _module_class()
        return _PreparedGradient(self, looked_at, data, basis)


@plain_dataclass(frozen=True)
class _PreparedGradient(Prepared):
    fitter: Gradient
    sample: Sample
    data: torch.Tensor
    basis: torch.Tensor | None
    """Of a sketch, whose data are a few nodes: it carries log densities from them to all rows."""

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        import pytorch_lightning as pl
        import torch

        fitter, before = self.fitter, self.sample.evaluations
        module = _module_class()(self, start.mixture, observe)
        batches: Any = _Batches(self.data, fitter.batch_size, seed)
        with quiet(*TALKATIVE):
            trainer = pl.Trainer(
                max_epochs=fitter.max_epochs,
                accelerator=fitter.accelerator,
                devices=1,
                precision="64-true" if fitter.precision == "float64" else "32-true",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
        epochs = len(module.losses)
        finite = math.isfinite(module.losses[-1])
        message = f"loss {module.losses[-1]:.6g} after {epochs} epochs"
        claim = None if fitter.tolerance == 0.0 and finite else module.settled
        return Fit(module.mixture(), claim, epochs, self.sample.evaluations - before, message)


@cache
def _module_class() -> Any:
    """The LightningModule, defined on first use: importing Lightning takes seconds."""
    import pytorch_lightning as pl
    import torch
    from torch.nn import functional

    class MixtureModule(pl.LightningModule):
        """A mixture whose unconstrained parameters Adam moves."""

        def __init__(self, prepared: _PreparedGradient, start: Mixture, observe: Observe):
            super().__init__()
            self.fitter, self.sample = prepared.fitter, prepared.sample
            self.family, self.observe = start.family, observe
            self.settled = False
            self.losses: list[float] = []
            self.epoch_losses: list[torch.Tensor] = []
            dtype = prepared.data.dtype
            self.basis, self.counts = prepared.basis, torch.tensor(self.sample.counts, dtype=dtype)
            kinds = [parameter.kind for parameter in self.family.parameters]
            unit = torch.tensor([1.0 if k == "shape" else self.family.scale for k in kinds])
            shift = torch.tensor([self.family.centre if k == "location" else 0.0 for k in kinds])
            self.register_buffer("unit", unit.to(dtype))
            self.register_buffer("shift", shift.to(dtype))
            self.register_buffer("positive", torch.from_numpy(self.family.positive()))
            values = (torch.from_numpy(start.parameters) - shift) / unit
            # softplus⁻¹(v) = v + log(1 - exp(-v)), in float64 before any rounding
            raw = torch.where(self.positive, values + torch.log(-torch.expm1(-values)), values)
            self.raw = torch.nn.Parameter(raw.to(dtype))
            self.logits = torch.nn.Parameter(torch.from_numpy(start.weights).log().to(dtype))

        def parameters_usual(self) -> torch.Tensor:
            """The usual parameters, (K, d)."""
            values = torch.where(self.positive, functional.softplus(self.raw), self.raw)
            return self.shift + self.unit * values

        def training_step(self, batch: torch.Tensor) -> torch.Tensor:
            """The mean negative log likelihood of a batch."""
            components = self.family.torch_distribution(self.parameters_usual())
            self.sample.count(
                len(self.counts if self.basis is not None else batch) / self.sample.size
            )
            if self.basis is not None:
                joint = components.log_prob(batch[:, None]).T @ self.basis
                joint = joint + torch.log_softmax(self.logits, dim=0)[:, None]
                total = self.counts @ torch.logsumexp(joint, dim=0)
                return self.noted(-total / self.sample.size)
            weights = torch.distributions.Categorical(logits=self.logits)
            mixture = torch.distributions.MixtureSameFamily(
                weights, components, validate_args=False
            )
            return self.noted(-mixture.log_prob(batch).mean())

        def noted(self, loss: torch.Tensor) -> torch.Tensor:
            """The loss, kept for the epoch's mean."""
            self.epoch_losses.append(loss.detach())
            return loss

        def on_train_epoch_end(self) -> None:
            """Note the epoch, and stop where nothing moves any more or nothing is left."""
            self.observe(self.mixture)
            self.losses.append(float(torch.stack(self.epoch_losses).mean()))
            self.epoch_losses.clear()
            patience, tolerance = self.fitter.patience, self.fitter.tolerance
            if not math.isfinite(self.losses[-1]):
                self.trainer.should_stop = True
            elif tolerance > 0.0 and len(self.losses) >= 2 * patience:
                recent = sum(self.losses[-patience:])
                earlier = sum(self.losses[-2 * patience : -patience])
                if earlier - recent < tolerance * patience:
                    self.settled = self.trainer.should_stop = True

        def configure_optimizers(self) -> torch.optim.Optimizer:
            """Adam with torch's other defaults."""
            return torch.optim.Adam(self.parameters(), lr=self.fitter.learning_rate)

        def mixture(self) -> Mixture:
            """A copy of where it stands."""
            with torch.no_grad():
                weights = torch.softmax(self.logits.double(), dim=0)
                values = self.parameters_usual().double()
            return Mixture(self.family, weights.cpu().numpy(), values.cpu().numpy())

    return MixtureModule


class _Batches:
    """Whole batches to iterate over: slices of a shuffled tensor, not single items collated."""

    def __init__(self, data: torch.Tensor, size: int, seed: int) -> None:
        import torch

        self.data, self.size = data, size
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(len(self.data) / self.size) if self.size else 1

    def __getitem__(self, index: int) -> torch.Tensor:
        import torch

        if index >= len(self):
            raise IndexError(index)
        if not self.size:
            return self.data
        if index == 0:
            self.order = torch.randperm(len(self.data), generator=self.generator)
        return self.data[self.order[index * self.size : (index + 1) * self.size]]
