"""From an opened film to a picture: greys looked up, areas averaged, packed as PNG.

A pixel of at most 16 bits has at most 65,536 words, so the whole chain from words to grey runs once
over all of them, and each pixel looks its grey up. That is exact by construction, and there is no
other path beside it. Averages are of greys, not of stored values: so the small picture is the film
as it is shown at full size, seen from afar, and nothing that its window cuts off comes back.
"""

from typing import Any

import cv2
import numpy as np
from pydicom import Dataset, FileDataset

from helpers.dicom_attributes import FRAME_BY_FRAME, SPACINGS
from helpers.dicom_decoders import stored_words, unused_bits, values_of
from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_grey import grey_of

# A film's noise leaves deflate no repetitions to find, so looking for runs only, after the filter
# that foretells a pixel from three neighbours, gives smaller files than level 6 in a fraction of
# its time: docs/dicom-speed.md has the figures.
PNG_SETTINGS = (
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH),
)

# Kept beside every picture that was made of a DICOM film: raise it, and READING in helpers/pixels,
# whenever a film comes to give another picture than before.
CONVERSION = 3

_SQUARE = 0.01  # a side longer than the other by less than this is rounding
_MOST_STRETCHED = 4

_PIXELS_AT_ONCE = 2**16  # 8 bytes of each of them have room beside the processor


def render(
    film: FileDataset, kind: type[np.generic], index: int = 0, prefer_lut: bool = True
) -> np.ndarray:
    """Return a film's grey at its full size.

    Parameters
    ----------
    film : pydicom.FileDataset
        From `helpers.dicom_header.open_film`.
    kind : numpy.float32 or numpy.uint8
        For grey in [0, 1], or rounded to one of 0 to 255.
    index, prefer_lut
        Which contrast, as for `helpers.dicom.read_dicom`.

    Returns
    -------
    numpy.ndarray
        (rows, columns) of the type `kind`, lungs dark.

    Raises
    ------
    UnreadableDicom
        If the pixels, the window or a table are damaged; with the reason.
    """
    words = stored_words(film)
    choice = {"index": index, "prefer_lut": prefer_lut}
    if words.dtype.kind not in "iu" or words.dtype.itemsize > 2:
        return _grey_in_strips(words, film, kind, choice)
    above, _ = unused_bits(film)  # whatever they hold, the grey is the same
    pattern = np.dtype(f"u{words.dtype.itemsize}")
    every = np.arange(2 ** (8 * pattern.itemsize - above), dtype=pattern)
    table = np.tile(_grey(every.view(words.dtype), film, kind, choice), 2**above)
    return cv2.LUT(np.require(words.view(pattern), requirements=("C", "A")), table.reshape(1, -1))


def _grey_in_strips(
    words: np.ndarray, film: FileDataset, kind: type[np.generic], choice: dict[str, Any]
) -> np.ndarray:
    """Map words (rows, columns) of more than 16 bits, in few rows at a time.

    Each step of the chain needs 8 bytes a pixel: of the largest film at once, gigabytes.
    """
    grey = np.empty(words.shape, kind)
    rows = max(1, _PIXELS_AT_ONCE // words.shape[1])
    for top in range(0, len(words), rows):
        grey[top : top + rows] = _grey(words[top : top + rows], film, kind, choice)
    return grey


def _grey(
    words: np.ndarray, film: FileDataset, kind: type[np.generic], choice: dict[str, Any]
) -> np.ndarray:
    """Map words of any shape to grey of the type `kind`."""
    try:
        grey = grey_of(values_of(words, film), film, **choice)
    except UnreadableDicom:
        raise
    except Exception as error:  # a damaged window or table fails in as many ways as there are
        raise UnreadableDicom(
            f"The film's window or lookup table is not valid ({type(error).__name__}). "
            "Export the film again."
        ) from None
    return np.rint(255 * grey).astype(kind) if kind is np.uint8 else grey.astype(kind)


def square_pixels(pixels: np.ndarray, film: FileDataset) -> np.ndarray:
    """Average a picture along one side where its film says that its pixels are not square.

    Parameters
    ----------
    pixels : numpy.ndarray
        (rows, columns), as `render` returns it.
    film : pydicom.FileDataset
        The film that it was rendered from.

    Returns
    -------
    numpy.ndarray
        The picture itself where the pixels are square, or nothing is said of them.

    Raises
    ------
    UnreadableDicom
        If a pixel is said to be more than four times as long as it is wide, or the reverse.
    """
    said = [(item, name) for item in _pixel_measures(film) for name in SPACINGS]
    sides = [pair for item, name in said if (pair := _sides_of_a_pixel(item, name))]
    # One that is absurd is a slip of the pen where another makes sense.
    height, width = min(sides, key=_is_absurd, default=(1.0, 1.0))
    if _is_absurd((height, width)):
        raise UnreadableDicom(
            f"The header claims pixels {height:g} high and {width:g} wide (Pixel Spacing or Pixel "
            "Aspect Ratio); expected nearly square ones. Export the film again."
        )
    if abs(height / width - 1) < _SQUARE:
        return pixels
    rows, columns = pixels.shape
    coarser = max(height, width)
    shape = (max(1, round(columns * width / coarser)), max(1, round(rows * height / coarser)))
    return cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)


def _pixel_measures(film: FileDataset) -> list[Dataset]:
    """Return what may say how large a pixel is: the film, and groups of an enhanced one.

    PS3.3 C.7.6.16.2.1.
    """
    groups = [item for name in FRAME_BY_FRAME for item in film.get(name) or []]
    return [film, *(said for item in groups for said in item.get("PixelMeasuresSequence") or [])]


def _is_absurd(sides: tuple[float, float]) -> bool:
    """Whether a pixel is said to be longer than wide, or the reverse, by more than any is."""
    return max(sides) / min(sides) > _MOST_STRETCHED


def _sides_of_a_pixel(film: Dataset, name: str) -> tuple[float, float] | None:
    """Height and width by one element; None if it holds no two positive numbers."""
    try:
        height, width = (float(number) for number in film.get(name) or ())
    except Exception:  # a damaged element says nothing; it fails in as many ways as there are
        return None
    return (height, width) if 0 < height < np.inf and 0 < width < np.inf else None


def shrink(pixels: np.ndarray, size: int) -> np.ndarray:
    """Average a picture down to `size` pixels on its longer side, unless it is smaller."""
    rows, columns = pixels.shape
    scale = size / max(rows, columns)
    if scale >= 1:
        return pixels
    shape = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)


def encode_png(pixels: np.ndarray) -> bytes:
    """Pack a picture of uint8 as PNG, without metadata: grey (rows, columns), or (…, 4) as BGRA.

    Raises
    ------
    RuntimeError
        If OpenCV refuses the picture.
    """
    done, encoded = cv2.imencode(".png", pixels, PNG_SETTINGS)
    if not done:
        raise RuntimeError("the PNG encoder failed")
    return encoded.tobytes()
