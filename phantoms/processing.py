"""What a console and a publisher make of the plate's logarithm: enhancement, grey scale, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .grid import FloatArray

if TYPE_CHECKING:
    from .looks import Look

_COARSEST = 45.0  # mm: pixel of the pyramid's residual, which holds the large scales
_FAINT = 0.25  # contrasts weaker than this (in the logarithm) are lifted most
_MARGIN = 0.4  # of the patient's range: the logarithm is cut there, since air is black anyway
_SKIN, _LUNG = 24.0, 45.0  # mm of water: grey from here on; less than behind the thinnest lung
_SMALLEST_FILE = 256  # px; a film reduced further no longer shows how it was compressed


def fit_ends(density: FloatArray, length: FloatArray) -> tuple[float, float]:
    """Logarithm of the darkest and the brightest part of the patient, as a console finds them.

    Parameters
    ----------
    density : float32 (h, w)
    length : float32 (h, w)
        Length of the rays, mm of water: air beside the body and folds of skin do not count.
    """
    rows, columns = density.shape
    middle = np.s_[rows // 8 : -(rows // 8) or None : 2, columns // 8 : -(columns // 8) or None : 2]
    patient = density[middle][length[middle] > _LUNG]
    if patient.size < 20:
        patient = density.ravel()
    ordered = np.sort(patient)
    dark, bright = ordered[int(0.01 * patient.size)], ordered[int(0.985 * patient.size)]
    return float(dark), float(max(bright, dark + 0.3))


def enhance(density: FloatArray, look: Look, pixel: float) -> FloatArray:
    """Multi-scale enhancement by a Laplacian pyramid (Vuylsteke and Schoeters 1994, MUSICA).

    Detail is lifted, faint contrasts more than strong ones; the largest scales are flattened, so
    that lungs, mediastinum and abdomen come closer together.

    Parameters
    ----------
    density : float32 (h, w)
    look : Look
        `detail`: gain added to faint detail; `flatten`: share of large-scale contrast removed.
    pixel : float
        Side of a pixel, mm.
    """
    bands, current = [], density
    levels = max(int(np.log2(_COARSEST / pixel)), 1)
    for _ in range(levels):
        if min(current.shape) < 6:
            break
        smaller = cv2.pyrDown(current)
        bands.append(current - _grow(smaller, current.shape))
        current = smaller
    current = current * np.float32(1 - look.flatten)
    for level in reversed(range(len(bands))):
        band = bands[level]
        share = np.clip((np.log2(_COARSEST / pixel) - level) / 4, 0, 1)  # the coarse ones least
        gain = 1 + share * look.detail / (1 + np.abs(band) * np.float32(1 / _FAINT))
        current = _grow(current, band.shape) + band * gain.astype(np.float32)
    return current


def develop(density: FloatArray, length: FloatArray, look: Look, pixel: float) -> FloatArray:
    """From the plate's logarithm to grey in [0, 1].

    Parameters
    ----------
    density : float32 (h, w)
    length : float32 (h, w)
        Length of the rays, mm of water.
    pixel : float
        Side of a pixel, mm.
    """
    dark, bright = fit_ends(density, length)
    margin = _MARGIN * (bright - dark)
    cut = np.clip(density, dark - margin, bright + margin)
    enhanced = enhance(cut, look, pixel)
    dark, bright = fit_ends(enhanced, length)
    grey = grey_scale((enhanced - np.float32(dark)) * np.float32(1 / (bright - dark)), look)
    # Beside the body the plate is burnt: black, however little the large scales count.
    grey *= np.clip(length * np.float32(1 / _SKIN), 0, 1)
    return equalise(grey, look.equalise) if look.equalise else grey


def grey_scale(position: FloatArray, look: Look) -> FloatArray:
    """The S-shaped curve of film, from the position between the film's dark and bright ends."""
    steep = np.float32(2.9 * look.contrast)
    middle = np.float32(look.middle)
    low, high = (1 / (1 + np.exp(-steep * (end - middle))) for end in (look.black, look.white))
    curve = 1 / (1 + np.exp(-steep * (position - middle)))
    grey = np.clip((curve - low) * (1 / (high - low)), 0, 1) ** np.float32(look.gamma)
    black, white = look.levels
    return (black + (white - black) * grey).astype(np.float32)


def equalise(pixels: FloatArray, clip_limit: float) -> FloatArray:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of a [0, 1] film."""
    method = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(8, 8))
    return method.apply(to_bytes(pixels)).astype(np.float32) * np.float32(1 / 255)


def publish(pixels: FloatArray, look: Look) -> FloatArray:
    """Reduce, enlarge and compress a film as a journal does before others copy it."""
    longest = max(pixels.shape)
    if longest < _SMALLEST_FILE:
        return pixels
    if look.resolution < longest:
        pixels = resample(pixels, look.resolution / longest)
    return compress(pixels, look.quality) if look.quality < 100 else pixels


def resample(pixels: FloatArray, share: float) -> FloatArray:
    """Reduce to a share of the size and enlarge again: a blurred figure."""
    rows, columns = pixels.shape
    small = (max(round(columns * share), 8), max(round(rows * share), 8))
    reduced = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(reduced, (columns, rows), interpolation=cv2.INTER_LINEAR)


def compress(pixels: FloatArray, quality: int) -> FloatArray:
    """Store as JPEG of a quality (0–100) and read again."""
    coded = cv2.imencode(".jpg", to_bytes(pixels), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.float32)
    return decoded * np.float32(1 / 255)


def to_bytes(pixels: FloatArray) -> np.ndarray:
    """Grey in [0, 1] as uint8."""
    return cv2.convertScaleAbs(np.clip(pixels, 0, 1), alpha=255)


def _grow(picture: FloatArray, shape: tuple[int, int]) -> FloatArray:
    return cv2.pyrUp(picture, dstsize=(shape[1], shape[0]))
