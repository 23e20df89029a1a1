"""Tasks that end their process, in a module of their own so that processes start fast."""

import os
import signal
from pathlib import Path


def echo(number: int) -> int:
    """Return the number."""
    return number


def die(number: int, folder: str) -> int:
    """End the process: for 5 the first time, for 11 every time."""
    mark = Path(folder, str(number))
    if number == 11 or (number == 5 and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def died(number: int, _: str) -> int:
    """Say that a task was lost."""
    return -number
