"""Markov chain Monte Carlo with PyMC: the posterior mean, and the posterior itself.

Samples the posterior of the mixture with the no-U-turn sampler, one chain from each of several
starts, and returns the posterior mean. The likelihood is the same in every order of the
components, so chains may exchange labels: draws are relabelled before they are averaged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Array, Fit, Fitter, Mixture, Model, Observe, Prepared, Sample, Start
from fitters.compile_pymc import request_of
from fitters.kernel_density import KernelDensity
from fitters.pymc_density import LogDensity, compile_density
from fitters.pymc_model import build_model, constrained, initial_values, model_data, unconstrained
from fitters.quiet import quiet
from fitters.relabelling import relabel
from fitters.sketching import Bins, judged, sketch_unsupported_reason, view_of


@dataclass(frozen=True)
class MCMC(Fitter):
    """The no-U-turn sampler (Hoffman & Gelman 2014, *JMLR* 15:1593) on the unordered mixture.

    Each chain has its own start. Labels are free while sampling, since any order constraint (on
    means, say) distorts mixtures whose components agree in it. Draws are then relabelled and
    averaged. A posterior mean is no maximum, so the fit claims no convergence: R-hat is in its
    message.

    Priors: weights Dirichlet. The others are empirical, that is, they look at the data: positive
    parameters are lognormal around the geometric mean of the estimates from K equal bins of the
    sorted data, locations normal around the sample's mean with a multiple of its standard
    deviation.
    """

    name = "mcmc"
    libraries = ("pymc", "arviz", "nutpie")
    kernels = ("gradients", "hessians")
    counted_by = "fitter"

    draws: Annotated[int, Field(ge=4)] = 1000
    """Draws of each chain, after tuning."""
    tune: Annotated[int, Field(ge=0)] = 1000
    """Draws of each chain that adapt the sampler and are discarded."""
    chains: Annotated[int, Field(ge=1)] = 4
    """Chains, run one after another. One chain has no R-hat."""
    sampler: Literal["auto", "nutpie", "pymc"] = "auto"
    """``auto``: nutpie where it is installed, PyMC's own elsewhere; the message says which."""
    density: Literal["pymc", "kernel"] = "pymc"
    """``pymc``: PyMC's own density, compiled once on a machine; ``kernel``: the project's own, the
    same up to a constant, which needs no compiling and nutpie to sample it."""
    weight_concentration: Annotated[float, Field(gt=0)] = 1.0
    """Concentration of the weights' Dirichlet prior."""
    positive_sd: Annotated[float, Field(gt=0)] = 1.5
    """Prior standard deviation of the logarithm of a positive parameter."""
    location_sd: Annotated[float, Field(gt=0)] = 3.0
    """Prior standard deviation of a location, in standard deviations of the sample."""
    bins: Bins = 0
    """Fit a sketch of so many rows, with one compiled model for data of any size; 0: fit all
    the data."""

    def supports(self, model: Model) -> str | None:
        """Any family with two components or more, where the sampler can run."""
        if model.components < 2:
            return "with one component there are no weights to sample: use direct or em"
        if self._sampler() == "nutpie" and not find_spec("nutpie"):
            return "nutpie is not installed: use sampler=pymc"
        if self.density == "kernel":
            if self._sampler() == "pymc":
                return "density=kernel is sampled by nutpie alone: install it, or use density=pymc"
            if not (model.exponential or model.family.exact_derivatives):
                return f"{model.family.name} has no exact gradient of its own: use density=pymc"
        if self._sampler() == "pymc" and not (shutil.which("g++") or shutil.which("clang++")):
            return (
                "PyMC's own sampler needs a C++ compiler (an evaluation takes a second without): "
                "install g++ or clang++, or nutpie"
            )
        return sketch_unsupported_reason(model, self.bins)

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        """Build the model and compile its density and gradient."""
        view, components, sampler = view_of(sample, self.bins), model.components, self._sampler()
        if self.density == "kernel":
            density = KernelDensity(view, components, self)
            return _PreparedMCMC(self, sampler, view, components, None, density)
        graph = build_model(view, components, self)
        if sampler == "nutpie":
            compiled = compile_density(graph, request_of(view, components, self))
            return _PreparedMCMC(
                self, sampler, view, components, graph, compiled.log_density, compiled.cached
            )
        import pymc as pm

        with quiet(), graph:
            return _PreparedMCMC(self, sampler, view, components, graph, pm.NUTS())

    def _sampler(self) -> str:
        if self.sampler != "auto":
            return self.sampler
        return "nutpie" if find_spec("nutpie") else "pymc"


