"""The start of the founding article, blind to the data."""

from __future__ import annotations

from fitters.starts.base import Mixture, Model, Sample, StartPolicy


class Article(StartPolicy):
    """Standard-normal raw parameters through softplus and softmax, as in the founding article.

    Does not look at the data. Draws are made in the article's order, whose first two pairs
    are unused, from torch's generator seeded with the restart's index: start 1 is the one
    that the article shows.
    """

    name = "article"
    seed_is_restart = True

    def supports(self, model: Model) -> str | None:
        """Beta components only, whose parameters have the size of these draws."""
        if model.family.name != "beta":
            return f"the article's start is for beta components, not {model.family.name}"
        return None

    def draw(self, sample: Sample, model: Model, seed: int) -> Mixture:
        """Draw in float32, as the article does, and apply the links in float64."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        for _ in range(2):
            torch.randn(2, generator=generator)
        raw = torch.randn((model.components, 2), generator=generator).double()
        logits = torch.randn(model.components, generator=generator).double()
        return Mixture(
            sample.family,
            torch.softmax(logits, dim=0).numpy(),
            torch.nn.functional.softplus(raw).numpy(),
        )
