"""From stored values to grey: the grayscale image pipeline of DICOM PS3.4 N.2, in its order.

modality LUT (PS3.3 C.11.1) → VOI LUT or window (C.11.2) → polarity (C.7.6.3.1.2), once and last.
pydicom applies the window; tables are in `helpers.dicom_tables`. Added here is the range that
results are scaled by, which pydicom leaves open, and refusals of numbers that are none.
"""

import math
from typing import Any

import numpy as np
from pydicom import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.pixels.processing import apply_windowing

from helpers.dicom_errors import UnreadableDicom
from helpers.dicom_refusals import PIXELS
from helpers.dicom_tables import highest_entry, look_up

_LARGEST = 1e30  # of a window or slope; beyond, sums and products are no numbers any more


def grey_of(
    values: np.ndarray, film: FileDataset, *, index: int = 0, prefer_lut: bool = True
) -> np.ndarray:
    """Map stored values to the grey that the film's maker meant, lungs dark.

    Parameters
    ----------
    values : numpy.ndarray
        Stored values, integer or float, any shape.
    film : pydicom.FileDataset
        From `helpers.dicom_header.open_film`.
    index : int
        Which of several windows or VOI LUTs.
    prefer_lut : bool
        Where both are present, use the VOI LUT rather than the window.

    Returns
    -------
    numpy.ndarray
        float64 in [0, 1], of the shape of `values`. Pixel padding and NaN become 0, black.

    Raises
    ------
    UnreadableDicom
        If the film has no contrast number `index`, or float pixels without a window.
    """
    # Wide types, in which no sum or product below can come round to the other end.
    stored = values.astype(np.int64 if values.dtype.kind in "iu" else np.float64)
    shown = _after_modality(stored, film)
    contrast = contrast_of(film, prefer_lut=prefer_lut)
    if contrast == "VOI LUT":
        table = _numbered(list(film.VOILUTSequence), index)
        grey = look_up(shown, table, film, *_possible(film)) / highest_entry(table, film)
    elif contrast == "window":
        grey = _by_window(shown, film, index)
    else:
        darkest, brightest = _full_range(film)
        grey = (shown - darkest) / (brightest - darkest)
    grey = np.clip(grey, 0, 1)
    # INVERSE repeats what MONOCHROME1 says: together they are one inversion, not two.
    small_is_bright = film.PhotometricInterpretation == "MONOCHROME1"
    if small_is_bright or film.get("PresentationLUTShape") == "INVERSE":
        grey = 1 - grey
    return np.where(is_background(stored, film), 0.0, grey)


def contrast_of(film: Dataset, *, prefer_lut: bool = True) -> str:
    """Name what sets a film's contrast: "VOI LUT", "window" or, without either, "full range"."""
    table = bool(film.get("VOILUTSequence"))
    window = all(film.get(name) not in (None, "") for name in ("WindowCenter", "WindowWidth"))
    if table and (prefer_lut or not window):
        return "VOI LUT"
    return "window" if window else "full range"


def _after_modality(stored: np.ndarray, film: FileDataset) -> np.ndarray:
    """Apply the modality LUT, or slope and intercept, or nothing (C.11.1)."""
    if film.get("ModalityLUTSequence"):
        return look_up(stored, film.ModalityLUTSequence[0], film, *_stored_range(film))
    return _rescaled(stored, film)


def _rescaled(stored: np.ndarray, film: FileDataset) -> np.ndarray:
    """Apply slope and intercept where both are there; an empty element counts as absent."""
    if any(film.get(name) in (None, "") for name in ("RescaleSlope", "RescaleIntercept")):
        return stored
    slope = _number("RescaleSlope", film.RescaleSlope)
    if slope == 0:
        raise UnreadableDicom(
            "The header's RescaleSlope is 0, which makes all pixels equal; expected another "
            "number. Export the film again."
        )
    return stored.astype(np.float64) * slope + _number("RescaleIntercept", film.RescaleIntercept)


