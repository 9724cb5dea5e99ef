"""The contract of a component distribution.

Observations ``x`` are (n,), parameters (K, d) with a row for each component. Values of each
component at each observation are (K, n), so that the long axis is contiguous.

There are two coordinate systems: the *usual* parameters (alpha, sigma, ...), and *free*
coordinates, which are unconstrained and of order one: the logarithm of a positive parameter,
and (value - centre) / scale of a location.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from scenarios.errors import UserError
from scenarios.families.expressions import evaluate

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]


class SupportError(UserError):
    """Observations lie where the family has no density."""


@dataclass(frozen=True)
class Parameter:
    """A usual parameter and its kind.

    A location shifts with the data, a scale grows with them; a shape (or a rate) is any other
    positive number.
    """

    name: str
    kind: Literal["shape", "scale", "location"] = "shape"

    @property
    def positive(self) -> bool:
        """Whether it must be positive; only a location may have either sign."""
        return self.kind != "location"


@dataclass(frozen=True)
class Family(ABC):
    """A component distribution.

    ``centre`` and ``scale`` are the location and the spread of the data. They change no density:
    they scale the free coordinates of locations, and keep squares from cancelling.
    """

    centre: float = 0.0
    scale: float = 1.0

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    support: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    """The open interval on which the density is positive; its ends are outside."""
    example: ClassVar[tuple[tuple[float, ...], ...]] = ()
    """Parameters of two well separated components, on which the contract test fits."""
    exact_derivatives: ClassVar[bool] = False
    """Whether ``score`` and ``curvature`` are formulas; otherwise they are numeric."""
    limits: ClassVar[dict[str, str]] = {}
    """The families that this one becomes as a parameter grows without bound, by the parameter."""
    expressions: ClassVar[dict[str, str]] = {}
    """Code that makes K components in "scipy", "torch" and "pymc": ``stats.beta({alpha}, {beta})``.

    Braces stand for the K values of a parameter: lists in the code that ``mixturebench fit``
    prints, where ``t`` makes a tensor of one, and otherwise arrays, tensors or random variables.
    """

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """The usual parameters' names, in their order."""
        return tuple(parameter.name for parameter in cls.parameters)

    @classmethod
    def positive(cls) -> NDArray[np.bool_]:
        """Which parameters are positive, shape (d,)."""
        return np.array([parameter.positive for parameter in cls.parameters])

    def anchored(self, x: Array) -> Self:
        """This family with ``centre`` and ``scale`` of the data, if a parameter has units."""
        if all(parameter.kind == "shape" for parameter in self.parameters):
            return self
        return replace(self, centre=float(np.mean(x)), scale=float(np.std(x)) or 1.0)

    def check_support(self, x: Array) -> None:
        """Raise ``SupportError`` where an observation is outside the open support, or NaN."""
        low, high = self.support
        if x.size == 0 or (low < x.min() and x.max() < high):  # NaN is neither
            return
        outside = ~((x > low) & (x < high))
        if outside.any():
            first = ", ".join(f"{value:g}" for value in x[outside][:3])
            raise SupportError(
                f"{int(outside.sum())} of {x.size} observations are outside ({low:g}, {high:g}), "
                f"the open interval that {self.name} covers (first: {first}): remove them, "
                "rescale the data, or choose another family"
            )

    def valid(self, parameters: Array) -> bool:
        """Whether all ``parameters`` are finite and inside the domain."""
        return bool(
            np.isfinite(parameters).all() and (parameters[..., self.positive()] > 0.0).all()
        )

    def free(self, parameters: Array) -> Array:
        """Usual parameters → free coordinates, any leading shape."""
        values = np.array(parameters, dtype=np.float64)
        positive = self.positive()
        values[..., positive] = np.log(values[..., positive])
        values[..., ~positive] = (values[..., ~positive] - self.centre) / self.scale
        return values

    def usual(self, free: Array) -> Array:
        """Free coordinates → usual parameters, any leading shape."""
        values = np.array(free, dtype=np.float64)
        positive = self.positive()
        with np.errstate(over="ignore"):  # inf is outside the domain
            values[..., positive] = np.exp(values[..., positive])
        values[..., ~positive] = self.centre + self.scale * values[..., ~positive]
        return values

    def units(self, parameters: Array) -> Array:
        """Steps in free coordinates that change a component about as much as it is wide, (K, d).

        1, but in a location the component's scale ÷ the family's, where it has a scale.
        """
        units = np.ones(parameters.shape)
        kinds = [parameter.kind for parameter in self.parameters]
        if "scale" in kinds:
            widths = parameters[:, [kinds.index("scale")]] / self.scale
            units[:, ~self.positive()] = widths
        return units

    def log_density(self, x: Array, parameters: Array) -> Array:
        """log f(x | parameters), shape (K, n); here by scipy."""
        return np.asarray(self.scipy_distribution(parameters).logpdf(x))

    def cdf(self, x: Array, parameters: Array) -> Array:
        """P(X ≤ x), shape (K, n); here by scipy."""
        return np.asarray(self.scipy_distribution(parameters).cdf(x))

    def quantile(self, q: Array, parameters: Array) -> Array:
        """The inverse of ``cdf`` at probabilities ``q`` (m,), shape (K, m); here by scipy."""
        return np.asarray(self.scipy_distribution(parameters).ppf(q))

    def draw(self, generator: np.random.Generator, parameters: Array, size: int) -> Array:
        """``size`` draws from one component, ``parameters`` (d,); here by inversion."""
        return self.quantile(generator.uniform(size=size), parameters[None])[0]

    @abstractmethod
    def moment_estimate(self, x: Array) -> Array:
        """A rough estimate (d,) from observations of one component.

        It is cheap, and inside the domain for any ``x`` of at least one value.
        """

    def link(self, x: Array) -> Array:
        """Map the support onto the real line: logit of an interval, log of a half-line."""
        low, high = self.support
        if np.isfinite(low) and np.isfinite(high):
            return np.asarray(special.logit((x - low) / (high - low)))
        return np.log(x - low) if np.isfinite(low) else np.asarray(x, dtype=np.float64)

    def unlink(self, y: Array) -> Array:
        """The inverse of ``link``."""
        low, high = self.support
        if np.isfinite(low) and np.isfinite(high):
            return np.asarray(low + (high - low) * special.expit(y))
        return low + np.exp(y) if np.isfinite(low) else np.asarray(y, dtype=np.float64)

    def scipy_distribution(self, parameters: Array) -> Any:
        """The K components, ``parameters`` (K, d), as one scipy distribution.

        ``logpdf(x)`` is (K, n) and ``ppf(q)`` (K, m). All scores are computed by these two.
        """
        return self._evaluate("scipy", parameters.T[:, :, None])

    def torch_distribution(self, parameters: torch.Tensor) -> torch.distributions.Distribution:
        """The K components, ``parameters`` (K, d), as one torch distribution, unchecked."""
        return self._evaluate("torch", parameters.unbind(1))

    def pymc_distribution(self, parameters: list[Any]) -> Any:
        """The K components, d tensors of shape (K,), as one PyMC distribution, unregistered."""
        return self._evaluate("pymc", parameters)

    def _evaluate(self, library: str, values: Iterable[Any]) -> Any:
        if library not in self.expressions:
            raise UserError(
                f"family {self.name!r} has no {library} distribution: define its "
                f'expressions["{library}"] or its method {library}_distribution'
            )
        return evaluate(self.expressions[library], library, self.parameter_names(), values)

    def score(self, x: Array, parameters: Array) -> Array:
        """∂ log f / ∂ free coordinates, shape (K, d, n), by central differences: 2d densities."""
        free = self.free(parameters)
        # ≈ cube root of the rounding unit: balances truncation and rounding.
        steps = 6e-6 * self.units(parameters)
        columns = []
        for j in range(free.shape[1]):
            shift = np.zeros(free.shape)
            shift[:, j] = steps[:, j]
            above = self.log_density(x, self.usual(free + shift))
            below = self.log_density(x, self.usual(free - shift))
            columns.append((above - below) / (2.0 * steps[:, [j]]))
        return np.stack(columns, axis=1)

    def curvature(self, x: Array, parameters: Array) -> Array:
        """∂² log f / ∂ free coordinates², shape (K, d, d, n), by differences of the density.

        Along the axes and their pairwise sums, by the five-point rule, whose error is of the
        fourth order in the step (Abramowitz & Stegun 1964, 25.3.24): 2d(d + 1) + 1 densities.
        """
        free, d = self.free(parameters), parameters.shape[1]
        steps = 3e-3 * self.units(parameters)  # truncation and rounding are both about 1e-9
        middle = self.log_density(x, parameters)

        def along(direction: Array) -> Array:
            one, two = (
                self.log_density(x, self.usual(free + shift))
                + self.log_density(x, self.usual(free - shift))
                for shift in (direction, 2.0 * direction)
            )
            return np.asarray((16.0 * one - two - 30.0 * middle) / 12.0)

        axes = [steps * axis for axis in np.eye(d)]
        result = np.empty((len(free), d, d, len(x)))
        for a in range(d):
            result[:, a, a] = along(axes[a])
            for b in range(a):
                both = along(axes[a] + axes[b]) - result[:, a, a] - result[:, b, b]
                result[:, a, b] = result[:, b, a] = 0.5 * both
        result /= steps[:, :, None, None] * steps[:, None, :, None]
        return result

    def derivatives(self, x: Array, parameters: Array) -> tuple[Array, Array, Array]:
        """``log_density``, ``score`` and ``curvature``, for which formulas may share terms."""
        return (
            self.log_density(x, parameters),
            self.score(x, parameters),
            self.curvature(x, parameters),
        )

    @classmethod
    def difference_densities(cls, order: int) -> int:
        """The densities that ``score`` (1), or ``score`` and ``curvature`` (2), evaluate."""
        d = len(cls.parameters)
        return 0 if cls.exact_derivatives else 2 * d + (order - 1) * (2 * d * (d + 1) + 1)

    def spread(self, parameters: Array) -> Array:
        """Half of each component's 16–84 % range, shape (K,)."""
        ends = self.quantile(np.array([0.16, 0.84]), parameters)
        return 0.5 * (ends[:, 1] - ends[:, 0])


