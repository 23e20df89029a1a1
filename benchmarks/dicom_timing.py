"""Times of all ways from DICOM to PNG, in turns over the same films, for benchmarks.dicom."""

import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import data_store
import numpy as np
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless

from benchmarks.dicom_converters import PEERS, Missing, convert_by, difference, floor
from benchmarks.dicom_speed_page import FLOOR, OURS, POOL, WRITTEN, Measured
from benchmarks.dicom_workers import (
    TOGETHER,
    alone,
    ask_all,
    get_ready,
    settled_peak,
    timed,
)
from helpers.dicom import convert
from helpers.dicom_header import open_film
from helpers.dicom_picture import render
from helpers.executors import ProcessPool
from phantoms.film import render as render_phantom
from phantoms.looks import choose_look
from phantoms.randomisation import draw_patient
from tests.dicom_films import make_film

ROWS, COLUMNS, BITS = 3056, 2544, 12  # as the films of COVID-19-NY-SBU
REAL = Path(data_store.__file__).parent / "data" / "RG1_UNCR.dcm"
COPIES = 128  # a run has a beginning and an end of its own, which many films share
BY_PEERS = 3  # films of a turn; ours and the floor are quicker and take all copies


class Film(NamedTuple):
    """A film in copies that differ in one byte outside the picture."""

    name: str
    copies: list[Path]
    grey: np.ndarray  # uint8 (rows, columns)


def phantom() -> np.ndarray:
    """Draw a phantom's bedside film: stored values (rows, columns), with a detector's noise."""
    patient = replace(draw_patient(np.random.default_rng(3)), site="sbu", view="AP")
    look = replace(choose_look(patient), aspect=ROWS / COLUMNS)
    grey = render_phantom(patient, size=ROWS, look=look).pixels
    return np.rint(400 + 3200 * grey).astype("u2")


def make_films(folder: Path) -> Iterator[Film]:
    """Yield the films one by one; of the one before only the small things stay."""
    stored = phantom()
    window = {"WindowCenter": 2000, "WindowWidth": 3200}
    size = f"{ROWS:,} × {COLUMNS:,}, {BITS} bits"
    plain = make_film(stored, bits=BITS, syntax=ExplicitVRLittleEndian, **window)
    yield _film(f"phantom, {size}, uncompressed", plain, COPIES, folder)
    packed = make_film(stored, bits=BITS, syntax=JPEG2000Lossless, **window)
    yield _film(f"the same in JPEG 2000, without loss, {size}", packed, 6, folder)
    real = "a real chest film (RG1_UNCR of pydicom-data), 1,955 × 1,841, 15 bits, uncompressed"
    yield _film(real, REAL.read_bytes(), COPIES, folder)


def _film(name: str, data: bytes, copies: int, folder: Path) -> Film:
    """Write the copies; each has its number in the 128 bytes before the header."""
    grey = render(open_film(data), np.uint8)
    paths = [folder / f"{number}.dcm" for number in range(copies)]
    for number, path in enumerate(paths):
        path.write_bytes(number.to_bytes(128, "big") + data[128:])
    return Film(name, paths, grey)


def measure(film: Film, folder: Path, repeats: int) -> Measured:
    """Time all ways in turns; the first turn, which imports and fills caches, does not count."""
    times: dict[str, list[float]] = {name: [] for name in (FLOOR, WRITTEN, OURS, POOL, *PEERS)}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        own = {name: stack.enter_context(alone()) for name in times if name != POOL}
        pool = stack.enter_context(ProcessPool(TOGETHER))
        ask_all(pool, get_ready)
        for turn in range(-1, repeats):
            found = _turn(film, folder / "out", own, pool, missing)
            if turn < 0:
                apart = _compare(folder / "out", film.copies[0].stem)
            else:
                for name, seconds in found.items():
                    times[name].append(1000 * seconds)
            print(f"{film.name}: {turn + 1} of {repeats}", file=sys.stderr)
        memory = {
            name: process.submit(settled_peak).result()
            for name, process in own.items()
            if name not in missing
        }
        memory[POOL] = max(ask_all(pool, settled_peak))
    return Measured(film.name, len(film.copies), film.grey, times, missing, apart, memory)


def _turn(
    film: Film, out: Path, own: dict[str, Executor], pool: ProcessPool, missing: dict[str, str]
) -> dict[str, float]:
    """Go through all ways once: seconds a film."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    many, few = film.copies, film.copies[:BY_PEERS]

    def time_of(name: str, films: list[Path], *work: Any) -> float:
        return own[name].submit(timed, *work).result() / len(films)

    found = {
        FLOOR: time_of(FLOOR, many, floor, many, film.grey),
        WRITTEN: time_of(WRITTEN, many, floor, many, film.grey, out),
        OURS: time_of(OURS, many, convert, many, out / "serial"),
        POOL: timed(partial(convert, many, out / "pool", executor=pool)) / len(many),
    }
    for name in PEERS:
        if name not in missing:
            try:
                found[name] = time_of(name, few, convert_by, name, few, out)
            except Missing as reason:
                missing[name] = str(reason)
    return found


def _compare(out: Path, stem: str) -> dict[str, str]:
    """Return how far the peers' pictures are from ours."""
    ours = min((out / "serial").glob("*.png"))
    theirs = {name: out / f"{name}-{stem}.png" for name in PEERS}
    return {name: difference(ours, path) for name, path in theirs.items() if path.exists()}
