"""Compiled passes, loaded or compiled before any clock starts."""

from __future__ import annotations

from collections.abc import Iterable

from fitters.base import Fitter
from fitters.starts import policy
from scenarios.sample import Sample

PASSES = ("sums", "likelihoods", "expectations", "gradients", "hessians")
"""The compiled functions behind a sample's own methods."""


def load_kernels(sample: Sample, names: Iterable[str] = PASSES, sketched: bool = False) -> None:
    """Load compiled functions for the rows of a sample, and for those of its sketches if asked."""
    # The samples of an earlier commit, which asv measures with this code, have none.
    rows = getattr(sample, "compiled_rows", None)
    if rows is None:
        return
    from scenarios.kernels.loading import load

    chosen = tuple(names) if rows.code >= 0 else ("sums",)
    load(chosen, counted=False)
    if sketched:
        load(chosen, counted=True)
        load(["add_to_cells"], counted=False)


def load_kernels_of(fitter: Fitter, starts: Iterable[str], sample: Sample) -> None:
    """Load what a fitter and start policies use; what they don't name is left as it is."""
    names, sketched = set(getattr(fitter, "kernels", ())), bool(getattr(fitter, "bins", 0))
    for name in set(starts):
        kernels = getattr(policy(name), "kernels", ())
        names |= set(kernels)
        sketched |= bool(kernels)
    load_kernels(sample, sorted(names), sketched)
