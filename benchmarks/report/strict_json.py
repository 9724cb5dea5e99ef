"""Strict JSON, for machines."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(content: Any) -> str:
    """Plain values as strict JSON: what isn't a finite number is null."""
    return json.dumps(_strict(content), indent=1, allow_nan=False)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
