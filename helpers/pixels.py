"""From a file or an upload to the square the network sees: the one preprocessing of the series."""

from pathlib import Path

import cv2
import numpy as np

from helpers.dicom import UnreadableDicom, read_dicom
from helpers.dicom_beginning import is_dicom
from helpers.dicom_grey import contrast_of
from helpers.dicom_header import open_film
from helpers.dicom_silence import quiet
from helpers.file_kinds import what_it_is
from helpers.picture_files import (
    JPEG,
    LARGEST_AREA,
    PNG,
    UnreadableRadiograph,
    check_shape,
    read_picture,
)

__all__ = [
    "CENTRAL_PART",
    "LARGEST_AREA",
    "PREPROCESSING",
    "UnreadableRadiograph",
    "preprocess",
    "preprocess_mask",
    "read_radiograph",
]

# Part of every cache key and of every stored model: change it whenever `preprocess` changes.
PREPROCESSING = "letterbox-p1-p99-central80-v1"

# Part of every cache key: raise it whenever files come to be read otherwise than before.
READING = 3

LARGEST_FILE = 200_000_000  # bytes
CENTRAL_PART = 0.8  # share of each side that sets the grey scale: collars and letters are outside
# Greys closer together, as a share of the brighter, are one: float32 tells 1 in 10 million apart.
_LEAST_CONTRAST = 1e-5


def read_radiograph(source: str | Path | bytes) -> np.ndarray:
    """Read a radiograph from a PNG, JPEG or DICOM file, whatever its name says.

    Colour becomes luminance, transparency black, EXIF rotation is applied. Pictures of 8 and 16
    bits are divided by the largest value of their type, never by their own maximum.

    Parameters
    ----------
    source
        A path, or the bytes of a file.

    Returns
    -------
    numpy.ndarray
        float32, shape (height, width), in [0, 1], air dark.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnreadableRadiograph
        If it is not a readable PNG, JPEG or DICOM film.
    """
    data = source if isinstance(source, bytes) else _read_file(Path(source))
    if not data:
        raise UnreadableRadiograph("The file is empty (0 bytes). Choose the original file again.")
    if len(data) > LARGEST_FILE:
        raise UnreadableRadiograph(
            f"The file has {len(data) / 1e6:.0f} MB; at most {LARGEST_FILE / 1e6:.0f} MB are read."
        )
    if is_dicom(data):
        return _read_dicom(data)
    if data.startswith((PNG, JPEG)):
        return read_picture(data)
    kind, advice = what_it_is(data)
    raise UnreadableRadiograph(f"Expected a PNG, JPEG or DICOM film, but this is {kind}. {advice}")


def preprocess(film: np.ndarray, size: int) -> np.ndarray:
    """Scale a film into a black square without stretching it, and set its grey scale.

    The longest side becomes `size`; grey values are stretched linearly so that the 1st and 99th
    percentiles of the film's own central part become 0 and 255, and are clipped there. Nothing is
    taken from any other film, so test data cannot influence training data or the reverse.

    Parameters
    ----------
    film
        float32, shape (height, width), in [0, 1].
    size
        Side of the square in px.

    Returns
    -------
    numpy.ndarray
        uint8, shape (size, size).

    Raises
    ------
    UnreadableRadiograph
        If the central part has a single grey value.
    """
    height, width = film.shape
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(film, shape, interpolation=method)
    low, high = np.percentile(_central_part(small), [1, 99])
    if not high - low > _LEAST_CONTRAST * high:  # as it stands, true of NaN as well
        raise UnreadableRadiograph(
            "The picture has one single grey value in its middle, so it shows no chest."
        )
    grey = np.clip((small - low) / (high - low), 0, 1) * 255
    square = np.zeros((size, size), np.uint8)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    square[top : top + small.shape[0], left : left + small.shape[1]] = np.rint(grey)
    return square


def preprocess_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Bring a bool mask of a film, shape (height, width), into the square of :func:`preprocess`."""
    height, width = mask.shape
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(mask.astype(np.float32), shape, interpolation=cv2.INTER_LINEAR) >= 0.5
    square = np.zeros((size, size), bool)
    top, left = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path.name} in {path.parent.name}/.")
    return path.read_bytes()


def _read_dicom(data: bytes) -> np.ndarray:
    try:
        film = read_dicom(data)
    except UnreadableDicom as error:
        raise UnreadableRadiograph(str(error)) from error
    check_shape(film.shape[1], film.shape[0])
    if _is_one_grey(film) and _contrast(data) != "full range":
        raise UnreadableRadiograph(
            "The film's own window or table shows all its pixels as one single grey: it is far too "
            "wide, or meant for other values, or the film is empty. Export the film with another."
        )
    return film


def _contrast(data: bytes) -> str:
    with quiet():
        return contrast_of(open_film(data))


def _is_one_grey(film: np.ndarray) -> bool:
    return not film.max() - film.min() > _LEAST_CONTRAST * film.max()


def _central_part(film: np.ndarray) -> np.ndarray:
    margins = [round(side * (1 - CENTRAL_PART) / 2) for side in film.shape]
    return film[margins[0] : film.shape[0] - margins[0], margins[1] : film.shape[1] - margins[1]]
