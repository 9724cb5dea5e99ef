"""Carry cells out in workers, several at once, each under its limits.

Standard library and psutil, and no pool: a pool's workers share its fate when one of them
crashes, hangs or eats the memory, and here they are expected to.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable
from multiprocessing.connection import wait
from pathlib import Path

from benchmarks.harness.plan import Cell, Limits, Record, Shape
from benchmarks.harness.process import Worker

TICK = 0.05
"""Seconds after which the workers are looked after though none of them has said anything."""


class Supervisor:
    """At most ``count`` workers at once; they outlive ``run``, so that what they prepared does.

    They run the packages in ``root``, if it is given, in place of this process's own.
    """

    def __init__(self, limits: Limits, count: int, root: Path | None = None) -> None:
        self.limits, self.count, self.root = limits, count, root
        self._workers: list[Worker] = []

    @property
    def shapes(self) -> set[Shape]:
        """What its workers are prepared for."""
        return {worker.shape for worker in self._workers}

    @property
    def busy(self) -> bool:
        """Whether a worker is at a cell."""
        return any(not worker.idle for worker in self._workers)

    def run(self, cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
        """The records of ``cells`` as they come, and None whenever a while has passed.

        Every trial of every cell comes exactly once, whatever becomes of its worker.
        """
        queues: dict[Shape, deque[Cell]] = {}
        for cell in cells:
            if cell.trials:
                queues.setdefault(cell.shape, deque()).append(cell)
        while queues or self.busy:
            self._assign(queues)
            ready = wait([file for w in self._workers for file in w.readable], TICK)
            for worker in tuple(self._workers):
                yield from worker.step()
                if not worker.idle and not worker.running:
                    self._discard(worker)
                    queues.setdefault(worker.shape, deque()).appendleft(worker.remaining())
            if not ready:
                yield None

    def close(self) -> None:
        """Kill all workers, and all that they started."""
        while self._workers:
            self._discard(self._workers[-1])

    def _assign(self, queues: dict[Shape, deque[Cell]]) -> None:
        """Give idle workers cells of their shape, and start workers for other shapes.

        A shape that has no worker comes first, so that what takes long begins early.
        """
        for worker in tuple(self._workers):
            if worker.idle:
                if worker.running and worker.shape in queues:
                    worker.assign(_next(queues, worker.shape))
                elif queues or not worker.running:
                    self._discard(worker)
        while queues and len(self._workers) < self.count:
            at_work = Counter(worker.shape for worker in self._workers)
            shape = min(queues, key=lambda shape: at_work[shape])
            worker = Worker(shape, self.limits, self.root)
            self._workers.append(worker)
            worker.assign(_next(queues, shape))

    def _discard(self, worker: Worker) -> None:
        worker.kill()
        self._workers.remove(worker)


def _next(queues: dict[Shape, deque[Cell]], shape: Shape) -> Cell:
    cell = queues[shape].popleft()
    if not queues[shape]:
        del queues[shape]
    return cell
