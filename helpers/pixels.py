"""From a file or an upload to the square the network sees: the one preprocessing of the series."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.dicom import UnreadableDicom, read_dicom

# Part of every cache key and of every stored model: change it whenever `preprocess` changes.
PREPROCESSING = "letterbox-p1-p99-central80-v1"

SMALLEST_SIDE = 64  # px; the smallest published films are 157 px wide
LARGEST_AREA = 52_500_000  # px; what 100 MB hold at 16 bits, twice the largest published film
LARGEST_FILE = 200_000_000  # bytes
MOST_SCANS = 100  # of a progressive JPEG; cameras and consoles write about ten
_STRIP = 512  # rows
CENTRAL_PART = 0.8  # share of each side that sets the grey scale: collars and letters are outside

_OTHER_FORMATS = {
    b"GIF8": "a GIF",
    b"II*\x00": "a TIFF",
    b"MM\x00*": "a TIFF",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive (perhaps NIfTI)",
    b"BM": "a BMP",
    b"RIFF": "a WebP or another RIFF file",
    b"<!DO": "a web page",
    b"<htm": "a web page",
}


class UnreadableRadiograph(ValueError):
    """A file that cannot be read as a radiograph; the message tells the user why and what to do."""


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
    if data[128:132] == b"DICM":
        try:
            film = read_dicom(data)
        except UnreadableDicom as error:
            raise UnreadableRadiograph(str(error)) from error
    elif data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        film = _read_picture(data)
    else:
        raise UnreadableRadiograph(
            f"Expected a PNG, JPEG or DICOM film, but this is {_what_it_is(data)}. "
            "Export the radiograph in one of these formats."
        )
    _check_shape(film.shape[1], film.shape[0])
    return film


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
    if high - low < 1e-4:
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


def _read_picture(data: bytes) -> np.ndarray:
    if data.startswith(b"\xff\xd8\xff") and (scans := data.count(b"\xff\xda")) > MOST_SCANS:
        raise UnreadableRadiograph(  # each is a walk over all pixels
            f"The JPEG is written in {scans} scans; at most {MOST_SCANS} are read. Export it again."
        )
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            _check_shape(*picture.size)
            frames = getattr(picture, "n_frames", 1)
            if frames > 1:
                raise UnreadableRadiograph(
                    f"The picture is an animation of {frames} frames; one radiograph is expected."
                )
            return _grey(ImageOps.exif_transpose(picture))
    except UnreadableRadiograph:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableRadiograph(f"The picture is too large to open safely: {error}") from error
    except UnidentifiedImageError as error:  # its own message quotes an address in memory
        raise UnreadableRadiograph(
            "The file begins like a PNG or JPEG picture, but its header is damaged. Export or "
            "download it again."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise UnreadableRadiograph(
            f"The picture is damaged or cut off ({error}). Export or download it again."
        ) from error


def _grey(picture: Image.Image) -> np.ndarray:
    """Turn a picture to grey, part by part: a large one has room in memory once, not six times."""
    width, height = picture.size
    film = np.empty((height, width), np.float32)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        film[top:bottom] = _grey_strip(picture.crop((0, top, width, bottom)))
    return film


def _grey_strip(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I"):  # 16 bits a pixel; Pillow's "L" would cut them off at 255
        return (np.asarray(picture, dtype=np.float32) / 65535).clip(0, 1)
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        layers = picture.convert("RGBA")
        black = Image.new("RGBA", layers.size, "black")
        picture = Image.alpha_composite(black, layers)
    return np.asarray(picture.convert("L"), dtype=np.float32) / 255


def _check_shape(width: int, height: int) -> None:
    if min(width, height) < SMALLEST_SIDE:
        raise UnreadableRadiograph(
            f"The picture has only {width} × {height} px; at least {SMALLEST_SIDE} px a side "
            "are needed."
        )
    if width * height > LARGEST_AREA:
        raise UnreadableRadiograph(
            f"The picture has {width} × {height} px; at most {LARGEST_AREA / 1e6:.0f} "
            "million px are read. Scale it down."
        )


def _what_it_is(data: bytes) -> str:
    for signature, name in _OTHER_FORMATS.items():
        if data.startswith(signature):
            return name
    return f"none of them (it begins with the bytes {data[:4].hex(' ')})"


def _central_part(film: np.ndarray) -> np.ndarray:
    margins = [round(side * (1 - CENTRAL_PART) / 2) for side in film.shape]
    return film[margins[0] : film.shape[0] - margins[0], margins[1] : film.shape[1] - margins[1]]
