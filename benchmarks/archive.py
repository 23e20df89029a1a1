"""An archive of 100,000 films: are rate and memory the same at its end, what does a kill cost?

    python -m benchmarks.archive                     # every file a film of its own
    python -m benchmarks.archive --distinct 48       # hard links of 48 films
    python -m benchmarks.archive --large             # memory for films of 3,056 × 2,544 pixels

Phantom films (`python -m phantoms`) are cut down and written under 100,000 names, each with a
number of its own in its header, so that each is converted; with `--distinct`, the others are hard
links, whose pictures are made once. Conversion runs in a process of its own with a process pool,
and its memory is the kernel's: the peak of each process since its start (VmHWM). Linux only.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.memory import peak_megabytes
from benchmarks.simulated_archive import LARGE, large_films, make_archive, numbered
from helpers.dicom import convert
from helpers.executors import ProcessPool

WINDOW = 10_000  # films
MARKS = (1_000, 10_000, 30_000, 100_000)  # films, at which memory is noted


def run(folder: Path, out: Path, size: int, processes: int) -> None:
    """Convert an archive and print a line of JSON at every mark; runs in a process of its own."""

    def say(**values: object) -> None:
        workers = [peak_megabytes(child.pid) for child in psutil.Process().children()]
        memory = {"parent": peak_megabytes(), "worker": max(workers, default=0.0)}
        print(json.dumps({"at": time.time(), **memory, **values}), flush=True)

    def archive() -> Iterator[str]:
        films = 0
        for study in sorted(folder.iterdir()):
            for path in sorted(study.iterdir()):
                if films % 1000 == 0:
                    say(films=films)
                yield str(path)
                films += 1
        say(films=films)

    with ProcessPool(processes) as pool:
        say(films=0, step="start")
        table = convert(archive(), out, size=size, executor=pool)
        converted = int(table["png_path"].notna().sum())
        say(step="end", films=len(table), converted=converted)


def start(folder: Path, out: Path, chosen: argparse.Namespace) -> subprocess.Popen[str]:
    """Start :func:`run` in a process group of its own."""
    command = [sys.executable, "-m", "benchmarks.archive", "--run", str(folder), str(out)]
    command += ["--size", str(chosen.size), "--processes", str(chosen.processes)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def notes(process: subprocess.Popen[str]) -> list[dict]:
    """Return all that a run printed, once it has ended."""
    assert process.stdout is not None
    lines = [json.loads(line) for line in process.stdout]
    if process.wait():
        raise RuntimeError(f"the run ended with {process.returncode}")
    return lines


def report_rate(lines: list[dict]) -> None:
    """Print films a second of the first, a middle and the last window, and all over."""
    at = {line["films"]: line["at"] for line in lines if "step" not in line}
    films = max(at)
    window = min(WINDOW, films // 3 // 1000 * 1000 or films)
    middle = (films - window) // 2 // 1000 * 1000
    for name, first in (("first", 0), ("middle", middle), ("last", films - window)):
        rate = window / (at[first + window] - at[first])
        print(f"{name:7} {window:7,} films: {rate:7.1f} films/s")
    begin, end = lines[0]["at"], lines[-1]["at"]
    print(f"all     {films:7,} films: {films / (end - begin):7.1f} films/s, {end - begin:.0f} s")


def report_memory(lines: list[dict]) -> None:
    """Print the peaks until each mark."""
    for line in lines:
        if line["films"] in MARKS and "step" not in line:
            print(
                f"after {line['films']:7,} films: at most {line['worker']:4.0f} MB a worker, "
                f"{line['parent']:4.0f} MB the parent"
            )
    print(f"with the table of all rows: {lines[-1]['parent']:4.0f} MB the parent")


def scan_seconds(lines: list[dict], done: int) -> float:
    """Return how long a run took to pass over the first films, which are done."""
    return next(line["at"] for line in lines if line["films"] >= done) - lines[0]["at"]


def rows_on_disk(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") - 1 for path in out.glob(".rows/*.csv"))


def disk(folder: Path) -> tuple[int, float]:
    """Return how many files a folder has and what they take on disk (MB)."""
    found = {entry.stat().st_ino: entry.stat() for entry in folder.rglob("*")}
    return len(found), sum(each.st_blocks * 512 for each in found.values()) / 1e6


def simulate(root: Path, chosen: argparse.Namespace) -> None:
    """Convert a whole archive, then again; then kill a run at its middle and start it again."""
    archive, out = root / "archive", root / "out"
    make_archive(archive, chosen.films, chosen.distinct or chosen.films, chosen.side)
    print(f"{chosen.films:,} names, {disk(archive)[1]:,.0f} MB on disk")
    lines = notes(start(archive, out, chosen))
    assert lines[-1]["converted"] == chosen.films
    report_rate(lines)
    report_memory(lines)
    print("pictures and manifest: {:,} files, {:,.0f} MB on disk".format(*disk(out)))
    lines = notes(start(archive, out, chosen))
    print(f"nothing left to do: found out in {lines[-1]['at'] - lines[0]['at']:.1f} s")

    whole, names = (out / "manifest.csv").read_bytes(), sorted(out.iterdir())
    shutil.rmtree(out)
    process = start(archive, out, chosen)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["films"] >= chosen.films // 2:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = rows_on_disk(out)
    lines = notes(start(archive, out, chosen))
    seconds = scan_seconds(lines, done // 1000 * 1000)
    print(f"killed after {done:,} films: the next run was there again in {seconds:.1f} s")
    same = (out / "manifest.csv").read_bytes() == whole and sorted(out.iterdir()) == names
    print(f"same manifest and names as undisturbed: {same}")


def measure_large(root: Path, chosen: argparse.Namespace) -> None:
    """Print the peak of a worker that converts large films, after a few and after many."""
    for name, data in large_films().items():
        folder = root / name.replace(" ", "") / "0000"
        folder.mkdir(parents=True)
        for index in range(chosen.films):
            (folder / f"{index:07d}.dcm").write_bytes(numbered(data, index))
        lines = notes(start(folder.parent, root / f"out-{folder.parent.name}", chosen))
        print(
            f"{chosen.films} films of {LARGE[0]} × {LARGE[1]}, {name}: {lines[-1]['converted']} "
            f"converted, at most {lines[-1]['worker']:.0f} MB a worker"
        )


def main() -> None:
    """Print what is asked for; see the module's text."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, help="100,000; with --large 60")
    parser.add_argument("--distinct", type=int, help="films; other names are hard links of them")
    parser.add_argument("--side", type=int, default=96, help="pixels of a film")
    parser.add_argument("--size", type=int, help="pixels of a picture: 64; with --large 1,024")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--large", action="store_true", help="films of 3,056 × 2,544 pixels")
    parser.add_argument("--folder", type=Path, help="for the archive; a temporary one if not given")
    parser.add_argument("--run", type=Path, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.films = chosen.films or (60 if chosen.large else 100_000)
    chosen.size = chosen.size or (1024 if chosen.large else 64)
    if chosen.run:
        run(*chosen.run, chosen.size, chosen.processes)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        (measure_large if chosen.large else simulate)(Path(folder), chosen)


if __name__ == "__main__":
    main()
