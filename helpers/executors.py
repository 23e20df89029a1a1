"""Many films by many processes or machines: few under way at a time, results in order.

A run takes a process pool of this machine, a Dask cluster of many, or none; docs/large-archives.md
has the commands. Work is handed out as it is needed, so memory does not grow with the archive.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["ProcessPool", "WorkersLost", "in_order"]

T = TypeVar("T")
Task = tuple[Any, ...]  # the arguments of one call
_AHEAD = 64  # tasks under way at least: enough to keep a machine busy, little to hold
_EACH = 4  # tasks under way for each thread of a Dask cluster
_ASK_AGAIN = 1000  # tasks until a cluster's threads are counted anew; it may have grown
_CHANCES = 2  # for a task that is alone in a process, until it counts as the one that kills it


class WorkersLost(BrokenExecutor):
    """The processes or the cluster are gone. What was done is kept; the message says what to do."""


class ProcessPool(Executor):
    """Processes of this machine that are replaced when they die, and end when their parent does.

    Differs from `concurrent.futures.ProcessPoolExecutor` in both: there one dead process ends the
    run, and processes whose parent was killed wait for ever. They are spawned, not forked, so they
    hold nothing of their parent.

    Parameters
    ----------
    processes : int, optional
        How many; as many as this process may use cores if None.
    """

    def __init__(self, processes: int | None = None) -> None:
        if processes is not None and processes < 1:
            raise ValueError(f"expected at least 1 process, got {processes}")
        self.processes = processes or _usable_cores()
        self._pool = self._start()

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Schedule a call; see `concurrent.futures.Executor.submit`."""
        return self._pool.submit(fn, *args, **kwargs)

    def renew(self) -> None:
        """Start new processes in place of those that are left."""
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; see `concurrent.futures.Executor.shutdown`."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.processes, mp_context=context, initializer=_begin_worker)


@contextmanager
def _opened(executor: Any) -> Iterator[Any]:
    """Give what takes tasks by `submit`: of an executor, a Dask client or a Dask cluster."""
    if hasattr(executor, "get_client"):  # LocalCluster, SLURMCluster, KubeCluster …
        from distributed import Client  # whoever has a cluster has it

        with Client(executor, set_as_default=False) as client:
            yield client
    elif executor is None or hasattr(executor, "submit"):
        yield executor
    else:
        raise TypeError(
            "expected as executor None, a concurrent.futures.Executor, a Dask Client or a Dask "
            f"cluster, got {type(executor).__name__}"
        )


def in_order(
    function: Callable[..., T],
    tasks: Iterable[Task],
    executor: Any = None,
    *,
    lost: Callable[..., T],
) -> Iterator[T]:
    """Yield ``function(*task)`` of each task, in the order of the tasks.

    Parameters
    ----------
    function : callable
        Top-level, so that other processes find it, and never raising.
    tasks : iterable of tuple
        Taken one by one, a few ahead of their results.
    executor : concurrent.futures.Executor, Dask Client or Dask cluster, optional
        None calls the function here.
    lost : callable
        ``lost(*task)`` is yielded for a task that kills every process it runs in.

    Raises
    ------
    WorkersLost
        If a process of an executor dies that does not replace it, or the cluster is gone.
    """
    with _opened(executor) as run:
        if run is None:
            yield from (function(*task) for task in tasks)
        else:
            yield from _handed_out(function, tasks, run, lost)


def _handed_out(
    function: Callable[..., T], tasks: Iterable[Task], run: Any, lost: Callable[..., T]
) -> Iterator[T]:
    """Keep some tasks under way, and yield the results of the oldest as they come."""
    pending: deque[tuple[Task, Any]] = deque()
    ahead = _AHEAD
    try:
        for number, task in enumerate(tasks):
            if number % _ASK_AGAIN == 0:
                ahead = max(_AHEAD, _EACH * _threads(run))
            pending.append((task, _submit(run, function, task)))
            while pending and (len(pending) >= ahead or pending[0][1].done()):
                yield _oldest(pending, run, function, lost)
        while pending:
            yield _oldest(pending, run, function, lost)
    finally:
        for _, future in pending:
            future.cancel()


def _submit(run: Any, function: Callable[..., T], task: Task) -> Any:
    """Hand a task out; what fails in that shows when its result is asked for."""
    try:
        if _is_dask(run):
            return run.submit(function, *task, pure=False)  # pure: equal tasks would run once
        return run.submit(function, *task)
    except Exception as error:  # a process died since the last result, or the cluster did
        future: Future[T] = Future()
        future.set_exception(error)
        return future


def _oldest(
    pending: deque[tuple[Task, Any]],
    run: Any,
    function: Callable[..., T],
    lost: Callable[..., T],
) -> T:
    """Take the oldest task's result; where its process died, find out whether it was to blame."""
    task, future = pending.popleft()
    try:
        return future.result()
    except BrokenProcessPool as error:
        if not isinstance(run, ProcessPool):
            raise WorkersLost(_POOL_LOST) from error
        return _alone(run, function, task, pending, lost)
    except (CancelledError, BrokenExecutor, OSError) as error:
        raise WorkersLost(_CLUSTER_LOST.format(type(error).__name__)) from error
    except Exception as error:
        if type(error).__name__ == "ClosedClientError":
            raise WorkersLost(_CLUSTER_LOST.format("ClosedClientError")) from error
        # Dask gives up on a task after several workers died that had it, among others.
        if type(error).__name__ != "KilledWorker":
            raise
        with ProcessPool(1) as own:
            return _alone(own, function, task, deque(), lost)


def _alone(
    pool: ProcessPool,
    function: Callable[..., T],
    task: Task,
    pending: deque[tuple[Task, Any]],
    lost: Callable[..., T],
) -> T:
    """Run a task with nothing beside it, so that a death is its own; then the others anew."""
    for _ in range(_CHANCES):
        pool.renew()
        try:
            result = pool.submit(function, *task).result()
            break
        except BrokenProcessPool:
            continue
    else:
        pool.renew()
        result = lost(*task)
    for place, (other, future) in enumerate(pending):
        if not future.done() or future.cancelled() or future.exception():
            pending[place] = (other, _submit(pool, function, other))
    return result


_POOL_LOST = (
    "A process of the pool died: it was killed by hand, or by the system for want of memory. What "
    "was done is kept. Repeat the call with a new pool to go on; helpers.executors.ProcessPool "
    "replaces such processes by itself."
)
_CLUSTER_LOST = (
    "The cluster does not answer any more ({}): its scheduler has ended, or the network is gone. "
    "What was done is kept. Repeat the call with a new client to go on."
)


def _is_dask(run: Any) -> bool:
    return type(run).__module__.partition(".")[0] == "distributed" and hasattr(run, "nthreads")


def _threads(run: Any) -> int:
    """Count the threads of a cluster; an executor's are not known."""
    return sum(run.nthreads().values()) if _is_dask(run) else 0


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _begin_worker() -> None:
    """Prepare a process: it ends with its parent, and leaves other cores to other processes."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to deal with
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
