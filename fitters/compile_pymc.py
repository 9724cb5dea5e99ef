"""``python -m fitters.compile_pymc``: compile the model of a request, and store its code.

``pymc_density`` starts it, with the request on standard input. The code depends on the family, K
and the constants of the priors, not on the data, for which a few observations stand.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from fitters.pymc_density import first_line, store_density
from fitters.pymc_model import build_model
from scenarios.families import family
from scenarios.sample import Sample

if TYPE_CHECKING:
    from fitters.mcmc import MCMC

OBSERVATIONS = 100
"""The number of observations that stand for the data."""


def request_of(sample: Sample, components: int, settings: MCMC) -> dict[str, Any]:
    """The request, as plain JSON values, for the code of ``build_model`` with these arguments."""
    ordered = sample.ordered
    index = np.linspace(0, len(ordered) - 1, OBSERVATIONS).round().astype(int)
    return {
        "family": sample.family.name,
        "components": components,
        "weight_concentration": settings.weight_concentration,
        "positive_sd": settings.positive_sd,
        "observations": ordered[index].tolist(),
    }


def main() -> None:
    """Read a request from standard input, and store the code of its model, or exit with a line."""
    from fitters.mcmc import MCMC

    request = json.load(sys.stdin)
    priors = {name: request[name] for name in ("weight_concentration", "positive_sd")}
    try:
        sample = Sample.of(np.array(request["observations"]), family(request["family"]))
        store_density(build_model(sample, request["components"], MCMC(**priors)))
    except Exception as error:  # its last line is shown by the process that asked
        sys.exit(first_line(error))


if __name__ == "__main__":
    main()