def _number(name: str, value: Any) -> float:
    """Return the value of an element as a number with which one can reckon."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not abs(number) < _LARGEST:
        raise UnreadableDicom(
            f"The header's {name} is no usable number (not finite, text, or beyond "
            f"{_LARGEST:g}); expected one. Export the film again."
        )
    return number


def _by_window(shown: np.ndarray, film: FileDataset, index: int) -> np.ndarray:
    """Apply window number `index`: LINEAR, LINEAR_EXACT or SIGMOID (C.11.2.1.2, C.11.2.1.3).

    pydicom scales the result to the range of the stored bits after the modality step. Given a
    header with nothing but the window and 16 unsigned bits, that range is known: 0 to 65,535.
    """
    window = Dataset()
    window.PhotometricInterpretation = "MONOCHROME2"
    window.PixelRepresentation, window.BitsStored = 0, 16
    for name in ("WindowCenter", "WindowWidth"):
        value = _numbered(_as_list(film.get(name)), index)
        _number(name, value)
        setattr(window, name, value)
    window.VOILUTFunction = film.get("VOILUTFunction") or "LINEAR"
    # LINEAR takes at least one value (C.11.2.1.2.1), the others any width above none.
    least = 1 if window.VOILUTFunction == "LINEAR" else 0
    if window.VOILUTFunction not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise UnreadableDicom(
            "The film's window is of no kind known here; expected LINEAR, LINEAR_EXACT or SIGMOID."
        )
    if window.WindowWidth < least or window.WindowWidth <= 0:
        raise UnreadableDicom(
            "The film's window is too narrow; expected a width of "
            f"{'at least 1' if least else 'more than 0'}."
        )
    # far below a narrow sigmoid exp overflows, to the right answer
    with np.errstate(over="ignore"):
        return apply_windowing(shown, window) / 65535.0


def _possible(film: FileDataset) -> tuple[float, float]:
    """Return between which values the modality step can lead, anything if the pixels are floats."""
    return _full_range(film) if "PixelData" in film else (-math.inf, math.inf)


def _stored_range(film: FileDataset) -> tuple[float, float]:
    """Return the lowest and the highest value that the bits of a pixel can hold."""
    if "PixelData" not in film:
        return -math.inf, math.inf
    bits = int(film.BitsStored)
    lowest = -(2 ** (bits - 1)) if film.PixelRepresentation else 0
    return lowest, lowest + 2**bits - 1


def _full_range(film: FileDataset) -> tuple[float, float]:
    """Return the lowest and the highest value that the film can hold after the modality step.

    Raises
    ------
    UnreadableDicom
        If its pixels are floats, or its slope and intercept make all values equal.
    """
    if "PixelData" not in film:
        raise UnreadableDicom(
            "The film has float pixels and no window, so nothing tells the range of its values."
        )
    if film.get("ModalityLUTSequence"):
        return 0.0, highest_entry(film.ModalityLUTSequence[0], film)
    ends = _rescaled(np.array(_stored_range(film)), film)
    if not ends.max() > ends.min():
        raise UnreadableDicom(
            "The header's RescaleSlope is so small beside its RescaleIntercept that all pixels "
            "become equal; expected numbers that keep them apart. Export the film again."
        )
    return float(ends.min()), float(ends.max())


def is_background(stored: np.ndarray, film: FileDataset) -> np.ndarray:
    """Mark pixel padding (C.7.5.1.1.2) and float pixels that are no number."""
    kind = next(name for name in PIXELS if name in film).removesuffix("PixelData")
    first = film.get(f"{kind}PixelPaddingValue")
    if first is None:
        return ~np.isfinite(stored)
    last = film.get(f"{kind}PixelPaddingRangeLimit")
    ends = np.array([first, first if last is None else last])
    if not kind:
        ends = _as_stored(ends.astype(np.int64), film)
    return (stored >= ends.min()) & (stored <= ends.max()) | ~np.isfinite(stored)


def _as_stored(padding: np.ndarray, film: FileDataset) -> np.ndarray:
    """Take padding that is written with the wrong sign for what it means, and any other as it is.

    Beside signed pixels of 12 bits in 16, 63,536 means −2,000, and so does 2,096; beside unsigned
    ones of 16 bits −2,000 means 63,536.
    """
    lowest, highest = _stored_range(film)
    allocated, stored = 2 ** int(film.BitsAllocated), 2 ** int(film.BitsStored)
    for step in (-allocated, -stored) if film.PixelRepresentation else (allocated,):
        other = padding + step
        meant = ((padding < lowest) | (padding > highest)) & (lowest <= other) & (other <= highest)
        padding = np.where(meant, other, padding)
    return padding


def _numbered(items: list[Any], index: int) -> Any:
    """Return one of several contrasts, or say how many there are."""
    if not 0 <= index < len(items):
        raise UnreadableDicom(
            f"The film offers {len(items)} contrast(s), counted from 0; it was asked for {index}."
        )
    return items[index]


def _as_list(value: Any) -> list[Any]:
    """Return an element's values as a list, whether it holds one or several."""
    return list(value) if isinstance(value, MultiValue) else [value]
