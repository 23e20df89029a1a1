"""Damaged DICOM files by the thousand: each must become a row with a reason or a sound picture.

    python -m benchmarks.dicom_mutations --files 10000
    python -m benchmarks.dicom_mutations --files 10000 --plain    greys against the plain path

The conversion runs in a process of its own, which is watched: its death is a crash, five seconds
without an answer a hang. Every damage follows from the seed and the file's number, so each finding
can be made again by `mutated(number, seed)`.
"""

import argparse
import struct
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pydicom.data
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.tag import Tag

from benchmarks.watched import Finding, Worked, watch
from helpers.dicom import read_dicom
from helpers.dicom_errors import UnreadableDicom
from tests.dicom_matrix import ENCODED, cases
from tests.dicom_plain import unlike

LARGEST_SOURCE = 40_000  # bytes: small files are damaged in places that matter
# Centre and width of the window, intercept and slope of the rescaling.
_GREY_NUMBERS = (0x0028_1050, 0x0028_1051, 0x0028_1052, 0x0028_1053)
_ODD_NUMBERS = ("NaN", "inf", "-inf", "1e999", "1e-320", "", "0", "-1", " 7 ", "7\\8\\9", "wide")


@lru_cache
def sources() -> list[bytes]:
    """Return sound files: films of every encoding, of every contrast, and what pydicom carries."""
    films = [path.read_bytes() for path in sorted(ENCODED.glob("*.dcm"))]
    films += [case.film() for case in list(cases())[::11]]
    real = sorted(Path(pydicom.data.__file__).with_name("test_files").glob("*.dcm"))
    small = [path.read_bytes() for path in real if path.stat().st_size <= LARGEST_SOURCE]
    return films + [data for data in small if data[128:132] == b"DICM"]


def flip_between(
    data: bytes, rng: np.random.Generator, first: int, last: int, most: int = 20
) -> bytes:
    """Change 1 to `most` bytes from `first` to before `last`."""
    damaged = bytearray(data)
    for at in rng.integers(first, last, rng.integers(1, most + 1)):
        damaged[at] = rng.integers(256)
    return bytes(damaged)


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Change 1 to 20 bytes anywhere behind the preamble."""
    return flip_between(data, rng, 128, len(data))


def flip_in_frame(data: bytes, rng: np.random.Generator) -> bytes:
    """Change 1 to 6 bytes in the first 100 of the pixels: a compressed frame's own header."""
    damaged = bytearray(data)
    start = data.find(b"\xe0\x7f\x10\x00") + 8
    for at in start + rng.integers(0, 100, rng.integers(1, 7)):
        damaged[min(at, len(data) - 1)] = rng.integers(256)
    return bytes(damaged)


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Keep the beginning only."""
    return data[: rng.integers(0, len(data))]


def swap(data: bytes, rng: np.random.Generator) -> bytes:
    """Exchange two stretches of up to 200 bytes."""
    length = int(rng.integers(1, 200))
    one, other = sorted(rng.integers(132, max(133, len(data) - length), 2))
    if other - one < length:
        return data[:one] + data[one + length :]
    middle = data[one + length : other]
    end = other + length
    return data[:one] + data[other:end] + middle + data[one : one + length] + data[end:]


def remove_elements(data: bytes, rng: np.random.Generator) -> bytes:
    """Leave out 1 to 3 elements."""

    def remove(film: Dataset) -> None:
        tags = list(film.keys())
        for at in sorted(rng.choice(len(tags), min(len(tags), rng.integers(1, 4)), replace=False)):
            del film[tags[at]]

    return _rewritten(data, rng, remove)


def misstate_greys(data: bytes, rng: np.random.Generator) -> bytes:
    """Give odd numbers, depths or tables to what turns stored values into greys."""

    def number(film: Dataset) -> None:
        tag, value = Tag(int(rng.choice(_GREY_NUMBERS))), str(rng.choice(_ODD_NUMBERS)).encode()
        film[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)

    def depth(film: Dataset) -> None:
        name = rng.choice(["BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"])
        setattr(film, str(name), int(rng.choice([0, 1, 2, 8, 12, 16, 24, 32, 64, 255])))

    def table(film: Dataset) -> None:
        one, bits = Dataset(), int(rng.choice([1, 8, 10, 16, 32]))
        entries, first = (int(rng.choice([0, 1, 255, 256, 4096, 65535])) for _ in range(2))
        one.add_new(0x0028_3002, "US", [entries, first, bits][: rng.integers(1, 4)])
        one.add_new(0x0028_3006, "OW", rng.bytes(2 * int(rng.choice([0, 1, 128, 256, 4096]))))
        setattr(film, str(rng.choice(["VOILUTSequence", "ModalityLUTSequence"])), [one])

    change = (number, depth, table)[rng.integers(3)]
    return _rewritten(data, rng, change)


def _rewritten(data: bytes, rng: np.random.Generator, change: Callable[[Dataset], None]) -> bytes:
    """Change the elements of a file; flip bytes where they cannot be written so."""
    buffer = DicomBytesIO()
    try:
        film = dcmread(BytesIO(data))
        change(film)
        film.save_as(buffer)
    except Exception:  # pydicom has its own opinions on what may be written
        return flip(data, rng)
    return buffer.getvalue()


def lie(data: bytes, rng: np.random.Generator) -> bytes:
    """Write an extreme number into one of the elements that give sizes and depths."""
    places = [
        at + 8
        for element in (2, 8, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103, 0x1050, 0x1051, 0x3002)
        if (at := data.find(struct.pack("<HH", 0x28, element), 132)) >= 0
    ]
    # the length of any element of group 0028 or of the pixels
    at = 132
    while (at := data.find(b"\x28\x00", at + 1)) >= 0:
        places += [at + 4, at + 6]
    places.append(data.find(b"\xe0\x7f\x10\x00") + 8)
    damaged = bytearray(data)
    at = int(rng.choice(places))
    number = rng.choice([0, 1, 7, 255, 256, 4095, 32767, 32768, 65534, 65535])
    damaged[at : at + 2] = struct.pack("<H", number)
    return bytes(damaged)


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    flip,
    flip_in_frame,
    cut,
    swap,
    remove_elements,
    lie,
    misstate_greys,
)


def mutated(number: int, seed: int = 0) -> tuple[str, bytes]:
    """Return the damage's name and the damaged file of a number."""
    rng = np.random.default_rng([seed, number])
    damage = DAMAGES[number % len(DAMAGES)]
    films = sources()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return damage.__name__, damage(films[rng.integers(len(films))], rng)


