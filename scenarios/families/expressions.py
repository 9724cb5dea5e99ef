"""A family's expressions in scipy, torch and PyMC, and their values.

``Family.expressions`` has one line of Python a library, in which ``{alpha}`` stands for the values
of the parameter alpha. ``mixturebench fit`` prints these lines; ``evaluate`` runs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial, partialmethod
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ScipyDistribution:
    """A scipy distribution with its parameters, as ``stats.beta(a, b)`` is.

    scipy's own frozen distribution copies the distribution, which takes 1 ms.
    """

    def __init__(self, distribution: Any, *args: Any, **kwargs: Any) -> None:
        self._distribution, self._args, self._kwargs = distribution, args, kwargs

    def _call(self, method: str, x: ArrayLike) -> NDArray[np.float64]:
        function = getattr(self._distribution, method)
        return np.asarray(function(x, *self._args, **self._kwargs))

    def _moment(self, method: str) -> NDArray[np.float64]:
        return np.asarray(getattr(self._distribution, method)(*self._args, **self._kwargs))

    mean = partialmethod(_moment, "mean")
    var = partialmethod(_moment, "var")
    logpdf = partialmethod(_call, "logpdf")
    cdf = partialmethod(_call, "cdf")
    ppf = partialmethod(_call, "ppf")


class _Stats:
    """``scipy.stats`` in an expression, where calling a distribution copies nothing."""

    def __getattr__(self, name: str) -> Any:
        from scipy import stats

        return partial(ScipyDistribution, getattr(stats, name))


def evaluate(expression: str, library: str, names: tuple[str, ...], values: Iterable[Any]) -> Any:
    """The value of an expression in ``library``, given the ``values`` of the parameters ``names``.

    The expression is code of this package or of a plug-in, never a user's input.
    """
    columns = dict(zip(names, values, strict=True))
    return eval(_compiled(expression, names), _scope(library), columns)


@cache
def _compiled(expression: str, names: tuple[str, ...]) -> CodeType:
    return compile(expression.format(**{name: name for name in names}), expression, "eval")


@cache
def _scope(library: str) -> dict[str, Any]:
    """The names that an expression may use besides the parameters'."""
    if library == "scipy":
        return {"stats": _Stats(), "np": np}
    if library == "torch":
        from torch import distributions

        # Unchecked: a NaN then shows in the loss instead of raising.
        unchecked = {
            name: partial(getattr(distributions, name), validate_args=False)
            for name in distributions.__all__
        }
        return {**unchecked, "t": lambda values: values}
    import pymc

    return {"pm": pymc}
