"""The Python lines that rebuild a fitted mixture, in scipy, torch and PyMC."""

from __future__ import annotations

from benchmarks.reference.scipy_mixture import ScipyMixture
from scenarios.families import family

TEMPLATES = {
    "scipy": """\
import numpy as np
from scipy import special, stats

weights = np.array(@weights)
components = @components


def log_density(x):
    terms = components.logpdf(np.asarray(x)[..., None])
    return special.logsumexp(terms, axis=-1, b=weights)
""",
    "torch": """\
import torch
from torch.distributions import *


def t(values):
    return torch.tensor(values, dtype=torch.float64)


mixture = MixtureSameFamily(
    Categorical(t(@weights)),
    @components,
)


def log_density(x):
    return mixture.log_prob(t(x))
""",
    "pymc": """\
import numpy as np
import pymc as pm

weights = np.array(@weights)
mixture = pm.Mixture.dist(w=weights, comp_dists=@components)


def log_density(x):
    return pm.logp(mixture, np.asarray(x)).eval()
""",
}
MIXTUREBENCH = """\
import numpy as np
from scenarios.families import family
from scenarios.mixture import Mixture

mixture = Mixture(family({name!r}), np.array({weights}), np.array({parameters}))
log_density = mixture.log_density
"""


def lines(mixture: ScipyMixture) -> dict[str, str]:
    """Code by library: each defines ``log_density(x)`` for an array x, in float64.

    A family without expressions (a plug-in may have none) is rebuilt by this package alone.
    """
    known = family(mixture.family)
    weights, rows = str(mixture.weights.tolist()), mixture.parameters.tolist()
    expressions = known.expressions
    if not expressions:
        name = mixture.family
        return {"mixturebench": MIXTUREBENCH.format(name=name, weights=weights, parameters=rows)}
    values = dict(zip(known.parameter_names(), mixture.parameters.T.tolist(), strict=True))
    return {
        library: template.replace("@weights", weights).replace(
            "@components", expressions[library].format(**values)
        )
        for library, template in TEMPLATES.items()
        if library in expressions
    }
