"""A fitted mixture as an object of another library: scipy's mixture, or scikit-learn's."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.errors import UserError
from scenarios.families import family


def to_scipy(mixture: ScipyMixture) -> Any:
    """Return the mixture as a ``scipy.stats.Mixture``, its components in the same order.

    Raises ``UserError`` where scipy has no mixtures, or no such component.
    """
    import scipy
    from scipy import stats

    if not hasattr(stats, "Mixture"):
        raise UserError(
            f"scipy {scipy.__version__} has no stats.Mixture: install scipy 1.15 or newer"
        )
    known = family(mixture.family)
    if "scipy" not in known.expressions:
        raise UserError(
            f"family {known.name!r} has no expression in scipy, so it can't become a "
            'scipy.stats.Mixture: define its expressions["scipy"]'
        )
    rows = [
        dict(zip(known.parameter_names(), row, strict=True)) for row in mixture.parameters.tolist()
    ]
    # The expression is code of this package or of a plug-in, never a user's input.
    scope = {"stats": _NewStats(), "np": np}
    components = [eval(known.expressions["scipy"].format(**row), scope) for row in rows]
    return stats.Mixture(components, weights=mixture.weights)


class _NewStats:
    """``scipy.stats`` in a family's expression, where ``stats.beta(a, b)`` is of the new kind."""

    def __getattr__(self, name: str) -> Any:
        from scipy import stats

        return partial(_component, getattr(stats, name))


def _component(distribution: Any, *arguments: float, **named: float) -> Any:
    """Return a distribution of the new kind, by the arguments of an ``rv_continuous``."""
    from scipy import stats

    shapes = [name.strip() for name in (distribution.shapes or "").split(",") if name.strip()]
    given = dict(zip([*shapes, "loc", "scale"], arguments, strict=False))
    values = {"loc": 0.0, "scale": 1.0} | given | named
    location, scale = float(values.pop("loc")), float(values.pop("scale"))
    if distribution is stats.norm:
        return stats.Normal(mu=location, sigma=scale)
    try:
        standard = stats.make_distribution(distribution)(**values)
    except NotImplementedError as error:
        raise UserError(
            f"scipy's {distribution.name} can't be part of a scipy.stats.Mixture: {error}"
        ) from error
    if (location, scale) == (0.0, 1.0):
        return standard
    return standard * scale + location


def to_sklearn(mixture: ScipyMixture, mean_log_likelihood: float) -> Any:
    """Return a mixture of normals as a fitted ``sklearn.mixture.GaussianMixture`` of one feature.

    Its own ``fit`` begins at these estimates. ``mean_log_likelihood`` is that of an observation,
    in nats. Raises ``UserError`` for another family, and where scikit-learn is not installed.
    """
    if mixture.family != "normal":
        raise UserError(
            f"scikit-learn has mixtures of normals alone, and this is one of {mixture.family}: use "
            "to_scipy(), or fit with --family normal"
        )
    try:
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise UserError(
            "to_sklearn() needs scikit-learn: pip install 'mixturebench[peers]'"
        ) from error
    means, deviations = mixture.parameters.T[:, :, None]
    fitted = GaussianMixture(
        n_components=len(mixture.weights),
        reg_covar=0.0,  # it adds a variance, which is no part of the model
        weights_init=mixture.weights,
        means_init=means,
        precisions_init=deviations[:, :, None] ** -2,
    )
    fitted.weights_, fitted.means_ = mixture.weights, means
    fitted.covariances_ = deviations[:, :, None] ** 2
    fitted.precisions_ = deviations[:, :, None] ** -2
    fitted.precisions_cholesky_ = 1.0 / deviations[:, :, None]
    fitted.converged_, fitted.n_iter_, fitted.n_features_in_ = True, 0, 1
    fitted.lower_bound_ = mean_log_likelihood
    return fitted