def run(files: int, seed: int = 0) -> Iterator[Finding]:
    """Convert damaged files in a watched process, which is started again after a crash or hang."""
    yield from watch(partial(_convert_all, seed), files)


def _convert_all(seed: int, first: int, last: int) -> Iterator[str | Worked]:
    """Convert files of these numbers one by one and tell what came of each."""
    from helpers.dicom import convert

    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    sources()
    yield "ready"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.dcm")
        for number in range(first, last):
            damage, data = mutated(number, seed)
            path.write_bytes(data)
            yield damage
            start = time.perf_counter()
            row = convert([path], Path(folder, "out"), size=64).loc[0]
            yield Worked(damage, _outcome(row), time.perf_counter() - start)


def _outcome(row) -> str:
    """Name what came of a file; pictures are read again and removed."""
    if isinstance(row["reason"], str):
        return "unforeseen" if "not foreseen" in row["reason"] else "reason"
    picture = cv2.imread(row["png_path"], cv2.IMREAD_UNCHANGED)
    Path(row["png_path"]).unlink()
    sound = picture is not None and picture.dtype == np.uint8 and picture.ndim == 2
    return "picture" if sound else "bad picture"


def compare(numbers: Iterable[int], seed: int = 0) -> Counter[str]:
    """Count damaged films read equal to the plain path or unlike it, refused, or read here only."""
    found: Counter[str] = Counter()
    for number in numbers:
        _, data = mutated(number, seed)
        try:
            read_dicom(data)
        except UnreadableDicom:
            found["refused"] += 1
            continue
        try:
            found["unlike" if unlike(data) else "equal"] += 1
        except Exception:  # the plain path has no way of its own to refuse
            found["read here only"] += 1
    return found


def main() -> None:
    """Print what came of the damaged files, by damage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="compare with the plain path instead")
    chosen = parser.parse_args()
    if chosen.plain:
        warnings.simplefilter("ignore")
        print(dict(compare(range(chosen.files), chosen.seed)))
        return
    findings = list(run(chosen.files, chosen.seed))
    counts = Counter((finding.damage, finding.outcome) for finding in findings)
    for (damage, outcome), films in sorted(counts.items()):
        print(f"{damage:16} {outcome:12} {films:6}")
    print(f"slowest: {max(finding.seconds for finding in findings):.2f} s")
    print(f"most memory: {np.nanmax([finding.megabytes for finding in findings]):.0f} MB")
    for finding in findings:
        if finding.outcome not in ("picture", "reason"):
            print(*finding)


if __name__ == "__main__":
    main()
