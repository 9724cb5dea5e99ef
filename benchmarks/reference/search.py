"""The reference of one data set: the best admissible optimum of whole searches that are compared.

It is independent of ``fitters``: it has starts and an optimiser of its own.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

import scenarios
from benchmarks.reference.admissible import RIDGE
from benchmarks.reference.ascent import LIMIT, ascend
from benchmarks.reference.cache import KEY_LENGTH, store_reference, stored_reference
from benchmarks.reference.certificate import SAME_OPTIMUM, Optimum, Reference, hits
from benchmarks.reference.flags import flags
from benchmarks.reference.optima import Found, distinct, whole_search
from benchmarks.reference.scipy_mixture import mean_nll
from benchmarks.reference.verify import check_family, check_likelihood
from scenarios.errors import UserError
from scenarios.mixture import Mixture
from scenarios.sample import Sample

SEARCHES = 2
"""Whole searches, of different seeds: where they agree, a third would seldom find more."""
MOST_SEARCHES = 6
"""Whole searches where they disagree."""


class NoReferenceError(UserError):
    """A data set has no admissible optimum, so nothing on it can be scored."""


def find_reference(
    sample: Sample, components: int, min_spread: float, cache: Path | None = None
) -> Reference:
    """The reference for K = ``components``, from the folder ``cache`` if it is stored there.

    ``min_spread`` is the smallest admissible spread of a component, relative to the sample's. The
    cache's key is the data's digest, the family, K, ``min_spread`` and the code of the search.
    Raises ``NoReferenceError`` if no optimum is admissible, and ``FamilyError`` unless scipy's
    densities agree with those by which it was found.
    """
    path = None if cache is None else reference_path(sample, components, min_spread, cache)
    reference = None if path is None else stored_reference(path)
    check_family(sample)
    is_new = reference is None
    if reference is None:
        # The seed depends on the data alone, so that other code repeats the same searches.
        reference = _search(sample, components, min_spread, int(sample.digest()[:8], 16))
    mixture, n = reference.mixture, sample.size
    check_family(sample, mixture)
    scipys = -n * mean_nll(mixture, sample.observations)
    check_likelihood(reference.family, reference.log_likelihood, scipys, n)
    if is_new and path is not None:  # none is stored that scipy does not confirm
        store_reference(path, reference)
    return reference


def is_stored(sample: Sample, components: int, min_spread: float, cache: Path) -> bool:
    """Whether ``find_reference`` with these arguments would find the reference in the cache."""
    return stored_reference(reference_path(sample, components, min_spread, cache)) is not None


def reference_path(sample: Sample, components: int, min_spread: float, cache: Path) -> Path:
    """The file of a reference in the folder ``cache``, by the arguments of ``find_reference``."""
    content = f"{sample.digest()}/{sample.family.name}/{components}/{min_spread!r}/{_version()}"
    return cache / f"{hashlib.sha256(content.encode()).hexdigest()[:KEY_LENGTH]}.json"


@lru_cache(maxsize=1)
def _version() -> str:
    """A digest of this package's code and of ``scenarios``: other code, another reference."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    files += sorted(Path(scenarios.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def _search(sample: Sample, components: int, min_spread: float, seed: int) -> Reference:
    """Search ``SEARCHES`` times for K = ``components``; where they disagree, more often."""
    found: list[Found] = []
    heights: list[float | None] = []
    while len(found) < SEARCHES or hits(heights) < len(found) < MOST_SEARCHES:
        found.append(whole_search(sample, components, min_spread, seed + len(found)))
        heights = [None if each.best is None else each.best.log_likelihood for each in found]
    optima = distinct(optimum for each in found for optimum in each.optima)
    fewer = max((f.fewer for f in found if f.fewer), key=_height, default=None)
    # Where a better optimum was met and refused as a ridge, fewer components are no optimum.
    known = [o for o in optima if o.rejection_reason in ("", RIDGE)]
    is_fewer = fewer is not None and (
        not known or known[0].log_likelihood <= fewer.log_likelihood + SAME_OPTIMUM
    )
    admissible = [o for o in optima if not o.rejection_reason]
    chosen = fewer if is_fewer else next(iter(admissible), None)
    if chosen is None:
        ridge = f" (the best end is {known[0].rejection_reason})" if known else ""
        raise NoReferenceError(
            f"no admissible optimum of {components} {sample.family.name} components was found in "
            f"{sample.size} observations{ridge}; fit fewer components, or another family"
        )
    top = ascend(sample, _mixture(sample, chosen))
    exact = sample.family.exact_derivatives
    return Reference(
        version=_version(),
        family=sample.family.name,
        components=components,
        size=sample.size,
        weights=top.mixture.weights.tolist(),
        parameters=top.mixture.parameters.tolist(),
        log_likelihood=top.log_likelihood,
        method=f"Newton's method, {'exact' if exact else 'numeric'} Hessian",
        predicted_gain=top.predicted_gain,
        smallest_eigenvalue=top.smallest_eigenvalue,
        ascents=sum(f.ascents for f in found),
        recipe=chosen.recipe,
        best_of_each=heights,
        flags=flags(sample, top.mixture, top.log_likelihood, heights, optima, min_spread),
        optima=optima,
        fewer_components=is_fewer,
        log_likelihood_of_fewer=None if fewer is None else fewer.log_likelihood,
        limits=_limits(top.mixture),
    )


def _height(optimum: Optimum) -> float:
    return optimum.log_likelihood


def _limits(mixture: Mixture) -> list[str]:
    """A sentence for each component that is of another family in the limit."""
    family = mixture.family
    return [
        f"component {k} is {limit} in the limit of large {name}"
        for k, row in enumerate(mixture.parameters, start=1)
        for name, value in zip(family.parameter_names(), row, strict=True)
        if (limit := family.limits.get(name)) and value >= 0.999 * LIMIT
    ]


def _mixture(sample: Sample, optimum: Optimum) -> Mixture:
    return Mixture(sample.family, np.array(optimum.weights), np.array(optimum.parameters))
