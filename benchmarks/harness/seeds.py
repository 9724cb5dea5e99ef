"""Seeds derived from what they are for, so that any two fitters meet the same data and starts."""

from __future__ import annotations

import hashlib
from typing import Literal


def derive(
    purpose: Literal["data", "start", "fit"],
    seed: int,
    scenario_digest: str,
    data_set: int,
    restart: int = 0,
) -> int:
    """A seed in [0, 2⁶³) from SHA-256 of the arguments; never of the fitter or the commit."""
    told = f"{purpose}/{seed}/{scenario_digest}/{data_set}/{restart}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big") >> 1
