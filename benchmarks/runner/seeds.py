"""Random seeds, derived so that all fitters and versions get the same data and starts."""

from __future__ import annotations

import hashlib
from typing import Literal


def derive(
    purpose: Literal["data", "start", "fit", "fit again"],
    seed: int,
    scenario_digest: str,
    replicate: int,
    restart: int = 0,
) -> int:
    """Return a seed in [0, 2⁶³) from the SHA-256 of the arguments.

    Neither the fitter nor the version of the code is among them.
    """
    key = f"{purpose}/{seed}/{scenario_digest}/{replicate}/{restart}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1
