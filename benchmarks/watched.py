"""Work on damaged files in a watched process: its death is a crash, long silence a hang.

The process is started again after either and goes on with the next file.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np

from benchmarks.memory import peak_megabytes

PATIENCE = 5.0  # s


class Finding(NamedTuple):
    """What came of one damaged file."""

    number: int
    damage: str
    outcome: str  # what the work made of the file; crash, hang
    seconds: float
    megabytes: float  # most memory that the process held, less what it had before


class Worked(NamedTuple):
    """What the work tells of one file."""

    damage: str
    outcome: str
    seconds: float
    before: float = 0.0  # MB that the process held without the file, if they are not to count


# Takes the first and the last number and yields, of each file, first the damage's name as soon as
# the damaged file is there, then what came of it.
Work = Callable[[int, int], Iterator[str | Worked]]


def watch(work: Work, files: int, *, patience: float = PATIENCE) -> Iterator[Finding]:
    """Do the work on files 0 to `files` - 1 and yield what came of each.

    Parameters
    ----------
    work
        Top-level, so that another process can import it. It begins by yielding "ready".
    files
        How many.
    patience
        Seconds after which a file that is being worked on counts as a hang.
    """
    context = multiprocessing.get_context("spawn")
    done = 0
    while done < files:
        ours, theirs = context.Pipe()
        process = context.Process(target=_send_all, args=(work, done, files, theirs))
        process.start()
        theirs.close()
        if ours.recv() != "ready":
            raise RuntimeError("the work has to yield 'ready' when it has imported everything")
        while done < files:
            finding = _next(ours, done, patience)
            done += 1
            yield finding
            if finding.outcome in ("crash", "hang"):
                break
        process.kill()
        process.join()


def _next(pipe: Connection, number: int, patience: float) -> Finding:
    damage = "unknown"
    try:
        damage = pipe.recv()
        if not pipe.poll(patience):
            return Finding(number, damage, "hang", patience, np.nan)
        (*worked, before), megabytes = pipe.recv()
    except (EOFError, ConnectionResetError):
        return Finding(number, damage, "crash", np.nan, np.nan)
    return Finding(number, *worked, megabytes - before)


def _send_all(work: Work, first: int, last: int, pipe: Connection) -> None:
    for told in work(first, last):
        pipe.send(told if isinstance(told, str) else (told, peak_megabytes()))
