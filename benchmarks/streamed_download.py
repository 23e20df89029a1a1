"""A collection streamed from a store into pictures: how fast, how much disk, and what if killed?

    python -m benchmarks.streamed_download            # 70 films as large as Stony Brook's
    python -m benchmarks.streamed_download --kills 50 # small films, SIGKILL at random moments

The store is a stand-in on this machine, so its own work counts as well; the network would be
slower. A killed run is started again; all files that are there in the end are compared with those
of an undisturbed run, byte by byte. POSIX only.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.killed_conversions import contents
from benchmarks.simulated_archive import large_films, numbered, sources
from helpers.archive import Conversion
from helpers.object_store import ObjectStore
from tests.object_server import BUCKET, ObjectServer

SIDE = 200  # pixels of a small film
LOOK_EVERY = 0.02  # seconds


def run(index: Path, folder: Path, url: str, batch: int) -> None:
    """Convert everything that the index lists; runs in a process of its own."""
    series = pd.read_csv(index, dtype={"patient_id": str, "series": str})
    origins = dict.fromkeys(series["patient_id"], date(2020, 3, 1))
    store = ObjectStore(url, wait=0.01)
    print("begins", flush=True)
    key = bytes(range(32))
    Conversion(folder, store, key, origins, progress=False, batch=batch).every(series)


def begin(index: Path, folder: Path, url: str, batch: int) -> subprocess.Popen[bytes]:
    """Start :func:`run`, and wait until it has imported all."""
    command = [sys.executable, "-m", "benchmarks.streamed_download", "--run"]
    process = subprocess.Popen(
        [*command, str(index), str(folder), url, str(batch)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == b"begins\n"
    return process


def write_index(path: Path, files: dict[str, bytes]) -> None:
    """List the films of a store as the public index does."""
    number = np.arange(len(files))
    table = pd.DataFrame(
        {
            "patient_id": [f"A{each:06d}" for each in number],
            "series": [f"1.2.{each}" for each in number],
            "url": [f"s3://{BUCKET}/{key.partition('/')[0]}/*" for key in files],
            "megabytes": [len(data) / 1e6 for data in files.values()],
        }
    )
    table.to_csv(path, index=False)


def disk(folder: Path) -> int:
    """Return the bytes of all files below a folder that is being written to."""
    while True:
        with suppress(FileNotFoundError):  # renamed or deleted meanwhile: look again
            return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def stream(films: int, batch: int) -> None:
    """Print rate and most disk of a run over large films."""
    template = large_films()["uncompressed"]
    server = ObjectServer({f"{n}/x.dcm": numbered(template, n) for n in range(films)})
    with tempfile.TemporaryDirectory() as place:
        index, folder = Path(place, "index.csv"), Path(place, "out")
        write_index(index, server.files)
        process, start, most = begin(index, folder, server.url, batch), time.monotonic(), 0
        while process.poll() is None:
            most = max(most, disk(folder))
            time.sleep(LOOK_EVERY)
        seconds, pictures = time.monotonic() - start, len(list(folder.glob("films/*.png")))
    server.close()
    megabytes = films * len(template) / 1e6
    print(
        f"{films} films of {len(template) / 1e6:.1f} MB, one converting process: "
        f"{films / seconds:.1f} films/s, {megabytes / seconds:.0f} MB/s; at most {most / 1e9:.2f} "
        f"GB on disk at a time, pictures among it; {pictures} pictures"
    )


def kill(kills: int, films: int, seed: int) -> None:
    """Print how many killed runs over small films ended the same."""
    templates = sources(SIDE)
    server = ObjectServer(
        {f"{n}/x.dcm": numbered(templates[n % len(templates)], n) for n in range(films)}
    )
    batch = 4 * max(map(len, server.files.values()))
    rng = np.random.default_rng(seed)
    hit = same = 0
    with tempfile.TemporaryDirectory() as place:
        index = Path(place, "index.csv")
        write_index(index, server.files)
        process, start = begin(index, Path(place, "whole"), server.url, batch), time.monotonic()
        process.wait()
        length, expected = time.monotonic() - start, contents(Path(place, "whole"))
        for number in range(kills):
            folder = Path(place, f"out{number}")
            process = begin(index, folder, server.url, batch)
            time.sleep(rng.uniform(0, length))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                hit += 1
            process.wait()
            begin(index, folder, server.url, batch).wait()
            same += contents(folder) == expected
    server.close()
    print(
        f"{kills} runs over {films} films in batches of four, SIGKILL at a random moment of "
        f"{length:.1f} s ({hit} hit before their end), started again: {same} ended with the same "
        "bytes and no other file"
    )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=70)
    parser.add_argument("--batch", type=int, default=400_000_000, help="bytes")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        index, folder, url, batch = chosen.run
        run(Path(index), Path(folder), url, int(batch))
    elif chosen.kills:
        kill(chosen.kills, chosen.films, chosen.seed)
    else:
        stream(chosen.films, chosen.batch)


if __name__ == "__main__":
    main()
