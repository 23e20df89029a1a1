"""Conversions that are killed at random moments and started again: do they end the same?

    python -m benchmarks.killed_conversions --kills 50

Every run converts phantom films with a process pool in a new folder. At a moment drawn uniformly
from the length of an undisturbed run, SIGKILL goes to the whole process group, to the parent alone,
or to one worker (from which the run must recover by itself); then the same call runs to its end.
All files that are there in the end, hidden ones too, are compared with those of the undisturbed
run, byte by byte. POSIX only.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

from benchmarks.simulated_archive import make_archive
from helpers.dicom import convert
from helpers.executors import ProcessPool

FILMS = 1000
SIDE = 200  # pixels of a film
SIZE = 128  # of a picture
VICTIMS = ("group", "parent", "worker")


def run(archive: Path, out: Path) -> None:
    """Convert everything with two processes; runs in a process of its own."""
    with ProcessPool(2) as pool:
        print("begins", flush=True)
        convert(sorted(archive.rglob("*.dcm")), out, size=SIZE, executor=pool)


def begin(archive: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start :func:`run` in a process group of its own, and wait until it has imported all."""
    command = [sys.executable, "-m", "benchmarks.killed_conversions", "--run"]
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}  # of semaphores that the killed left
    process = subprocess.Popen(
        [*command, str(archive), str(out)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=quiet,
    )
    assert process.stdout is not None and process.stdout.readline() == b"begins\n"
    return process


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder; a folder that is left counts as a file."""
    return {
        path.relative_to(folder).as_posix(): b"" if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def kill(process: subprocess.Popen[bytes], victim: str) -> bool:
    """Send SIGKILL; return whether the victim was there to be hit."""
    if process.poll() is not None:
        return False
    workers = [each for each in psutil.Process(process.pid).children() if _is_worker(each)]
    if victim == "worker":
        if workers:
            workers[0].kill()
        return bool(workers)
    if victim == "parent":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(workers, timeout=30)  # they follow their parent
    return True


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # the run is ending
        return False


def main() -> None:
    """Print how many killed runs ended the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--films", type=int, default=FILMS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        run(*chosen.run)
        return
    rng = np.random.default_rng(chosen.seed)
    kills: Counter[str] = Counter()
    same = rows = 0
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        make_archive(archive, chosen.films, chosen.films, SIDE)
        process, start = begin(archive, Path(folder, "undisturbed")), time.monotonic()
        process.wait()
        length = time.monotonic() - start
        expected = contents(Path(folder, "undisturbed"))
        for number in range(chosen.kills):
            out, victim = Path(folder, f"out{number}"), VICTIMS[number % len(VICTIMS)]
            process = begin(archive, out)
            time.sleep(rng.uniform(0, length))
            kills[victim] += kill(process, victim)
            process.wait()
            rows += bool(list(out.glob(".rows/*.csv")))
            begin(archive, out).wait()
            same += contents(out) == expected
    print(
        f"{chosen.kills} runs over {chosen.films} films, SIGKILL at a random moment of "
        f"{length:.1f} s ({', '.join(f'{n} × {victim}' for victim, n in kills.items())} hit before "
        f"the end, {rows} with rows on disk), started again: {same} ended with the same bytes and "
        "no other file"
    )


if __name__ == "__main__":
    main()