class ExponentialFamily(Family):
    """A family with log f(x | η) = η·T(x) - A(η) + h(x).

    Density, E-step, M-step, gradient, Hessian and Fisher information all follow from the
    functions below; Wainwright & Jordan (2008), *Graphical models, exponential families,
    and variational inference*, chapter 3.
    """

    exact_derivatives = True
    code: ClassVar[int] = -1
    """The family's number in ``scenarios.kernels.by_family``; -1: only sums are compiled."""

    @abstractmethod
    def statistics(self, x: Array) -> Array:
        """T(x), shape (n, d)."""

    @abstractmethod
    def log_base(self, x: Array) -> Array:
        """h(x), shape (n,)."""

    def link_of(self, x: Array, statistics: Array) -> Array:
        """``link`` of x (n,), whose T(x) (n, d) are known, and may make it cheaper."""
        return self.link(x)

    @abstractmethod
    def natural(self, parameters: Array) -> Array:
        """Usual parameters (K, d) → η (K, d)."""

    @abstractmethod
    def log_partition(self, eta: Array) -> Array:
        """A(η), shape (K,)."""

    @abstractmethod
    def mean_statistics(self, eta: Array) -> Array:
        """∇A(η) = E T, shape (K, d)."""

    @abstractmethod
    def covariance_statistics(self, eta: Array) -> Array:
        """∇²A(η) = Cov T, shape (K, d, d)."""

    @abstractmethod
    def natural_derivatives(self, parameters: Array) -> tuple[Array, Array]:
        """∂η/∂free, (K, d, d), and ∂²η/∂free², (K, d, d, d); the first d is η's index."""

    @abstractmethod
    def maximise(self, mean_statistics: Array, initial: Array | None = None) -> Array:
        """The M-step: usual parameters (K, d) with ∇A(η) = ``mean_statistics`` (K, d).

        An iterative solution starts from ``initial`` (K, d) if given. NaN for a component whose
        statistics no parameters can produce (all its mass on one point).
        """

    def log_density(self, x: Array, parameters: Array) -> Array:
        """log f(x | parameters) = η·T - A + h, shape (K, n)."""
        eta = self.natural(parameters)
        fixed = self.log_base(x) - self.log_partition(eta)[:, None]
        return np.asarray(eta @ self.statistics(x).T + fixed)

    def score(self, x: Array, parameters: Array) -> Array:
        """(∂η/∂free)ᵀ (T - E T), shape (K, d, n)."""
        jacobian, _ = self.natural_derivatives(parameters)
        mean = self.mean_statistics(self.natural(parameters))
        return np.asarray(jacobian.swapaxes(1, 2) @ (self.statistics(x).T - mean[:, :, None]))

    def curvature(self, x: Array, parameters: Array) -> Array:
        """Σⱼ (T - E T)ⱼ ∂²ηⱼ/∂free² - (∂η/∂free)ᵀ Cov T (∂η/∂free), shape (K, d, d, n)."""
        eta = self.natural(parameters)
        jacobian, second = self.natural_derivatives(parameters)
        residual = self.statistics(x).T - self.mean_statistics(eta)[:, :, None]
        fixed = jacobian.swapaxes(1, 2) @ self.covariance_statistics(eta) @ jacobian
        return np.einsum("kjab,kjn->kabn", second, residual) - fixed[..., None]


def mixture_text(family: Family, weights: Array, parameters: Array) -> str:
    """A mixture as "0.50·Beta(10, 1.5) + 0.50·Beta(1.5, 10)", parameters in the family's order."""
    name = family.name.replace("_", " ").title().replace(" ", "")
    terms = []
    for weight, row in zip(np.atleast_1d(weights), np.atleast_2d(parameters), strict=False):
        share = f"{weight:.2f}" if weight >= 0.01 else f"{weight:.2g}"
        terms.append(f"{share}·{name}({', '.join(f'{value:.4g}' for value in row)})")
    return " + ".join(terms)
