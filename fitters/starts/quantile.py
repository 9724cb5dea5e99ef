"""Starts from bins of the sorted data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fitters.starts.base import Mixture, Model, Sample, StartPolicy, moments_of_groups
from scenarios.errors import UserError


class Quantile(StartPolicy):
    """Cuts the sorted data at random places into K bins, and takes each bin's moment estimates."""

    name = "quantile"

    def draw(self, sample: Sample, model: Model, seed: int) -> Mixture:
        """Draw the cuts; a bin holds at least two observations and a tenth of an equal share."""
        x, components = sample.ordered, model.components
        smallest = max(2, x.size // (10 * components))
        free = x.size - components * smallest
        if free < 0:
            raise UserError(
                f"{x.size} observations can't start {components} components: "
                "the quantile start needs two for each; fit fewer components"
            )
        generator = np.random.default_rng(seed)
        cuts = np.sort(generator.integers(0, free + 1, size=components - 1))
        edges = np.concatenate([[0], cuts + smallest * np.arange(1, components), [x.size]])
        return moments_of_groups(sample, [x[low:high] for low, high in pairwise(edges)])
