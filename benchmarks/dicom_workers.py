"""Processes for benchmarks.dicom: one for each way, pinned to one core, and two for ours together.

So no way is slowed by what another has imported, and the memory of each can be told. This module
imports nothing that would count as a worker's.
"""

import importlib
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from benchmarks.memory import peak_megabytes

TOGETHER = 2


def alone() -> ProcessPoolExecutor:
    """Return one process that is kept on one core, with all that it starts."""
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_keep_on_one_core
    )


def _keep_on_one_core() -> None:
    """Keep this process on one core; libraries that are loaded later count only that one."""
    if not hasattr(os, "sched_setaffinity"):
        raise OSError("expected Linux: only there can a benchmark be kept on one core")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    importlib.import_module("cv2").setNumThreads(1)


def timed(function: Callable[..., Any], *arguments: Any) -> float:
    """Return the seconds that a call takes here."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def ask_all(pool: Executor, function: Callable[[], float]) -> list[float]:
    """Run a function in every process of a pool: it takes so long that none can take two."""
    return [each.result() for each in [pool.submit(function) for _ in range(TOGETHER)]]


def get_ready() -> float:
    """Import what the conversion needs, and wait for the other process to start; return 0."""
    importlib.import_module("helpers.dicom")
    time.sleep(3)
    return 0.0


def settled_peak() -> float:
    """Return the most memory that this process ever held, MB, when all that runs has ended."""
    time.sleep(0.5)
    return peak_megabytes()
