"""What workers of a process pool are asked; apart, so that it adds nothing to their memory."""

import importlib
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor

WORKERS = 2


def ask_all(pool: Executor, function: Callable[[], float]) -> list[float]:
    """Run a function in every worker of a pool: it takes so long that none can take two."""
    return [each.result() for each in [pool.submit(function) for _ in range(WORKERS)]]


def get_ready() -> float:
    """Import what the conversion needs, and wait for the other worker to start; return 0."""
    importlib.import_module("helpers.dicom")
    time.sleep(3)
    return 0.0


def peak_megabytes() -> float:
    """Return the most memory that this process ever held, MB."""
    time.sleep(0.5)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
