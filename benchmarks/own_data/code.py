"""The Python lines that rebuild a fitted mixture, in scipy, torch and PyMC."""

from __future__ import annotations

from benchmarks.harness import judge

# Each is filled with lists of the parameters, a component an entry, by their names.
SCIPY = {
    "beta": "stats.beta({alpha}, {beta})",
    "normal": "stats.norm({mu}, {sigma})",
    "lognormal": "stats.lognorm({sigma}, scale=np.exp({mu}))",
    "gamma": "stats.gamma({shape}, scale=1 / np.array({rate}))",
    "weibull": "stats.weibull_min({shape}, scale={scale})",
    "student_t": "stats.t({df}, {loc}, {scale})",
}
TORCH = {
    "beta": "Beta(t({alpha}), t({beta}))",
    "normal": "Normal(t({mu}), t({sigma}))",
    "lognormal": "LogNormal(t({mu}), t({sigma}))",
    "gamma": "Gamma(t({shape}), t({rate}))",
    "weibull": "Weibull(t({scale}), t({shape}))",
    "student_t": "StudentT(t({df}), t({loc}), t({scale}))",
}
PYMC = {
    "beta": "pm.Beta.dist(alpha={alpha}, beta={beta})",
    "normal": "pm.Normal.dist(mu={mu}, sigma={sigma})",
    "lognormal": "pm.LogNormal.dist(mu={mu}, sigma={sigma})",
    "gamma": "pm.Gamma.dist(alpha={shape}, beta={rate})",
    "weibull": "pm.Weibull.dist(alpha={shape}, beta={scale})",
    "student_t": "pm.StudentT.dist(nu={df}, mu={loc}, sigma={scale})",
}


def lines(mixture: judge.Judged, names: tuple[str, ...]) -> dict[str, str]:
    """Code by library: each defines ``log_density(x)`` for an array x, in float64.

    ``names`` are the family's parameters. A plug-in's family, which none of the libraries need
    know, is rebuilt by this package alone.
    """
    weights = [float(w) for w in mixture.weights]
    values = {name: [float(v) for v in mixture.parameters[:, j]] for j, name in enumerate(names)}
    if mixture.family not in SCIPY:
        return {"mixturebench": _own(mixture, weights)}
    scipy = SCIPY[mixture.family].format(**values)
    torch = TORCH[mixture.family].format(**values)
    pymc = PYMC[mixture.family].format(**values)
    return {
        "scipy": (
            "import numpy as np\n"
            "from scipy import special, stats\n\n"
            f"weights = np.array({weights})\n"
            f"components = {scipy}\n\n\n"
            "def log_density(x):\n"
            "    terms = components.logpdf(np.asarray(x)[..., None])\n"
            "    return special.logsumexp(terms, axis=-1, b=weights)\n"
        ),
        "torch": (
            "import torch\n"
            "from torch.distributions import *\n\n\n"
            "def t(values):\n"
            "    return torch.tensor(values, dtype=torch.float64)\n\n\n"
            "mixture = MixtureSameFamily(\n"
            f"    Categorical(t({weights})),\n"
            f"    {torch},\n"
            ")\n\n\n"
            "def log_density(x):\n"
            "    return mixture.log_prob(t(x))\n"
        ),
        "pymc": (
            "import numpy as np\n"
            "import pymc as pm\n\n"
            f"weights = np.array({weights})\n"
            f"mixture = pm.Mixture.dist(w=weights, comp_dists={pymc})\n\n\n"
            "def log_density(x):\n"
            "    return pm.logp(mixture, np.asarray(x)).eval()\n"
        ),
    }


def _own(mixture: judge.Judged, weights: list[float]) -> str:
    return (
        "import numpy as np\n"
        "from scenarios.families import family\n"
        "from scenarios.mixture import Mixture\n\n"
        f"mixture = Mixture(family({mixture.family!r}), np.array({weights}), "
        f"np.array({mixture.parameters.tolist()}))\n"
        "log_density = mixture.log_density\n"
    )
