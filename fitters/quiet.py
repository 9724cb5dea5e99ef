"""Libraries that give advice, silenced while they work: the harness judges for itself."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*loggers: str) -> Iterator[None]:
    """Within it these loggers say nothing, and no warning is shown; all is as before after."""
    held = [logging.getLogger(name) for name in loggers]
    previous = [logger.level for logger in held]
    for logger in held:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(held, previous, strict=True):
            logger.setLevel(level)
