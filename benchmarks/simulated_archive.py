"""Archives of phantom films: as many files as wanted, small ones or as large as a hospital's."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import JPEG2000Lossless

from helpers.cohorts import cohort_root

SOURCES = 48
LARGE = (3056, 2544)  # rows and columns of Stony Brook's films
_NUMBER = "1.2.826.0.1.3680043.8.498.1%015d"  # SOPInstanceUID; all of one length


def sources(side: int) -> list[bytes]:
    """Return phantom films cut down to their middle (side × side pixels), each as a DICOM file."""
    paths = sorted(cohort_root("sbu").rglob("*.dcm"))[:SOURCES]
    return [cut_down(path, side) for path in paths]


def cut_down(path: Path, side: int) -> bytes:
    film = dcmread(path)
    pixels = film.pixel_array
    top, left = ((length - min(side, length)) // 2 for length in pixels.shape)
    pixels = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    film.Rows, film.Columns = pixels.shape
    film.PixelData = pixels.tobytes()
    return written(film)


def written(film: Dataset) -> bytes:
    """Return a film as a file, with number 0."""
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = _NUMBER % 0
    buffer = BytesIO()
    dcmwrite(buffer, film, enforce_file_format=True)
    return buffer.getvalue()


def numbered(film: bytes, number: int) -> bytes:
    """Return the file with another number."""
    return film.replace((_NUMBER % 0).encode(), (_NUMBER % number).encode(), 2)


def make_archive(root: Path, films: int, distinct: int, side: int) -> None:
    """Write films into folders of 1,000, as archives have folders of studies."""
    templates = sources(side)
    first: list[Path] = []
    for index in range(films):
        path = root / f"{index // 1000:04d}" / f"{index:07d}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index < distinct:
            path.write_bytes(numbered(templates[index % len(templates)], index))
            first.append(path)
        else:
            path.hardlink_to(first[index % distinct])


def large_films() -> dict[str, bytes]:
    """Return a film of 3,056 × 2,544 pixels and 12 bits, uncompressed and as JPEG 2000."""
    film = dcmread(sorted(cohort_root("sbu").rglob("*.dcm"))[0])
    rows, columns = LARGE
    pixels = cv2.resize(film.pixel_array, (columns, rows), interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(0).normal(0, 8, LARGE)
    film.Rows, film.Columns = LARGE
    film.PixelData = np.clip(pixels + noise, 0, 2**film.BitsStored - 1).astype("<u2").tobytes()
    films = {}
    for name in ("uncompressed", "JPEG 2000"):
        if name == "JPEG 2000":
            film.compress(JPEG2000Lossless, generate_instance_uid=False)
        films[name] = written(film)
    return films
