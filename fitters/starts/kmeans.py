"""Starts from clusters of the data."""

from __future__ import annotations

import warnings

import numpy as np

from fitters.starts.base import Mixture, Model, StartPolicy, moments_of_groups
from scenarios.errors import UserError
from scenarios.random_part import random_part
from scenarios.sample import Sample


class KMeans(StartPolicy):
    """Clusters by k-means++ and Lloyd's algorithm on the family's link scale, then moments.

    Arthur & Vassilvitskii (2007), *k-means++: the advantages of careful seeding*.
    """

    name = "kmeans"

    def draw(self, sample: Sample, model: Model, seed: int) -> Mixture:
        """Cluster; equal bins where a cluster ends with fewer than two observations."""
        from scipy.cluster.vq import kmeans2

        x, components = random_part(sample.observations), model.components
        if x.size < 2 * components:
            raise UserError(
                f"{x.size} observations can't start {components} components: "
                "the kmeans start needs two for each; fit fewer components"
            )
        y = sample.family.link(x)[:, None]
        generator = np.random.default_rng(seed)
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            # Fewer distinct values than clusters leave some empty, for which bins are below.
            warnings.simplefilter("ignore", UserWarning)
            _, labels = kmeans2(y, components, iter=30, minit="++", rng=generator, missing="warn")
        groups = [x[labels == k] for k in range(components)]
        if min(group.size for group in groups) < 2:
            groups = np.array_split(sample.ordered, components)
        return moments_of_groups(sample, groups)
