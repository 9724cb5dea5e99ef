"""Scale-out: cells sent to an existing dask.distributed cluster, their records streamed back.

On every node a cell is carried out by the same supervisor and workers as on one machine, so
limits mean the same everywhere. A node that is lost has its unfinished cells done again by
others; whoever journals the records keeps the first of each trial.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import uuid
from collections.abc import Generator, Iterable
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from benchmarks.harness import SCHEMA
from benchmarks.harness.plan import Cell, Limits, Plan, Record
from benchmarks.harness.run import Source
from benchmarks.harness.supervisor import TICK, Supervisor
from fitters import CONTRACT
from scenarios.errors import UserError

CONNECT_SECONDS = 10


class Cluster:
    """A connection to a cluster; ``UserError`` if there is none at ``address``."""

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise UserError(
                "--dask needs dask.distributed: pip install 'mixturebench[dask]'"
            ) from error
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"--dask {address}: no scheduler answers there ({error}); start one with "
                "`dask scheduler`, and give the address that it prints"
            ) from error
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            self._client.close()
            raise UserError(
                f"--dask {address}: the cluster has no workers; start one with "
                f"`dask worker {address} --nthreads 1`"
            ) from error
        self.threads = sum(self._client.nthreads().values())

    def source(self, plan: Plan) -> Source:
        """Carry cells out on the cluster, as many at once as its workers have threads."""

        def source(cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
            run_id = f"mixturebench-{uuid.uuid4().hex}"
            inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
            client = self._client
            client.subscribe_topic(run_id, lambda event: inbox.put(tuple(event[1])))
            try:
                futures: set[Any] = set()
                for cell in cells:
                    future = client.submit(
                        carry_out, cell.content(), asdict(plan.limits), run_id, _version(),
                        pure=False,
                    )  # fmt: skip
                    futures.add(future)
                    future.add_done_callback(inbox.put)
                while futures:
                    try:
                        message = inbox.get(timeout=TICK)
                    except queue.Empty:
                        yield None
                        continue
                    if isinstance(message, tuple):
                        yield from message
                    else:
                        futures.discard(message)
                        yield from _result(message)
            finally:
                with contextlib.suppress(Exception):  # the cluster may be gone
                    client.cancel(list(futures))
                    client.run(release, run_id, on_error="ignore")
                client.close()

        return source


def carry_out(
    content: dict[str, Any], limits: dict[str, float], run_id: str, expected: list[Any]
) -> list[Record]:
    """On a node: one cell under a supervisor. Records are sent as they come, and returned too."""
    from distributed import get_worker

    if _version() != expected:
        raise RuntimeError(f"this node has mixturebench {_version()}, the run has {expected}")
    node = get_worker()
    task = node.get_current_task()
    records = []
    with _NODE.supervisor(run_id, Cell.of(content), Limits(**limits)) as stream:
        for record in stream:
            if run_id in _NODE.released or not _wanted(node, task):
                return []
            if record is not None:
                node.log_event(run_id, [record])  # a bare dictionary would be added to
                records.append(record)
    return records


def release(run_id: str) -> None:
    """On a node: a run is over; stop what still works for it, and kill idle workers."""
    _NODE.release(run_id)


class _Node:
    """What one node keeps from one cell to the next: supervisors whose workers are prepared."""

    def __init__(self) -> None:
        self.released: set[str] = set()
        self._idle: list[Supervisor] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def supervisor(
        self, run_id: str, cell: Cell, limits: Limits
    ) -> Generator[Generator[Record | None, None, None], None, None]:
        """The stream of a cell's records, from a supervisor that is ready for its shape if any."""
        with self._lock:
            fit = [s for s in self._idle if s.limits == limits and cell.shape in s.shapes]
            supervisor = fit[0] if fit else (self._idle[0] if self._idle else None)
            if supervisor is not None:
                self._idle.remove(supervisor)
        if supervisor is None:
            supervisor = Supervisor(limits, 1)
        elif supervisor.limits != limits:
            supervisor.close()
            supervisor = Supervisor(limits, 1)
        try:
            with contextlib.closing(supervisor.run([cell])) as stream:
                yield stream
        finally:
            with self._lock:
                if supervisor.busy or run_id in self.released:
                    supervisor.close()
                else:
                    self._idle.append(supervisor)

    def release(self, run_id: str) -> None:
        """Note that a run is over."""
        with self._lock:
            self.released.add(run_id)
            idle, self._idle = self._idle, []
        for supervisor in idle:
            supervisor.close()


_NODE = _Node()


def _wanted(node: Any, task: Any) -> bool:
    """Whether the scheduler still wants a task: it doesn't once the run's own process is gone."""
    state = node.state.tasks.get(task)
    return state is not None and state.state != "cancelled"


def _result(future: Any) -> list[Record]:
    if future.status == "finished":
        records: list[Record] = future.result()
        return records
    why = future.exception() if future.status == "error" else "the connection to it was lost"
    raise UserError(f"the cluster could not carry out a cell: {why}")


def _version() -> list[Any]:
    return [version("mixturebench"), SCHEMA, CONTRACT]
