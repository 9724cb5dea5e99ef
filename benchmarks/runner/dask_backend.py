"""Run cells on an existing dask.distributed cluster.

Every node runs its cells with the same supervisor and workers as a single machine, so limits have
the same meaning. Other nodes repeat the unfinished cells of a lost node, and the first record of
each trial counts.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import uuid
from collections.abc import Generator, Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from benchmarks.runner import SCHEMA
from benchmarks.runner.plan import Cell, Limits, Record
from benchmarks.runner.supervisor import POLL_SECONDS, Supervisor
from fitters import CONTRACT
from scenarios.errors import UserError

CONNECT_SECONDS = 10
_LOCK = threading.Lock()
_IDLE: list[Supervisor] = []
_RELEASED: set[str] = set()
"""The state of a node: supervisors that run no cell, and the runs that have ended."""


class DaskBackend:
    """Runs cells on a cluster, as many at once as its nodes have threads, for one run.

    Raises ``UserError`` if there is no cluster at ``address``.
    """

    def __init__(self, address: str, limits: Limits) -> None:
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
        self.limits, self.workers = limits, sum(self._client.nthreads().values())

    def run(self, cells: Iterable[Cell]) -> Generator[Record | None, None, None]:
        """Run ``cells`` as ``Supervisor.run`` does, and close the connection."""
        run_id, client = f"mixturebench-{uuid.uuid4().hex}", self._client
        inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()  # tuples of records, and futures
        futures: set[Any] = set()
        try:
            client.subscribe_topic(run_id, lambda event: inbox.put(tuple(event[1])))
            job = (asdict(self.limits), run_id, _version())
            for cell in cells:
                future = client.submit(run_remote_cell, cell.content(), *job, pure=False)
                futures.add(future)
                future.add_done_callback(inbox.put)
            while futures:
                try:
                    message = inbox.get(timeout=POLL_SECONDS)
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


def run_remote_cell(
    content: dict[str, Any], limits: dict[str, float], run_id: str, expected_version: list[Any]
) -> list[Record]:
    """Run one cell on this node; sends each record as it arrives, and returns all of them."""
    from distributed import get_worker

    if _version() != expected_version:
        raise RuntimeError(
            f"this node has mixturebench {_version()}, the run has {expected_version}"
        )
    node = get_worker()
    task = node.get_current_task()
    records = []
    cell = Cell.of(content)
    with (
        _lent_supervisor(run_id, cell, Limits(**limits)) as supervisor,
        contextlib.closing(supervisor.run([cell])) as stream,
    ):
        for record in stream:
            if run_id in _RELEASED or _cancelled(node, task):
                return []
            if record is not None:
                node.log_event(run_id, [record])  # dask would add to a bare dictionary
                records.append(record)
    return records


def release(run_id: str) -> None:
    """End a run on this node: stop its cells, and kill idle workers."""
    with _LOCK:
        _RELEASED.add(run_id)
        idle = _IDLE.copy()
        _IDLE.clear()
    for supervisor in idle:
        supervisor.close()


@contextlib.contextmanager
def _lent_supervisor(run_id: str, cell: Cell, limits: Limits) -> Iterator[Supervisor]:
    """Lend an idle supervisor, if possible with workers of the cell's shape, or a new one."""
    with _LOCK:
        _IDLE.sort(key=lambda s: s.limits == limits and cell.shape in s.shapes)
        supervisor = _IDLE.pop() if _IDLE else Supervisor(limits, 1)
    if supervisor.limits != limits:
        supervisor.close()
        supervisor = Supervisor(limits, 1)
    try:
        yield supervisor
    finally:
        with _LOCK:
            if supervisor.busy or run_id in _RELEASED:
                supervisor.close()
            else:
                _IDLE.append(supervisor)


def _cancelled(node: Any, task: Any) -> bool:
    """Whether the scheduler has dropped a task, which it does when the run's process ends."""
    state = node.state.tasks.get(task)
    return state is None or state.state == "cancelled"


def _result(future: Any) -> list[Record]:
    if future.status == "finished":
        records: list[Record] = future.result()
        return records
    reason = future.exception() if future.status == "error" else "the connection to it was lost"
    raise UserError(f"the cluster could not run a cell: {reason}")


def _version() -> list[Any]:
    return [version("mixturebench"), SCHEMA, CONTRACT]
