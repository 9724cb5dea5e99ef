"""Markov chain Monte Carlo with PyMC."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Observe, Prepared
from fitters.pymc_model import build_model, inside, model_data, unconstrained
from fitters.quiet import quiet
from fitters.relabelling import relabel
from fitters.sketching import Bins, seen, unsketchable
from fitters.starts import Start
from scenarios.families import Family
from scenarios.mixture import Mixture
from scenarios.sample import Sample

TALKATIVE = ("pymc", "pymc.sampling", "arviz")


@dataclass(frozen=True)
class MCMC(Fitter):
    """The no-U-turn sampler on the unordered mixture; the posterior mean after relabelling.

    Hoffman & Gelman (2014), *JMLR* 15:1593. Labels are left free while sampling, since any
    order constraint (on means, say) distorts mixtures whose components agree in it. Each
    draw is then relabelled towards the common centre: Stephens (2000), *JRSS B* 62:795.

    Priors: weights Dirichlet(``weight_concentration``); positive parameters lognormal with
    standard deviation ``positive_sd`` around the geometric mean of the estimates from K
    equal bins of the sorted data; locations normal around the sample's mean with
    ``location_sd`` times its standard deviation.
    """

    name = "mcmc"
    counted_by = "fitter"

    draws: Annotated[int, Field(ge=4)] = 1000
    tune: Annotated[int, Field(ge=0)] = 1000
    chains: Annotated[int, Field(ge=1)] = 2
    sampler: Literal["auto", "nutpie", "pymc"] = "auto"
    """``auto``: nutpie where it is installed, PyMC's own elsewhere; the message says which."""
    weight_concentration: Annotated[float, Field(gt=0)] = 1.0
    positive_sd: Annotated[float, Field(gt=0)] = 1.5
    location_sd: Annotated[float, Field(gt=0)] = 3.0
    bins: Bins = 0
    """Sample on a sketch of so many rows; 0: on all the data. One compiled model then does
    for data of any size."""

    def supports(self, family: Family, components: int) -> str | None:
        """Any family, given two components and a sampler that can run."""
        if components < 2:
            return "with one component there are no weights to sample: use direct or em"
        if self._sampler() == "nutpie":
            if not find_spec("nutpie"):
                return "nutpie is not installed: use sampler=pymc"
            return unsketchable(family, self.bins)
        if not (shutil.which("g++") or shutil.which("clang++")):
            return (
                "PyMC's own sampler needs a C++ compiler (an evaluation takes a second without): "
                "install g++ or clang++, or nutpie"
            )
        return unsketchable(family, self.bins)

    def prepare(self, sample: Sample, family: Family, components: int) -> Prepared:
        """Build the model and compile its density and gradient."""
        import pymc as pm

        looked_at = seen(sample, self.bins)
        model = build_model(looked_at, components, self)
        sampler = self._sampler()
        if sampler == "nutpie":
            import nutpie

            with quiet(*TALKATIVE):
                compiled = nutpie.compile_pymc_model(model)
        else:
            with quiet(*TALKATIVE), model:
                compiled = pm.NUTS()
        return _PreparedMCMC(self, sampler, looked_at, components, model, compiled)

    def _sampler(self) -> str:
        if self.sampler != "auto":
            return self.sampler
        return "nutpie" if find_spec("nutpie") else "pymc"


@plain_dataclass(frozen=True)
class _PreparedMCMC(Prepared):
    fitter: MCMC
    sampler: str
    sample: Sample
    components: int
    model: Any
    compiled: Any

    def fit(self, start: Start, seed: int, observe: Observe) -> Fit:
        import arviz as az

        chains = range(self.fitter.chains)
        starts = [start.mixture] + [start.sibling(self.sample, j) for j in chains if j > 0]
        seeds = np.random.SeedSequence(seed).generate_state(len(starts))
        sample_chain = self._chain_nutpie if self.sampler == "nutpie" else self._chain_pymc
        with quiet(*TALKATIVE):
            drawn = [sample_chain(s, int(k)) for s, k in zip(starts, seeds, strict=True)]
            posterior = az.concat(drawn, dim="chain") if len(drawn) > 1 else drawn[0]
        names = ["weights", *self.sample.family.parameter_names()]
        draws = np.stack([posterior.posterior[name].to_numpy() for name in names], axis=-1)
        draws = relabel(draws, self.sample.family)
        for j, name in enumerate(names):
            variable = posterior.posterior[name]
            posterior.posterior[name] = (variable.dims, draws[..., j])
        mean = draws.mean(axis=(0, 1))  # (K, 1 + d)
        mixture = Mixture(self.sample.family, mean[:, 0] / mean[:, 0].sum(), mean[:, 1:])

        steps = sum(int(np.sum(group["n_steps"])) for group in _statistics(posterior))
        divergences = int(np.sum(posterior.sample_stats["diverging"]))
        claim, words = None, "one chain has no R-hat"
        if len(starts) > 1:
            worst = max(
                float(az.rhat(posterior.posterior[name]).to_array().max()) for name in names
            )
            claim, words = worst <= 1.01, f"largest R-hat {worst:.3f}"
        message = (
            f"{self.sampler}: {len(starts)} x {self.fitter.draws} draws after "
            f"{self.fitter.tune}; {words}; {divergences} divergences"
        )
        passes = steps * len(self.sample.counts) / self.sample.size
        return Fit(mixture, claim, draws.shape[0] * draws.shape[1], passes, message, posterior)

    def rebind(self, sample: Sample) -> Prepared:
        """The same compiled model on another sample."""
        sample = seen(sample, self.fitter.bins)
        data = model_data(sample, self.components, self.fitter)
        if self.sampler == "nutpie":
            return replace(self, sample=sample, compiled=self.compiled.with_data(**data))
        import pymc as pm

        with self.model:
            pm.set_data(data)
        return replace(self, sample=sample)

    def _chain_nutpie(self, start: Mixture, seed: int) -> Any:
        import nutpie

        point = unconstrained(start)
        # nutpie takes one initial point for all chains, so each chain is a run of its own.
        compiled = replace(self.compiled, initial_point_func=lambda _seed: point)
        return nutpie.sample(
            compiled,
            draws=self.fitter.draws,
            tune=self.fitter.tune,
            chains=1,
            cores=1,
            seed=seed,
            save_warmup=True,
            progress_bar=False,
        )

    def _chain_pymc(self, start: Mixture, seed: int) -> Any:
        import pymc as pm

        names = start.family.parameter_names()
        values = {"weights": inside(start.weights)} | {
            name: start.parameters[:, j] for j, name in enumerate(names)
        }
        with self.model:
            return pm.sample(
                draws=self.fitter.draws,
                tune=self.fitter.tune,
                chains=1,
                cores=1,
                step=self.compiled,
                initvals=values,
                random_seed=seed,
                progressbar=False,
                quiet=True,
                discard_tuned_samples=False,
                compute_convergence_checks=False,
            )


def _statistics(posterior: Any) -> Iterator[Any]:
    """The sampler's statistics, of warm-up too: work is work."""
    for group in ("warmup_sample_stats", "sample_stats"):
        if hasattr(posterior, group):
            yield getattr(posterior, group)
