"""From the bytes of a PNG or JPEG file to grey values, at the depth that the file has."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from helpers import jpeg_frames, png_chunks
from helpers.jpeg_data import is_corrupt
from helpers.jpeg_frames import rare_kind
from helpers.limits import LARGEST_AREA

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
SMALLEST_SIDE = 64  # px; the smallest published films are 157 px wide
_STRIP = 512  # rows
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue (ITU-R BT.601)
_ORIENTATION = 0x0112  # in EXIF
# What a PNG that holds an orientation calls it: a chunk, or the keyword of a text (also XMP's).
_PNG_EXIF = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
# How a picture is turned upright, by its orientation (EXIF 2.32, 4.6.5).
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda film: film[::-1, ::-1],
    4: np.flipud,
    5: np.transpose,
    6: lambda film: np.rot90(film, -1),
    7: lambda film: film[::-1, ::-1].T,
    8: np.rot90,
}
# Pillow raises these on damaged files, and on damaged EXIF.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, KeyError, AssertionError),
    *(struct.error, zlib.error, imagecodecs.PngError),
)
_DAMAGED_PIXELS = (
    "The picture is damaged or cut off, and some pixels are missing. Export or download it again."
)
_DAMAGED_EXIF = (OSError, SyntaxError, ValueError, TypeError, KeyError, struct.error)


class UnreadableRadiograph(ValueError):
    """A file that cannot be read as a radiograph; the message tells the user why and what to do."""


def read_picture(data: bytes) -> np.ndarray:
    """Read a PNG or JPEG as grey: float32 (height, width) in [0, 1], turned upright.

    Of a phone's JPEG with a preview beside it (MPO), the picture itself is read.

    Raises
    ------
    UnreadableRadiograph
        If it is damaged, too large, animated, or of a kind that is not read.
    """
    check_cost(data)
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            return _read_opened(picture, data)
    except UnreadableRadiograph:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableRadiograph(f"The picture is too large to open safely: {error}") from error
    except _DAMAGED as error:
        raise UnreadableRadiograph(_why_damaged(data, error)) from error


def check_cost(data: bytes) -> None:
    """Refuse a file that would keep a decoder busy for long, whatever is on the picture."""
    name, walk = ("JPEG", jpeg_frames) if data.startswith(JPEG) else ("PNG", png_chunks)
    why = walk.why_costly(data)
    if why:
        raise UnreadableRadiograph(f"The {name} {why}. Export the radiograph again.")


def _read_opened(picture: Image.Image, data: bytes) -> np.ndarray:
    check_shape(*picture.size)
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise UnreadableRadiograph(
            f"The picture is an animation of {frames} frames; one radiograph is expected."
        )
    if picture.format == "PNG" and _is_grey_or_deep(data):
        film = _grey_by_libpng(data)
    else:
        if picture.format == "PNG":
            imagecodecs.png_decode(data)  # Pillow would leave rows black that are not there
        film = _grey(picture)
        if picture.format != "PNG" and is_corrupt(data):  # Pillow leaves them grey
            raise UnreadableRadiograph(_DAMAGED_PIXELS)
    turn = _UPRIGHT.get(_orientation(picture, data))
    return np.ascontiguousarray(turn(film)) if turn else film


def _why_damaged(data: bytes, error: Exception) -> str:
    """Say why a PNG or JPEG cannot be read, and what to do."""
    kind = rare_kind(data) if data.startswith(JPEG) else None
    if kind:
        return (
            f"The file is {kind}, a kind that is read only inside DICOM. Export the radiograph as "
            "DICOM or PNG, which keep all its shades."
        )
    if isinstance(error, UnidentifiedImageError):  # its own message quotes an address in memory
        return (
            "The file begins like a PNG or JPEG picture, but its header is damaged. Export or "
            "download it again."
        )
    words = str(error).strip()
    # Some of libpng's own words come garbled: a few bytes of memory that are no text.
    is_text = words.isascii() and words.isprintable() and " " in words
    legible = is_text and not isinstance(error, UnicodeError)
    said = f" ({words})" if legible else ""
    return f"The picture is damaged or cut off{said}. Export or download it again."


def _orientation(picture: Image.Image, data: bytes) -> int:
    """Return the orientation in a picture's EXIF; 1, upright, if it says none that can be read."""
    if picture.format == "PNG" and not any(word in data for word in _PNG_EXIF):
        return 1  # to look for it, Pillow would decode the whole picture once more
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except _DAMAGED_EXIF:
        return 1
    return found if isinstance(found, int) else 1


def _grey(picture: Image.Image) -> np.ndarray:
    """Turn a picture to grey, part by part: a large one has room in memory once, not six times."""
    width, height = picture.size
    film = np.empty((height, width), np.float32)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        film[top:bottom] = _grey_strip(picture.crop((0, top, width, bottom)))
    return film


def _grey_strip(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
        layers = picture.convert("RGBA")
        black = Image.new("RGBA", layers.size, "black")
        picture = Image.alpha_composite(black, layers)
    return np.asarray(picture.convert("L"), dtype=np.float32) / 255


def _is_grey_or_deep(data: bytes) -> bool:
    """Whether a PNG has grey samples, or such of 16 bits, of which Pillow would keep 8."""
    return data[24] == 16 or data[25] == 0


def _grey_by_libpng(data: bytes) -> np.ndarray:
    """Turn a PNG to grey, part by part, transparency to black, with all the shades that it has."""
    pixels = imagecodecs.png_decode(data)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    film = np.empty(pixels.shape[:2], np.float32)
    for top in range(0, len(pixels), _STRIP):
        strip = pixels[top : top + _STRIP].astype(np.float32) / np.iinfo(pixels.dtype).max
        grey = strip[..., :3] @ _LUMINANCE if strip.shape[2] > 2 else strip[..., 0]
        film[top : top + _STRIP] = grey * strip[..., -1] if strip.shape[2] in (2, 4) else grey
    return film.clip(0, 1, out=film)


def check_shape(width: int, height: int) -> None:
    """Refuse pictures that are too small to show a chest or too large to be one."""
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


def picture_at(path: Path, flags: int) -> np.ndarray | None:
    """Decode a picture file of our own as ``cv2.imread`` does; None if it is none.

    But in folders of any name, which that function cannot open everywhere.
    """
    data = np.fromfile(path, np.uint8)
    return cv2.imdecode(data, flags) if len(data) else None  # OpenCV raises where there is nothing