@plain_dataclass(frozen=True)
class _PreparedMCMC(Prepared):
    settings: MCMC
    sampler: str
    sample: Sample
    components: int
    graph: Any
    """The PyMC model, whose data can be replaced; None for the kernel's density."""
    density: LogDensity | Any
    """The log density that nutpie samples, or PyMC's step method."""
    cached: bool | None = None
    """Whether the density's code was stored before; None where none is stored."""

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        siblings = [start.sibling(self.sample, j) for j in range(1, self.settings.chains)]
        starts = [start.mixture, *siblings]
        seeds = np.random.SeedSequence(seed).generate_state(len(starts))
        with quiet():
            import arviz as az

            chains = [self._chain(s, int(k)) for s, k in zip(starts, seeds, strict=True)]
            posterior = az.concat(chains, dim="chain") if len(chains) > 1 else chains[0]
        draws = self._relabel(posterior)
        mean = draws.mean(axis=(0, 1))  # (K, 1 + d)
        mixture = Mixture(self.sample.family, mean[:, 0] / mean[:, 0].sum(), mean[:, 1:])

        # Leapfrog steps of warm-up are work too.
        groups = [g for g in ("warmup_sample_stats", "sample_stats") if hasattr(posterior, g)]
        steps = sum(int(np.sum(getattr(posterior, group)["n_steps"])) for group in groups)
        passes = {"gradient": steps * self.sample.pass_share}
        divergences = int(np.sum(posterior.sample_stats["diverging"]))
        message = (
            f"{self.sampler}: {len(starts)} x {self.settings.draws} draws after "
            f"{self.settings.tune}; {self._r_hat(posterior)}; {divergences} divergences"
        )
        count = draws.shape[0] * draws.shape[1]
        extra = None if self.cached is None else {"cached": self.cached}
        return judged(Fit(mixture, None, count, passes, message, posterior, extra), self.sample)

    def rebind(self, sample: Sample) -> Prepared:
        """Put another sample's data into the compiled model."""
        sample = view_of(sample, self.settings.bins)
        if self.graph is None:
            density = KernelDensity(sample, self.components, self.settings)
            return replace(self, sample=sample, density=density)
        for name, value in model_data(sample, self.components, self.settings).items():
            self.graph.set_data(name, value)
        return replace(self, sample=sample)

    @property
    def _variables(self) -> list[str]:
        return ["weights", *self.sample.family.parameter_names()]

    def _relabel(self, posterior: Any) -> np.ndarray:
        """Relabel the posterior's draws in place; returns them, (chain, draw, K, 1 + d)."""
        variables = [posterior.posterior[name] for name in self._variables]
        draws = np.stack([variable.to_numpy() for variable in variables], axis=-1)
        draws = relabel(draws, self.sample.family)
        for j, (name, variable) in enumerate(zip(self._variables, variables, strict=True)):
            posterior.posterior[name] = (variable.dims, draws[..., j])
        return draws

    def _r_hat(self, posterior: Any) -> str:
        """The largest R-hat of the parameters, in words."""
        import arviz as az

        if self.settings.chains == 1:
            return "one chain has no R-hat"
        r_hats = (az.rhat(posterior.posterior[name]).to_array() for name in self._variables)
        return f"largest R-hat {max(float(r_hat.max()) for r_hat in r_hats):.3f}"

    def _chain(self, start: Mixture, seed: int) -> Any:
        """Sample one chain: nutpie takes one initial point for all chains of a run."""
        length = {"draws": self.settings.draws, "tune": self.settings.tune, "chains": 1, "cores": 1}
        if self.sampler == "nutpie":
            import nutpie

            return nutpie.sample(
                self._nutpie_model(start), seed=seed, save_warmup=True, progress_bar=False, **length
            )
        import pymc as pm

        with self.graph:
            return pm.sample(
                step=self.density,
                initvals=initial_values(start),
                random_seed=seed,
                progressbar=False,
                quiet=True,
                discard_tuned_samples=False,
                compute_convergence_checks=False,
                **length,
            )

    def _nutpie_model(self, start: Mixture) -> Any:
        """nutpie's model of the density, whose chain begins at ``start``."""
        import pandas as pd
        from nutpie.compiled_pyfunc import from_pyfunc

        family, components, point = self.sample.family, self.components, unconstrained(start)

        def expand(_seed: int, _other_seed: int, _chain: int) -> Callable[[Array], Any]:
            return lambda point: constrained(point, family, components)

        names = self._variables
        return from_pyfunc(
            point.size,
            lambda: self.density,
            expand,
            [np.dtype(np.float64)] * len(names),
            [(components,)] * len(names),
            names,
            coords={"component": pd.RangeIndex(components)},
            dims=dict.fromkeys(names, ("component",)),
            make_initial_point_fn=lambda _seed: point,
        )
