"""Fitters that break the contract in every way, to test that a run survives them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from fitters.base import Fit, Fitter, Prepared
from scenarios.model import Model
from scenarios.sample import Sample


@dataclass(frozen=True)
class Hostile(Fitter):
    """Breaks the contract by ``how``, in every fit or, for ``slow_setup``, before the first."""

    name = "hostile"
    how: Literal[
        "raises", "interrupts", "garbage", "sleeps", "allocates", "exits", "ends", "segfaults",
        "forks", "returns_twice", "detaches", "prints", "closes", "slow_setup",
        "exits_at_times",
    ] = "raises"  # fmt: skip
    seconds: float = 3600.0
    """How long it sleeps, if it does."""
    batch: int = 1

    def prepare(self, sample: Sample, model: Model) -> Prepared:
        if self.how == "slow_setup":
            time.sleep(self.seconds)
        return _Prepared(self, sample)


class _Prepared(Prepared):
    def __init__(self, fitter: Hostile, sample: Any) -> None:
        self.fitter, self.sample = fitter, sample

    @property
    def batch(self) -> int:
        return self.fitter.batch

    def fit_many(self, starts: Any, seeds: Any) -> Any:
        return [self.fit(*each, None) for each in zip(starts, seeds, strict=True)]

    def fit(self, start: Any, seed: int, observe: Any) -> Any:
        if self.fitter.how == "exits_at_times" and seed % 4 == 0:
            os._exit(7)
        answer = getattr(self, self.fitter.how, lambda: None)()
        self.sample.log_likelihood(start.mixture)
        return answer or Fit(start.mixture, None, 0, {"likelihood": 1.0})

    def raises(self) -> None:
        raise OSError("no space in my head")

    def interrupts(self) -> None:
        raise KeyboardInterrupt

    def garbage(self) -> object:
        return {"mixture": "of feelings"}

    def sleeps(self) -> None:
        time.sleep(self.fitter.seconds)

    def allocates(self) -> None:
        blocks = []
        while True:
            blocks.append(b"x" * 20_000_000)
            time.sleep(0.01)

    def exits(self) -> None:
        os._exit(7)

    def ends(self) -> None:
        print("I've had enough", file=sys.stderr)
        os.abort()

    def segfaults(self) -> None:
        ctypes.string_at(0)

    def forks(self) -> None:
        if os.fork() == 0:
            time.sleep(self.fitter.seconds)
        time.sleep(self.fitter.seconds)

    def returns_twice(self) -> None:
        os.fork()

    def detaches(self) -> None:
        # The child leaves the process group: killing that is not enough.
        sleep = [sys.executable, "-c", f"import time; time.sleep({self.fitter.seconds})"]
        subprocess.Popen(sleep, start_new_session=True)
        time.sleep(self.fitter.seconds)

    def prints(self) -> None:
        print("x" * 1_000_000)
        os.write(1, b"y" * 1_000_000)
        print("z" * 1_000_000, file=sys.stderr)

    def closes(self) -> None:
        os.closerange(0, 3)
