"""Run cells in worker processes on this machine, each under its limits.

Process pools fail as a whole when one worker crashes, hangs or exhausts the memory, and fitters
are expected to do all three.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable
from contextlib import closing
from multiprocessing.connection import wait
from pathlib import Path

from benchmarks.runner.plan import Cell, Limits, Record, Shape
from benchmarks.runner.worker_process import WorkerProcess

POLL_SECONDS = 0.05
"""The longest interval between two checks of the workers."""


class LocalBackend:
    """Runs cells on this machine, in at most ``workers`` processes at once."""

    def __init__(self, limits: Limits, workers: int) -> None:
        self.limits, self.workers = limits, workers

    def run(self, cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
        """Run ``cells`` as ``Supervisor.run`` does, and end the workers."""
        with closing(Supervisor(self.limits, self.workers)) as supervisor:
            yield from supervisor.run(cells)


class Supervisor:
    """Runs cells in at most ``workers`` processes at once, which stay prepared until ``close``.

    The processes import the packages in ``root``, by default those of this process. So many as
    are ``spare`` stay prepared beside those that work, for cells of other shapes to come.
    """

    def __init__(
        self, limits: Limits, workers: int, root: Path | None = None, spare: int = 0
    ) -> None:
        self.limits, self.workers, self.root, self.spare = limits, workers, root, spare
        self._processes: list[WorkerProcess] = []

    @property
    def shapes(self) -> set[Shape]:
        """The shapes that its workers are prepared for."""
        return {worker.shape for worker in self._processes}

    @property
    def busy(self) -> bool:
        """Whether a worker has a cell."""
        return any(not worker.idle for worker in self._processes)

    def run(self, cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
        """Yield the records of ``cells`` as they arrive, and None while there are none.

        Every trial of every cell has exactly one record, even if its worker is lost.
        """
        queues: dict[Shape, deque[Cell]] = {}
        for cell in cells:
            queues.setdefault(cell.shape, deque()).append(cell)
        while queues or self.busy:
            self._assign(queues)
            ready = wait([pipe for w in self._processes for pipe in w.readable], POLL_SECONDS)
            for worker in tuple(self._processes):
                yield from worker.step()
                if not worker.idle and not worker.running:
                    self._discard(worker)
                    queues.setdefault(worker.shape, deque()).appendleft(worker.remaining())
            if not ready:
                yield None

    def close(self) -> None:
        """Kill all workers and the processes that they started."""
        while self._processes:
            self._discard(self._processes[-1])

    def _assign(self, queues: dict[Shape, deque[Cell]]) -> None:
        """Give idle workers cells of their shape, and start workers for other shapes.

        The shape with the fewest workers comes first, so that long cells begin early.
        """
        for worker in tuple(self._processes):
            if worker.idle and not worker.running:
                self._discard(worker)
            elif worker.idle and worker.shape in queues and self._working < self.workers:
                worker.assign(_next_cell(queues, worker.shape))
        while queues and self._working < self.workers:
            counts = Counter(worker.shape for worker in self._processes)
            shape = min(queues, key=lambda shape: counts[shape])
            self._make_room()
            worker = WorkerProcess(shape, self.limits, self.root)
            self._processes.append(worker)
            worker.assign(_next_cell(queues, shape))

    @property
    def _working(self) -> int:
        return sum(not worker.idle for worker in self._processes)

    def _make_room(self) -> None:
        """Discard idle workers, those that are prepared fastest first, for one more."""
        idle = sorted((w for w in self._processes if w.idle), key=lambda w: w.setup_seconds)
        excess = len(self._processes) + 1 - self.workers - self.spare
        for worker in idle[: max(excess, 0)]:
            self._discard(worker)

    def _discard(self, worker: WorkerProcess) -> None:
        worker.kill()
        self._processes.remove(worker)


def _next_cell(queues: dict[Shape, deque[Cell]], shape: Shape) -> Cell:
    cell = queues[shape].popleft()
    if not queues[shape]:
        del queues[shape]
    return cell
